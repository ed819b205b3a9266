"""The adapter against the stand-in, over HTTP: whole payments, faults, and signed events."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import anyio
import msgspec
import pytest
from anyio import to_thread

from gateway.errors import OutcomeUnknown, Rejected, Unavailable, WebhookInvalid
from gateway.facts import (
    Authorized,
    BuyerApproved,
    Canceled,
    Captured,
    CheckoutOpened,
    Declined,
    Expired,
    Failed,
    Pending,
    RefundUpdated,
    Unrecognized,
)
from gateway.money import Money
from gateway.provider import CheckoutRequest, LineItem, PaymentRef, RefundRequest
from providers.paypal.adapter import PayPalAdapter
from providers.paypal.plugin import plugin
from tests.sandbox.conftest import Receiver, RunningSandbox


class Shop:
    """A shop on the sandbox: opens orders, and is the buyer."""

    def __init__(self, sandbox: RunningSandbox, adapter: PayPalAdapter) -> None:
        self.sandbox = sandbox
        self.adapter = adapter
        self._orders = 0

    async def control(self, call: str, **body: Any) -> Any:
        """A control call of the sandbox."""
        return await to_thread.run_sync(partial(self.sandbox.control, call, **body))

    async def fault(self, operation: str, fault: str, times: int = 1) -> None:
        """The next calls of `operation` go wrong."""
        await self.control(
            "faults", provider="paypal", operation=operation, fault=fault, times=times
        )

    async def order(self, amount: int = 5400, currency: str = "USD", **changes: Any) -> PaymentRef:
        """An open order."""
        self._orders += 1
        request = CheckoutRequest(
            order_id=f"ord_{self._orders}",
            payment_id=f"pay_{self._orders}",
            money=Money(amount, currency),
            items=(LineItem("Lamp", amount, 1),),
            success_url="http://127.0.0.1:9/return",
            cancel_url="http://127.0.0.1:9/cancel",
            expires_at=datetime.now(UTC) + timedelta(hours=1),
            **changes,
        )
        checkout = await self.adapter.create_order(request, key=f"create_{self._orders}")
        assert checkout.url.startswith(self.sandbox.url)
        return PaymentRef(
            request.order_id,
            request.payment_id,
            request.money,
            checkout.provider_order_id,
            request.capture,
        )

    async def approved(
        self, amount: int = 5400, currency: str = "USD", **changes: Any
    ) -> PaymentRef:
        """An order that the buyer has approved."""
        payment = await self.order(amount, currency, **changes)
        await self.approve(payment)
        return payment

    async def approve(self, payment: PaymentRef) -> None:
        """The buyer agrees to pay."""
        await self.control(
            "buyer", provider="paypal", id=payment.provider_order_id, action="approve"
        )

    async def ledger(self, kind: str) -> list[dict[str, Any]]:
        """The sandbox's own rows of that kind."""
        rows = await to_thread.run_sync(self.sandbox.look, "ledger")
        rows = rows["data"] if isinstance(rows, dict) else rows
        return [row for row in rows if row["kind"] == kind]


@pytest.fixture
async def shop(sandbox: RunningSandbox) -> AsyncIterator[Shop]:
    """A shop whose settings are those that the sandbox tells."""
    settings = plugin.settings(sandbox.environment)
    assert settings is not None
    async with plugin.open(settings) as opened:
        assert isinstance(opened.adapter, PayPalAdapter)
        yield Shop(sandbox, opened.adapter)


def kinds(facts: Any) -> list[type]:
    skipped = ("paid_with", "provider_ids", "fee")
    return [type(fact) for fact in facts if fact.kind not in skipped]


def one(facts: Any, kind: type) -> Any:
    (found,) = [fact for fact in facts if isinstance(fact, kind)]
    return found


async def test_a_payment_and_its_refunds(shop: Shop) -> None:
    payment = await shop.order()
    assert kinds(await shop.adapter.confirm(payment, key="c")) == [CheckoutOpened]
    await shop.approve(payment)
    facts = await shop.adapter.confirm(payment, key="c")
    assert kinds(facts) == [BuyerApproved, Captured]
    captured = one(facts, Captured)
    assert (captured.amount, captured.currency) == (5400, "USD")
    assert {f.key for f in await shop.adapter.confirm(payment, key="c")} <= {f.key for f in facts}

    request = RefundRequest(
        payment, "ref_1", Money(1000, "USD"), captured.capture_id, "one\nbroken"
    )
    refunded = await shop.adapter.refund(request, key="r1")
    assert await shop.adapter.refund(request, key="r1") == refunded
    assert one(refunded, RefundUpdated).refund_id == "ref_1"
    rest = msgspec.structs.replace(request, refund_id="ref_2", money=Money(4500, "USD"))
    with pytest.raises(Rejected, match="REFUND_AMOUNT_EXCEEDED"):
        await shop.adapter.refund(rest, key="r2")

    await shop.control("refund", provider="paypal", id=captured.capture_id, amount=400)
    found = [f for f in await shop.adapter.find_refunds(payment) if isinstance(f, RefundUpdated)]
    assert [(f.amount, f.refund_id) for f in found] == [(1000, "ref_1"), (400, None)]
    assert len(await shop.ledger("charge")) == 1
    assert len(await shop.ledger("refund")) == 2


