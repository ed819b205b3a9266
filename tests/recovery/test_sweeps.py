"""What nobody reports is looked for: lost webhooks, forgotten approvals, refunds, late orphans."""

import asyncio
from datetime import timedelta

import msgspec
import pytest
from sqlalchemy import select

from gateway.attempts import lock
from gateway.closing import expire_order
from gateway.facts import ProviderIds
from gateway.recording import record
from gateway.records import ReceivedEvent
from gateway.sweeps import EVENTS_OVERLAP, schedule
from storage import tables as t
from tests.faults.stage import PROVIDERS, Gateway
from tests.recovery.story import ask, attention, events, merchant_of, two_pages


async def sweep(gateway: Gateway) -> None:
    """Run the recurring sweeps now."""
    await schedule(gateway.services.ctx)
    await gateway.work()


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_events_whose_delivery_was_lost_are_found(either: Gateway, provider: str) -> None:
    """A dispute is told by event alone: nothing but the provider's list can bring it."""
    order = await either.paid(provider)
    await either.sandbox.webhooks("drop")
    capture = order["payments"][0]["provider_payment_id"]
    await either.sandbox.control("dispute", provider=provider, id=capture)
    await either.work()
    assert (await either.order(order))["disputes"] == []
    await sweep(either)
    order = await either.order(order)
    assert [dispute["status"] for dispute in order["disputes"]] == ["needs_response"]
    story = [line for line in await either.timeline(order) if line["kind"] == "webhook"]
    assert [line for line in story if line["rule"].startswith("found in the provider's list")]
    before = await events(either, order)
    await sweep(either)  # the overlap is read again, and changes nothing
    assert await events(either, order) == before
    rendered = (await either.http.get("/metrics")).text
    assert 'gateway_sweeps_total{outcome="found",sweep="events"}' in rendered
    assert 'gateway_attention_open{kind="dispute"} 1.0' in rendered


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_list_that_cannot_be_read_is_read_later(gateway: Gateway, provider: str) -> None:
    await gateway.sandbox.webhooks("drop")
    order = await gateway.create(provider)
    await gateway.sandbox.buyer(order)
    await gateway.sandbox.fault(provider, "list_events", "http_500")
    await sweep(gateway)
    assert (await gateway.order(order))["status"] == "open"
    await gateway.later(minutes=6)
    assert (await gateway.order(order))["status"] == "paid"


async def test_the_cursor_moves_on_and_overlaps(gateway: Gateway) -> None:
    await gateway.paid("stripe")
    await sweep(gateway)
    async with gateway.services.store.transaction() as tx:
        first = await tx.cursor("default", "stripe", "events")
    await gateway.later(minutes=6)
    async with gateway.services.store.transaction() as tx:
        assert await tx.cursor("default", "stripe", "events") == first  # nothing has happened
        await tx.save_cursor("default", "stripe", "events", "2001-01-01", gateway.clock.now())
        assert await tx.cursor("default", "stripe", "events") == first
    assert timedelta(minutes=3) <= EVENTS_OVERLAP <= timedelta(minutes=10)


async def test_an_approved_order_that_nobody_captured_is_captured(gateway: Gateway) -> None:
    """Every webhook is lost, and the buyer never comes back."""
    await gateway.sandbox.webhooks("drop")
    order = await gateway.create("paypal")
    await gateway.sandbox.buyer(order, "approve")
    await gateway.later(seconds=61)
    order = await gateway.order(order)
    assert order["status"] == "paid"
    await gateway.sandbox.agrees(order)


async def test_an_approval_is_not_captured_when_another_payment_pays_the_order(
    gateway: Gateway,
) -> None:
    await gateway.sandbox.webhooks("drop")
    order = await two_pages(gateway, "paypal", "stripe")
    await gateway.sandbox.buyer(order, "approve", 0)
    await gateway.sandbox.buyer(order, "pay", 1)
    await ask(gateway, order, 1)
    await gateway.confirm(order)
    await ask(gateway, order, 0)
    await gateway.later(minutes=10)
    order = await gateway.order(order)
    assert order["status"] == "paid"
    assert [payment["status"] for payment in order["payments"]] == ["canceled", "captured"]
    assert await gateway.sandbox.calls("paypal", "capture_order") == []
    await gateway.sandbox.agrees(order)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_pending_refund_is_looked_up(gateway: Gateway, provider: str) -> None:
    """The answer was lost and so was every webhook: the provider's list of refunds tells."""
    order = await gateway.paid(provider)
    await gateway.sandbox.webhooks("drop")
    await gateway.sandbox.fault(provider, "refund", "garbage", 9)
    assert (await gateway.refund(order, 1000)).json()["status"] == "pending"
    await gateway.later(seconds=61)
    order = await gateway.order(order)
    assert [refund["status"] for refund in order["refunds"]] == ["succeeded"]
    assert any(line["kind"] == "sweep" for line in await gateway.timeline(order))
    await gateway.sandbox.agrees(order)


