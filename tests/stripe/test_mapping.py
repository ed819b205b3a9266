"""Stripe's objects as facts, without a wire."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from gateway.facts import (
    Authorized,
    BuyerApproved,
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
    Unrecognized,
)
from providers.stripe.mapping import dispute_facts, intent_facts, refund_facts, session_facts
from providers.stripe.resources import Dispute, PaymentIntent, Refund, Session
from tests.stripe.payloads import (
    NOW,
    Json,
    balance,
    charge,
    dispute,
    intent,
    open_session,
    refund,
    session,
)

AS_OF = datetime.fromtimestamp(NOW + 10, UTC)


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(NOW + seconds, UTC)


def read(kind: type[Any], value: Json) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value), type=kind)


def of_session(value: Json) -> list[ProviderFact]:
    """The session's facts, apart from its ids, which are always there."""
    facts = list(session_facts(read(Session, value), AS_OF))
    assert facts.pop(0) == ProviderIds(ids=(value["id"],))
    return facts


def of_intent(value: Json, **options: bool) -> list[ProviderFact]:
    """The PaymentIntent's facts, apart from its id, which is always there."""
    facts = list(intent_facts(read(PaymentIntent, value), AS_OF, **options))
    assert facts.pop(0) == ProviderIds(ids=("pi_1",), payment_id="pi_1")
    return facts


def test_an_open_session() -> None:
    assert of_session(open_session()) == [
        CheckoutOpened(
            provider_order_id="cs_test_1",
            url="https://checkout.example/c/cs_test_1",
            expires_at=at(1860),
        )
    ]


def test_a_paid_session_with_everything_expanded() -> None:
    paid = charge(balance_transaction=balance(), refunds={"data": []})
    facts = of_session(session(payment_intent=intent(latest_charge=paid)))
    assert facts == [
        ProviderIds(ids=("pi_1",), payment_id="pi_1"),
        Captured(capture_id="pi_1", amount=5400, currency="USD", at=at(5)),
        ProviderIds(ids=("ch_1",)),
        PaidWith(type="card", brand="visa", last4="4242"),
        Fee(
            object_id="pi_1",
            fee=187,
            net=5213,
            currency="USD",
            balance_id="txn_1",
            available_at=at(172_800),
        ),
    ]


def test_a_fee_in_another_currency_keeps_the_rate_exactly() -> None:
    body = b'{"id":"txn_1","fee":12,"net":88,"currency":"eur","exchange_rate":0.92371640000000001}'
    paid = charge(balance_transaction=msgspec.Raw(body))
    fees = [fact for fact in of_intent(intent(latest_charge=paid)) if isinstance(fact, Fee)]
    assert [(fee.currency, fee.rate) for fee in fees] == [("EUR", "0.92371640000000001")]


def test_a_capture_is_the_amount_received() -> None:
    """Of a partial capture, amount and amount_total still show what was held."""
    facts = of_session(session(payment_intent=intent(amount_received=4000)))
    assert Captured(capture_id="pi_1", amount=4000, currency="USD", at=AS_OF) in facts


@pytest.mark.parametrize(
    ("currency", "units", "amount"),
    [
        ("jpy", 5400, 5400),
        ("mga", 54, 5400),
        ("isk", 5400, 54),
        ("ugx", 5400, 54),
        ("huf", 5400, 5400),
        ("twd", 5400, 5400),
        ("kwd", 5400, 5400),
    ],
)
def test_currencies_that_stripe_counts_in_its_own_way(
    currency: str, units: int, amount: int
) -> None:
    facts = of_intent(intent(amount_received=units, currency=currency))
    assert facts == [
        Captured(capture_id="pi_1", amount=amount, currency=currency.upper(), at=AS_OF)
    ]


@pytest.mark.parametrize(
    ("currency", "units"), [("isk", 5450), ("xxx", 1), ("doge", 1), ("", 1), ("usd", None)]
)
def test_an_amount_that_cannot_be_is_for_people_to_look_at(
    currency: str, units: int | None
) -> None:
    facts = of_intent(intent(amount_received=units, currency=currency))
    assert facts == [Unrecognized(object_id="pi_1", state=f"amount {units} {currency}", at=AS_OF)]


def test_completed_is_not_paid() -> None:
    facts = of_session(session(payment_status="unpaid", payment_intent=intent(status="processing")))
    assert facts == [
        BuyerApproved(provider_order_id="cs_test_1", at=AS_OF),
        ProviderIds(ids=("pi_1",), payment_id="pi_1"),
        Pending(object_id="pi_1", at=AS_OF, reason="processing"),
    ]


