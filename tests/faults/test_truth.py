"""The provider's truth wins, and what cannot be right is never `paid`: it stands in attention."""

from typing import Any

import pytest
from sqlalchemy import select

from storage import tables as t
from tests.faults.stage import PROVIDERS, Gateway, Sandbox, at_paypal

each_provider = pytest.mark.parametrize("provider", PROVIDERS)
PAID = {"paid", "partially_refunded", "refunded"}


def kinds(order: dict[str, Any]) -> set[str]:
    """What stands in the order's attention list."""
    return {item["kind"] for item in order["attention"]}


@each_provider
@pytest.mark.parametrize(
    ("alteration", "by"),
    [
        ({"amount": 5300}, "webhook"),
        ({"amount": 5500}, "sweep"),
        ({"amount": 54}, "webhook"),
        ({"currency": "JPY"}, "webhook"),
        ({"currency": "EUR"}, "sweep"),
        ({"amount": 54, "currency": "KWD"}, "webhook"),
    ],
    ids=str,
)
async def test_another_amount_or_currency(
    gateway: Gateway, sandbox: Sandbox, provider: str, alteration: dict[str, Any], by: str
) -> None:
    """Whatever the buyer paid, it is not what was due."""
    await sandbox.webhooks("normal" if by == "webhook" else "drop")
    order = await gateway.create(provider)
    checkout = order["payments"][0]["provider_order_id"]
    await sandbox.control("alter", provider=provider, id=checkout, **alteration)
    await sandbox.buyer(order)
    await gateway.work()
    await gateway.later(minutes=2)
    order = await gateway.order(order)
    assert order["status"] not in PAID
    assert order["paid_at"] is None
    expected = "currency_mismatch" if "currency" in alteration else "amount_mismatch"
    if provider == "paypal":  # approved for something else, and so not captured at all
        expected = "unrecognized_state"
        assert await sandbox.ledger("charge") == []
    assert expected in kinds(order)
    listed = await gateway.http.get("/v1/orders", params={"attention": "true"})
    assert [one["id"] for one in listed.json()["data"]] == [order["id"]]
    events = {event["type"] for event in await merchant_events(gateway)}
    assert "order.paid" not in events


async def merchant_events(gateway: Gateway) -> list[dict[str, Any]]:
    """What the merchant is told."""
    async with gateway.services.store.database.read() as connection:
        rows = await connection.execute(select(t.events.c.type, t.events.c.order_id))
        return [dict(row._mapping) for row in rows]


@each_provider
@pytest.mark.parametrize(
    ("currency", "amount", "part"),
    [("JPY", 5400, 999), ("KWD", 5430, 1230), ("HUF", 540000, 120000), ("ISK", 5400, 999)],
)
async def test_currencies_of_other_exponents(
    gateway: Gateway, sandbox: Sandbox, provider: str, currency: str, amount: int, part: int
) -> None:
    """To the provider and back, exactly, where it takes the currency; the ledger counts alike."""
    if provider == "paypal" and currency in ("KWD", "ISK"):
        answer = await gateway.ask_for_order(provider, currency=currency, amount=amount)
        assert answer.status_code == 400
        assert answer.json()["code"] == "currency_not_supported"
        return
    order = await gateway.paid(provider, currency=currency, amount=amount)
    assert (order["amount_captured"], order["currency"]) == (amount, currency)
    assert [row["currency"] for row in await sandbox.ledger("charge")] == [currency]
    assert (await gateway.refund(order, part)).json()["status"] == "succeeded"
    await gateway.work()
    order = await gateway.order(order)
    assert order["amount_refunded"] == part
    await sandbox.agrees(order)
    assert (await gateway.refund(order, key="rest")).json()["amount"] == amount - part
    await gateway.work()
    order = await gateway.order(order)
    assert (order["status"], order["attention"]) == ("refunded", [])
    await sandbox.agrees(order)


@each_provider
@pytest.mark.parametrize("by", ["webhook", "question"])
async def test_a_refund_made_at_the_provider(
    gateway: Gateway, sandbox: Sandbox, provider: str, by: str
) -> None:
    """It is imported, once, and lowers what can be refunded."""
    order = await gateway.paid(provider)
    await sandbox.webhooks("normal" if by == "webhook" else "drop")
    checkout = order["payments"][0]["provider_order_id"]
    await sandbox.control("refund", provider=provider, id=checkout, amount=1400)
    await gateway.work()
    await gateway.confirm(order)
    order = await gateway.order(order)
    assert [(r["imported"], r["amount"]) for r in order["refunds"]] == [(True, 1400)]
    assert (order["status"], order["amount_refundable"]) == ("partially_refunded", 4000)
    assert (await gateway.refund(order, 4001)).status_code == 422
    await sandbox.agrees(order)


@each_provider
async def test_a_refund_that_fails_in_the_end(
    gateway: Gateway, sandbox: Sandbox, provider: str
) -> None:
    """Its amount can be refunded again. Stripe's had succeeded: a person is told."""
    order = await gateway.paid(provider)
    refund = (await gateway.refund(order, 1019)).json()  # pending at PayPal, by its amount
    assert refund["status"] == ("succeeded" if provider == "stripe" else "pending")
    await gateway.work()
    assert (await gateway.order(order))["amount_refundable"] == 4381
    if provider == "stripe":
        await sandbox.control(
            "refund", provider="stripe", id=refund["provider_refund_id"], status="failed"
        )
    else:
        await sandbox.control(
            "buyer", provider="paypal", id=refund["provider_refund_id"], action="fail_async"
        )
    await gateway.work()
    order = await gateway.order(order)
    assert order["refunds"][0]["status"] == "failed"
    assert (order["status"], order["amount_refundable"]) == ("paid", 5400)
    assert kinds(order) == ({"refund_failed_late"} if provider == "stripe" else set())
    await sandbox.agrees(order)
    again = await gateway.refund(order, key="again")
    assert (again.status_code, again.json()["amount"]) == (201, 5400)
    await gateway.work()
    await sandbox.agrees(await gateway.order(order))


