"""Genuine webhooks: twice, in any order, late, early, for nobody, and one that is poisoned."""

import asyncio
import itertools
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from gateway import inbox
from gateway.records import ReceivedEvent
from providers.paypal.plugin import plugin as paypal
from providers.stripe.plugin import plugin as stripe
from storage import tables as t
from storage.migrate import upgrade
from tests.faults.mailbox import Delivery, Mailbox
from tests.faults.stage import (
    CALLED,
    PROVIDERS,
    Gateway,
    MovableClock,
    Sandbox,
    at_paypal,
    build_house,
    checkout_id,
    open_gateway,
)

pytestmark = pytest.mark.parametrize("provider", PROVIDERS)
STORY = {
    "stripe": (
        "charge.succeeded",
        "checkout.session.completed",
        "refund.created",
        "charge.refunded",
    ),
    "paypal": (
        "CHECKOUT.ORDER.APPROVED",
        "CHECKOUT.ORDER.COMPLETED",
        "PAYMENT.CAPTURE.COMPLETED",
        "PAYMENT.CAPTURE.REFUNDED",
    ),
}


async def events(gateway: Gateway) -> list[Any]:
    """The rows of the inbox."""
    async with gateway.services.store.database.read() as connection:
        return list(await connection.execute(select(t.inbox)))


async def deliver(gateway: Gateway, delivery: Delivery) -> None:
    """Deliver what the provider has signed; it is taken."""
    assert await gateway.deliver(delivery.provider, delivery.headers, delivery.body) == 200


async def pay_and_refund_at_the_provider(
    gateway: Gateway, mailbox: Mailbox, provider: str, key: str
) -> tuple[dict[str, Any], dict[str, Delivery]]:
    """A new order; its money comes and part of it goes without the gateway hearing of it."""
    sandbox = gateway.sandbox
    order = await gateway.create(provider, key)
    payment = order["payments"][0]
    await sandbox.buyer(order)
    if provider == "paypal":
        path = f"/v2/checkout/orders/{payment['provider_order_id']}/capture"
        await at_paypal(sandbox, path, payment["id"])
    await sandbox.control("refund", provider=provider, id=payment["provider_order_id"], amount=1400)
    return order, {delivery.type: delivery for delivery in await mailbox.collect()}


def summary(order: dict[str, Any]) -> tuple[Any, ...]:
    """All that must not depend on the order of arrival, without ids."""
    refunds = [(r["status"], r["amount"], r["imported"]) for r in order["refunds"]]
    payment = order["payments"][0]
    return (
        order["status"], order["amount_captured"], order["amount_refunded"], order["fee"],
        order["net"], refunds, payment["status"], payment["method"], order["attention"],
    )  # fmt: skip


async def test_in_every_order(deaf_gateway: Gateway, mailbox: Mailbox, provider: str) -> None:
    """All permutations of a payment's and a refund's events, each applied as it comes."""
    seen, orders = [], []
    for number, permutation in enumerate(itertools.permutations(STORY[provider])):
        order, deliveries = await pay_and_refund_at_the_provider(
            deaf_gateway, mailbox, provider, f"order {number}"
        )
        for kind in permutation:
            await deliver(deaf_gateway, deliveries[kind])
            await deaf_gateway.work()
        orders.append(await deaf_gateway.order(order))
        seen.append(summary(orders[-1]))
    assert seen[0][0] == "partially_refunded"
    assert seen == [seen[0]] * 24
    await deaf_gateway.sandbox.agrees(*orders)


async def test_in_any_order_without_asking(
    deaf_gateway: Gateway, mailbox: Mailbox, provider: str, short_pauses: None
) -> None:
    """The provider does not answer: the events alone give the same in both directions."""
    read = "retrieve_session" if provider == "stripe" else "get_order"
    seen = []
    for number, story in enumerate((STORY[provider], STORY[provider][::-1])):
        order, deliveries = await pay_and_refund_at_the_provider(
            deaf_gateway, mailbox, provider, f"order {number}"
        )
        await deaf_gateway.sandbox.fault(provider, read, "http_500", 1000)
        for kind in story:
            await deliver(deaf_gateway, deliveries[kind])
            await deaf_gateway.work()
        await deaf_gateway.sandbox.http.delete("/_control/faults")
        seen.append(summary(await deaf_gateway.order(order)))
    assert seen[0] == seen[1]
    assert seen[0][:3] == ("partially_refunded", 5400, 1400)


