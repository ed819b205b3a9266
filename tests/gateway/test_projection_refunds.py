"""Rules of the projection about money that goes back: refunds, disputes, reversals."""

import pytest

from gateway.facts import (
    Fact,
    RefundRejected,
    RefundUpdated,
    Reversed,
)
from gateway.ids import derived_id
from gateway.order import Failure
from tests.gateway.build import (
    DUE,
    FIRST,
    at,
    captured,
    dispute,
    kinds,
    payment_of,
    refund,
    reserved,
    state_of,
)

# --- refunds (faults 24 to 27) --------------------------------------------------------------------


def test_a_reserved_refund_holds_its_amount_until_it_fails() -> None:
    asked: list[Fact] = [captured(), reserved("ref_1", 2000)]
    no = RefundRejected(refund_id="ref_1", code="no_balance", message="empty", at=at(11))

    assert payment_of(*asked).amount_refundable == 3400
    assert payment_of(*asked).amount_refunded == 0
    assert payment_of(*asked, no).amount_refundable == DUE
    assert state_of(*asked, no).refund("ref_1").failure == Failure("no_balance", "empty")


def test_the_providers_own_refund_beats_a_refusal_heard_earlier() -> None:
    no = RefundRejected(refund_id="ref_1", code="x", message="", at=at(11))
    done = refund("re_1", "succeeded", 2000, "ref_1")

    state = state_of(captured(), reserved("ref_1", 2000), no, done)

    assert state.refund("ref_1").status == "succeeded"
    assert state.refund("ref_1").failure is None


def test_a_refund_that_failed_at_the_provider_says_why() -> None:
    lost = refund("re_1", "failed", 2000, "ref_1", reason="lost_card")

    state = state_of(captured(), reserved("ref_1", 2000), lost)

    assert state.refund("ref_1").failure == Failure("refund_failed", "lost_card")
    assert kinds(state) == []


def test_a_canceled_refund_can_be_asked_for_again() -> None:
    state = state_of(captured(), reserved("ref_1", 2000), refund("re_1", "canceled", 2000, "ref_1"))

    assert state.refund("ref_1").status == "canceled"
    assert state.amount_refundable == DUE


def test_an_imported_refund_has_a_derived_id_and_its_own_words() -> None:
    (imported,) = state_of(captured(), refund("re_1", "succeeded", 100, reason="sorry")).refunds

    assert imported.id == derived_id("ref", FIRST, "re_1")
    assert imported.imported
    assert (imported.reason, imported.created_at) == ("sorry", at(11))


def test_linked_after_unlinked_is_one_refund() -> None:
    unlinked = refund("re_1", "succeeded", 2000)
    asked: list[Fact] = [captured(), reserved("ref_1", 2000)]

    before = state_of(*asked, unlinked)
    after = state_of(*asked, unlinked, refund("re_1", "succeeded", 2000, "ref_1"))

    assert [r.imported for r in before.refunds].count(True) == 1
    assert before.amount_refundable == 1400, "both count until it is known that they are one"
    assert [(r.id, r.imported, r.provider_refund_id) for r in after.refunds] == [
        ("ref_1", False, "re_1")
    ]
    assert after.amount_refundable == 3400


def test_a_refund_that_names_an_id_we_never_gave_is_imported() -> None:
    """Or it would take the place of another order's refund."""
    (imported,) = state_of(captured(), refund("re_1", "succeeded", 100, "ref_other")).refunds

    assert imported.id == derived_id("ref", FIRST, "re_1")


def test_two_refunds_at_the_provider_for_one_request_are_two() -> None:
    state = state_of(
        captured(),
        reserved("ref_1", 2000),
        refund("re_1", "succeeded", 2000, "ref_1"),
        refund("re_2", "succeeded", 2000, "ref_1", minute=12),
    )

    assert state.refund("ref_1").provider_refund_id == "re_1"
    assert state.amount_refunded == 4000
    assert state.amount_refundable == 1400
    assert kinds(state) == ["refunded_twice"]


