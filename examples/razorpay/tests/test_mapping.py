"""Objects as they are documented, as facts."""

from typing import Any

import msgspec
import pytest
from gateway_razorpay import mapping
from gateway_razorpay.mapping import Link, Payment, Refund, time

from gateway.facts import (
    Captured,
    Declined,
    Expired,
    Fee,
    PaidWith,
    Pending,
    ProviderIds,
    RefundUpdated,
    Unrecognized,
)
from gateway.money import EXPONENTS

PAYMENT = {
    "id": "pay_L0nSsccovt6zyp",
    "entity": "payment",
    "amount": 9900,
    "currency": "INR",
    "status": "captured",
    "order_id": "order_L0nS83FfCHaWqV",
    "method": "card",
    "captured": True,
    "description": "#L0nS7JIyuX6Lyb",
    "card": {"last4": "0153", "network": "American Express", "name": "A Buyer"},
    "email": "buyer@example.com",
    "notes": [],
    "fee": 198,
    "tax": 30,
    "created_at": 1672987417,
}
REFUND = {
    "id": "rfnd_1",
    "amount": 500,
    "currency": "INR",
    "payment_id": "pay_1",
    "notes": {"gateway_refund": "ref_1"},
    "created_at": 1597734071,
    "status": "processed",
}
LINK = REFUND | {"short_url": "https://rzp.io/i/1", "updated_at": 1597734071}


def payment(**changes: Any) -> list[Any]:
    """The facts of a payment like the documented one."""
    return list(msgspec.convert(PAYMENT | changes, Payment).tells())


def test_a_captured_payment() -> None:
    """With nothing of the buyer but brand and last digits."""
    at = time(1672987417)
    assert payment() == [
        Captured(capture_id="pay_L0nSsccovt6zyp", amount=9900, currency="INR", at=at),
        ProviderIds(
            ids=("pay_L0nSsccovt6zyp", "order_L0nS83FfCHaWqV", "plink_L0nS7JIyuX6Lyb"),
            payment_id="pay_L0nSsccovt6zyp",
        ),
        PaidWith(type="card", brand="amex", last4="0153"),
        Fee(object_id="pay_L0nSsccovt6zyp", fee=198, net=9702, currency="INR"),
    ]


def test_a_fee_is_in_the_currency_of_the_account() -> None:
    """The documented dollar, of which 71.29 rupees are settled, less 2.07."""
    fees = [
        fact
        for fact in payment(
            amount=100, currency="USD", base_amount=7129, base_currency="INR", fee=207
        )
        if isinstance(fact, Fee)
    ]
    assert [(fee.fee, fee.net, fee.currency) for fee in fees] == [(207, 6922, "INR")]


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({"status": "created"}, []),
        ({"status": "authorized", "fee": None}, [Pending, ProviderIds, PaidWith]),
        ({"status": "failed"}, [Declined]),
        ({"status": "refunded"}, [Captured, ProviderIds, PaidWith, Fee]),
        ({"status": "refunded", "captured": False}, [Expired]),
        ({"status": "levitating"}, [Unrecognized]),
        ({"fee": None}, [Captured, ProviderIds, PaidWith]),
        ({"base_amount": 9900}, [Captured, ProviderIds, PaidWith, Fee]),
        ({"base_amount": 7129}, [Captured, ProviderIds, PaidWith]),  # in what currency?
        ({"card": None}, [Captured, ProviderIds, Fee]),  # it is shown elsewhere
        ({"card": None, "method": "upi"}, [Captured, ProviderIds, PaidWith, Fee]),
        ({"card": None, "method": None}, [Captured, ProviderIds, Fee]),
    ],
)
def test_statuses(changes: dict[str, Any], kinds: list[type]) -> None:
    assert [type(fact) for fact in payment(**changes)] == kinds


def test_the_flag_captured_is_not_believed() -> None:
    """In documented events it is true of payments that are authorized, and of failed ones."""
    for status in ("authorized", "failed", "created"):
        facts = payment(status=status, captured=True)
        assert not any(isinstance(fact, Captured) for fact in facts)


def test_a_card_number_as_a_number() -> None:
    facts = payment(card={"network": "RuPay", "last4": 153})
    assert [(f.brand, f.last4) for f in facts if isinstance(f, PaidWith)] == [("rupay", "0153")]


def test_a_decline_says_why() -> None:
    (fact,) = payment(
        status="failed",
        error_reason=None,
        error_code="BAD_REQUEST_ERROR",
        error_description="x" * 999,
    )
    assert (fact.code, len(fact.message)) == ("BAD_REQUEST_ERROR", 200)


@pytest.mark.parametrize(
    ("status", "told"),
    [("pending", "pending"), ("processed", "succeeded"), ("failed", "failed"), ("odd", None)],
)
def test_refunds(status: str, told: str | None) -> None:
    (fact,) = msgspec.convert(REFUND | {"status": status}, Refund).tells()
    if told is None:
        assert isinstance(fact, Unrecognized)
        return
    assert isinstance(fact, RefundUpdated)
    assert (fact.status, fact.refund_id, fact.capture_id) == (told, "ref_1", "pay_1")


def test_a_refund_of_the_dashboard() -> None:
    every: list[Any] = [[], None, {"comment": "sorry"}, {"gateway_refund": 7}]
    for notes in every:
        (fact,) = msgspec.convert(REFUND | {"notes": notes}, Refund).tells()
        assert isinstance(fact, RefundUpdated)
        assert fact.refund_id is None


def test_unknown_states() -> None:
    *_, link = msgspec.convert(LINK | {"status": "levitating"}, Link).tells()
    assert isinstance(link, Unrecognized)
    assert link.state == "link levitating"


def test_negative_amounts_and_odd_numbers_are_no_objects() -> None:
    for odd in ({"amount": -1}, {"amount": 1.5}, {"amount": True}, {"created_at": 1 << 60}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(PAYMENT | odd, Payment)


def test_currencies() -> None:
    """Razorpay's exponents are those of ISO 4217, so that nothing is converted."""
    assert EXPONENTS.keys() >= mapping.CURRENCIES
    assert {c for c in mapping.CURRENCIES if EXPONENTS[c] == 3} == mapping.SCALE.steps.keys()
    assert not mapping.SCALE.exponents
