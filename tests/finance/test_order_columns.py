"""The row of an order says what its record says: written with the state, filled in by 0008."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from sqlalchemy import select, update

from gateway.attempts import lock
from gateway.columns import ORDERS
from gateway.facts import DisputeUpdated, Fact, PaidWith
from gateway.order import Method, OrderState, PaymentState, order_columns
from gateway.recording import record
from gateway.verify import LATER_COLUMNS, Mismatch, mismatches, repair, repairable
from storage import tables as t
from storage.engine import Database
from storage.ledger import SqlLedger
from storage.migrate import upgrade
from tests.api.conftest import Gateway, open_gateway
from tests.storage.rows import rows

AT = datetime(2026, 1, 1, tzinfo=UTC)
BLANK = dict.fromkeys(sorted(LATER_COLUMNS)) | {"amount_refundable": 0, "amount_disputed": 0}


@pytest.fixture
async def gateway(database_url: str) -> AsyncIterator[Gateway]:
    """On SQLite and on PostgreSQL."""
    async with open_gateway(database_url) as opened:
        yield opened


async def row_of(gateway: Gateway, order: dict[str, Any]) -> dict[str, Any]:
    async with gateway.services.store.database.read() as connection:
        query = select(t.orders).where(t.orders.c.id == order["id"])
        return dict((await connection.execute(query)).one()._mapping)


async def wrong(gateway: Gateway, order: dict[str, Any]) -> list[Mismatch]:
    stored = await SqlLedger(gateway.services.store.database).order(gateway.merchant, order["id"])
    assert stored is not None
    return mismatches(stored)


async def paid(gateway: Gateway) -> dict[str, Any]:
    """An order with every column: a card, a dispute; the provider told its fee."""
    order = await gateway.paid(reference="A-1", customer_email="ada@example.com")
    payment = order["payments"][0]
    ctx = gateway.services.ctx
    async with ctx.store.transaction() as tx:
        locked, _ = await lock(tx, gateway.merchant, order["id"])
        told: list[Fact] = [
            PaidWith(type="card", brand="visa", last4="4242"),
            DisputeUpdated(
                dispute_id="dp_1",
                status="needs_response",
                amount=1000,
                currency="USD",
                at=AT,
            ),
        ]
        await record(ctx, tx, locked, payment["id"], told, source="a test")
    return await gateway.read(order)


async def test_a_row_is_the_record(gateway: Gateway) -> None:
    order = await paid(gateway)
    row = await row_of(gateway, order)

    flat = order | order["payments"][-1]["method"] | order["payments"][-1] | order
    flat["method"] = order["payments"][-1]["method"]["type"]
    for column in ORDERS:
        if column.type in ("json", "time"):
            continue
        expected = bool(flat[column.name]) if column.type == "bool" else flat[column.name]
        assert row[column.name] == expected, column.name
    assert (row["amount_disputed"], row["last4"], row["fee"]) == (1000, "4242", 540)
    assert await wrong(gateway, order) == []


async def test_what_an_older_version_left_blank_is_found_and_mended(gateway: Gateway) -> None:
    order = await paid(gateway)
    before = await row_of(gateway, order)
    async with gateway.services.store.database.write() as connection:
        await connection.execute(update(t.orders).values(BLANK))

    found = await wrong(gateway, order)
    assert {mismatch.field for mismatch in found} == LATER_COLUMNS
    assert repairable(found)
    store = gateway.services.store
    assert await repair(store, gateway.merchant, order["id"], before["updated_at"], found) == 0
    assert await wrong(gateway, order) == []
    assert await row_of(gateway, order) == before


async def test_a_wrong_state_is_not_mended(gateway: Gateway) -> None:
    order = await paid(gateway)
    async with gateway.services.store.database.write() as connection:
        await connection.execute(update(t.orders).values(status="open", fee=None))
    assert not repairable(await wrong(gateway, order))


def state(number: int) -> OrderState:
    """One of the many that an order may have been in."""
    payments = tuple(
        PaymentState(
            id=f"pay_{attempt}",
            provider="fake",
            status="captured",
            amount=100,
            created_at=AT,
            provider_order_id=f"cs_{number}_{attempt}",
            provider_payment_id=f"pi_{number}" if attempt else None,
            method=Method("card", "visa", "4242") if attempt == 1 else None,
        )
        for attempt in range(number % 3)
    )
    disputed = number % 5
    return OrderState(
        status="paid",
        payments=payments,
        amount_refundable=number,
        amount_disputed=disputed,
        fee=number if disputed else None,
        net=-number if disputed else None,
    )


async def test_old_rows_are_filled_in_batches_and_what_changes_meanwhile_is_left(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.online.BATCH", 7)
    await upgrade(empty_database_url, "0007")
    database = Database(empty_database_url)
    old = {column.name for column in t.orders.columns} - set(BLANK)
    known = rows(t.orders, range(40), old)
    for number, row in enumerate(known):
        if number:  # the first one's cannot be read
            row["state"] = msgspec.json.encode(state(number))
    async with database.write() as connection:
        await connection.execute(t.merchants.insert(), rows(t.merchants, range(3)))
        await connection.execute(t.orders.insert(), known)

    await asyncio.gather(*(upgrade(empty_database_url) for _ in range(2)))

    async with database.read() as connection:
        found = {row.id: dict(row._mapping) for row in await connection.execute(select(t.orders))}
    for number in range(40):
        row = found[f"x_{number}"]
        expected = order_columns(state(number)) if number else BLANK
        assert {name: row[name] for name in BLANK} == {name: expected[name] for name in BLANK}
    await database.close()