@pytest.mark.parametrize(
    ("amount", "currency"), [(1000, "JPY"), (100_000, "HUF"), (3000, "TWD"), (5401, "EUR")]
)
async def test_currencies(shop: Shop, amount: int, currency: str) -> None:
    payment = await shop.approved(amount, currency)
    captured = one(await shop.adapter.confirm(payment, key="c"), Captured)
    assert (captured.amount, captured.currency) == (amount, currency)


async def test_magic_amounts(shop: Shop) -> None:
    pending = await shop.approved(1013)
    assert kinds(await shop.adapter.confirm(pending, key="c1")) == [BuyerApproved, Pending]
    declined = await shop.approved(1017)
    assert kinds(await shop.adapter.confirm(declined, key="c2")) == [BuyerApproved, Declined]
    await shop.approve(declined)
    assert kinds(await shop.adapter.confirm(declined, key="c2")) == [BuyerApproved, Captured]
    refused = await shop.approved(1021)
    assert kinds(await shop.adapter.confirm(refused, key="c3")) == [BuyerApproved, Failed]
    back = await shop.approved(1023)
    assert kinds(await shop.adapter.confirm(back, key="c4")) == [CheckoutOpened]
    await shop.approve(back)
    assert kinds(await shop.adapter.confirm(back, key="c4")) == [BuyerApproved, Captured]


async def test_manual_capture(shop: Shop) -> None:
    payment = await shop.approved(2000, "EUR", capture="manual")
    held = one(await shop.adapter.confirm(payment, key="c"), Authorized)
    payment = msgspec.structs.replace(payment, authorization_id=held.authorization_id)
    captured = one(await shop.adapter.capture(payment, Money(1500, "EUR"), key="k1"), Captured)
    assert captured.amount == 1500
    again = await shop.adapter.capture(payment, Money(1500, "EUR"), key="k1")
    assert one(again, Captured) == captured
    other = await shop.adapter.capture(payment, Money(1500, "EUR"), key="k2")
    assert one(other, Captured).capture_id == captured.capture_id
    assert Captured in kinds(await shop.adapter.cancel(payment, key="k3"))
    assert len(await shop.ledger("charge")) == 1


async def test_canceling(shop: Shop) -> None:
    held = await shop.approved(2000, "EUR", capture="manual")
    await shop.adapter.confirm(held, key="c")
    assert kinds(await shop.adapter.cancel(held, key="k")) == [Authorized, Canceled]
    assert kinds(await shop.adapter.confirm(held, key="c"))[0] is Canceled
    assert kinds(await shop.adapter.cancel(await shop.order(), key="k2")) == [Canceled]


async def test_expiry(shop: Shop) -> None:
    payment = await shop.order()
    await shop.control("clock", advance_seconds=13 * 3600)
    assert kinds(await shop.adapter.confirm(payment, key="c")) == [Expired]


async def test_another_amount_is_not_taken(shop: Shop) -> None:
    payment = await shop.order()
    await shop.control("alter", provider="paypal", id=payment.provider_order_id, amount=5300)
    await shop.approve(payment)
    facts = await shop.adapter.confirm(payment, key="c")
    assert Unrecognized in kinds(facts)
    assert not await shop.ledger("charge")


