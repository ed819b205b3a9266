"""The rules of the projection that recovery rests on."""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import permutations

from gateway.facts import (
    AttentionResolved,
    Captured,
    Fact,
    Fee,
    PaidTwice,
    PaymentStarted,
    Recorded,
    RefundUpdated,
)
from gateway.order import OrderState, OrderTerms
from gateway.projection import project
from gateway.recording import superfluous

AT = datetime(2026, 1, 1, tzinfo=UTC)
TERMS = OrderTerms("ord_1", 5400, "USD")
FIRST, SECOND = (f"pay_{number:032x}" for number in (1, 2))


def paid(payment_id: str) -> list[Recorded]:
    return [
        Recorded(payment_id, fact)
        for fact in (
            PaymentStarted(provider="any", amount=5400, currency="USD", at=AT),
            Captured(capture_id=f"c_{payment_id}", amount=5400, currency="USD", at=AT),
        )
    ]


def fee(object_id: str, amount: int, balance_id: str = "") -> Fact:
    return Fee(object_id=object_id, fee=amount, net=0, currency="USD", balance_id=balance_id)


def refunded(status: str) -> Callable[[str], Fact]:
    def fact(refund_id: str) -> Fact:
        return RefundUpdated(
            provider_refund_id=refund_id,
            status=status,  # type: ignore[arg-type]  # one of the literals, by the tests below
            amount=5400,
            currency="USD",
            at=AT,
        )

    return fact


def state(*facts: Fact) -> OrderState:
    known = [*paid(FIRST), *(Recorded(FIRST, fact) for fact in facts)]
    results = [project(TERMS, [*order, *known[:2]]) for order in permutations(known[2:])]
    assert all(result == results[0] for result in results)
    return results[0]


def test_every_booking_of_one_object_counts() -> None:
    """A dispute withdrawn and given back; a refund that is booked back when it fails."""
    capture = f"c_{FIRST}"
    assert state(fee(capture, 187)).fee == 187
    assert state(fee(capture, 187), fee("d", 1500, "b1"), fee("d", -1500, "b2")).fee == 187
    assert state(fee(capture, 187), fee("d", 1500, "b1"), fee("d", 0, "b2")).fee == 1687


def test_what_a_failed_refund_gave_back_of_the_fee_is_taken_again() -> None:
    """Where the provider names no bookings, its failure is the only sign of it."""
    given = [fee(f"c_{FIRST}", 187), fee("r", -50)]
    assert state(*given, refunded("succeeded")("r")).fee == 137
    assert state(*given, refunded("succeeded")("r"), refunded("failed")("r")).fee == 187


def test_the_payment_known_first_is_kept_for_good() -> None:
    none = project(TERMS, [])
    known = paid(SECOND)
    before = project(TERMS, known)
    assert superfluous(none, before, [], AT) == []
    both = [*known, *paid(FIRST)]
    (decision,) = superfluous(before, project(TERMS, both), known, AT)
    assert decision == Recorded(FIRST, PaidTwice(kept=SECOND, at=AT))
    after = project(TERMS, [*both, decision])
    assert [p.duplicate_of for p in after.payments] == [SECOND, None]
    assert superfluous(after, after, [*both, decision], AT) == []
    # Both learnt at once: the earlier attempt is kept.
    (decision,) = superfluous(none, project(TERMS, both), [], AT)
    assert decision == Recorded(SECOND, PaidTwice(kept=FIRST, at=AT))


def test_the_kept_one_stays_when_a_third_is_paid() -> None:
    third = f"pay_{0:032x}"
    decided = [*paid(SECOND), *paid(FIRST), Recorded(FIRST, PaidTwice(kept=SECOND, at=AT))]
    both = project(TERMS, decided)
    all_three = [*decided, *paid(third)]
    (decision,) = superfluous(both, project(TERMS, all_three), decided, AT)
    assert decision == Recorded(third, PaidTwice(kept=SECOND, at=AT))


def test_only_what_reads_as_it_was_resolved_is_gone() -> None:
    """An item of one payment is not resolved by a word about another's."""
    wrong = Captured(capture_id="c", amount=5300, currency="USD", at=AT)
    known = [Recorded(FIRST, paid(FIRST)[0].fact), Recorded(FIRST, wrong)]
    (item,) = project(TERMS, known).attention

    def resolved(payment_id: str, detail: str) -> OrderState:
        fact = AttentionResolved(
            flag=item.kind, subject=item.subject, detail=detail, by="key_1", at=AT
        )
        return project(TERMS, [*known, Recorded(payment_id, fact)])

    assert resolved(FIRST, item.detail).attention == ()
    assert resolved(FIRST, "otherwise").attention == (item,)
    assert item in resolved(SECOND, item.detail).attention
    assert resolved(FIRST, item.detail).status == "processing"
