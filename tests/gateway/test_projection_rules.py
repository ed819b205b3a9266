"""Single rules of the projection, one case each."""

import pytest

from gateway.facts import (
    Authorized,
    CallSettled,
    CallUnknown,
    CaptureRequested,
    CheckoutOpened,
    CreateRejected,
    Declined,
    Expired,
    Fact,
    Failed,
    Fee,
    Flagged,
    OrderCanceled,
    OrderExpired,
    PaidWith,
    Pending,
    ProviderIds,
)
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
    kinds,
    opened,
    payment_of,
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
    facts: list[Fact] = [authorized(), captured(2000)]

    assert kinds(state_of(*facts, terms=MANUAL)) == ["amount_mismatch"]
    asked = CaptureRequested(amount=2000, currency="USD", at=at())
    assert kinds(state_of(*facts, asked, terms=MANUAL)) == []
    assert kinds(state_of(*facts, asked)) == ["amount_mismatch"], "in automatic mode all is due"
    in_yen = CaptureRequested(amount=2000, currency="JPY", at=at())
    assert kinds(state_of(*facts, in_yen, terms=MANUAL)) == ["amount_mismatch"]


@pytest.mark.parametrize("other", [5000, 6000])
def test_two_amounts_of_one_capture_count_as_the_smaller_and_are_amiss(other: int) -> None:
    state = state_of(captured(DUE), captured(other))

    assert state.amount_captured == min(DUE, other)
    assert kinds(state) == ["amount_mismatch"]
    assert state.status == "processing"


def test_money_in_a_second_currency_spoils_an_exact_capture() -> None:
    state = state_of(captured(), captured(900, "EUR", "cap_0"))

    assert (state.status, state.amount_captured) == ("processing", DUE)
    assert kinds(state) == ["currency_mismatch"]


def test_a_refund_goes_to_the_largest_capture_in_the_orders_currency() -> None:
    payment = payment_of(captured(9000, "EUR", "a"), captured(400, id="b"), captured(5000, id="c"))

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
def test_a_hold_that_is_amiss_is_told_before_it_is_captured(held: Authorized, kind: str) -> None:
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
    ran_out: list[Fact] = [started(), Expired(object_id="co_1", at=at(9))]
    refused: list[Fact] = [started(), CreateRejected(code="x", message="", at=at())]

    assert state_of(*ran_out).status == "expired"
    assert state_of(*ran_out, second=refused).status == "open"
    assert state_of(*refused, second=ran_out).status == "expired"
    assert state_of(started(), opened(), second=ran_out).status == "open"


def test_a_hold_ends_what_was_pending_under_its_id() -> None:
    facts: list[Fact] = [opened(), Pending(object_id="au_1", at=at(1)), authorized(id="au_1")]

    assert payment_of(*facts, terms=MANUAL).status == "authorized"


def test_of_two_tellings_of_one_fact_the_choice_does_not_depend_on_their_order() -> None:
    """Keys leave out what may be told differently: the url, the time, the words."""
    one, other = (
        CheckoutOpened(provider_order_id="co_1", url=f"https://{host}.example") for host in "ab"
    )

    assert payment_of(one, other) == payment_of(other, one)
