"""Movements of money: what holds whatever the facts are, and what single stories amount to."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.bookkeeping import Line, described, missing_lines, postings
from gateway.facts import DisputeUpdated, Fact, Fee, Recorded, Reversed
from gateway.movements import Movement, moved, movements, tells_of_money
from gateway.order import OrderTerms
from gateway.projection import project
from gateway.verify import amounts, totals
from tests.gateway import strategies
from tests.gateway.build import (
    DUE,
    FIRST,
    TERMS,
    at,
    captured,
    dispute,
    refund,
    reserved,
    started,
)

_money = st.one_of(
    [
        strategies.by_kind[kind]
        for kind in strategies.by_kind
        if kind.__name__
        in ("Captured", "Fee", "RefundUpdated", "DisputeUpdated", "Reversed", "RefundReserved")
    ]
)
histories = st.lists(
    st.one_of(strategies.recorded, st.builds(Recorded, strategies.payment_ids, _money)), max_size=25
)


def of(*facts: Fact) -> list[Movement]:
    return list(movements(TERMS, [Recorded(FIRST, fact) for fact in (started(), *facts)]))


def summary(*facts: Fact) -> list[tuple[str, int]]:
    return [(movement.type, movement.net) for movement in of(*facts)]


@settings(max_examples=150)
@given(strategies.terms, histories, st.data())
def test_order_and_repetition_do_not_matter(
    terms: OrderTerms, history: list[Recorded], data: Any
) -> None:
    again = data.draw(st.lists(st.sampled_from(history), max_size=8) if history else st.just([]))
    shuffled = data.draw(st.permutations(history + again))

    assert movements(terms, shuffled) == movements(terms, history)


@settings(max_examples=300)
@given(strategies.terms, histories)
def test_movements_sum_up_to_the_orders_amounts(terms: OrderTerms, history: list[Recorded]) -> None:
    state = project(terms, history)
    its = moved(history, state)

    assert totals(terms, its, state) == amounts(state)
    own = [m for m in its if m.currency == terms.currency]
    if state.fee is not None:
        converted = sum(m.gross for m in own if m.type == "conversion")
        assert sum(m.net for m in own) - converted == state.net
    assert len({(m.payment_id, m.key) for m in its}) == len(its)


@settings(max_examples=150)
@given(strategies.terms, histories)
def test_only_facts_of_money_change_them(terms: OrderTerms, history: list[Recorded]) -> None:
    for n, entry in enumerate(history):
        if not tells_of_money([entry]) and entry.payment_id in {e.payment_id for e in history[:n]}:
            before, after = movements(terms, history[:n]), movements(terms, history[: n + 1])
            assert [(m.key, m.gross, m.fee) for m in before] == [
                (m.key, m.gross, m.fee) for m in after
            ]


@settings(max_examples=200)
@given(strategies.terms, histories)
def test_booked_step_by_step_the_books_say_what_the_facts_say(
    terms: OrderTerms, history: list[Recorded]
) -> None:
    """Whatever the order of arrival: lines are only added, and each posts what sums to zero."""
    books: list[Line] = []
    for n in range(1, len(history) + 1):
        wanted = movements(terms, history[:n])
        new = missing_lines(books, wanted)
        better = {line.id: line for line in described(books, wanted)}
        books = [better.get(line.id, line) for line in books] + new
        assert missing_lines(books, wanted) == []
        assert described(books, wanted) == []

    final = movements(terms, history)
    for key in {(line.payment_id, line.key) for line in books}:
        its = [line for line in books if (line.payment_id, line.key) == key]
        wanted_now = [m for m in final if (m.payment_id, m.key) == key]
        assert sum(line.gross for line in its) == sum(m.gross for m in wanted_now)
        assert sum(line.fee for line in its) == sum(m.fee for m in wanted_now)
        assert [line.sequence for line in its] == list(range(len(its)))
    assert len({line.id for line in books}) == len(books)
    for line in books:
        assert sum(entry.amount for entry in postings(line)) == 0
        assert len({entry.account for entry in postings(line)}) == len(postings(line))


def test_a_sale_with_its_fee() -> None:
    fee = Fee(object_id="cap_1", fee=187, net=5213, currency="USD", balance_id="txn_9")

    (charge,) = of(captured(), fee)

    assert (charge.type, charge.gross, charge.fee) == ("charge", DUE, 187)
    assert (charge.provider, charge.at) == ("acme", at(5))
    assert (charge.provider_id, charge.balance_id) == ("cap_1", "txn_9")
    assert charge.settlement_currency == "USD"


def test_a_fee_learnt_later_is_a_correcting_line() -> None:
    fee = Fee(object_id="cap_1", fee=187, net=5213, currency="USD", balance_id="txn_9")
    books = missing_lines([], of(captured()))

    (correction,) = missing_lines(books, of(captured(), fee))

    assert (correction.type, correction.sequence) == ("charge", 1)
    assert (correction.gross, correction.fee, correction.net) == (0, 187, -187)
    (better,) = described(books, of(captured(), fee))
    assert (better.id, better.provider_balance_id) == (books[0].id, "txn_9")
    assert [line.fee for line in missing_lines([], of(captured(), fee))] == [187]


def test_a_fee_of_nothing_known_is_a_movement_until_it_is() -> None:
    fee = Fee(object_id="cap_1", fee=187, net=5213, currency="USD")
    books = missing_lines([], of(fee))
    assert [(line.type, line.fee) for line in books] == [("fee", 187)]

    added = missing_lines(books, of(fee, captured()))

    assert sorted((line.type, line.gross, line.fee) for line in added) == [
        ("charge", DUE, 187),
        ("fee", 0, -187),
    ]


def test_money_settled_in_another_currency_is_converted() -> None:
    fee = Fee(object_id="cap_1", fee=69, net=1271, currency="EUR", balance_id="txn_a", rate="0.248")
    charge, *conversions = of(captured(), fee)

    assert (charge.type, charge.gross, charge.fee, charge.currency) == ("charge", DUE, 0, "USD")
    assert sorted((m.type, m.gross, m.fee, m.currency) for m in conversions) == [
        ("conversion", -DUE, 0, "USD"),
        ("conversion", 1340, 69, "EUR"),
    ]
    for movement in (charge, *conversions):
        assert (movement.settlement_currency, movement.rate) == ("EUR", "0.248")
        assert movement.balance_id == "txn_a"


@settings(max_examples=200)
@given(strategies.terms, histories)
def test_conversions_take_out_what_came_in(terms: OrderTerms, history: list[Recorded]) -> None:
    """What is settled in another currency leaves nothing of its gross in its own."""
    its = movements(terms, history)
    for movement in its:
        converted = movement.settlement_currency not in (None, movement.currency)
        if movement.type != "conversion" and converted:
            out = [
                m
                for m in its
                if m.key == _conversion(movement) and m.payment_id == movement.payment_id
            ]
            assert [(m.gross, m.fee, m.currency) for m in out] == [
                (-movement.gross, 0, movement.currency)
            ]
            assert movement.fee == 0


def _conversion(movement: Movement) -> str:
    key = movement.key.replace("%", "%25").replace(":", "%3A")
    return f"conversion:{key}:{movement.currency}"


def test_equal_bookings_of_one_object_are_two() -> None:
    """A dispute that was lost, won and lost again: the same money three times."""

    def booked(number: int, net: int) -> Fee:
        return Fee(object_id="dp_1", fee=0, net=net, currency="USD", balance_id=f"txn_{number}")

    facts = [booked(1, -DUE), booked(2, DUE), booked(3, -DUE)]
    assert len({fact.key for fact in facts}) == 3


def test_a_dispute_lost_won_and_lost_again_took_the_money() -> None:
    told: list[Fact] = [
        dispute("needs_response"),
        decided("lost", 30),
        decided("won", 60),
        decided("lost", 90, turn="3"),
    ]
    assert summary(captured(), *told) == [
        ("charge", DUE),
        ("dispute", -DUE),
        ("dispute", -DUE),
        ("dispute_reversal", DUE),
    ]
    assert len({fact.key for fact in told}) == 4
    state = project(TERMS, [Recorded(FIRST, fact) for fact in (started(), captured(), *told)])
    assert state.amount_disputed == DUE


def test_a_capture_in_another_currency_is_a_movement_in_it() -> None:
    (charge,) = of(captured(900, "JPY"))
    assert (charge.gross, charge.currency) == (900, "JPY")


def test_a_refund_moves_money_when_it_succeeds_and_when_that_fails_later() -> None:
    asked: list[Fact] = [captured(), reserved("ref_1", 2000)]
    gone = refund("re_1", "succeeded", 2000, "ref_1")
    failed = refund("re_1", "failed", 2000, "ref_1", minute=99)

    assert summary(*asked, refund("re_1", "pending", 2000, "ref_1")) == [("charge", DUE)]
    assert summary(*asked, failed) == [("charge", DUE)]
    assert summary(*asked, gone) == [("charge", DUE), ("refund", -2000)]
    assert summary(*asked, gone, failed) == [
        ("charge", DUE),
        ("refund", -2000),
        ("refund_failure", 2000),
    ]
    assert of(*asked, gone, failed)[2].at == at(99)


def test_a_refund_keeps_its_key_when_it_is_found_to_be_ours() -> None:
    unlinked = of(captured(), reserved("ref_1", 2000), refund("re_1", "succeeded", 2000))
    linked = of(
        captured(),
        reserved("ref_1", 2000),
        refund("re_1", "succeeded", 2000),
        refund("re_1", "succeeded", 2000, "ref_1"),
    )
    assert unlinked[1].key == linked[1].key
    assert (unlinked[1].refund_id != "ref_1", linked[1].refund_id) == (True, "ref_1")


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (["warning", "prevented"], []),
        (["won"], []),
        (["needs_response"], [("dispute", -DUE)]),
        (["needs_response", "lost"], [("dispute", -DUE)]),
        (["needs_response", "won"], [("dispute", -DUE), ("dispute_reversal", DUE)]),
    ],
)
def test_a_dispute_takes_money_and_gives_it_back(
    told: list[Any], expected: list[tuple[str, int]]
) -> None:
    assert summary(captured(), *(dispute(status) for status in told)) == [
        ("charge", DUE),
        *expected,
    ]


def decided(status: Any, minute: int, amount: int = DUE, turn: str = "") -> DisputeUpdated:
    return DisputeUpdated(
        dispute_id="dp_1", status=status, amount=amount, currency="USD", at=at(minute), turn=turn
    )


def test_a_verdict_reversed_on_appeal_gives_the_money_back() -> None:
    """And the other way round: what the provider says last counts, whenever it is heard."""
    lost, won = decided("lost", 30), decided("won", 60)
    for facts in ([lost, won], [won, lost]):
        assert summary(captured(), dispute("needs_response"), *facts)[1:] == [
            ("dispute", -DUE),
            ("dispute_reversal", DUE),
        ]
    assert summary(captured(), won, decided("lost", 90))[1:] == [("dispute", -DUE)]
    taken = Reversed(reversal_id="rv_1", amount=DUE, currency="USD", at=at(31))
    assert summary(captured(), lost, taken)[1:] == [("dispute", -DUE)]
    assert sum(net for _, net in summary(captured(), lost, taken, won)) == DUE


def test_a_dispute_lost_in_part_takes_that_part() -> None:
    books: list[Line] = missing_lines([], of(captured(), dispute("needs_response")))
    wanted = of(captured(), dispute("needs_response"), decided("lost", 30, 2000))

    (correction,) = missing_lines(books, wanted)

    assert (correction.type, correction.gross, correction.sequence) == ("dispute", DUE - 2000, 1)


def test_keys_of_long_ids_fit_their_column() -> None:
    long = Fee(object_id="o" * 200, fee=1, net=0, currency="USD", balance_id="b" * 200)
    other = Fee(object_id="o" * 200, fee=2, net=0, currency="USD", balance_id="c" * 200)
    keys = {movement.key for movement in of(long, other)}
    assert len(keys) == 2
    assert max(map(len, keys)) <= 255
