"""What a merchant is told when an order goes from one state to another."""

from typing import Any

import pytest

from gateway.facts import Canceled, CreateRejected, Fact, Failed, RefundRejected, Reversed
from gateway.recording import event_types
from tests.gateway.build import (
    DUE,
    MANUAL,
    at,
    authorized,
    captured,
    dispute,
    opened,
    refund,
    reserved,
    started,
    state_of,
)


def told(before: list[Fact], *new: Fact, **more: Any) -> list[str]:
    """The events when `new` facts join those of `before`."""
    return event_types(state_of(*before, **more), state_of(*before, *new, **more))


OPEN: list[Fact] = [started(), opened()]
PAID: list[Fact] = [*OPEN, captured()]
REFUNDED: list[Fact] = [
    *PAID,
    reserved("ref_1", DUE),
    refund("re_1", "succeeded", DUE, "ref_1"),
]


def test_a_new_state_of_the_order_is_told() -> None:
    assert told(OPEN, captured()) == ["order.paid"]
    assert told(OPEN, authorized(), terms=MANUAL) == ["order.authorized"]


def test_what_changes_no_state_is_not_told() -> None:
    assert told(PAID, opened()) == []
    assert told(OPEN, Canceled(object_id="co_1", at=at())) == [], "the order is still open"


def test_an_order_that_a_failed_refund_makes_paid_again_is_not_told_as_paid() -> None:
    """Whoever ships on `order.paid` would ship twice."""
    lost = refund("re_1", "failed", DUE, "ref_1")

    assert told(REFUNDED, lost) == ["refund.failed", "order.attention"]


def test_a_second_payment_of_a_refunded_order_is_told_as_attention_only() -> None:
    """The order stays refunded, and the second payment is given back."""
    before = state_of(*REFUNDED)
    after = state_of(*REFUNDED, second=[started("umbrella"), captured(id="cap_2")])

    assert (before.status, after.status) == ("refunded", "refunded")
    assert event_types(before, after) == ["order.attention"]


def test_a_payment_that_failed_is_told_once() -> None:
    failed = Failed(object_id="co_1", code="x", at=at())

    assert told(OPEN, failed) == ["payment.failed"]
    assert told([*OPEN, failed], CreateRejected(code="x", message="", at=at())) == []
    assert told([], failed) == ["payment.failed"]


@pytest.mark.parametrize(
    ("status", "events"),
    [
        ("pending", ["refund.created"]),
        ("succeeded", ["refund.created", "refund.succeeded"]),
        ("failed", ["refund.created", "refund.failed"]),
        ("canceled", ["refund.created", "refund.failed"]),
    ],
)
def test_a_refund_first_seen_in_any_status(status: Any, events: list[str]) -> None:
    assert told(PAID, refund("re_1", status, 1)) == events


def test_a_refund_that_changes() -> None:
    asked = [*PAID, reserved("ref_1", 2000)]
    no = RefundRejected(refund_id="ref_1", code="x", message="", at=at())

    assert told(asked, refund("re_1", "pending", 2000, "ref_1")) == []
    assert told(asked, no) == ["refund.failed"]
    assert told(asked, refund("re_1", "succeeded", 2000, "ref_1")) == ["refund.succeeded"]
    canceled = refund("re_1", "canceled", 2000, "ref_1")
    assert told(asked, canceled) == ["refund.failed"]
    assert told([*asked, canceled], refund("re_1", "failed", 2000, "ref_1")) == []


def test_disputes() -> None:
    opened_only = told(PAID, dispute("under_review"))
    asked = told(PAID, dispute("needs_response"))
    closed = told([*PAID, dispute("under_review")], dispute("won"))
    closed_again = told([*PAID, dispute("won")], dispute("lost"))

    assert opened_only == ["dispute.opened"]
    assert asked == ["dispute.opened", "order.attention"]
    assert closed == ["dispute.closed"]
    assert closed_again == [], "it is closed; the verdict is in the order"


def test_a_dispute_first_seen_closed_is_told_as_both() -> None:
    assert told(PAID, dispute("lost")) == ["dispute.opened", "dispute.closed"]
    taken = Reversed(reversal_id="rv_1", amount=DUE, currency="USD", at=at())
    assert told(PAID, taken) == ["dispute.opened", "dispute.closed", "order.attention"]


def test_attention_is_told_for_each_new_reason_and_not_for_one_that_went() -> None:
    amiss = [*OPEN, captured(5399)]

    assert "order.attention" in told(OPEN, captured(5399))
    assert "order.attention" in told(amiss, captured(1, "JPY", "cap_2"))
    assert told(amiss, captured(1, id="cap_2")) == ["order.paid"], "the sum is right now"
