"""The verbs' decisions, each answer of PayPal's told to the fake."""

import json
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import msgspec
import pytest

from gateway.errors import OutcomeUnknown, Rejected, Unavailable
from gateway.facts import (
    Authorized,
    BuyerApproved,
    Canceled,
    Captured,
    CheckoutOpened,
    Declined,
    Expired,
    Failed,
    Fee,
    Pending,
    RefundUpdated,
    Unrecognized,
)
from gateway.money import Money
from gateway.provider import Cancels, Captures, FindsRefunds, PaymentProvider, RefundRequest
from providers.paypal.adapter import DECLINES, KEPT, LOOK_AGAIN
from tests.paypal import payloads as p
from tests.paypal.fake import Answer, FakePayPal
from tests.paypal.signing import NOW
from tests.paypal.test_client import ORDER, ORDERS, PAYMENT, REQUEST

CAPTURE_ORDER = f"{ORDER}/capture"
AUTHORIZE_ORDER = f"{ORDER}/authorize"
HOLD = f"/v2/payments/authorizations/{p.AUTHORIZATION_ID}"
CAPTURE = f"/v2/payments/captures/{p.CAPTURE_ID}"
PAID = p.order("COMPLETED", payments={"captures": [p.capture()]})
HELD = p.order("COMPLETED", intent="AUTHORIZE", payments={"authorizations": [p.authorization()]})
GONE = Answer(404, p.problem("RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID"))
AUTHORIZED = msgspec.structs.replace(PAYMENT, authorization_id=p.AUTHORIZATION_ID)


def kinds(facts: Any) -> list[type]:
    return [type(fact) for fact in facts if fact.kind not in ("paid_with", "provider_ids")]


def refusal(issue: str) -> Answer:
    return Answer(422, p.problem("UNPROCESSABLE_ENTITY", issue))


async def test_it_has_all_powers(adapter: PaymentProvider) -> None:
    for power in (Cancels, Captures, FindsRefunds):
        assert isinstance(adapter, power)


# --- create ---------------------------------------------------------------------------------------


async def test_a_late_repeat_sends_the_buyer_on(adapter: PaymentProvider, fake: FakePayPal) -> None:
    fake.on(ORDERS, Answer(200, p.order("APPROVED")))
    checkout = await adapter.create_order(REQUEST, key="op_1")
    assert (checkout.provider_order_id, checkout.url) == (p.ORDER_ID, REQUEST.success_url)


async def test_an_order_that_leads_nowhere(adapter: PaymentProvider, fake: FakePayPal) -> None:
    fake.on(ORDERS, Answer(201, p.order(links=[])))
    with pytest.raises(OutcomeUnknown):
        await adapter.create_order(REQUEST, key="op_1")


async def test_what_cannot_be_expressed_is_never_sent(
    adapter: PaymentProvider, fake: FakePayPal
) -> None:
    with pytest.raises(Rejected):
        await adapter.create_order(
            msgspec.structs.replace(REQUEST, money=Money(5400, "KWD")), key="op_1"
        )
    assert not fake.requests


# --- confirm --------------------------------------------------------------------------------------


async def test_an_order_that_nobody_approved(adapter: PaymentProvider, fake: FakePayPal) -> None:
    fake.on(ORDER, Answer(body=p.order()))
    assert kinds(await adapter.confirm(PAYMENT, key="op")) == [CheckoutOpened]
    assert not fake.requests_to(CAPTURE_ORDER)


async def test_an_approval_is_captured_under_the_key(
    adapter: PaymentProvider, fake: FakePayPal
) -> None:
    fake.on(ORDER, Answer(body=p.order("APPROVED")))
    fake.on(CAPTURE_ORDER, Answer(201, PAID))
    facts = await adapter.confirm(PAYMENT, key="op_7")
    assert kinds(facts) == [BuyerApproved, Captured, Fee]
    (sent,) = fake.requests_to(CAPTURE_ORDER)
    assert sent.headers["paypal-request-id"] == "op_7"
    assert sent.body == b""


async def test_an_approval_is_authorized_where_the_order_says_so(
    adapter: PaymentProvider, fake: FakePayPal
) -> None:
    fake.on(ORDER, Answer(body=p.order("APPROVED", intent="AUTHORIZE")))
    fake.on(AUTHORIZE_ORDER, Answer(201, HELD))
    facts = await adapter.confirm(msgspec.structs.replace(PAYMENT, capture="manual"), key="op_7")
    assert kinds(facts) == [BuyerApproved, Authorized]
    assert not fake.requests_to(CAPTURE_ORDER)


