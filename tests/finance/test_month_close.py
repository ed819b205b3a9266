"""Whatever comes into a month beside its closing, or after it, is in its books or is late."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import delete, event, text

from gateway.verify import repair
from storage import tables as t
from tests.api.conftest import Gateway, open_gateway, until
from tests.finance.test_account_books import SIDE, line

IN_JANUARY = replace(line("bt_1", "fee", -700), at=datetime(2026, 1, 31, 23, tzinfo=UTC))


@pytest.fixture
async def gateway(database_url: str) -> AsyncIterator[Gateway]:
    """On SQLite and on PostgreSQL."""
    async with open_gateway(database_url) as opened:
        yield opened


async def close(gateway: Gateway) -> dict[str, Any]:
    answer = await gateway.post("/v1/periods/2026-01/close", {"note": "final"})
    assert answer.status_code == 200, answer.text
    closed: dict[str, Any] = answer.json()
    return closed


async def january(gateway: Gateway) -> list[int]:
    """What the month came to, by when the money moved."""
    asked = {"from": "2026-01-01", "to": "2026-02-01", "by": "occurred"}
    return [
        row["closing"] for row in (await gateway.get("/v1/reports/balance", **asked)).json()["data"]
    ]


async def late(gateway: Gateway) -> list[tuple[str, str]]:
    """What came after the closing, which its time must tell."""
    month = (await gateway.get("/v1/periods/2026-01")).json()
    assert all(line["read_at"] > month["closed_at"] for line in month["late"])
    return [(line["book"], line["kind"]) for line in month["late"]]


async def test_the_closing_waits_for_what_is_being_booked(gateway: Gateway) -> None:
    gateway.clock.advance(days=31)
    store = gateway.services.store

    async def close_and_look() -> list[int]:
        await close(gateway)
        return await january(gateway)

    async with store.transaction() as tx:
        await tx.save_records(SIDE, [IN_JANUARY], gateway.clock.now())
        closing = asyncio.create_task(close_and_look())

        async def waits() -> bool:
            if store.database.is_sqlite:  # for its turn to write
                return True
            async with store.database.read() as connection:
                query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                return bool(await connection.scalar(text(query))) or closing.done()

        await until(waits)
    assert await closing == await january(gateway) == [-700]
    assert await late(gateway) == []


async def test_what_was_begun_before_the_closing_and_stored_after_it_is_late(
    gateway: Gateway,
) -> None:
    """Its time was taken before; or by a clock that is slow."""
    order = await gateway.paid()
    charge = line("bt_2", "charge", 5400, reference=order["payments"][0]["id"])
    gateway.clock.advance(days=31)
    before = gateway.clock.now()
    await close(gateway)
    async with gateway.services.store.transaction() as tx:
        await tx.save_records(SIDE, [IN_JANUARY, charge], before)
    assert await late(gateway) == [("provider", "charge"), ("ours", "fee")]


async def test_an_order_from_before_the_ledger_is_late_where_its_month_is_closed(
    gateway: Gateway,
) -> None:
    order, store = await gateway.paid(), gateway.services.store
    async with store.database.write() as connection:
        for table in (t.ledger_entries, t.ledger_transactions, t.balance_transactions):
            await connection.execute(delete(table))
    gateway.clock.advance(days=31)
    await close(gateway)
    assert await late(gateway) == []
    assert await repair(store, gateway.merchant, order["id"], gateway.clock.now()) == 1
    assert await late(gateway) == [("ours", "charge")]


async def test_a_payment_of_this_month_asks_for_no_closing(gateway: Gateway) -> None:
    """It is in the way of every payment."""
    statements: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        statements.append(statement)

    engine = gateway.services.store.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    await gateway.paid()
    event.remove(engine, "before_cursor_execute", note)
    asked = [found for found in statements if "closed_periods" in found or "advisory" in found]
    assert any("balance_transactions" in found for found in statements)
    assert asked == []