async def test_fifty_at_once(deaf_gateway: Gateway, mailbox: Mailbox, provider: str) -> None:
    """All are 200, one is applied, the others are counted."""
    order = await deaf_gateway.create(provider)
    await deaf_gateway.sandbox.buyer(order)
    first = (await mailbox.collect())[-1]
    await asyncio.gather(*(deliver(deaf_gateway, first) for _ in range(50)))
    await deaf_gateway.work()
    rows = await events(deaf_gateway)
    assert [(row.status, row.deliveries) for row in rows] == [("applied", 50)]
    order = await deaf_gateway.order(order)
    assert order["status"] == "paid"
    await deaf_gateway.sandbox.agrees(order)
    webhooks = [e for e in await deaf_gateway.timeline(order) if e["kind"] == "webhook"]
    assert len(webhooks) == 1


@pytest.mark.parametrize("mode", ["duplicate", "shuffle"])
async def test_as_badly_as_providers_do(
    gateway: Gateway, sandbox: Sandbox, provider: str, mode: str
) -> None:
    """Twice, under two event ids, in another order: a payment and two refunds, each once."""
    await sandbox.webhooks(mode)
    order = await gateway.paid(provider)
    for key in ("first", "second"):
        assert (await gateway.refund(order, 700, key)).status_code == 201
        await gateway.work()
    order = await gateway.order(order)
    assert (order["status"], order["amount_refunded"]) == ("partially_refunded", 1400)
    assert order["attention"] == []
    await sandbox.agrees(order)


async def test_days_late(
    gateway: Gateway, mailbox: Mailbox, sandbox: Sandbox, provider: str
) -> None:
    """The books are right before it comes, and the same after."""
    order = await gateway.create(provider)
    await sandbox.buyer(order)
    await gateway.later(minutes=2)
    before = await gateway.order(order)
    assert before["status"] == "paid"
    gateway.clock.ahead += timedelta(days=2)
    for delivery in await mailbox.collect():
        await deliver(gateway, delivery)
    await gateway.work()
    after = await gateway.order(order)
    assert summary(after) == summary(before)
    await sandbox.agrees(after)