async def test_a_short_answer_is_looked_up(adapter: PaymentProvider, fake: FakePayPal) -> None:
    fake.on(ORDER, Answer(body=p.order("APPROVED")), Answer(body=PAID))
    fake.on(CAPTURE_ORDER, Answer(201, {"id": p.ORDER_ID, "status": "COMPLETED"}))
    assert Captured in kinds(await adapter.confirm(PAYMENT, key="op"))


async def test_a_paid_order_is_not_captured_again(
    adapter: PaymentProvider, fake: FakePayPal
) -> None:
    fake.on(ORDER, Answer(body=PAID))
    first = await adapter.confirm(PAYMENT, key="op")
    assert await adapter.confirm(PAYMENT, key="op") == first
    assert kinds(first) == [Captured, Fee]
    assert not fake.requests_to(CAPTURE_ORDER)


async def test_approved_again_after_a_declined_capture(
    adapter: PaymentProvider, fake: FakePayPal
) -> None:
    declined = p.capture("DECLINED", id="FIRST")
    fake.on(ORDER, Answer(body=p.order("APPROVED", payments={"captures": [declined]})))
    fake.on(CAPTURE_ORDER, Answer(201, p.order("COMPLETED", payments={"captures": [p.capture()]})))
    assert kinds(await adapter.confirm(PAYMENT, key="op")) == [BuyerApproved, Failed, Captured, Fee]


@pytest.mark.parametrize(
    "amount", [p.amount("54.01"), p.amount("54.00", "EUR"), p.amount("x"), None]
)
async def test_a_wrong_amount_is_not_captured(
    adapter: PaymentProvider, fake: FakePayPal, amount: Any
) -> None:
    approved = p.order("APPROVED", purchase_units=[{"custom_id": "pay_1", "amount": amount}])
    fake.on(ORDER, Answer(body=approved))
    facts = await adapter.confirm(PAYMENT, key="op")
    assert kinds(facts) == [BuyerApproved, Unrecognized]
    assert not fake.requests_to(CAPTURE_ORDER)


async def test_the_right_amount_in_other_digits(adapter: PaymentProvider, fake: FakePayPal) -> None:
    approved = p.order("APPROVED", purchase_units=[{"amount": p.amount("54.0")}])
    fake.on(ORDER, Answer(body=approved))
    fake.on(CAPTURE_ORDER, Answer(201, PAID))
    assert Captured in kinds(await adapter.confirm(PAYMENT, key="op"))


@pytest.mark.parametrize("issue", sorted(DECLINES))
async def test_a_decline_leaves_the_checkout_open(
    adapter: PaymentProvider, fake: FakePayPal, issue: str
) -> None:
    fake.on(ORDER, Answer(body=p.order("APPROVED")))
    fake.on(CAPTURE_ORDER, refusal(issue))
    facts = await adapter.confirm(PAYMENT, key="op_7")
    assert kinds(facts) == [BuyerApproved, Declined]
    declined = next(fact for fact in facts if isinstance(fact, Declined))
    assert declined.code == issue
    again = await adapter.confirm(PAYMENT, key="op_7")
    assert declined.key in {fact.key for fact in again}
    other = await adapter.confirm(PAYMENT, key="op_8")
    assert declined.key not in {fact.key for fact in other}


@pytest.mark.parametrize("issue", sorted(LOOK_AGAIN))
async def test_when_the_order_has_moved_on_it_is_read_again(
    adapter: PaymentProvider, fake: FakePayPal, issue: str
) -> None:
    fake.on(ORDER, Answer(body=p.order("APPROVED")), Answer(body=PAID))
    fake.on(CAPTURE_ORDER, refusal(issue))
    assert Captured in kinds(await adapter.confirm(PAYMENT, key="op"))
    assert len(fake.requests_to(CAPTURE_ORDER)) == 1


async def test_other_refusals_are_the_callers(adapter: PaymentProvider, fake: FakePayPal) -> None:
    fake.on(ORDER, Answer(body=p.order("APPROVED")))
    fake.on(CAPTURE_ORDER, refusal("DUPLICATE_INVOICE_ID"))
    with pytest.raises(Rejected) as caught:
        await adapter.confirm(PAYMENT, key="op")
    assert caught.value.provider_code == "DUPLICATE_INVOICE_ID"


async def test_a_capture_without_answer_is_unknown(
    adapter: PaymentProvider, fake: FakePayPal
) -> None:
    fake.on(ORDER, Answer(body=p.order("APPROVED")))
    fake.on(CAPTURE_ORDER, Answer(action="reset"))
    with pytest.raises(OutcomeUnknown):
        await adapter.confirm(PAYMENT, key="op")


async def test_an_order_that_is_gone_has_expired(
    adapter: PaymentProvider, fake: FakePayPal
) -> None:
    fake.on(ORDER, GONE)
    assert await adapter.confirm(PAYMENT, key="op") == [Expired(object_id=p.ORDER_ID, at=NOW)]


