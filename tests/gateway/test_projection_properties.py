"""What holds of the state of an order whatever its facts are."""

from collections import Counter
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.context import Context
from gateway.errors import Conflict, GatewayError, RefusedByRule
from gateway.facts import (
    CallSettled,
    CallUnknown,
    Canceled,
    Captured,
    CaptureRequested,
    CreateRejected,
    Expired,
    Fact,
    Failed,
    PaidTwice,
    Recorded,
    RefundRejected,
    RefundReserved,
    RefundUpdated,
)
from gateway.money import Money
from gateway.order import OrderState, OrderTerms, PaymentState
from gateway.projection import project
from gateway.records import OrderRecord
from gateway.refunds import _refundable
from gateway.resources import order_resource
from tests.gateway import strategies
from tests.gateway.build import DUE, at
from tests.gateway.stage import context

Facts = list[Fact]


def of(history: list[Recorded], payment_id: str) -> Facts:
    return [entry.fact for entry in history if entry.payment_id == payment_id]


def by_itself(payment: PaymentState) -> PaymentState:
    """The payment without the one thing about it that hangs on others: is it one too many?"""
    return msgspec.structs.replace(payment, duplicate_of=None)


@settings(max_examples=100)
@given(strategies.terms, strategies.histories, st.data())
def test_order_and_repetition_do_not_matter(
    terms: OrderTerms, history: list[Recorded], data: Any
) -> None:
    repeated = history + data.draw(
        st.lists(st.sampled_from(history), max_size=8) if history else st.just([])
    )
    shuffled = data.draw(st.permutations(repeated))

    assert project(terms, shuffled) == project(terms, history)


@settings(max_examples=80)
@given(strategies.terms, strategies.histories)
def test_a_payment_depends_on_its_own_facts_alone(
    terms: OrderTerms, history: list[Recorded]
) -> None:
    """So an earlier attempt that fails late leaves the current one untouched (fault 18)."""
    whole = project(terms, history)

    for payment in whole.payments:
        alone = [entry for entry in history if entry.payment_id == payment.id]
        assert project(terms, alone).payment(payment.id) == by_itself(payment)


@settings(max_examples=100)
@given(strategies.terms, strategies.histories)
def test_amounts_fit_together(terms: OrderTerms, history: list[Recorded]) -> None:
    state = project(terms, history)

    assert state.amount_captured == sum(p.amount_captured for p in state.payments)
    assert state.amount_refunded == sum(p.amount_refunded for p in state.payments)
    assert state.amount_refundable == sum(p.amount_refundable for p in state.payments)
    for payment in state.payments:
        assert 0 <= payment.amount_refundable <= payment.amount_captured
        assert payment.amount_refunded >= 0
    if state.fee is None:
        assert state.net is None
    else:
        taken = state.amount_refunded + state.amount_disputed + state.fee
        assert state.net == state.amount_captured - taken
        assert state.amount_captured or any(isinstance(e.fact, Captured) for e in history)
    succeeded = [r for r in state.refunds if r.status == "succeeded" and r.currency == "USD"]
    assert state.amount_refunded == sum(refund.amount for refund in succeeded)


@settings(max_examples=100)
@given(strategies.terms, strategies.histories)
def test_paid_means_exactly_what_was_due(terms: OrderTerms, history: list[Recorded]) -> None:
    """I7. Partial only where the merchant asked for it, in manual mode."""
    for payment in project(terms, history).payments:
        captures = {(c.capture_id, c.amount, c.currency) for c in _captures(history, payment.id)}
        total = sum(amount for _, amount, _ in captures)
        asked = {
            fact.amount
            for fact in of(history, payment.id)
            if isinstance(fact, CaptureRequested) and fact.currency == "USD"
        }
        due = {DUE} | (asked if terms.capture == "manual" else set())
        one_amount_each = len({capture_id for capture_id, _, _ in captures}) == len(captures)
        in_dollars = {currency for _, _, currency in captures} == {"USD"}
        assert payment.paid_in_full == (in_dollars and one_amount_each and total in due)
        assert (payment.status == "captured") == payment.paid_in_full


def _captures(history: list[Recorded], payment_id: str) -> list[Captured]:
    return [fact for fact in of(history, payment_id) if isinstance(fact, Captured)]


