"""PayPal's objects as facts."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.facts import (
    Authorized,
    BuyerApproved,
    Canceled,
    Captured,
    CheckoutOpened,
    DisputeUpdated,
    Expired,
    Failed,
    Fee,
    PaidWith,
    Pending,
    ProviderFact,
    ProviderIds,
    RefundUpdated,
    Reversed,
    Unrecognized,
)
from providers.paypal.mapping import (
    authorization_facts,
    capture_facts,
    dispute_facts,
    moment,
    order_facts,
    refund_facts,
    reversal_facts,
)
from providers.paypal.resources import Dispute, Order, Transaction
from tests.paypal import payloads as p

SEEN = datetime(2026, 3, 2, tzinfo=UTC)
CREATED = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
UPDATED = datetime(2026, 3, 1, 10, 5, tzinfo=UTC)


def of_order(**changes: Any) -> list[ProviderFact]:
    return order_facts(msgspec.convert(p.order(**changes), Order), SEEN)


def of_capture(*args: str, **changes: Any) -> list[ProviderFact]:
    return capture_facts(msgspec.convert(p.capture(*args, **changes), Transaction), SEEN)


def of_authorization(*args: str, **changes: Any) -> list[ProviderFact]:
    return authorization_facts(
        msgspec.convert(p.authorization(*args, **changes), Transaction), SEEN
    )


def of_refund(*args: str, **changes: Any) -> list[ProviderFact]:
    return refund_facts(msgspec.convert(p.refund(*args, **changes), Transaction), SEEN)


def of_dispute(*args: str, **changes: Any) -> list[ProviderFact]:
    return dispute_facts(msgspec.convert(p.dispute(*args, **changes), Dispute), SEEN)


IDS = ProviderIds(ids=(p.CAPTURE_ID,), payment_id=p.CAPTURE_ID)
CAPTURED = Captured(capture_id=p.CAPTURE_ID, amount=5400, currency="USD", at=CREATED)
FEE = Fee(object_id=p.CAPTURE_ID, fee=237, net=5163, currency="USD")


@pytest.mark.parametrize("status", ["CREATED", "SAVED", "PAYER_ACTION_REQUIRED"])
@pytest.mark.parametrize("rel", ["payer-action", "approve"])
def test_an_open_order(status: str, rel: str) -> None:
    facts = of_order(status=status, links=[p.link("self", "x"), p.link(rel, "https://pay")])
    assert facts == [CheckoutOpened(provider_order_id=p.ORDER_ID, url="https://pay")]


def test_an_open_order_without_a_link_proves_nothing() -> None:
    assert of_order(links=[]) == []


def test_an_approved_order() -> None:
    assert of_order(status="APPROVED") == [
        BuyerApproved(provider_order_id=p.ORDER_ID, at=UPDATED),
        PaidWith(type="paypal"),
    ]


def test_a_paid_order() -> None:
    facts = of_order(status="COMPLETED", payments={"captures": [p.capture()]})
    assert facts == [PaidWith(type="paypal"), IDS, CAPTURED, FEE]


def test_a_completed_order_can_hold_a_pending_capture() -> None:
    pending = p.capture("PENDING", status_details={"reason": "ECHECK"})
    facts = of_order(status="COMPLETED", payments={"captures": [pending]})
    assert Pending(object_id=p.CAPTURE_ID, at=CREATED, reason="ECHECK") in facts
    assert not any(isinstance(fact, Captured) for fact in facts)


def test_a_completed_order_without_payments_is_not_paid() -> None:
    facts = of_order(status="COMPLETED")
    assert facts[0] == Unrecognized(object_id=p.ORDER_ID, state="order COMPLETED", at=UPDATED)


def test_a_voided_order() -> None:
    assert of_order(status="VOIDED") == [Canceled(object_id=p.ORDER_ID, at=UPDATED)]


@pytest.mark.parametrize("status", ["PARTLY_COMPLETED", ""])
def test_an_order_state_that_we_do_not_know(status: str) -> None:
    (fact,) = of_order(status=status)
    assert isinstance(fact, Unrecognized)
    assert fact.state == f"order {status}"


def test_a_card_shows_brand_and_last_digits_only() -> None:
    card = {"brand": "VISA", "last_digits": "4111111111114242", "name": "Jane Doe"}
    facts = of_order(status="APPROVED", payment_source={"card": card})
    assert PaidWith(type="card", brand="visa", last4="4242") in facts


@pytest.mark.parametrize("status", ["COMPLETED", "PARTIALLY_REFUNDED", "REFUNDED"])
def test_money_that_came_stays_captured(status: str) -> None:
    assert of_capture(status) == [IDS, CAPTURED, FEE]


@pytest.mark.parametrize("status", ["DECLINED", "FAILED"])
def test_a_failed_capture(status: str) -> None:
    assert of_capture(status) == [IDS, Failed(object_id=p.CAPTURE_ID, code=status, at=UPDATED)]


def test_a_capture_state_that_we_do_not_know() -> None:
    state = Unrecognized(object_id=p.CAPTURE_ID, state="capture FROZEN", at=UPDATED)
    assert of_capture("FROZEN") == [IDS, state]
    nameless = Unrecognized(object_id=p.CAPTURE_ID, state="capture without status", at=UPDATED)
    assert of_capture("") == [IDS, nameless]


@pytest.mark.parametrize(
    "amount",
    [
        p.amount("54.001"),
        p.amount("fifty"),
        p.amount("1e3"),
        p.amount("54", "XXX"),
        p.amount("0.5", "JPY"),
        None,
    ],
)
def test_an_amount_that_cannot_be_read_is_never_paid(amount: Any) -> None:
    facts = of_capture(amount=amount)
    assert [type(fact) for fact in facts] == [ProviderIds, Unrecognized]


@pytest.mark.parametrize(
    ("amount", "minor"),
    [
        (p.amount("1000", "JPY"), 1000),
        (p.amount("1000", "HUF"), 100_000),
        (p.amount("1000.00", "HUF"), 100_000),
        (p.amount("1.234", "KWD"), 1234),
        (p.amount("54", "USD"), 5400),
    ],
)
def test_amounts_become_iso_minor_units(amount: Any, minor: int) -> None:
    captured = of_capture(amount=amount)[1]
    assert isinstance(captured, Captured)
    assert (captured.amount, captured.currency) == (minor, amount["currency_code"])


def test_a_fee_in_the_currency_of_the_account() -> None:
    books = {
        "gross_amount": p.amount("54.00"),
        "paypal_fee": p.amount("2.37"),
        "net_amount": p.amount("51.63"),
        "receivable_amount": p.amount("46.47", "EUR"),
        "exchange_rate": {"source_currency": "USD", "target_currency": "EUR", "value": "0.9"},
    }
    fee = of_capture(seller_receivable_breakdown=books)[-1]
    converted = Fee(object_id=p.CAPTURE_ID, fee=213, net=4647, currency="EUR", rate="0.9")
    assert fee == converted
    named = books | {"paypal_fee_in_receivable_currency": p.amount("2.20", "EUR")}
    fee = of_capture(seller_receivable_breakdown=named)[-1]
    assert fee == msgspec.structs.replace(converted, fee=220)
    yen = books | {"receivable_amount": p.amount("5163", "JPY"), "exchange_rate": {"value": "100"}}
    fee = of_capture(seller_receivable_breakdown=yen)[-1]
    assert fee == Fee(object_id=p.CAPTURE_ID, fee=237, net=5163, currency="JPY", rate="100")


@pytest.mark.parametrize("rate", ["much", "NaN", "Infinity", "1e999"])
def test_a_rate_that_is_none(rate: str) -> None:
    books = {
        "paypal_fee": p.amount("2.37"),
        "receivable_amount": p.amount("46.47", "EUR"),
        "exchange_rate": {"value": rate},
    }
    assert of_capture(seller_receivable_breakdown=books) == [IDS, CAPTURED]


def test_no_fee_converts_to_none() -> None:
    books = {
        "receivable_amount": p.amount("46.47", "EUR"),
        "exchange_rate": {"value": "0.9"},
    }
    fee = Fee(object_id=p.CAPTURE_ID, fee=0, net=4647, currency="EUR", rate="0.9")
    assert of_capture(seller_receivable_breakdown=books)[-1] == fee


def test_books_that_are_incomplete_give_no_fee() -> None:
    assert of_capture(seller_receivable_breakdown={}) == [IDS, CAPTURED]
    for fee_amount in (p.amount("x"), p.amount("2.00", "EUR")):
        books = {"net_amount": p.amount("51.63"), "paypal_fee": fee_amount}
        assert of_capture(seller_receivable_breakdown=books) == [IDS, CAPTURED]
    only_net = {"net_amount": p.amount("54.00")}
    fee = Fee(object_id=p.CAPTURE_ID, fee=0, net=5400, currency="USD")
    assert of_capture(seller_receivable_breakdown=only_net)[-1] == fee


AUTHORIZATION_IDS = ProviderIds(ids=(p.AUTHORIZATION_ID,))


@pytest.mark.parametrize("status", ["CREATED", "CAPTURED", "PARTIALLY_CAPTURED"])
def test_an_authorization(status: str) -> None:
    assert of_authorization(status) == [
        AUTHORIZATION_IDS,
        Authorized(
            authorization_id=p.AUTHORIZATION_ID,
            amount=5400,
            currency="USD",
            at=CREATED,
            expires_at=datetime(2026, 3, 30, 10, tzinfo=UTC),
        ),
    ]


@pytest.mark.parametrize(
    ("status", "fact"),
    [
        ("PENDING", Pending(object_id=p.AUTHORIZATION_ID, at=CREATED)),
        ("VOIDED", Canceled(object_id=p.AUTHORIZATION_ID, at=UPDATED)),
        ("DENIED", Failed(object_id=p.AUTHORIZATION_ID, code="DENIED", at=UPDATED)),
        ("EXPIRED", Expired(object_id=p.AUTHORIZATION_ID, at=UPDATED)),
        (
            "HELD",
            Unrecognized(object_id=p.AUTHORIZATION_ID, state="authorization HELD", at=UPDATED),
        ),
    ],
)
def test_ends_of_an_authorization(status: str, fact: ProviderFact) -> None:
    assert of_authorization(status) == [AUTHORIZATION_IDS, fact]


def test_an_authorization_whose_amount_cannot_be_read() -> None:
    facts = of_authorization(amount=p.amount("1,00"))
    assert [type(fact) for fact in facts] == [ProviderIds, Unrecognized]


UPDATED_REFUND = RefundUpdated(
    provider_refund_id=p.REFUND_ID,
    status="succeeded",
    amount=1000,
    currency="USD",
    at=UPDATED,
    refund_id="ref_1",
    capture_id=p.CAPTURE_ID,
)


def test_a_refund_gives_back_part_of_the_fee() -> None:
    fee = Fee(object_id=p.REFUND_ID, fee=-34, net=-966, currency="USD")
    assert of_refund() == [UPDATED_REFUND, fee]


@pytest.mark.parametrize(
    ("status", "ours"), [("FAILED", "failed"), ("CANCELLED", "canceled"), ("PENDING", "pending")]
)
def test_refund_states(status: str, ours: str) -> None:
    facts = of_refund(status, status_details={"reason": "ECHECK"})
    assert facts[0] == msgspec.structs.replace(UPDATED_REFUND, status=ours, reason="ECHECK")
    assert len(facts) == (2 if ours == "pending" else 1)


def test_a_refund_in_the_currency_of_the_account() -> None:
    books = {
        "paypal_fee": p.amount("0.34"),
        "net_amount": p.amount("9.66"),
        "net_amount_breakdown": [
            {
                "payable_amount": p.amount("9.66"),
                "converted_amount": p.amount("8.69", "EUR"),
                "exchange_rate": {"value": "0.9"},
            }
        ],
    }
    fee = of_refund(seller_payable_breakdown=books)[-1]
    assert fee == Fee(object_id=p.REFUND_ID, fee=-31, net=-869, currency="EUR", rate="0.9")


def test_whose_refund_it_is() -> None:
    (imported, *_) = of_refund(custom_id="pay_1", invoice_id="pay_1")
    assert imported == msgspec.structs.replace(UPDATED_REFUND, refund_id=None)
    (by_invoice, *_) = of_refund(custom_id="pay_1", invoice_id="ref_1")
    assert by_invoice == UPDATED_REFUND


def test_refunds_that_cannot_be_read() -> None:
    assert isinstance(of_refund("LOST")[0], Unrecognized)
    assert isinstance(of_refund(amount=None)[0], Unrecognized)


def test_a_reversal() -> None:
    facts = reversal_facts(msgspec.convert(p.refund(custom_id="pay_1"), Transaction), SEEN)
    assert facts[0] == Reversed(
        reversal_id=p.REFUND_ID, amount=1000, currency="USD", at=CREATED, capture_id=p.CAPTURE_ID
    )
    (fact,) = reversal_facts(msgspec.convert(p.refund(amount=None), Transaction), SEEN)
    assert isinstance(fact, Unrecognized)


@pytest.mark.parametrize(
    ("status", "outcome", "ours"),
    [
        ("OPEN", None, "needs_response"),
        ("WAITING_FOR_SELLER_RESPONSE", None, "needs_response"),
        ("WAITING_FOR_BUYER_RESPONSE", None, "under_review"),
        ("UNDER_REVIEW", None, "under_review"),
        ("RESOLVED", "RESOLVED_BUYER_FAVOUR", "lost"),
        ("RESOLVED", "ACCEPTED", "lost"),
        ("RESOLVED", "RESOLVED_SELLER_FAVOUR", "won"),
        ("RESOLVED", "RESOLVED_WITH_PAYOUT", "won"),
        ("RESOLVED", "CANCELED_BY_BUYER", "won"),
        ("RESOLVED", "DENIED", "won"),
    ],
)
def test_disputes(status: str, outcome: str | None, ours: str) -> None:
    changes = {"dispute_outcome": {"outcome_code": outcome}} if outcome else {}
    (fact,) = of_dispute(status, **changes)
    assert isinstance(fact, DisputeUpdated)
    assert (fact.status, fact.amount, fact.currency) == (ours, 5400, "USD")
    assert fact.due_by == datetime(2026, 3, 11, 10, tzinfo=UTC)


@pytest.mark.parametrize(("decisions", "turn"), [(1, ""), (2, ""), (3, ":3")])
def test_a_dispute_that_is_lost_again_is_another_fact(decisions: int, turn: str) -> None:
    """Lost, won on appeal, lost after all."""
    outcome = {"outcome_code": "RESOLVED_BUYER_FAVOUR"}
    told = [{"adjudication_time": f"2026-03-0{n + 1}T10:00:00Z"} for n in range(decisions)]
    (fact,) = of_dispute("RESOLVED", dispute_outcome=outcome, adjudications=told)
    assert fact.key == f"dispute_updated:PP-D-1001:lost{turn}"


def test_a_dispute_lost_in_part() -> None:
    outcome = {"outcome_code": "RESOLVED_BUYER_FAVOUR", "amount_refunded": p.amount("20.00")}
    (fact,) = of_dispute("RESOLVED", dispute_outcome=outcome)
    assert isinstance(fact, DisputeUpdated)
    assert fact.amount == 2000


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "OTHER"},
        {"status": "RESOLVED"},
        {"status": "RESOLVED", "dispute_outcome": {"outcome_code": "NONE"}},
        {"dispute_amount": None},
    ],
)
def test_disputes_for_a_person_to_read(changes: dict[str, Any]) -> None:
    (fact,) = of_dispute(**changes)
    assert isinstance(fact, Unrecognized)


def test_without_any_time_it_happened_when_it_was_seen() -> None:
    (_, captured, _) = of_capture(create_time=None, update_time="yesterday")
    assert isinstance(captured, Captured)
    assert captured.at == SEEN


def test_moments() -> None:
    assert moment("2018-08-15T12:13:29-07:00") == datetime(2018, 8, 15, 19, 13, 29, tzinfo=UTC)
    assert moment("2026-03-01T10:00:00", None, "") is None


@given(at=st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=9))])))
def test_any_moment_is_read_in_utc(at: datetime) -> None:
    if at.year > 1:
        read = moment(at.isoformat())
        assert read == at
        assert read.tzinfo is UTC