def test_a_voucher_that_is_not_paid_yet() -> None:
    assert of_intent(intent(status="requires_action")) == []
    assert of_intent(intent(status="requires_action"), completed=True) == [
        Pending(object_id="pi_1", at=AS_OF, reason="requires_action")
    ]


ERROR = {
    "charge": "ch_0",
    "code": "card_declined",
    "decline_code": "insufficient_funds",
    "message": "Your card has insufficient funds.",
}


def test_a_decline_leaves_the_session_open() -> None:
    declined = intent(status="requires_payment_method", last_payment_error=ERROR)
    facts = of_session(open_session() | {"payment_intent": declined})
    assert [fact.kind for fact in facts] == ["checkout_opened", "provider_ids", "declined"]
    assert facts[-1] == Declined(
        attempt_id="ch_0",
        code="insufficient_funds",
        at=AS_OF,
        message="Your card has insufficient funds.",
    )


def test_a_decline_without_a_charge_is_told_apart_by_its_code() -> None:
    error = {"charge": None, "code": "authentication_failed", "message": None}
    facts = of_intent(intent(status="requires_payment_method", last_payment_error=error))
    assert [fact.key for fact in facts] == ["declined:pi_1:authentication_failed"]


def test_a_bounced_debit_fails_for_good() -> None:
    bounced = intent(status="requires_payment_method", last_payment_error=ERROR)
    facts = of_session(session(payment_status="unpaid", payment_intent=bounced))
    assert [fact.key for fact in facts if isinstance(fact, Failed)] == ["failed:pi_1"]
    silent = of_intent(intent(status="requires_payment_method"), completed=True)
    assert silent == [Failed(object_id="pi_1", code="payment_failed", at=AS_OF)]


def test_money_that_is_held() -> None:
    details = {"type": "card", "card": {"brand": "visa", "last4": "4242", "capture_before": NOW}}
    held = intent(
        status="requires_capture",
        amount_capturable=5400,
        amount_received=0,
        latest_charge=charge(captured=False, payment_method_details=details),
    )
    assert of_intent(held)[0] == Authorized(
        authorization_id="pi_1", amount=5400, currency="USD", at=at(0), expires_at=at(0)
    )


def test_held_money_that_cannot_be_read_is_for_people_to_look_at() -> None:
    held = intent(status="requires_capture", amount_capturable=None)
    assert [fact.key for fact in of_intent(held)] == ["unrecognized:pi_1:amount None usd"]


def test_an_open_session_without_an_address_tells_nothing() -> None:
    assert of_session(open_session() | {"url": None}) == []


def test_a_fee_in_a_currency_that_does_not_exist_is_no_fee() -> None:
    paid = charge(balance_transaction=balance(currency="xxx"))
    assert not [f for f in of_intent(intent(latest_charge=paid)) if isinstance(f, Fee)]


@pytest.mark.parametrize(
    ("reason", "kind"),
    [("requested_by_customer", Canceled), ("automatic", Expired), ("expired", Expired)],
)
def test_a_canceled_intent(reason: str, kind: type[Canceled | Expired]) -> None:
    ended = intent(status="canceled", cancellation_reason=reason, canceled_at=NOW + 3)
    assert of_intent(ended) == [kind(object_id="pi_1", at=at(3))]


def test_an_expired_session() -> None:
    early = session(status="expired", payment_status="unpaid", payment_intent=None)
    assert of_session(early) == [Expired(object_id="cs_test_1", at=AS_OF)]
    late = early | {"expires_at": NOW + 2}
    assert of_session(late) == [Expired(object_id="cs_test_1", at=at(2))]


@pytest.mark.parametrize(
    "value",
    [
        session(status="paused", payment_intent=None),
        session(status=None, payment_intent=None),
        session(payment_status="no_payment_required", payment_intent=None),
        session(payment_intent=None),
    ],
)
def test_a_session_that_we_do_not_understand(value: Json) -> None:
    assert [type(fact) for fact in of_session(value)] == [Unrecognized]


def test_an_intent_that_we_do_not_understand() -> None:
    assert [fact.key for fact in of_intent(intent(status="requires_luck"))] == [
        "unrecognized:pi_1:payment_intent requires_luck"
    ]


