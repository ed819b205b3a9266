"""Which payout each of our lines was paid out with, whenever it was booked."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import delete

from gateway.facts import Fee, RefundUpdated
from gateway.provider_books import ProviderPayout
from gateway.verify import repair
from storage import tables as t
from tests.api.conftest import Gateway, open_gateway
from tests.finance.scripted import days, entry, put, start
from tests.finance.test_account_books import AT, line, read
from tests.finance.test_ledger import tell


@pytest.fixture
async def gateway(database_url: str) -> AsyncIterator[Gateway]:
    """On SQLite and on PostgreSQL."""
    async with open_gateway(database_url) as opened:
        yield opened


async def inside(gateway: Gateway, payout: str) -> list[tuple[str, int, str]]:
    """(type, net, currency) of our lines of a payout; all have the time of their settlement."""
    found = (await gateway.get("/v1/balance_transactions", payout=payout)).json()["data"]
    assert all(row["settled_at"] for row in found)
    return sorted((row["type"], row["net"], row["currency"]) for row in found)


async def test_an_order_from_before_the_ledger(gateway: Gateway) -> None:
    """The new worker has read a month before somebody runs `gateway verify --repair`."""
    books, _ = put(gateway, names_payout_lines=True)
    order = await gateway.paid()
    at = gateway.clock.now()
    async with gateway.services.store.database.write() as connection:
        for table in (t.ledger_entries, t.ledger_transactions, t.balance_transactions):
            await connection.execute(delete(table))
    gateway.clock.advance(days=25)
    capture = order["payments"][0]["provider_payment_id"]
    books.lines.append(entry("bt_1", "charge", 5400, at, 540, object_id=capture))
    books.pay_out("po_1", 4860, at + timedelta(days=2), "bt_1")
    await start(gateway)
    assert await inside(gateway, "po_1") == [("payout", -4860, "USD")]
    await repair(gateway.services.store, gateway.merchant, order["id"], gateway.clock.now())
    assert await inside(gateway, "po_1") == [("charge", 4860, "USD"), ("payout", -4860, "USD")]


async def test_a_payment_that_we_learn_of_long_after_its_payout(gateway: Gateway) -> None:
    """And by another name than the provider's books have for it."""
    books, _ = put(gateway, names_payout_lines=True)
    order = await gateway.order()
    payment = order["payments"][-1]
    gateway.fake.buyer_pays(payment["provider_order_id"])
    at = gateway.clock.now()
    books.lines.append(
        entry("bt_1", "charge", 5400, at, 540, reference=payment["id"], object_id="by another name")
    )
    books.pay_out("po_1", 4860, at + timedelta(days=1), "bt_1")
    async with gateway.services.store.database.write() as connection:
        await connection.execute(delete(t.jobs))  # nobody asks about the payment
    await start(gateway)
    gateway.clock.advance(days=20)
    await days(gateway, 1)
    assert await inside(gateway, "po_1") == [("payout", -4860, "USD")]
    answer = await gateway.post(f"/v1/orders/{order['id']}/confirm")
    assert answer.json()["status"] == "paid"
    await days(gateway, 1)
    assert await inside(gateway, "po_1") == [("charge", 4860, "USD"), ("payout", -4860, "USD")]


async def test_the_return_of_a_converted_refund_goes_out_later(gateway: Gateway) -> None:
    """Its conversion has the refund's name, but a booking and a payout of its own."""
    order = await gateway.paid()
    (charge,) = (await gateway.get("/v1/balance_transactions")).json()["data"]
    told: dict[str, Any] = {"provider_refund_id": "re_1", "amount": 2000, "currency": "USD"}
    known: dict[str, Any] = {"object_id": "re_1", "ids": (charge["provider_id"],)}
    sale = replace(line("bt_s", "charge", 5400, payout_id="po_1"), currency="EUR")
    out = replace(line("bt_r", "refund", -1800, payout_id="po_1", **known), currency="EUR")
    back = replace(line("bt_f", "refund_failure", 1800, **known), currency="EUR")
    first = ProviderPayout("po_1", 3600, "EUR", "paid", AT + timedelta(days=1))
    second = ProviderPayout("po_2", 1800, "EUR", "paid", AT + timedelta(days=4))
    fee = Fee(object_id="re_1", fee=0, net=-1800, currency="EUR", balance_id="bt_r", rate="0.9")
    await tell(gateway, order, RefundUpdated(status="succeeded", at=AT, **told), fee)
    await read(gateway, [sale, out], first)
    failed = RefundUpdated(status="failed", at=AT + timedelta(days=2), **told)
    await tell(gateway, order, failed, replace(fee, net=1800, balance_id="bt_f"))

    await read(gateway, [back], first)
    refund = [("refund", -2000, "USD"), ("conversion", 2000, "USD"), ("conversion", -1800, "EUR")]
    rest = [("adjustment", 5400, "EUR"), ("payout", -3600, "EUR")]
    assert await inside(gateway, "po_1") == sorted([*refund, *rest])

    await read(gateway, [replace(back, payout_id="po_2")], second)
    assert await inside(gateway, "po_1") == sorted([*refund, *rest])
    assert await inside(gateway, "po_2") == sorted(
        [
            ("refund_failure", 2000, "USD"),
            ("conversion", -2000, "USD"),
            ("conversion", 1800, "EUR"),
            ("payout", -1800, "EUR"),
        ]
    )