async def test_a_lost_answer_is_unknown_and_the_repeat_pays_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("providers.paypal.sdk.READ_TIMEOUT", 0.3)
    settings = plugin.settings(shop.sandbox.environment)
    assert settings is not None
    payment = await shop.approved()
    async with plugin.open(settings) as opened:
        await shop.fault("capture_order", "timeout_after")
        with pytest.raises(OutcomeUnknown):
            await opened.adapter.confirm(payment, key="c")
        assert Captured in kinds(await opened.adapter.confirm(payment, key="c"))
        capture_id = one(await opened.adapter.confirm(payment, key="c"), Captured).capture_id
        request = RefundRequest(payment, "ref_1", Money(1000, "USD"), capture_id)
        for fault in ("timeout_before", "timeout_after"):
            await shop.fault("refund", fault)
            with pytest.raises(OutcomeUnknown):
                await opened.adapter.refund(request, key="r")
        assert RefundUpdated in kinds(await opened.adapter.refund(request, key="r"))
    assert len(await shop.ledger("charge")) == 1
    assert len(await shop.ledger("refund")) == 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("http_500", OutcomeUnknown),
        ("http_503", OutcomeUnknown),
        ("garbage", OutcomeUnknown),
        ("reset", OutcomeUnknown),
        ("http_429", Unavailable),
    ],
)
async def test_faults_of_a_capture(shop: Shop, fault: str, error: type[Exception]) -> None:
    payment = await shop.approved()
    await shop.fault("capture_order", fault)
    with pytest.raises(error):
        await shop.adapter.confirm(payment, key="c")
    assert Captured in kinds(await shop.adapter.confirm(payment, key="c"))
    assert len(await shop.ledger("charge")) == 1


@pytest.mark.parametrize("fault", ["http_500", "http_503", "garbage", "reset", "http_429"])
async def test_faults_before_anything_was_done(shop: Shop, fault: str) -> None:
    payment = await shop.approved()
    await shop.fault("get_order", fault)
    with pytest.raises(Unavailable):
        await shop.adapter.confirm(payment, key="c")
    await shop.control("clock", advance_seconds=10 * 3600)  # our token has run out
    await shop.fault("token", fault)
    with pytest.raises(Unavailable):
        await shop.order()
    assert not await shop.ledger("charge")


async def test_confirming_many_times_at_once_captures_once(shop: Shop) -> None:
    payment = await shop.approved()
    outcomes: list[str] = []

    async def attempt() -> None:
        try:
            facts = await shop.adapter.confirm(payment, key="c")
        except Unavailable as busy:
            outcomes.append(busy.provider_code)
        else:
            outcomes.append(one(facts, Captured).kind)

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(attempt)
    assert set(outcomes) <= {"captured", "PREVIOUS_REQUEST_IN_PROGRESS"}
    assert "captured" in outcomes
    assert len(await shop.ledger("charge")) == 1


async def test_signed_events_tell_the_same(shop: Shop, receiver: Receiver) -> None:
    await shop.control("webhooks", provider="paypal", url=receiver.url)
    payment = await shop.approved()
    facts = await shop.adapter.confirm(payment, key="c")
    capture_id = one(facts, Captured).capture_id
    request = RefundRequest(payment, "ref_1", Money(1000, "USD"), capture_id)
    facts = [*facts, *await shop.adapter.refund(request, key="r")]
    await shop.control("dispute", provider="paypal", id=capture_id)
    await to_thread.run_sync(shop.sandbox.settled)

    keys = {fact.key for fact in facts}
    types = set()
    for headers, body in list(receiver.received):
        event = await shop.adapter.verify_webhook(headers, body)
        assert event == plugin.read_event(body)
        types.add(event.type)
        assert event.payment_id == payment.payment_id or capture_id in event.provider_ids
        assert {f.key for f in event.facts if f.kind != "dispute_updated"} <= keys
        with pytest.raises(WebhookInvalid):
            await shop.adapter.verify_webhook(headers, body.replace(b"WH-", b"WX-", 1))
    assert types == {
        "CHECKOUT.ORDER.APPROVED",
        "CHECKOUT.ORDER.COMPLETED",
        "PAYMENT.CAPTURE.COMPLETED",
        "PAYMENT.CAPTURE.REFUNDED",
        "CUSTOMER.DISPUTE.CREATED",
    }


async def test_the_postback_at_the_sandbox(shop: Shop, receiver: Receiver) -> None:
    """Without the sandbox's authority no chain can be built: PayPal is asked."""
    await shop.control("webhooks", provider="paypal", url=receiver.url)
    await shop.approved()
    await to_thread.run_sync(shop.sandbox.settled)
    ((headers, body),) = receiver.received
    settings = plugin.settings(shop.sandbox.environment | {"PAYPAL_CA_FILE": ""})
    assert settings is not None
    async with plugin.open(settings) as opened:
        event = await opened.adapter.verify_webhook(headers, body)
        assert event.type == "CHECKOUT.ORDER.APPROVED"
        await shop.fault("verify_webhook", "http_503")
        with pytest.raises(Unavailable):
            await opened.adapter.verify_webhook(headers, body)
