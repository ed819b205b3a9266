"""Matching: books that agree match wholly, each planted discrepancy is found and nothing besides,
and neither order nor splitting changes anything."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.expectations import Expected, Payment, expected
from gateway.facts import Captured, DisputeUpdated, Fact, Fee, RefundUpdated, Reversed
from gateway.money import Money
from gateway.provider_books import ProviderPayout, ProviderTransaction
from gateway.settlement import Found, match, statement

NOW = datetime(2026, 3, 1, tzinfo=UTC)
CURRENCIES = ("USD", "EUR", "JPY", "KWD")


def facts_of(
    number: int, amount: int, currency: str, refunds: list[int], taken: bool
) -> list[Fact]:
    """A payment's money: captured with a fee, refunded in parts, taken back by the provider."""
    at = NOW - timedelta(days=number % 20 + 1)
    capture = f"cap_{number}"
    fee = amount // 30 + 1
    facts: list[Fact] = [
        Captured(capture_id=capture, amount=amount, currency=currency, at=at),
        Fee(
            object_id=capture,
            fee=fee,
            net=amount - fee,
            currency=currency,
            balance_id=f"txn_{number}" if number % 2 else "",
        ),
    ]
    for index, part in enumerate(refunds):
        facts.append(
            RefundUpdated(
                provider_refund_id=f"re_{number}_{index}",
                status="succeeded",
                amount=part,
                currency=currency,
                at=at + timedelta(hours=index + 1),
                refund_id=f"ref_{number}_{index}",
            )
        )
    if taken:
        facts.append(Reversed(reversal_id=f"rev_{number}", amount=1, currency=currency, at=at))
    return facts


def payment(number: int) -> Payment:
    return Payment("mer_1", f"ord_{number}", f"pay_{number}", frozenset({f"cap_{number}"}))


def theirs_of(lines: list[Expected]) -> list[ProviderTransaction]:
    """Books in which all of ours stands, as the provider would write it."""
    return [
        ProviderTransaction(
            id=line.balance_id or f"line_{line.object_id}",
            kind=line.kind,
            gross=line.gross,
            fee=line.fee or 0,
            net=line.gross - (line.fee or 0),
            currency=line.currency,
            at=line.at + timedelta(minutes=3),
            object_id=line.object_id,
            ids=tuple(sorted(line.ids)),
            reference=line.reference or None,
        )
        for line in lines
    ]