@settings(max_examples=60)
@given(strategies.terms, strategies.histories)
def test_money_that_is_amiss_is_never_silent(terms: OrderTerms, history: list[Recorded]) -> None:
    state = project(terms, history)

    for payment in state.payments:
        if _captures(history, payment.id) and not payment.paid_in_full:
            told = {item.kind for item in state.attention if item.payment_id == payment.id}
            assert told & {"amount_mismatch", "currency_mismatch"}
            assert payment.status == "processing"
    counted = Counter(item.kind for item in state.attention)
    still_held = [
        payment
        for payment in state.payments
        if payment.duplicate_of is not None
        and payment.amount_refunded + _lost(state, payment) < payment.amount_captured
    ]
    assert counted["paid_twice"] == len(still_held)


def _lost(state: OrderState, payment: PaymentState) -> int:
    return sum(
        dispute.amount
        for dispute in state.disputes
        if (dispute.payment_id, dispute.status, dispute.currency) == (payment.id, "lost", "USD")
    )


@settings(max_examples=60)
@given(strategies.terms, strategies.histories)
def test_one_payment_pays_the_order_and_the_others_are_too_many(
    terms: OrderTerms, history: list[Recorded]
) -> None:
    """What was found to be the second one is never kept while another one pays."""
    payments = project(terms, history).payments
    paid = [payment for payment in payments if payment.paid_in_full]
    kept = [payment.id for payment in paid if payment.duplicate_of is None]
    decided = {entry.payment_id for entry in history if isinstance(entry.fact, PaidTwice)}

    assert len(kept) == min(1, len(paid))
    assert {p.duplicate_of for p in payments if p.duplicate_of is not None} <= set(kept)
    if decided & set(kept):
        assert {payment.id for payment in paid} <= decided


@settings(max_examples=100)
@given(strategies.terms, strategies.histories)
def test_failure_needs_evidence(terms: OrderTerms, history: list[Recorded]) -> None:
    """I6: an unknown outcome never becomes a failure by itself."""
    evidence = {
        "failed": (Failed, CreateRejected),
        "canceled": (Canceled,),
        "expired": (Expired,),
    }
    state = project(terms, history)
    for payment in state.payments:
        if payment.status in evidence:
            facts = of(history, payment.id)
            settled = {fact.operation for fact in facts if isinstance(fact, CallSettled)}
            doubts = [
                fact
                for fact in facts
                if isinstance(fact, CallUnknown)
                and fact.operation not in settled
                and fact.verb != "create"
            ]
            # The first telling of a try is kept; a later one under its key says nothing new.
            assert len({fact.verb for fact in doubts}) == 0 or _retold(facts)
            assert any(isinstance(fact, evidence[payment.status]) for fact in facts)
    for refund in state.refunds:
        if refund.status in ("failed", "canceled"):
            assert any(
                (isinstance(fact, RefundRejected) and fact.refund_id == refund.id)
                or (isinstance(fact, RefundUpdated) and fact.status == refund.status)
                for fact in of(history, refund.payment_id)
            )


def _retold(facts: Facts) -> bool:
    """Whether one try is told twice with different verbs: no real history does that."""
    verbs: dict[str, set[str]] = {}
    for fact in facts:
        if isinstance(fact, CallUnknown):
            verbs.setdefault(fact.operation, set()).add(fact.verb)
    return any(len(told) > 1 for told in verbs.values())


@settings(max_examples=60)
@given(strategies.terms, strategies.histories)
def test_the_order_status_says_what_the_payments_hold(
    terms: OrderTerms, history: list[Recorded]
) -> None:
    state = project(terms, history)
    paid = [payment for payment in state.payments if payment.paid_in_full]
    kept = [payment for payment in paid if payment.duplicate_of is None]
    match state.status:
        case "paid":
            assert [payment.amount_refunded for payment in kept] == [0]
        case "partially_refunded":
            assert [0 < p.amount_refunded < p.amount_captured for p in kept] == [True]
        case "refunded":
            assert [0 < p.amount_captured <= p.amount_refunded for p in kept] == [True]
        case status:
            assert not paid
            statuses = {payment.status for payment in state.payments}
            assert status in ("open", "canceled", "expired") or statuses & {status, "creating"}
    assert (state.paid_at is not None) == bool(paid)


@settings(max_examples=60)
@given(strategies.terms, strategies.histories, strategies.payment_ids)
def test_an_exact_capture_pays_whatever_was_said_before(
    terms: OrderTerms, history: list[Recorded], payment_id: str
) -> None:
    """Expiry, failure, cancellation and doubt lose against money (fault 31)."""
    history = [
        e for e in history if not (e.payment_id == payment_id and isinstance(e.fact, Captured))
    ]
    held = Captured(capture_id="cap", amount=DUE, currency="USD", at=at())

    state = project(terms, [*history, Recorded(payment_id, held)])

    assert state.payment(payment_id).status == "captured"
    assert state.payment(payment_id).failure is None
    assert state.status in ("paid", "partially_refunded", "refunded")