@each_provider
async def test_a_pending_refund_arrives(gateway: Gateway, sandbox: Sandbox, provider: str) -> None:
    """Pending at the provider, then there."""
    order = await gateway.paid(provider)
    checkout = order["payments"][0]["provider_order_id"]
    if provider == "stripe":
        made = await sandbox.control(
            "refund", provider="stripe", id=checkout, amount=1019, status="pending"
        )
        refund_id = made["id"]
    else:
        refund_id = (await gateway.refund(order, 1019)).json()["provider_refund_id"]
    await gateway.work()
    order = await gateway.order(order)
    assert [r["status"] for r in order["refunds"]] == ["pending"]
    assert (order["status"], order["amount_refundable"]) == ("paid", 4381)
    if provider == "stripe":
        await sandbox.control("refund", provider="stripe", id=refund_id, status="succeeded")
    else:
        await sandbox.control("buyer", provider="paypal", id=refund_id, action="settle")
    await gateway.work()
    order = await gateway.order(order)
    assert (order["status"], order["amount_refunded"]) == ("partially_refunded", 1019)
    await sandbox.agrees(order)


@each_provider
@pytest.mark.parametrize("verdict", ["won", "lost"])
async def test_a_dispute(gateway: Gateway, sandbox: Sandbox, provider: str, verdict: str) -> None:
    """The money at stake cannot be refunded too; a dispute that was won gives it back."""
    order = await gateway.paid(provider)
    checkout = order["payments"][0]["provider_order_id"]
    await sandbox.control("dispute", provider=provider, id=checkout)
    await gateway.work()
    order = await gateway.order(order)
    assert order["amount_disputed"] == 5400
    assert kinds(order) == {"dispute"}
    assert (await gateway.refund(order)).status_code == 409
    await sandbox.control("dispute", provider=provider, id=checkout, status=verdict)
    await gateway.work()
    order = await gateway.order(order)
    assert [d["status"] for d in order["disputes"]] == [verdict]
    await gateway.confirm(order)  # PayPal lists the money it took back among the refunds
    order = await gateway.order(order)
    assert [d["status"] for d in order["disputes"]] == [verdict]
    assert order["amount_disputed"] == (0 if verdict == "won" else 5400)
    assert (order["status"], order["refunds"]) == ("paid", [])
    assert order["amount_refundable"] == (5400 if verdict == "won" else 0)
    assert "dispute" not in kinds(order)


async def test_paid_twice(gateway: Gateway, sandbox: Sandbox) -> None:
    """An old tab is captured behind our back, and the buyer pays elsewhere too: one goes back."""
    order = await gateway.create("paypal")
    answer = await gateway.post(
        f"/v1/orders/{order['id']}/payments", "other", {"provider": "stripe"}
    )
    order = answer.json()
    await sandbox.buyer(order, attempt=0)
    await gateway.work()
    assert await sandbox.ledger("charge") == []  # a closed attempt is not captured
    old = order["payments"][0]
    await at_paypal(sandbox, f"/v2/checkout/orders/{old['provider_order_id']}/capture", "by hand")
    await sandbox.buyer(order)
    await gateway.work()
    order = await gateway.order(order)
    assert (order["status"], order["attention"]) == ("paid", [])
    assert (order["amount_captured"], order["amount_refundable"]) == (10800, 5400)
    assert [(refund["amount"], refund["status"]) for refund in order["refunds"]] == [
        (5400, "succeeded")
    ]
    await sandbox.agrees(order)
    assert (await gateway.refund(order, 5400)).status_code == 201
    await gateway.work()
    order = await gateway.order(order)
    assert (order["status"], order["amount_refundable"]) == ("refunded", 0)
    await sandbox.agrees(order)


@each_provider
async def test_paid_just_before_it_expires(
    gateway: Gateway, sandbox: Sandbox, provider: str
) -> None:
    """The buyer was in time, the webhook was not: the provider is asked before the order ends."""
    order = await gateway.create(provider)
    await sandbox.webhooks("drop")
    await sandbox.buyer(order)
    await gateway.later(hours=2)
    order = await gateway.order(order)
    assert (order["status"], order["attention"]) == ("paid", [])
    await sandbox.agrees(order)


@each_provider
async def test_paid_just_after_it_has_expired(
    gateway: Gateway, sandbox: Sandbox, provider: str
) -> None:
    """The page is closed with the order: Stripe takes no money, PayPal's approval stays unused."""
    order = await gateway.create(provider)
    await gateway.later(hours=2)
    assert (await gateway.order(order))["status"] == "expired"
    body = {
        "provider": provider,
        "id": order["payments"][0]["provider_order_id"],
        "action": "pay",
    }
    answer = await sandbox.http.post("/_control/buyer", json=body)
    assert answer.status_code == (200 if provider == "paypal" else 400)
    await gateway.later(hours=2)
    await gateway.confirm(order)
    order = await gateway.order(order)
    assert (order["status"], order["amount_captured"]) == ("expired", 0)
    await sandbox.agrees(order)
