"""Single rules of the projection, one case each."""

import pytest

from gateway.facts import (
    CallSettled,
    CallUnknown,
    Captured,
    CaptureRequested,
    CheckoutOpened,
    CreateRejected,
    Declined,
    Expired,
    Failed,
    Fee,
    Flagged,
    OrderCanceled,
    OrderExpired,
    PaidWith,
    Pending,
    ProviderIds,
    RefundRejected,
    Reversed,
)
from gateway.ids import derived_id
from gateway.order import Failure, Method
from tests.gateway.build import (
    DUE,
    FIRST,
    MANUAL,
    SECOND,
    approved,
    at,
    authorized,
    captured,
    dispute,
    kinds,
    opened,
    payment_of,
    refund,
    reserved,
    started,
    state_of,
)


def test_an_order_without_facts_is_open() -> None:
    state = state_of()

    assert (state.status, state.payments, state.current) == ("open", (), None)


def test_unknown_ids_are_key_errors() -> None:
    state = state_of(started())

    with pytest.raises(KeyError):
        state.payment(SECOND)
    with pytest.raises(KeyError):
        state.refund("ref_1")


def test_a_payment_whose_start_is_not_known_is_still_a_payment() -> None:
    payment = payment_of(captured())

    assert (payment.provider, payment.amount, payment.created_at) == ("", DUE, None)
    assert payment.paid_in_full


def test_the_last_started_payment_is_the_current_one() -> None:
    state = state_of(started("acme"), second=[started("umbrella")])

    assert state.current is not None
    assert (state.current.id, state.current.provider) == (SECOND, "umbrella")


def test_the_page_is_shown_while_it_can_be_paid_only() -> None:
    assert payment_of(opened()).checkout_url == "https://pay.example/co_1"
    assert payment_of(opened(), approved()).checkout_url is None
    assert payment_of(opened(), captured()).checkout_url is None


# --- captures (faults 22, 23, 29) -----------------------------------------------------------------


def test_a_partial_capture_that_nobody_asked_for_is_not_paid() -> None:
    facts = [authorized(), captured(2000)]

    assert kinds(state_of(*facts, terms=MANUAL)) == ["amount_mismatch"]
    asked = CaptureRequested(amount=2000, currency="USD", at=at())
    assert kinds(state_of(*facts, asked, terms=MANUAL)) == []
    assert kinds(state_of(*facts, asked)) == ["amount_mismatch"], "in automatic mode all is due"
    in_yen = CaptureRequested(amount=2000, currency="JPY", at=at())
    assert kinds(state_of(*facts, in_yen, terms=MANUAL)) == ["amount_mismatch"]


def test_two_amounts_of_one_capture_count_as_the_smaller_and_are_amiss() -> None:
    state = state_of(captured(DUE), captured(5000))

    assert state.amount_captured == 5000
    assert kinds(state) == ["amount_mismatch"]
    assert state.status == "processing"


def test_money_in_a_second_currency_spoils_an_exact_capture() -> None:
    state = state_of(captured(), captured(900, "EUR", "cap_0"))

    assert (state.status, state.amount_captured) == ("processing", DUE)
    assert kinds(state) == ["currency_mismatch"]


def test_a_refund_goes_to_the_largest_capture_in_the_orders_currency() -> None:
    payment = payment_of(captured(900, "EUR", "a"), captured(400, id="b"), captured(5000, id="c"))

    assert payment.capture_id == "c"
    assert payment.provider_payment_id == "c"


def test_captured_at_is_when_the_sum_was_complete() -> None:
    payment = payment_of(captured(2000, minute=5), captured(3400, id="cap_2", minute=9))

    assert payment.captured_at == at(9)
    assert state_of(captured(2000, minute=5), captured(3400, id="cap_2", minute=9)).paid_at == at(9)


@pytest.mark.parametrize(
    ("held", "kind"),
    [(authorized(5399), "amount_mismatch"), (authorized(currency="JPY"), "currency_mismatch")],
)
def test_a_hold_that_is_amiss_is_told_before_it_is_captured(held: Captured, kind: str) -> None:
    assert kinds(state_of(held, terms=MANUAL)) == [kind]
    assert kinds(state_of(held, captured(), terms=MANUAL)) == []


def test_an_order_paid_twice_names_both_payments() -> None:
    (attention,) = state_of(captured(), second=[captured(id="cap_2")]).attention

    assert attention.kind == "paid_twice"
    assert attention.payment_id == SECOND
    assert FIRST in attention.detail


# --- fees -----------------------------------------------------------------------------------------


def _fee(object_id: str, fee: int, currency: str = "USD", booked: str = "") -> Fee:
    return Fee(object_id=object_id, fee=fee, net=0, currency=currency, balance_id=booked)