payments = st.lists(
    st.tuples(
        st.integers(1_000, 10**9),
        st.sampled_from(CURRENCIES),
        st.lists(st.integers(1, 300), max_size=3),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


def ours_of(drawn: list[tuple[int, str, list[int], bool]]) -> list[Expected]:
    return [
        line
        for number, (amount, currency, refunds, taken) in enumerate(drawn)
        for line in expected(payment(number), facts_of(number, amount, currency, refunds, taken))
    ]


@given(payments, st.randoms(use_true_random=False))
def test_books_that_agree_match_wholly(
    drawn: list[tuple[int, str, list[int], bool]], random: Random
) -> None:
    ours = ours_of(drawn)
    theirs = theirs_of(ours)
    random.shuffle(theirs)
    shuffled = list(ours)
    random.shuffle(shuffled)
    done = match(shuffled, theirs, NOW)
    assert done.found == ()
    assert {(pair.ours.key, pair.theirs.object_id) for pair in done.matches} == {
        (line.key, line.object_id) for line in ours
    }
    assert done == match(ours, sorted(theirs, key=lambda line: line.id), NOW)


Plant = Callable[[list[Expected], list[ProviderTransaction], int], tuple[str, str]]


def _missing_there(
    ours: list[Expected], theirs: list[ProviderTransaction], at: int
) -> tuple[str, str]:
    gone = theirs.pop(at)
    return "missing_there", next(o.key for o in ours if o.object_id == gone.object_id)


def _missing_here(
    ours: list[Expected], theirs: list[ProviderTransaction], at: int
) -> tuple[str, str]:
    line = theirs[at]
    extra = replace(
        line,
        id="stranger",
        object_id="re_unknown",
        kind="refund",
        gross=-7,
        net=-7,
        fee=0,
        reference="ref_x",
    )
    theirs.append(extra)
    return "missing_here", "stranger"


def _amount(ours: list[Expected], theirs: list[ProviderTransaction], at: int) -> tuple[str, str]:
    theirs[at] = replace(theirs[at], gross=theirs[at].gross + 1, net=theirs[at].net + 1)
    return "amount", theirs[at].id


def _fee(ours: list[Expected], theirs: list[ProviderTransaction], at: int) -> tuple[str, str]:
    theirs[at] = replace(theirs[at], fee=theirs[at].fee + 1, net=theirs[at].net - 1)
    return "fee", theirs[at].id


def _currency(ours: list[Expected], theirs: list[ProviderTransaction], at: int) -> tuple[str, str]:
    theirs[at] = replace(theirs[at], currency="GBP")
    return "currency", theirs[at].id


def _duplicate(ours: list[Expected], theirs: list[ProviderTransaction], at: int) -> tuple[str, str]:
    theirs.append(replace(theirs[at], id="twin", at=theirs[at].at + timedelta(seconds=9)))
    return "duplicate", "twin"


def _out_of_band(
    ours: list[Expected], theirs: list[ProviderTransaction], at: int
) -> tuple[str, str]:
    theirs.append(
        replace(theirs[at], id="dash", object_id="ch_dash", ids=(), reference=None, kind="charge")
    )
    return "out_of_band", "dash"


PLANTS: list[Plant] = [
    _missing_there, _missing_here, _amount, _fee, _currency, _duplicate, _out_of_band,
]  # fmt: skip


@given(payments, st.sampled_from(PLANTS), st.integers(0, 10**6), st.randoms(use_true_random=False))
def test_a_planted_discrepancy_is_found_and_nothing_besides(
    drawn: list[tuple[int, str, list[int], bool]], plant: Plant, place: int, random: Random
) -> None:
    ours = ours_of(drawn)
    theirs = theirs_of(ours)
    wanted = plant(ours, theirs, place % len(theirs))
    random.shuffle(theirs)
    found = match(ours, theirs, NOW).found
    assert [(item.kind, item.subject) for item in found] == [wanted]


@given(payments, st.lists(st.tuples(st.sampled_from(PLANTS), st.integers(0, 10**6)), max_size=3))
def test_payments_may_be_matched_together_or_one_by_one(
    drawn: list[tuple[int, str, list[int], bool]], planted: list[tuple[Plant, int]]
) -> None:
    ours = ours_of(drawn)
    theirs = theirs_of(ours)
    for plant, place in planted:
        if theirs:
            plant(ours, theirs, place % len(theirs))
    together = match(ours, theirs, NOW)
    found: list[Found] = []
    left = {line.id: line for line in theirs}
    for number in range(len(drawn)):
        names = {f"cap_{number}", f"pay_{number}"}
        own = [
            line for line in left.values() if names & {line.object_id, line.reference, *line.ids}
        ]
        for line in own:
            del left[line.id]
        mine = [line for line in ours if line.payment_id == f"pay_{number}"]
        found += match(mine, own, NOW).found
    found += match([], left.values(), NOW).found
    assert sorted((f.kind, f.subject) for f in found) == sorted(
        (f.kind, f.subject) for f in together.found
    )


@given(payments)
def test_what_is_younger_than_the_report_is_not_missed(
    drawn: list[tuple[int, str, list[int], bool]],
) -> None:
    ours = ours_of(drawn)
    assert match(ours, [], min(line.at for line in ours) - timedelta(seconds=1)).found == ()
    assert len(match(ours, [], NOW).found) == len(ours)


def test_the_second_stage_goes_by_payment_amount_and_date() -> None:
    """A capture that the report calls by another name."""
    facts = facts_of(2, 5000, "EUR", [], taken=False)
    ours = expected(payment(2), facts)
    line = replace(theirs_of(list(ours))[0], object_id="another", ids=())
    assert [pair.stage for pair in match(ours, [line], NOW).matches] == ["payment"]
    late = replace(line, at=line.at + timedelta(days=4))
    assert {f.kind for f in match(ours, [late], NOW).found} == {"missing_here", "missing_there"}


def test_a_converted_charge_is_compared_as_the_buyer_knows_it() -> None:
    facts: list[Fact] = [
        Captured(capture_id="pi_1", amount=10_000, currency="DKK", at=NOW),
        Fee(object_id="pi_1", fee=69, net=1271, currency="EUR", balance_id="txn_a", rate="0.134"),
    ]
    ours = expected(payment(1), facts)
    line = ProviderTransaction(
        id="txn_a", kind="charge", gross=1340, fee=69, net=1271, currency="EUR", at=NOW,
        object_id="pi_1", original=Money(10_000, "DKK"), rate="0.134",
    )  # fmt: skip
    assert match(ours, [line], NOW).found == ()
    other = replace(line, original=Money(10_001, "DKK"))
    assert [f.kind for f in match(ours, [other], NOW).found] == ["amount"]


def converted() -> tuple[list[Expected], list[ProviderTransaction]]:
    """A sale of 54.00 USD with a fee of 3.06, and what came of it in the lines after it: 45.00 EUR.
    The capture told of a fee of 2.70 EUR."""
    facts: list[Fact] = [
        Captured(capture_id="cap_1", amount=5400, currency="USD", at=NOW - timedelta(days=1)),
        Fee(object_id="cap_1", fee=270, net=4500, currency="EUR", rate="0.8833"),
    ]
    ours = list(expected(payment(1), facts))
    (sale,) = theirs_of(ours)
    sale = replace(sale, fee=306, net=5094)
    leg = replace(sale, kind="conversion", reference=None, ids=("cap_1",))
    out = replace(leg, id="out", gross=-5094, fee=0, net=-5094)
    into = replace(leg, id="into", gross=4500, fee=0, net=4500, currency="EUR")
    return ours, [sale, out, into]


def test_a_sale_that_is_converted_by_lines_of_their_own_agrees() -> None:
    ours, theirs = converted()
    assert match(ours, theirs, NOW).found == ()
    assert match(ours, theirs[::-1], NOW).found == ()


def test_a_conversion_that_brings_less_is_found() -> None:
    ours, (sale, out, into) = converted()
    (found,) = match(ours, [sale, out, replace(into, gross=4490, net=4490)], NOW).found
    assert (found.kind, found.subject) == ("fee", sale.id)
    assert (found.expected, found.actual) == (Money(270, "EUR"), Money(280, "EUR"))


def test_a_conversion_of_another_sum_or_without_its_other_side_is_listed() -> None:
    ours, (sale, out, into) = converted()
    for legs in ([into], [out], [replace(out, gross=-5000, net=-5000), into]):
        found = match(ours, [sale, *legs], NOW).found
        assert [(item.kind, item.subject) for item in found] == [
            ("currency", sale.id),
            *(("missing_here", leg.id) for leg in sorted(legs, key=lambda leg: leg.id)),
        ]


def test_a_conversion_that_nobody_told_us_of_is_listed() -> None:
    """Our books have it in the buyer's currency still."""
    ours, theirs = converted()
    ours = [replace(line, fee=306, net=5094, fee_currency="USD") for line in ours]
    found = match(ours, theirs, NOW).found
    assert [(item.kind, item.subject) for item in found] == [
        ("missing_here", "into"),
        ("missing_here", "out"),
    ]


def test_a_dispute_has_a_line_for_each_booking() -> None:
    status: Fact = DisputeUpdated(
        dispute_id="du_1", status="won", amount=500, currency="USD", at=NOW
    )
    facts: list[Fact] = [
        status,
        Fee(object_id="du_1", fee=1500, net=-2000, currency="USD", balance_id="txn_1"),
        Fee(object_id="du_1", fee=0, net=500, currency="USD", balance_id="txn_2"),
    ]
    lines = expected(payment(1), facts)
    assert [(line.kind, line.gross, line.fee) for line in lines] == [
        ("dispute", -500, 1500),
        ("dispute_reversal", 500, 0),
    ]


def test_a_refund_made_at_the_provider_is_matched_and_listed() -> None:
    facts = [
        *facts_of(1, 5000, "USD", [], taken=False),
        RefundUpdated(
            provider_refund_id="re_d", status="succeeded", amount=100, currency="USD", at=NOW
        ),
    ]
    ours = list(expected(payment(1), facts))
    done = match(ours, theirs_of(ours), NOW)
    assert len(done.matches) == 2
    assert [(f.kind, f.subject) for f in done.found] == [("out_of_band", "line_re_d")]


def test_a_refund_that_is_pending_or_failed_may_be_booked_or_not() -> None:
    def refund(status: str) -> Fact:
        return RefundUpdated(
            provider_refund_id="re_1", status=status, amount=100, currency="USD", at=NOW,  # type: ignore[arg-type]
            refund_id="ref_1",
        )  # fmt: skip

    for statuses in (["pending"], ["failed"], ["pending", "failed"], ["succeeded", "failed"]):
        ours = list(expected(payment(1), [refund(status) for status in statuses]))
        assert match(ours, [], NOW).found == ()
        assert match(ours, theirs_of(ours), NOW).found == ()
        assert len(ours) == (2 if "failed" in statuses else 1)


few = st.integers(-5, 5)


@given(payments, st.integers(-(10**6), 10**6), st.integers(0, 10**6), few, few)
def test_a_statement_always_sums_to_its_payout(
    drawn: list[tuple[int, str, list[int], bool]], before: int, left: int, off: int, fee: int
) -> None:
    lines = theirs_of(ours_of(drawn))
    due = before + sum(line.net for line in lines) - left - fee + off
    told = statement(
        ProviderPayout("po_1", due, "USD", "paid", NOW, balance_after=left, fee=fee), lines, before
    )
    assert sum(row.net for row in told.rows) == told.amount == due
    assert told.exact == (off == 0)
    assert [row.net for row in told.rows if row.kind == "unexplained"] == ([off] if off else [])
    assert sum(row.count for row in told.rows) == len(lines)