@pytest.mark.parametrize("verb", ["confirm", "cancel"])
async def test_an_order_that_paypal_cannot_have_forgotten_yet_is_not_over(
    adapter: PaymentProvider, fake: FakePayPal, verb: str
) -> None:
    act = getattr(adapter, verb)
    created = NOW - timedelta(days=1)
    payment = msgspec.structs.replace(PAYMENT, created_at=created)
    young = created + KEPT - timedelta(seconds=1)
    fake.on(ORDER, replace(GONE, headers={"Date": format_datetime(young, usegmt=True)}))
    with pytest.raises(Unavailable, match="credentials"):
        await act(payment, key="op")
    old = created + KEPT
    fake.on(ORDER, replace(GONE, headers={"Date": format_datetime(old, usegmt=True)}))
    assert await act(payment, key="op") == [Expired(object_id=p.ORDER_ID, at=NOW)]


async def test_an_answer_without_a_time_is_of_now(
    adapter: PaymentProvider, fake: FakePayPal
) -> None:
    fake.on(ORDER, replace(GONE, headers={"Date": "soon"}))
    payment = msgspec.structs.replace(PAYMENT, created_at=NOW - KEPT + timedelta(seconds=1))
    with pytest.raises(Unavailable, match="credentials"):
        await adapter.confirm(payment, key="op")
    payment = msgspec.structs.replace(PAYMENT, created_at=NOW - KEPT)
    assert await adapter.confirm(payment, key="op") == [Expired(object_id=p.ORDER_ID, at=NOW)]


async def test_what_was_paid_outlives_its_order(adapter: PaymentProvider, fake: FakePayPal) -> None:
    fake.on(ORDER, GONE)
    fake.on(CAPTURE, Answer(body=p.capture("REFUNDED")))
    fake.on(HOLD, Answer(body=p.authorization("VOIDED")))
    paid = msgspec.structs.replace(AUTHORIZED, capture_id=p.CAPTURE_ID)
    assert kinds(await adapter.confirm(paid, key="op")) == [Captured, Fee]
    assert kinds(await adapter.confirm(AUTHORIZED, key="op")) == [Canceled]


# --- capture and cancel ---------------------------------------------------------------------------


async def test_a_partial_capture(adapter: PaymentProvider, fake: FakePayPal) -> None:
    assert isinstance(adapter, Captures)
    fake.on(f"{HOLD}/capture", Answer(201, p.capture()))
    facts = await adapter.capture(AUTHORIZED, Money(2000, "USD"), key="op_3")
    assert kinds(facts) == [Captured, Fee]
    (sent,) = fake.requests_to(f"{HOLD}/capture")
    assert sent.headers["paypal-request-id"] == "op_3"
    assert json.loads(sent.body) == {"amount": p.amount("20.00"), "final_capture": True}


async def test_nothing_to_capture(adapter: PaymentProvider, fake: FakePayPal) -> None:
    assert isinstance(adapter, Captures)
    with pytest.raises(Rejected):
        await adapter.capture(PAYMENT, Money(2000, "USD"), key="op")
    assert not fake.requests


async def test_a_capture_that_has_happened(adapter: PaymentProvider, fake: FakePayPal) -> None:
    assert isinstance(adapter, Captures)
    fake.on(f"{HOLD}/capture", refusal("AUTHORIZATION_ALREADY_CAPTURED"))
    fake.on(ORDER, Answer(body=PAID))
    assert Captured in kinds(await adapter.capture(AUTHORIZED, Money(5400, "USD"), key="op"))
    fake.on(ORDER, Answer(body=HELD))  # but nothing shows that it has
    with pytest.raises(Rejected):
        await adapter.capture(AUTHORIZED, Money(5400, "USD"), key="op")
    fake.on(f"{HOLD}/capture", refusal("MAX_CAPTURE_AMOUNT_EXCEEDED"))
    with pytest.raises(Rejected):
        await adapter.capture(AUTHORIZED, Money(9900, "USD"), key="op")


async def test_voiding(adapter: PaymentProvider, fake: FakePayPal) -> None:
    assert isinstance(adapter, Cancels)
    fake.on(f"{HOLD}/void", Answer(204))
    canceled = [Canceled(object_id=p.AUTHORIZATION_ID, at=NOW)]
    assert await adapter.cancel(AUTHORIZED, key="op_4") == canceled
    (sent,) = fake.requests_to(f"{HOLD}/void")
    assert sent.headers["paypal-request-id"] == "op_4"