@settings(max_examples=60)
@given(strategies.terms, strategies.histories, strategies.payment_ids, strategies.amounts)
def test_more_money_never_counts_as_less(
    terms: OrderTerms, history: list[Recorded], payment_id: str, amount: int
) -> None:
    """Another capture adds up; it un-pays only where the sum is no longer what was due."""
    before = project(terms, history)
    more = Captured(capture_id="another", amount=amount, currency="USD", at=at())
    after = project(terms, [*history, Recorded(payment_id, more)])

    assert after.amount_captured == before.amount_captured + amount
    others = [by_itself(p) for p in before.payments if p.id != payment_id]
    assert [by_itself(p) for p in after.payments if p.id != payment_id] == others
    was = next((p for p in before.payments if p.id == payment_id), None)
    if was is not None and was.paid_in_full and not after.payment(payment_id).paid_in_full:
        assert any(item.kind == "amount_mismatch" for item in after.attention)


@settings(max_examples=60)
@given(
    strategies.terms,
    strategies.histories,
    st.lists(st.none() | st.integers(1, DUE), min_size=1, max_size=6),
)
def test_no_more_than_was_captured_can_be_asked_back(
    terms: OrderTerms, history: list[Recorded], wishes: list[int | None]
) -> None:
    """I1: whatever the rule lets through still fits in what was captured."""
    ctx = context()
    for number, wish in enumerate(wishes):
        state = project(terms, history)
        answer = _ask(ctx, state, wish)
        if isinstance(answer, GatewayError):
            nothing = state.amount_refundable == 0
            assert answer.code == ("nothing_to_refund" if nothing else "refund_exceeds_captured")
            assert nothing or wish is not None
            continue
        payment, money = answer
        assert 0 < money.amount <= payment.amount_refundable
        asked = RefundReserved(
            refund_id=f"ref_mine_{number}", amount=money.amount, currency="USD", at=at(60)
        )
        history = [*history, Recorded(payment.id, asked)]
        after = project(terms, history)
        live = [
            refund.amount
            for refund in after.refunds
            if refund.payment_id == payment.id
            and refund.status in ("pending", "succeeded")
            and refund.currency == "USD"
        ]
        assert sum(live) <= after.payment(payment.id).amount_captured
        assert (
            after.payment(payment.id).amount_refundable == payment.amount_refundable - money.amount
        )


def _ask(
    ctx: Context, state: OrderState, wish: int | None
) -> tuple[PaymentState, Money] | GatewayError:
    try:
        return _refundable(ctx, state, "USD", wish)
    except (Conflict, RefusedByRule) as error:
        return error


@settings(max_examples=60)
@given(strategies.terms, strategies.histories)
def test_ids_are_unique_and_derived(terms: OrderTerms, history: list[Recorded]) -> None:
    state = project(terms, history)
    again = project(terms, reversed(history))

    for these, those in ((state.refunds, again.refunds), (state.disputes, again.disputes)):
        ids = [item.id for item in these]
        assert len(set(ids)) == len(ids)
        assert [item.id for item in those] == ids == sorted(ids)
    theirs = Counter(
        (refund.payment_id, refund.provider_refund_id)
        for refund in state.refunds
        if refund.provider_refund_id
    )
    assert set(theirs.values()) <= {1}, "one refund of the provider's is one refund of ours"


@settings(max_examples=60)
@given(strategies.terms, strategies.histories)
def test_every_state_can_be_shown(terms: OrderTerms, history: list[Recorded]) -> None:
    record = OrderRecord(
        id="ord_1",
        merchant_id="mer_1",
        livemode=False,
        reference=None,
        currency="USD",
        amount=DUE,
        capture=terms.capture,
        items=(),
        success_url="https://shop.example/ok",
        cancel_url="https://shop.example/cart",
        customer_email=None,
        metadata={},
        created_at=at(),
        expires_at=at(30),
    )
    state: OrderState = project(record.terms, history)

    shown = order_resource(record, state, client_token="t", updated_at=at(1))

    assert shown.status == state.status
    assert len(shown.refunds) == len(state.refunds)
    assert shown.checkout_url is None or shown.status in ("open", "processing")


@pytest.mark.parametrize("kind", get_args(Fact))
def test_the_strategies_know_every_kind(kind: type) -> None:
    assert kind in strategies.by_kind
