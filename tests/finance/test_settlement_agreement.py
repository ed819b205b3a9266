"""What our ledger has at a provider is what the settlement job expects in the provider's books.

The two are computed apart, since an order may show a movement (a dispute) otherwise than the
provider books it; over any story that a provider tells they come to the same.
"""

from collections import Counter
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.expectations import Payment, expected
from gateway.facts import Captured, DisputeUpdated, Fact, Fee, Recorded, RefundUpdated, Reversed
from gateway.movements import movements
from tests.gateway.build import DUE, FIRST, TERMS, at, started

PAYMENT = Payment("mer_1", TERMS.order_id, FIRST, frozenset({"cap_1"}))


def fee(of: str, gross: int, kept: int, booking: str) -> Fee:
    return Fee(object_id=of, fee=kept, net=gross - kept, currency="USD", balance_id=booking)


def refund(number: int, amount: int, status: Any) -> RefundUpdated:
    minute = 20 + number + (status == "failed")
    return RefundUpdated(
        provider_refund_id=f"re_{number}",
        status=status,
        amount=amount,
        currency="USD",
        at=at(minute),
    )


def dispute(number: int, amount: int, status: Any, turn: int) -> DisputeUpdated:
    return DisputeUpdated(
        dispute_id=f"dp_{number}",
        status=status,
        amount=amount,
        currency="USD",
        at=at(40 + turn),
        turn=str(turn) if turn > 2 else "",
    )


@st.composite
def named(draw: st.DrawFn) -> list[Fact]:
    """A provider that books everything, under an id: refunds that fail, disputes that turn."""
    facts: list[Fact] = [Captured(capture_id="cap_1", amount=DUE, currency="USD", at=at(5))]
    if draw(st.booleans()):
        facts.append(fee("cap_1", DUE, 187, "txn_c"))
    for number, amount in enumerate(draw(st.lists(st.integers(1, 900), max_size=3))):
        facts += [refund(number, amount, "pending"), refund(number, amount, "succeeded")]
        facts.append(fee(f"re_{number}", -amount, draw(st.sampled_from([0, -3])), f"txn_r{number}"))
        if draw(st.booleans()):
            facts.append(refund(number, amount, "failed"))
            facts.append(fee(f"re_{number}", amount, 0, f"txn_f{number}"))
    for number, turns in enumerate(draw(st.lists(st.integers(1, 4), max_size=2))):
        facts.append(dispute(number, 1000, "needs_response", 0))
        for turn in range(1, turns + 1):
            gone = turn % 2 == 1
            facts.append(dispute(number, 1000, "lost" if gone else "won", turn))
            gross, kept = (-1000, 1500) if gone else (1000, 0)
            facts.append(fee(f"dp_{number}", gross, kept, f"txn_d{number}{turn}"))
    return facts


@st.composite
def unnamed(draw: st.DrawFn) -> list[Fact]:
    """A provider that has no ids for its bookings, and takes the money of a lost dispute back."""
    facts: list[Fact] = [
        Captured(capture_id="cap_1", amount=DUE, currency="USD", at=at(5)),
        fee("cap_1", DUE, 187, ""),
    ]
    if draw(st.booleans()):  # of two that disagree the smaller counts
        facts.append(Captured(capture_id="cap_1", amount=DUE - 1, currency="USD", at=at(5)))
    for number, amount in enumerate(draw(st.lists(st.integers(1, 900), max_size=3))):
        facts += [refund(number, amount, "succeeded"), fee(f"re_{number}", -amount, -3, "")]
    for number, lost in enumerate(draw(st.lists(st.booleans(), max_size=2))):
        facts.append(dispute(number, 1000, "needs_response", 0))
        facts.append(dispute(number, 1000, "lost" if lost else "won", 1))
        if lost:
            facts.append(
                Reversed(reversal_id=f"rv_{number}", amount=1000, currency="USD", at=at(50))
            )
            facts += draw(also_as_refund(f"rv_{number}", 1000))
            if draw(st.booleans()):
                facts.append(fee(f"rv_{number}", -1000, 20, ""))
    if draw(st.booleans()):
        facts.append(Reversed(reversal_id="rv_x", amount=77, currency="USD", at=at(51)))
        facts += draw(also_as_refund("rv_x", 77))
    return facts


def also_as_refund(reversal_id: str, amount: int) -> st.SearchStrategy[list[Fact]]:
    """Who reads the order sees a reversal among its refunds, and nothing tells them apart."""
    told = RefundUpdated(
        provider_refund_id=reversal_id,
        status="succeeded",
        amount=amount,
        currency="USD",
        at=at(50),
    )
    return st.sampled_from(([], [told]))


def ours(facts: list[Fact]) -> int:
    recorded = [Recorded(FIRST, fact) for fact in (started(), *facts)]
    return sum(movement.net for movement in movements(TERMS, recorded))


def theirs(facts: list[Fact]) -> int:
    return sum(line.gross - (line.fee or 0) for line in expected(PAYMENT, facts))


@settings(max_examples=200)
@given(named(), st.data())
def test_a_fee_that_was_told_anew_counts_here_as_for_the_order(
    facts: list[Fact], data: st.DataObject
) -> None:
    told = [
        msgspec.structs.replace(fact, fee=fact.fee + more, net=fact.net - more)
        for fact in facts
        if isinstance(fact, Fee)
        for more in data.draw(st.lists(st.integers(-20, 120), max_size=2))
    ]
    mixed = data.draw(st.permutations([*facts, *told]))
    assert ours(mixed) == theirs(mixed)


@settings(max_examples=200)
@given(st.one_of(named(), unnamed()), st.randoms(use_true_random=False))
def test_the_ledger_and_what_is_expected_come_to_the_same(facts: list[Fact], random: Any) -> None:
    told = [*facts, *random.choices(facts, k=3)]
    random.shuffle(told)
    assert ours(told) == theirs(told)


@settings(max_examples=200)
@given(named())
def test_kind_by_kind_and_object_by_object(facts: list[Fact]) -> None:
    recorded = [Recorded(FIRST, fact) for fact in (started(), *facts)]
    booked = Counter((m.type, m.provider_id, m.gross, m.fee) for m in movements(TERMS, recorded))
    due = Counter((e.kind, e.object_id, e.gross, e.fee or 0) for e in expected(PAYMENT, facts))
    assert booked == due


@settings(max_examples=100)
@given(unnamed())
def test_a_dispute_is_known_by_the_booking_that_took_its_money(facts: list[Fact]) -> None:
    """So that the line of the dispute is the one that a payout settles."""
    recorded = [Recorded(FIRST, fact) for fact in (started(), *facts)]
    disputes = [fact for fact in facts if isinstance(fact, DisputeUpdated)]
    lost = [dispute.dispute_id for dispute in disputes if dispute.status == "lost"]
    known = {m.provider_id: m.balance_id for m in movements(TERMS, recorded) if m.type == "dispute"}
    taken = sorted(known[dispute_id] for dispute_id in lost)
    assert taken == sorted(f"rv_{dispute_id.removeprefix('dp_')}" for dispute_id in lost)