async def test_signed_days_ago(
    deaf_gateway: Gateway,
    mailbox: Mailbox,
    sandbox: Sandbox,
    provider: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A delivery that has been under way for two days: PayPal's is taken, Stripe signs anew."""
    order = await deaf_gateway.create(provider)
    await sandbox.buyer(order)
    delivery = (await mailbox.collect())[-1]
    clock = MovableClock()
    clock.ahead = timedelta(days=2)
    monkeypatch.setattr(stripe, "_now", clock.now)
    monkeypatch.setattr(paypal, "_clock", clock)
    url, secret = (
        deaf_gateway.services.settings.database_url,
        deaf_gateway.services.settings.secret_key,
    )
    house = await build_house(url, sandbox)
    assert house.environment["GATEWAY_SECRET_KEY"] == secret
    async with open_gateway(house, sandbox, listens=False) as later:
        status = await later.deliver(provider, delivery.headers, delivery.body)
        assert status == (400 if provider == "stripe" else 200)


async def test_before_the_gateway_knows_the_checkout(
    gateway: Gateway, sandbox: Sandbox, provider: str
) -> None:
    """The answer to create was lost, the buyer pays: the payment is found by our own id."""
    await sandbox.fault(provider, CALLED[provider, "create"], "garbage", 3)
    order = (await gateway.ask_for_order(provider)).json()
    assert order["payments"][0]["provider_order_id"] is None
    found = await checkout_id(sandbox, order)
    await sandbox.control("buyer", provider=provider, id=found, action="pay")
    if provider == "paypal":
        await at_paypal(sandbox, f"/v2/checkout/orders/{found}/capture", order["id"])
    await gateway.work()
    assert (await gateway.order(order))["status"] == "paid"
    await gateway.later(minutes=2)
    order = await gateway.order(order)
    assert (order["status"], order["attention"]) == ("paid", [])
    assert order["payments"][0]["provider_order_id"] == found
    await sandbox.agrees(order)


async def test_for_an_order_of_somebody_else(
    deaf_gateway: Gateway, mailbox: Mailbox, sandbox: Sandbox, provider: str, tmp_path: Path
) -> None:
    """Another gateway's order on the same account: 200, kept, put aside after some tries."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'another.db'}"
    await upgrade(url)
    async with open_gateway(await build_house(url, sandbox), sandbox, listens=False) as another:
        theirs = await another.create(provider)
        await sandbox.buyer(theirs)
        foreign = await mailbox.collect()
        for delivery in foreign:
            await deliver(deaf_gateway, delivery)
        ours = await deaf_gateway.create(provider)
        await sandbox.buyer(ours)
        for delivery in await mailbox.collect():
            await deliver(deaf_gateway, delivery)
        await deaf_gateway.work()
        assert (await deaf_gateway.order(ours))["status"] == "paid"  # others flow
        for _ in range(inbox.ORPHAN_TRIES):
            await deaf_gateway.later(seconds=70)
        ids = {delivery.event["id"] for delivery in foreign}
        rows = {row.event_id: row.status for row in await events(deaf_gateway)}
        known = {rows[event_id] for event_id in ids}
        assert "orphan" in known
        assert known <= {"orphan", "ignored"}


async def test_an_earlier_attempt_fails_late(
    gateway: Gateway, sandbox: Sandbox, provider: str
) -> None:
    """What was held back of the first attempt does not touch the second, which is paid."""
    other = "paypal" if provider == "stripe" else "stripe"
    order = await gateway.create(provider)
    await sandbox.webhooks("hold")
    await sandbox.buyer(order, "decline")
    answer = await gateway.post(f"/v1/orders/{order['id']}/payments", "other", {"provider": other})
    assert answer.status_code == 201, answer.text
    order = answer.json()
    await sandbox.buyer(order)
    await gateway.confirm(order)
    assert (await gateway.order(order))["status"] == "paid"
    await sandbox.control("webhooks", mode="release")
    await gateway.later(minutes=10)
    order = await gateway.order(order)
    assert order["status"] == "paid"
    assert [p["status"] for p in order["payments"]] == ["canceled", "captured"]
    assert order["attention"] == []
    await sandbox.agrees(order)


async def test_a_poisoned_event_is_buried(
    gateway: Gateway, sandbox: Sandbox, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried a bounded number of times, then kept as a dead letter; the others flow."""
    order = await gateway.create(provider)
    await sandbox.buyer(order)
    await sandbox.delivered()
    poisoned = next(row.event_id for row in await events(gateway))
    applied: list[str] = []
    apply = inbox.apply

    async def choking(ctx: Any, received: ReceivedEvent) -> None:
        applied.append(received.event_id)
        if received.event_id == poisoned:
            raise ValueError("poison, and a secret 4242424242424242")
        await apply(ctx, received)

    monkeypatch.setattr(inbox, "apply", choking)
    await gateway.work()
    assert (await gateway.paid(provider, key="another"))["status"] == "paid"
    for _ in range(15):
        await gateway.later(minutes=11)
    assert applied.count(poisoned) == inbox.MAX_TRIES
    row = next(row for row in await events(gateway) if row.event_id == poisoned)
    assert (row.status, row.rule) == ("dead", "ValueError")
    assert {row.status for row in await events(gateway)} <= {"applied", "ignored", "dead"}
    assert (await gateway.order(order))["status"] == "paid"  # by the other events, or the sweep
