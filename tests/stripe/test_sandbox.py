"""Whole journeys against the sandbox: what the adapter asks for is what such a server accepts."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.errors import OutcomeUnknown, Rejected, Unavailable
from gateway.facts import (
    Authorized,
    Canceled,
    Captured,
    CheckoutOpened,
    Declined,
    DisputeUpdated,
    Expired,
    Failed,
    Fee,
    PaidWith,
    Pending,
    ProviderFact,
    ProviderIds,
    RefundUpdated,
)
from gateway.money import Money
from gateway.provider import CheckoutRequest, LineItem, PaymentRef, ProviderEvent
from gateway.provider import RefundRequest as Request
from providers.stripe.adapter import StripeAdapter
from providers.stripe.client import open_client
from providers.stripe.plugin import StripePlugin
from tests.sandbox.conftest import Receiver, RunningSandbox

IGNORED = {"payment_intent.created", "charge.pending", "charge.failed"}


def _now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
async def stripe(sandbox: RunningSandbox) -> AsyncIterator[StripeAdapter]:
    """The adapter with the settings that the sandbox gives out, and little patience."""
    plugin = StripePlugin()
    settings = plugin.settings(sandbox.environment)
    assert settings is not None
    async with open_client(settings, timeout=1) as client:
        yield StripeAdapter(client, settings.webhook_secrets, settings.mode, _now)


def order(amount: int = 5400, currency: str = "USD", capture: Any = "automatic") -> CheckoutRequest:
    return CheckoutRequest(
        order_id="ord_1",
        payment_id="pay_1",
        money=Money(amount, currency),
        items=(LineItem("Mug", amount, 1),),
        success_url="https://shop.example/ok",
        cancel_url="https://shop.example/cart",
        expires_at=datetime.now(UTC) + timedelta(minutes=40),
        capture=capture,
    )


async def opened(stripe: StripeAdapter, request: CheckoutRequest) -> PaymentRef:
    checkout = await stripe.create_order(request, key="create-1")
    return PaymentRef(
        request.order_id,
        request.payment_id,
        request.money,
        checkout.provider_order_id,
        request.capture,
    )


def kinds(facts: Sequence[ProviderFact], *wanted: type) -> list[str]:
    """The keys of the facts of the `wanted` kinds, in order."""
    return [fact.key for fact in facts if isinstance(fact, wanted)]


def buyer(sandbox: RunningSandbox, payment: PaymentRef, action: str) -> None:
    sandbox.control("buyer", provider="stripe", id=payment.provider_order_id, action=action)


async def deliveries(
    stripe: StripeAdapter, sandbox: RunningSandbox, receiver: Receiver
) -> list[ProviderEvent]:
    """Every webhook that came, verified and translated, apart from the types that we ignore."""
    sandbox.settled()
    told = [await stripe.verify_webhook(*delivery) for delivery in receiver.received]
    assert {event.type for event in told if event.ignored} <= IGNORED
    return [event for event in told if not event.ignored]


def learnt(events: list[ProviderEvent]) -> set[str]:
    return {fact.key for event in events for fact in event.facts}


async def test_paid_and_partly_refunded(
    stripe: StripeAdapter, sandbox: RunningSandbox, receiver: Receiver
) -> None:
    sandbox.control("webhooks", provider="stripe", url=receiver.url)
    payment = await opened(stripe, order())
    assert kinds(await stripe.confirm(payment, key="k"), CheckoutOpened)

    buyer(sandbox, payment, "pay")
    facts = await stripe.confirm(payment, key="k")
    [captured] = [fact for fact in facts if isinstance(fact, Captured)]
    [fee] = [fact for fact in facts if isinstance(fact, Fee)]
    assert (captured.amount, captured.currency) == (5400, "USD")
    assert (fee.object_id, fee.fee + fee.net) == (captured.capture_id, 5400)
    assert kinds(facts, PaidWith) == ["paid_with:card:visa:4242"]
    shown = [fact.payment_id for fact in facts if isinstance(fact, ProviderIds)]
    assert captured.capture_id in shown

    request = Request(payment, "ref_1", Money(400, "USD"), captured.capture_id, "it broke")
    refunded = await stripe.refund(request, key="refund-1")
    assert await stripe.refund(request, key="refund-1") == refunded
    assert kinds(await stripe.confirm(payment, key="k"), RefundUpdated) == kinds(
        refunded, RefundUpdated
    )
    with pytest.raises(Rejected):
        await stripe.refund(
            Request(payment, "ref_2", Money(5001, "USD"), captured.capture_id), key="refund-2"
        )

    events = await deliveries(stripe, sandbox, receiver)
    assert {event.payment_id for event in events} == {"pay_1"}
    read = {fact.key for fact in await stripe.confirm(payment, key="k")}
    assert learnt(events) <= read
    assert read - learnt(events) == {key for key in read if key.startswith("fee:")}


async def test_declined_then_paid(stripe: StripeAdapter, sandbox: RunningSandbox) -> None:
    payment = await opened(stripe, order())
    buyer(sandbox, payment, "decline")
    facts = await stripe.confirm(payment, key="k")
    [declined] = [fact for fact in facts if isinstance(fact, Declined)]
    assert declined.code == "generic_decline"
    assert kinds(facts, CheckoutOpened)
    buyer(sandbox, payment, "pay")
    assert kinds(await stripe.confirm(payment, key="k"), Captured)


async def test_held_and_captured_in_part(
    stripe: StripeAdapter, sandbox: RunningSandbox, receiver: Receiver
) -> None:
    sandbox.control("webhooks", provider="stripe", url=receiver.url)
    payment = await opened(stripe, order(capture="manual"))
    buyer(sandbox, payment, "pay")
    [held] = [f for f in await stripe.confirm(payment, key="k") if isinstance(f, Authorized)]
    assert (held.amount, held.currency) == (5400, "USD")
    known = PaymentRef(
        "ord_1", "pay_1", payment.money, payment.provider_order_id, "manual", held.authorization_id
    )
    facts = await stripe.capture(known, Money(4000, "USD"), key="capture-1")
    assert kinds(facts, Captured) == [f"captured:{held.authorization_id}:4000:USD"]
    assert kinds(facts, Fee)
    again = await stripe.capture(known, Money(4000, "USD"), key="capture-2")
    assert kinds(again, Captured) == kinds(facts, Captured)
    truth = await stripe.confirm(known, key="k")
    assert kinds(truth, Captured, RefundUpdated) == kinds(facts, Captured)
    assert kinds(await stripe.cancel(known, key="cancel-1"), Captured) == kinds(facts, Captured)

    events = await deliveries(stripe, sandbox, receiver)
    moved = {key for key in learnt(events) if key.startswith(("captured:", "refund_updated:"))}
    assert moved == set(kinds(facts, Captured))
    assert held.key in learnt(events)


@pytest.mark.parametrize("known", [True, False])
async def test_held_and_let_go(stripe: StripeAdapter, sandbox: RunningSandbox, known: bool) -> None:
    payment = await opened(stripe, order(capture="manual"))
    buyer(sandbox, payment, "pay")
    [held] = [f for f in await stripe.confirm(payment, key="k") if isinstance(f, Authorized)]
    authorization_id = held.authorization_id if known else None
    ref = PaymentRef(
        "ord_1", "pay_1", payment.money, payment.provider_order_id, "manual", authorization_id
    )
    assert kinds(await stripe.cancel(ref, key="cancel-1"), Canceled) == [
        f"canceled:{held.authorization_id}"
    ]
    again = await stripe.cancel(ref, key="cancel-2")
    assert kinds(again, Canceled, RefundUpdated) == [f"canceled:{held.authorization_id}"]
    with pytest.raises(Rejected):
        await stripe.capture(
            PaymentRef("ord_1", "pay_1", ref.money, ref.provider_order_id, "manual",
                       held.authorization_id),
            ref.money,
            key="capture-1",
        )  # fmt: skip


async def test_canceled_before_it_was_paid(stripe: StripeAdapter, sandbox: RunningSandbox) -> None:
    payment = await opened(stripe, order())
    facts = await stripe.cancel(payment, key="cancel-1")
    assert kinds(facts, Canceled, Expired) == [f"canceled:{payment.provider_order_id}"]
    assert await stripe.cancel(payment, key="cancel-1") != []
    assert kinds(await stripe.confirm(payment, key="k"), Expired)


async def test_canceled_too_late(stripe: StripeAdapter, sandbox: RunningSandbox) -> None:
    payment = await opened(stripe, order())
    buyer(sandbox, payment, "pay")
    facts = await stripe.cancel(payment, key="cancel-1")
    assert kinds(facts, Canceled, Expired) == []
    assert len(kinds(facts, Captured)) == 1


async def test_it_ran_out(
    stripe: StripeAdapter, sandbox: RunningSandbox, receiver: Receiver
) -> None:
    sandbox.control("webhooks", provider="stripe", url=receiver.url)
    payment = await opened(stripe, order())
    sandbox.control("clock", advance_seconds=2500)
    expired = [f"expired:{payment.provider_order_id}"]
    assert kinds(await stripe.confirm(payment, key="k"), Expired) == expired
    assert set(expired) <= learnt(await deliveries(stripe, sandbox, receiver))


@pytest.mark.parametrize(("end", "kind"), [("settle", Captured), ("fail_async", Failed)])
async def test_a_debit_that_takes_days(
    stripe: StripeAdapter, sandbox: RunningSandbox, receiver: Receiver, end: str, kind: type
) -> None:
    sandbox.control("webhooks", provider="stripe", url=receiver.url)
    payment = await opened(stripe, order())
    buyer(sandbox, payment, "pay_async")
    facts = await stripe.confirm(payment, key="k")
    assert len(kinds(facts, Pending)) == 1
    assert kinds(facts, Captured, Failed, Declined) == []
    buyer(sandbox, payment, end)
    facts = await stripe.confirm(payment, key="k")
    assert len(kinds(facts, kind)) == 1
    events = await deliveries(stripe, sandbox, receiver)
    assert set(kinds(facts, Captured, Failed, Declined)) <= learnt(events)


async def test_what_happens_at_stripe_itself(
    stripe: StripeAdapter, sandbox: RunningSandbox, receiver: Receiver
) -> None:
    sandbox.control("webhooks", provider="stripe", url=receiver.url)
    payment = await opened(stripe, order())
    buyer(sandbox, payment, "pay")
    made = sandbox.control("refund", provider="stripe", id=payment.provider_order_id, amount=100)
    sandbox.control("refund", provider="stripe", id=made["id"], status="failed")
    sandbox.control("dispute", provider="stripe", id=payment.provider_order_id)
    facts = await stripe.confirm(payment, key="k")
    assert kinds(facts, RefundUpdated) == [f"refund_updated:{made['id']}:failed:None"]
    [dispute] = [fact for fact in facts if isinstance(fact, DisputeUpdated)]
    assert (dispute.status, dispute.amount) == ("needs_response", 5400)
    told = learnt(await deliveries(stripe, sandbox, receiver))
    assert {dispute.key, *kinds(facts, RefundUpdated)} <= told
    assert f"refund_updated:{made['id']}:succeeded:None" in told


@pytest.mark.parametrize(
    ("currency", "amount"), [("JPY", 5400), ("ISK", 5400), ("KWD", 5450), ("HUF", 540000)]
)
async def test_currencies(
    stripe: StripeAdapter, sandbox: RunningSandbox, currency: str, amount: int
) -> None:
    payment = await opened(stripe, order(amount, currency))
    buyer(sandbox, payment, "pay")
    [captured] = [f for f in await stripe.confirm(payment, key="k") if isinstance(f, Captured)]
    assert (captured.amount, captured.currency) == (amount, currency)
    refunded = await stripe.refund(
        Request(payment, "ref_1", Money(amount, currency), captured.capture_id), key="refund-1"
    )
    [updated] = [fact for fact in refunded if isinstance(fact, RefundUpdated)]
    assert (updated.amount, updated.currency) == (amount, currency)


@pytest.mark.parametrize("fault", ["timeout_before", "timeout_after", "reset", "garbage"])
async def test_the_same_key_after_an_unknown_outcome(
    stripe: StripeAdapter, sandbox: RunningSandbox, fault: str
) -> None:
    payment = await opened(stripe, order())
    buyer(sandbox, payment, "pay")
    [captured] = [f for f in await stripe.confirm(payment, key="k") if isinstance(f, Captured)]
    request = Request(payment, "ref_1", Money(400, "USD"), captured.capture_id)
    sandbox.control("faults", provider="stripe", operation="refund", fault=fault, seconds=2)
    with pytest.raises(OutcomeUnknown):
        await stripe.refund(request, key="refund-1")
    refunded = await stripe.refund(request, key="refund-1")
    assert kinds(await stripe.find_refunds(payment), RefundUpdated) == kinds(
        refunded, RefundUpdated
    )


@pytest.mark.parametrize("fault", ["http_429", "http_503"])
async def test_certainly_not_done(
    stripe: StripeAdapter, sandbox: RunningSandbox, fault: str
) -> None:
    sandbox.control("faults", provider="stripe", operation="create_session", fault=fault)
    request = order()
    with pytest.raises(Unavailable) as raised:
        await stripe.create_order(request, key="create-1")
    assert raised.value.retry_after is not None
    assert (await stripe.create_order(request, key="create-1")).url


async def test_a_500_that_is_kept_under_the_key_ends_without_a_loop(
    stripe: StripeAdapter, sandbox: RunningSandbox
) -> None:
    sandbox.control("faults", provider="stripe", operation="create_session", fault="http_500")
    request = order()
    with pytest.raises(OutcomeUnknown):
        await stripe.create_order(request, key="create-1")
    with pytest.raises(Rejected, match="nothing was done"):
        await stripe.create_order(request, key="create-1")


async def test_a_key_used_twice_differently(stripe: StripeAdapter, sandbox: RunningSandbox) -> None:
    await stripe.create_order(order(), key="create-1")
    with pytest.raises(Rejected) as raised:
        await stripe.create_order(order(9900), key="create-1")
    assert raised.value.provider_code == "idempotency_error"


async def test_a_time_that_stripe_does_not_take_is_said_in_its_words(
    stripe: StripeAdapter,
) -> None:
    soon = replace(order(), expires_at=datetime.now(UTC) + timedelta(minutes=20))
    with pytest.raises(Rejected, match="expires_at"):
        await stripe.create_order(soon, key="create-1")


async def test_the_plugin_opens_what_it_was_given(sandbox: RunningSandbox) -> None:
    plugin = StripePlugin()
    settings = plugin.settings(sandbox.environment)
    assert settings is not None
    async with plugin.open(settings) as provider:
        assert provider.mode == "test"
        checkout = await provider.adapter.create_order(order(), key="create-1")
        ref = PaymentRef("ord_1", "pay_1", Money(5400, "USD"), checkout.provider_order_id)
        assert kinds(await provider.adapter.confirm(ref, key="k"), CheckoutOpened)