@pytest.mark.parametrize(
    ("told", "refunded"),
    [
        (refund("re_1", "succeeded", 2500, "ref_1"), 2500),
        (refund("re_1", "succeeded", 2000, "ref_1", currency="JPY"), 0),
    ],
)
def test_a_refund_of_another_amount_counts_as_the_provider_says(
    told: RefundUpdated, refunded: int
) -> None:
    state = state_of(captured(), reserved("ref_1", 2000), told)

    assert state.amount_refunded == refunded
    assert kinds(state) == ["refund_mismatch"]


def test_a_refund_in_another_currency_is_no_refund_of_the_orders_money() -> None:
    state = state_of(captured(), refund("re_1", "succeeded", 5400, currency="JPY"))

    assert (state.status, state.amount_refundable) == ("paid", DUE)


def test_more_refunded_than_captured_stands_in_the_attention_list() -> None:
    state = state_of(captured(), refund("re_1", "succeeded", 5000), refund("re_2", "pending", 401))

    assert state.amount_refundable == 0
    assert kinds(state) == ["refund_exceeds_captured"]
    assert kinds(state_of(refund("re_1", "succeeded", 5000))) == [], "its capture is on the way"


# --- disputes and reversals (fault 28) ------------------------------------------------------------


@pytest.mark.parametrize(
    ("statuses", "status", "at_stake"),
    [
        (["warning"], "warning", 0),
        (["warning", "needs_response"], "needs_response", DUE),
        (["needs_response", "under_review"], "under_review", DUE),
        (["under_review", "won"], "won", 0),
        (["won", "lost"], "lost", DUE),
        (["warning", "prevented"], "prevented", 0),
    ],
)
def test_a_disputes_verdict_beats_its_stages(
    statuses: list[str], status: str, at_stake: int
) -> None:
    state = state_of(captured(), *(dispute(known) for known in statuses))  # type: ignore[arg-type]

    (its,) = state.disputes
    assert its.id == derived_id("dsp", FIRST, "dp_1")
    assert its.status == status
    assert state.amount_disputed == at_stake
    assert state.amount_refundable == DUE - at_stake


def test_a_dispute_that_waits_for_an_answer_says_until_when() -> None:
    state = state_of(captured(), dispute("needs_response", due_by=at(90)))

    (attention,) = state.attention
    assert attention.detail.endswith("by 2026-03-01 13:30 UTC")


def test_a_dispute_in_another_currency_puts_none_of_the_orders_money_at_stake() -> None:
    state = state_of(captured(), dispute("needs_response", currency="JPY"))

    assert (state.amount_disputed, state.amount_refundable) == (0, DUE)


def test_a_reversal_that_is_a_lost_disputes_own_movement_counts_once() -> None:
    taken = [
        Reversed(reversal_id=id, amount=amount, currency="USD", at=at(20))
        for id, amount in (("rv_1", 2000), ("rv_2", 2000), ("rv_3", 100))
    ]

    state = state_of(captured(), dispute("lost", 2000), *taken)

    assert sorted((d.kind, d.amount) for d in state.disputes) == [
        ("dispute", 2000),
        ("reversal", 100),
        ("reversal", 2000),
    ]
    assert state.amount_disputed == 4100
    assert state_of(captured(), dispute("won", 2000), taken[0]).amount_disputed == 2000


def test_a_reversal_of_a_refund_we_asked_for_does_not_swallow_it() -> None:
    taken = Reversed(reversal_id="re_1", amount=2000, currency="USD", at=at(20))

    state = state_of(
        captured(), reserved("ref_1", 2000), refund("re_1", "succeeded", 2000, "ref_1"), taken
    )

    assert state.refund("ref_1").status == "succeeded"
    assert [item.kind for item in state.disputes] == ["reversal"]