async def test_what_does_not_clear_for_two_weeks_is_for_a_person(gateway: Gateway) -> None:
    """A refund that PayPal holds, and a bank debit; both leave the list when they clear."""
    order = await gateway.paid("paypal")
    debit = await gateway.create("stripe", key="debit")
    await gateway.sandbox.buyer(debit, "pay_async")
    await gateway.work()
    refund = (await gateway.refund(order, 1019)).json()
    assert refund["status"] == "pending"
    await gateway.later(days=13)
    assert await attention(gateway) == []
    await gateway.later(days=2)
    items = await attention(gateway, kind="overdue", status="open")
    assert {item["order"] for item in items} == {order["id"], debit["id"]}
    await gateway.sandbox.webhooks("drop")
    await gateway.sandbox.control(
        "buyer", provider="paypal", id=refund["provider_refund_id"], action="settle"
    )
    await gateway.sandbox.buyer(debit, "settle")
    await gateway.later(hours=7)
    assert await attention(gateway, status="open") == []
    assert (await gateway.order(debit))["status"] == "paid"
    await gateway.sandbox.agrees(await gateway.order(order), await gateway.order(debit))


DISPUTE = {
    "id": "du_1",
    "object": "dispute",
    "status": "needs_response",
    "amount": 5400,
    "currency": "usd",
    "created": 1_800_000_000,
    "charge": "ch_later",
    "payment_intent": "pi_later",
}


async def test_an_orphan_is_applied_once_its_payment_is_known(either: Gateway) -> None:
    """Its ids are learnt after it was put aside: nobody has to play it again."""
    ctx = either.services.ctx
    body = msgspec.json.encode(
        {
            "id": "evt_orphan",
            "object": "event",
            "type": "charge.dispute.created",
            "created": 1_800_000_000,
            "livemode": False,
            "data": {"object": DISPUTE},
        }
    )
    event = ReceivedEvent(
        "stripe", "default", "evt_orphan", "charge.dispute.created", body, ctx.now()
    )
    await ctx.store.store_event(event)
    for _ in range(7):
        await either.later(seconds=70)
    (item,) = await attention(either, kind="orphan_event", status="open")
    assert (item["order"], item["subject"]) == (None, "stripe:evt_orphan")
    assert "ch_later" in item["detail"]

    order = await either.create("stripe")
    merchant, payment = await merchant_of(either, order), order["payments"][0]["id"]
    await sweep(either)
    assert (await either.order(order))["disputes"] == []
    async with ctx.store.transaction() as tx:
        locked, _ = await lock(tx, merchant, order["id"])
        learnt = ProviderIds(ids=("pi_later",), payment_id="pi_later")
        await record(ctx, tx, locked, payment, [learnt], source="a test")
    await sweep(either)
    assert len((await either.order(order))["disputes"]) == 1
    assert await attention(either, kind="orphan_event", status="open") == []


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_an_order_that_expires_while_it_is_paid_is_what_the_provider_says(
    gateway: Gateway, provider: str
) -> None:
    """The buyer pays at the very moment at which the order's time runs out."""
    orders = [await gateway.create(provider, key=str(number)) for number in range(6)]
    merchant = await merchant_of(gateway, orders[0])
    await gateway.sandbox.webhooks("hold")

    async def pay(number: int) -> None:
        await asyncio.sleep(0.004 * number)
        payment = orders[number]["payments"][0]["provider_order_id"]
        await gateway.sandbox.http.post(  # refused where the page is closed already
            "/_control/buyer", json={"provider": provider, "id": payment, "action": "pay"}
        )

    gateway.clock.ahead += timedelta(hours=1, minutes=1)
    tasks = [pay(number) for number in range(6)]
    tasks += [_expire(gateway, merchant, order["id"]) for order in orders]
    await asyncio.gather(*tasks)
    await gateway.sandbox.webhooks("release")
    await gateway.sandbox.webhooks("normal")
    await gateway.work()
    await gateway.later(minutes=2)
    after = [await gateway.order(order) for order in orders]
    assert {order["status"] for order in after} <= {"paid", "expired"}
    await gateway.sandbox.agrees(*after)


async def _expire(gateway: Gateway, merchant: str, order_id: str) -> None:
    await expire_order(gateway.services.ctx, merchant, order_id)


async def test_a_provider_that_is_switched_off_is_not_asked(gateway: Gateway) -> None:
    """Its sweep ends instead of coming back for ever."""
    async with gateway.services.store.transaction() as tx:
        await tx.enqueue("", "list_events", "nobody", gateway.clock.now())
    await gateway.work()
    async with gateway.services.store.database.read() as connection:
        left = await connection.execute(select(t.jobs).where(t.jobs.c.subject == "nobody"))
        assert left.all() == []
