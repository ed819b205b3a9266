"""`gateway verify` and `gateway reconcile` find what they are there to find, and nothing else."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import delete, update

from api.cli import main
from gateway.reconcile import reconcile
from gateway.verify import verify
from storage import ledger
from storage import tables as t
from storage.ledger import SqlLedger
from tests.faults.stage import PROVIDERS, Gateway, House, Sandbox
from tests.recovery.story import attention

Lines = list[dict[str, Any]]


async def run(house: House, *arguments: str) -> tuple[int, Lines]:
    """The command in a thread of its own; its exit code and its lines of JSON."""
    environment = {**house.environment, "COLUMNS": "200"}
    result: Result = await asyncio.to_thread(
        CliRunner().invoke, main, [*arguments, "--json"], env=environment
    )
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()]


async def differing(gateway: Gateway) -> set[tuple[str, str]]:
    """What verification finds, as (order, field)."""
    found = set()
    async for progress in verify(SqlLedger(gateway.services.store.database)):
        found |= {(mismatch.order, mismatch.field) for mismatch in progress.found}
    return found


async def test_verify_finds_what_was_changed_by_hand(
    either: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "_BATCH", 2)
    orders = [await either.paid("stripe", key=str(number)) for number in range(5)]
    await either.refund(orders[0], 1000)
    await either.sandbox.control(
        "dispute", provider="stripe", id=orders[1]["payments"][0]["provider_payment_id"]
    )
    await either.work()
    assert len(await attention(either)) == 1
    assert await differing(either) == set()

    ids = [order["id"] for order in orders]
    refund = (await either.order(orders[0]))["refunds"][0]["id"]
    by_hand = [
        update(t.orders).where(t.orders.c.id == ids[2]).values(status="open"),
        update(t.payments).where(t.payments.c.order_id == ids[3]).values(amount_captured=1),
        delete(t.refunds).where(t.refunds.c.id == refund),
        delete(t.attention),
        delete(t.facts).where(t.facts.c.order_id == ids[4], t.facts.c.kind == "captured"),
    ]
    async with either.services.store.database.write() as connection:
        for statement in by_hand:
            await connection.execute(statement)
    found = await differing(either)
    assert {
        (ids[2], "status"),
        (ids[3], "payments"),
        (ids[0], "refunds"),
        (ids[1], "attention list"),
        (ids[4], "state.amount_captured"),
        (ids[4], "amount_captured"),
    } <= found
    assert {order for order, _ in found} == set(ids)


async def test_verify_as_a_command(store_house: House, gateway: Gateway) -> None:
    order = await gateway.paid("paypal")
    assert await run(store_house, "verify") == (0, [{"orders": 1, "differing": 0}])
    async with gateway.services.store.database.write() as connection:
        await connection.execute(update(t.orders).values(amount_refunded=7))
    code, lines = await run(store_house, "verify")
    assert code == 1
    assert lines[-1] == {"orders": 1, "differing": 1}
    assert (lines[0]["order"], lines[0]["field"]) == (order["id"], "amount_refunded")
    assert (lines[0]["stored"], lines[0]["computed"]) == ("7", "0")


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_reconcile_finds_what_nobody_told_us(either: Gateway, provider: str) -> None:
    """A payment and a refund whose webhooks were lost are listed, recorded, and gone next time."""
    paid = await either.paid(provider, key="paid")
    agreed = await either.paid(provider, key="agreed")
    unpaid = await either.create(provider, key="unpaid")
    await either.sandbox.webhooks("drop")
    await either.sandbox.buyer(unpaid)
    capture = paid["payments"][0]["provider_payment_id"]
    await either.sandbox.control("refund", provider=provider, id=capture, amount=1000)
    now = either.clock.now()
    period = (now - timedelta(days=1), now + timedelta(minutes=1))
    ledger = SqlLedger(either.services.store.database)
    assert await ledger.count_payments(*period) == 3
    results = [found async for found in reconcile(either.services.ctx, ledger, *period)]
    found = {(d.order, d.field): (d.ours, d.theirs) for r in results for d in r.differences}
    assert found[unpaid["id"], "status"] == ("open", "captured")
    assert found[paid["id"], "amount_refunded"] == ("0", "1000")
    assert any(field.startswith("refund ") for order, field in found if order == paid["id"])
    assert agreed["id"] not in {order for order, _ in found}
    again = [found async for found in reconcile(either.services.ctx, ledger, *period)]
    assert [r.result for r in again] == ["asked"] * 3
    assert not any(r.differences for r in again)
    earlier = (now - timedelta(days=9), now - timedelta(days=8))
    assert [found async for found in reconcile(either.services.ctx, ledger, *earlier)] == []


async def test_reconcile_as_a_command(
    store_house: House, gateway: Gateway, sandbox: Sandbox
) -> None:
    paid = await gateway.paid("stripe")
    await gateway.create("paypal", key="open")
    code, lines = await run(store_house, "reconcile")
    assert code == 0
    assert lines[-1]["asked"] == 2
    await sandbox.webhooks("drop")
    await sandbox.control(
        "refund", provider="stripe", id=paid["payments"][0]["provider_payment_id"], amount=1
    )
    await sandbox.fault("paypal", "get_order", "http_500", 9)
    code, lines = await run(store_house, "reconcile")
    assert code == 1
    assert (lines[-1]["differing"], lines[-1]["unclear"]) == (1, 1)
    code, _ = await run(store_house, "reconcile", "--from", "2026-02-02", "--to", "2026-02-01")
    assert code == 2