async def test_voiding_what_was_captured(adapter: PaymentProvider, fake: FakePayPal) -> None:
    assert isinstance(adapter, Cancels)
    fake.on(f"{HOLD}/void", refusal("PREVIOUSLY_CAPTURED"))
    fake.on(ORDER, Answer(body=PAID))
    assert Captured in kinds(await adapter.cancel(AUTHORIZED, key="op"))
    fake.on(f"{HOLD}/void", refusal("CANNOT_BE_VOIDED"))
    with pytest.raises(Rejected):
        await adapter.cancel(AUTHORIZED, key="op")


@pytest.mark.parametrize(
    ("status", "expected"),
    [("PAYER_ACTION_REQUIRED", [Canceled]), ("APPROVED", [BuyerApproved, Canceled])],
)
async def test_only_we_could_have_captured(
    adapter: PaymentProvider, fake: FakePayPal, status: str, expected: list[type]
) -> None:
    assert isinstance(adapter, Cancels)
    fake.on(ORDER, Answer(body=p.order(status)))
    facts = await adapter.cancel(PAYMENT, key="op")
    assert kinds(facts) == expected
    assert facts[-1] == Canceled(object_id=p.ORDER_ID, at=NOW)
    assert {request.method for request in fake.requests_to(ORDER)} == {"GET"}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(body=PAID), [Captured, Fee]),
        (
            Answer(body=p.order("COMPLETED", payments={"captures": [p.capture("PENDING")]})),
            [Pending],
        ),
        (Answer(body=p.order("VOIDED")), [Canceled]),
        (GONE, [Expired]),
    ],
)
async def test_canceling_tells_the_truth(
    adapter: PaymentProvider, fake: FakePayPal, answer: Answer, expected: list[type]
) -> None:
    assert isinstance(adapter, Cancels)
    fake.on(ORDER, answer)
    assert kinds(await adapter.cancel(PAYMENT, key="op")) == expected


async def test_an_authorization_that_we_did_not_know_of(
    adapter: PaymentProvider, fake: FakePayPal
) -> None:
    assert isinstance(adapter, Cancels)
    fake.on(ORDER, Answer(body=HELD))
    fake.on(f"{HOLD}/void", Answer(204))
    assert kinds(await adapter.cancel(PAYMENT, key="op")) == [Authorized, Canceled]
    both = {"authorizations": [p.authorization("CAPTURED")], "captures": [p.capture()]}
    fake.on(ORDER, Answer(body=p.order("COMPLETED", payments=both)))
    assert kinds(await adapter.cancel(PAYMENT, key="op")) == [Authorized, Captured, Fee]


async def test_when_the_truth_is_not_to_be_had(adapter: PaymentProvider, fake: FakePayPal) -> None:
    assert isinstance(adapter, Cancels)
    fake.on(ORDER, refusal("SOMETHING_ELSE"))
    with pytest.raises(Rejected):
        await adapter.cancel(PAYMENT, key="op")


# --- refunds --------------------------------------------------------------------------------------

REFUND = RefundRequest(PAYMENT, "ref_1", Money(1000, "USD"), p.CAPTURE_ID, "broken")


async def test_a_refund(adapter: PaymentProvider, fake: FakePayPal) -> None:
    fake.on(f"{CAPTURE}/refund", Answer(201, p.refund()))
    facts = await adapter.refund(REFUND, key="op_5")
    assert kinds(facts) == [RefundUpdated, Fee]
    (sent,) = fake.requests_to(f"{CAPTURE}/refund")
    assert sent.headers["paypal-request-id"] == "op_5"
    assert json.loads(sent.body)["amount"] == p.amount("10.00")


@pytest.mark.parametrize(
    "issue", ["CAPTURE_FULLY_REFUNDED", "REFUND_AMOUNT_EXCEEDED", "PENDING_CAPTURE"]
)
async def test_a_refused_refund_is_never_a_success(
    adapter: PaymentProvider, fake: FakePayPal, issue: str
) -> None:
    fake.on(f"{CAPTURE}/refund", refusal(issue))
    with pytest.raises(Rejected) as caught:
        await adapter.refund(REFUND, key="op_5")
    assert caught.value.provider_code == issue


async def test_finding_refunds(adapter: PaymentProvider, fake: FakePayPal) -> None:
    assert isinstance(adapter, FindsRefunds)
    refunds = [p.refund(), p.refund("FAILED", id="OTHER")]
    fake.on(ORDER, Answer(body=p.order("COMPLETED", payments={"refunds": refunds})))
    assert kinds(await adapter.find_refunds(PAYMENT)) == [RefundUpdated, Fee, RefundUpdated]
    fake.on(ORDER, Answer(body=PAID))
    assert await adapter.find_refunds(PAYMENT) == []
    fake.on(ORDER, GONE)  # what cannot be seen may still be there
    with pytest.raises(Unavailable):
        await adapter.find_refunds(PAYMENT)