@pytest.mark.parametrize(
    ("status", "ours"),
    [
        ("pending", "pending"),
        ("requires_action", "pending"),
        ("succeeded", "succeeded"),
        ("failed", "failed"),
        ("canceled", "canceled"),
    ],
)
def test_refund_statuses(status: str, ours: str) -> None:
    value = read(Refund, refund(status=status, failure_reason="lost_or_stolen_card"))
    [fact] = refund_facts(value, AS_OF)
    assert isinstance(fact, RefundUpdated)
    assert fact.key == f"refund_updated:re_1:{ours}:ref_1"
    assert (fact.amount, fact.currency, fact.capture_id) == (400, "USD", "pi_1")
    assert fact.reason == ("lost_or_stolen_card" if ours == "failed" else "")


def test_a_refund_of_the_dashboard_with_its_booking() -> None:
    booked = balance("txn_2", fee=0, net=-400)
    value = refund(metadata={}, reason="duplicate", balance_transaction=booked)
    updated, fee = refund_facts(read(Refund, value), AS_OF)
    assert isinstance(updated, RefundUpdated)
    assert (updated.refund_id, updated.reason) == (None, "duplicate")
    assert fee.key == "fee:re_1:0:-400:USD:txn_2"


@pytest.mark.parametrize(
    ("amount", "captured", "booked", "metadata", "refunds"),
    [
        (1400, 4000, None, {}, 0),  # the rest of a partial capture
        (5400, 0, None, {}, 0),  # an authorization that was canceled
        (1400, 4000, "txn_2", {}, 1),  # as much as the rest, but money that had come in
        (1400, 5400, None, {}, 1),  # there was no rest
        (1400, 4000, None, {"refund_id": "ref_1"}, 1),  # asked for by us
    ],
)
def test_held_money_that_is_let_go_is_no_refund(
    amount: int, captured: int, booked: str | None, metadata: Json, refunds: int
) -> None:
    value = refund(
        amount=amount,
        balance_transaction=booked,
        metadata=metadata,
        charge=charge(amount_captured=captured),
    )
    assert len(list(refund_facts(read(Refund, value), AS_OF))) == refunds


def test_a_refund_without_booking_or_charge_proves_nothing() -> None:
    value = refund(balance_transaction=None, metadata={})
    assert list(refund_facts(read(Refund, value), AS_OF)) == []


@pytest.mark.parametrize("change", [{"status": "lost"}, {"status": None}, {"currency": "xxx"}])
def test_a_refund_that_we_do_not_understand(change: Json) -> None:
    facts = list(refund_facts(read(Refund, refund(**change)), AS_OF))
    assert [type(fact) for fact in facts] == [Unrecognized]


@pytest.mark.parametrize(
    ("status", "ours"),
    [
        ("warning_needs_response", "warning"),
        ("warning_under_review", "warning"),
        ("warning_closed", "prevented"),
        ("needs_response", "needs_response"),
        ("under_review", "under_review"),
        ("appeal_lost", "lost"),
        ("won", "won"),
        ("lost", "lost"),
        ("prevented", "prevented"),
    ],
)
def test_dispute_statuses(status: str, ours: str) -> None:
    updated, fee = dispute_facts(read(Dispute, dispute(status=status)), AS_OF)
    assert isinstance(updated, DisputeUpdated)
    assert updated.key == f"dispute_updated:dp_1:{ours}"
    assert updated.due_by == at(800_000)
    assert fee.key == "fee:dp_1:1500:-6900:USD:txn_3"


@pytest.mark.parametrize(("bookings", "turn"), [(1, ""), (2, ""), (3, ":3")])
def test_a_dispute_that_is_lost_again_is_another_fact(bookings: int, turn: str) -> None:
    """Its money went, came back, and went again: each time it is booked."""
    booked = [balance(f"txn_{number}") for number in range(bookings)]
    value = dispute(status="lost", balance_transactions=booked)
    (updated, *fees) = dispute_facts(read(Dispute, value), AS_OF)
    assert updated.key == f"dispute_updated:dp_1:lost{turn}"
    assert len({fee.key for fee in fees}) == bookings


@pytest.mark.parametrize("change", [{"status": "paused"}, {"currency": "xxx"}])
def test_a_dispute_that_we_do_not_understand(change: Json) -> None:
    value = read(Dispute, dispute(balance_transactions=[], evidence_details=None, **change))
    assert [type(fact) for fact in dispute_facts(value, AS_OF)] == [Unrecognized]