def test_a_fee_is_known_when_that_of_every_capture_is() -> None:
    two = [captured(2000), captured(3400, id="cap_2")]

    assert state_of(*two, _fee("cap_1", 60)).fee is None
    assert state_of(*two, _fee("cap_1", 60), _fee("cap_2", 40)).fee == 100
    assert state_of(_fee("cap_1", 60)).fee is None, "of no capture"


def test_fees_in_another_currency_have_no_sum() -> None:
    state = state_of(captured(), _fee("cap_1", 60), _fee("re_1", 1, "EUR"))

    assert (state.fee, state.net) == (None, None)


def test_a_fee_that_is_told_anew_replaces_the_old_one_and_bookings_add_up() -> None:
    told_twice = state_of(captured(), _fee("cap_1", 60), _fee("cap_1", 61))
    booked_twice = state_of(captured(), _fee("cap_1", 60, booked="a"), _fee("cap_1", 1, booked="b"))

    assert told_twice.fee == 61
    assert booked_twice.fee == 61


# --- refunds (faults 24 to 27) --------------------------------------------------------------------


def test_a_reserved_refund_holds_its_amount_until_it_fails() -> None:
    asked = [captured(), reserved("ref_1", 2000)]
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
    asked = [captured(), reserved("ref_1", 2000)]

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
    told: Failed, refunded: int
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


def test_a_reversal_of_a_refund_we_asked_for_does_not_swallow_it() -> None:
    taken = Reversed(reversal_id="re_1", amount=2000, currency="USD", at=at(20))

    state = state_of(
        captured(), reserved("ref_1", 2000), refund("re_1", "succeeded", 2000, "ref_1"), taken
    )

    assert state.refund("ref_1").status == "succeeded"
    assert [item.kind for item in state.disputes] == ["reversal"]


# --- method, failure, flags -----------------------------------------------------------------------


def test_the_method_with_a_card_number_end_is_the_most_telling() -> None:
    payment = payment_of(PaidWith(type="card"), PaidWith(type="link", brand="visa", last4="4242"))

    assert payment.method == Method("link", "visa", "4242")


def test_the_final_failure_beats_the_declines_before_it() -> None:
    declines = [
        Declined(attempt_id="b", code="first", at=at(1)),
        Declined(attempt_id="a", code="second", at=at(2), message="no"),
    ]
    final = Failed(object_id="pi_1", code="final", at=at(0))

    assert payment_of(opened(), *declines).failure == Failure("second", "no")
    assert payment_of(opened(), *declines).declines == 2
    assert payment_of(opened(), *declines, final).failure == Failure("final", "")
    assert payment_of(opened(), *declines, captured()).failure is None


def test_the_id_shown_is_the_one_named_before_anything_is_captured() -> None:
    named = ProviderIds(ids=("pi_1",), payment_id="pi_1")

    assert payment_of(opened(), named).provider_payment_id == "pi_1"
    assert payment_of(opened()).provider_payment_id is None


def test_a_flag_stands_until_its_operation_is_settled() -> None:
    flag = Flagged(flag="unknown_outcome", subject="k#0", detail="look", at=at())

    assert kinds(state_of(flag)) == ["unknown_outcome"]
    assert kinds(state_of(flag, CallSettled(operation="k#0", at=at(1)))) == []
    assert kinds(state_of(order=[flag])) == ["unknown_outcome"]


def test_a_creation_in_doubt_keeps_the_order_processing_until_its_time_is_over() -> None:
    doubt = CallUnknown(operation="k#0", verb="create", at=at())
    settled = CallSettled(operation="k#0", at=at(1))

    assert payment_of(started(), doubt).creation_in_doubt
    assert not payment_of(started(), doubt, settled).creation_in_doubt
    assert not payment_of(started(), doubt, opened()).creation_in_doubt
    assert state_of(started(), doubt).status == "processing"
    assert state_of(started(), doubt, order=[OrderExpired(at=at(30))]).status == "expired"
    assert state_of(started(), doubt, order=[OrderCanceled(at=at(30))]).status == "canceled"


def test_an_order_has_expired_when_its_last_attempt_has_and_none_is_live() -> None:
    ran_out = [started(), Expired(object_id="co_1", at=at(9))]
    refused = [started(), CreateRejected(code="x", message="", at=at())]

    assert state_of(*ran_out).status == "expired"
    assert state_of(*ran_out, second=refused).status == "open"
    assert state_of(*refused, second=ran_out).status == "expired"
    assert state_of(started(), opened(), second=ran_out).status == "open"


def test_a_hold_ends_what_was_pending_under_its_id() -> None:
    facts = [opened(), Pending(object_id="au_1", at=at(1)), authorized(id="au_1")]

    assert payment_of(*facts, terms=MANUAL).status == "authorized"


def test_of_two_tellings_of_one_fact_the_choice_does_not_depend_on_their_order() -> None:
    """Keys leave out what may be told differently: the url, the time, the words."""
    one, other = (
        CheckoutOpened(provider_order_id="co_1", url=f"https://{host}.example") for host in "ab"
    )

    assert payment_of(one, other) == payment_of(other, one)
