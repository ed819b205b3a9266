"""Settlement: the provider's own books against ours, line by line, and its payouts. Pure.

`match` pairs what should be in the provider's books (gateway/expectations.py) with what is, in two
stages: by the exact id, then by payment, amount and date. What has no partner, or a partner that
says otherwise, is an exception. The result depends on the two sets only, not on their order.
(`gateway/reconcile.py` is another thing: it asks about payments one by one, and heals our records.)
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from gateway.expectations import Expected
from gateway.money import Money
from gateway.provider_books import ProviderPayout, ProviderTransaction, TransactionKind

ExceptionKind = Literal[
    "missing_here",
    "missing_there",
    "amount",
    "currency",
    "fee",
    "out_of_band",
    "duplicate",
]
Stage = Literal["id", "payment"]

#: So far apart may two dates be that are taken for one movement's in the second stage.
NEAR = timedelta(days=3)
#: Lines of the account: they are named in the payout's statement, and no exceptions.
_ACCOUNT = frozenset({"fee", "payout", "payout_failure", "hold"})


class Match(msgspec.Struct, frozen=True):
    """A line of ours and the provider's that are one movement, and how they were found."""

    ours: Expected
    theirs: ProviderTransaction
    stage: Stage


class Found(msgspec.Struct, frozen=True):
    """What does not agree. `subject` is unique among those of its kind: the provider's line, or,
    where there is none, the key of ours. `expected` and `actual`: the amount, fee or gross in
    question, here and there; None on the side that has none."""

    kind: ExceptionKind
    subject: str
    ours: Expected | None
    theirs: ProviderTransaction | None
    expected: Money | None
    actual: Money | None


class Matching(msgspec.Struct, frozen=True):
    """All pairs, and all that does not agree; each sorted."""

    matches: tuple[Match, ...]
    found: tuple[Found, ...]


def match(
    ours: Iterable[Expected],
    theirs: Iterable[ProviderTransaction],
    complete_until: datetime,
) -> Matching:
    """Compare. What of ours is younger than `complete_until` may not be in their books yet.

    All lines of a payment, on either side, must be there; several payments may be.
    """
    left_ours = {line.key: line for line in ours}
    left_theirs = {line.id: line for line in theirs if line.kind not in _ACCOUNT}
    pairs: list[Match] = []
    for stage in (_by_id, _by_payment):
        for pair in stage(left_ours, left_theirs):
            pairs.append(pair)
            del left_ours[pair.ours.key], left_theirs[pair.theirs.id]
    found: list[Found] = []
    conversions = _by_what_they_convert(left_theirs.values())
    for pair in pairs:
        legs = conversions.get(pair.theirs.object_id, [])
        settled = _settled(pair, legs)
        if settled is not None:
            for leg in legs:
                left_theirs.pop(leg.id, None)
        found += _judge(pair if settled is None else msgspec.structs.replace(pair, theirs=settled))
    found += _strangers(left_theirs.values(), pairs)
    found += [
        Found("missing_there", line.key, line, None, Money(line.gross, line.currency), None)
        for line in left_ours.values()
        if line.certain and line.at <= complete_until
    ]
    return Matching(
        tuple(sorted(pairs, key=lambda pair: pair.theirs.id)),
        tuple(sorted(found, key=lambda item: (item.kind, item.subject))),
    )


def _by_id(ours: dict[str, Expected], theirs: dict[str, ProviderTransaction]) -> list[Match]:
    """First by the id of the booking itself, then by that of what moved the money."""
    pairs: list[Match] = []
    free = dict(theirs)
    unbooked = []
    for line in _sorted(ours.values()):
        if line.balance_id and line.balance_id in free:
            pairs.append(Match(line, free.pop(line.balance_id), "id"))
        else:
            unbooked.append(line)
    by_object: dict[tuple[TransactionKind, str], list[ProviderTransaction]] = {}
    for other in sorted(free.values(), key=_when):
        by_object.setdefault((other.kind, other.object_id), []).append(other)
    for line in unbooked:
        candidates = by_object.get((line.kind, line.object_id))
        if candidates:  # of several, the one that agrees best: then the oldest
            best = min(
                candidates, key=lambda other: (_actual(line, other) != _due(line), _when(other))
            )
            candidates.remove(best)
            pairs.append(Match(line, best, "id"))
    return pairs


def _by_payment(ours: dict[str, Expected], theirs: dict[str, ProviderTransaction]) -> list[Match]:
    """The same payment, the same kind and amount, days apart at most: the nearest first."""
    by_name: dict[str, list[ProviderTransaction]] = {}
    for other in theirs.values():
        for name in _names(other):
            by_name.setdefault(name, []).append(other)
    possible = []
    for line in ours.values():
        names = line.ids | {line.payment_id, line.reference, line.object_id}
        candidates = {other.id: other for name in names for other in by_name.get(name, ())}
        for other in candidates.values():
            apart = abs(other.at - line.at)
            if other.kind == line.kind and _actual(line, other) == _due(line) and apart <= NEAR:
                possible.append((apart, line.key, other.id))
    pairs: list[Match] = []
    done: set[str] = set()
    for _, key, line_id in sorted(possible):
        if key not in done and line_id not in done:
            done |= {key, line_id}
            pairs.append(Match(ours[key], theirs[line_id], "payment"))
    return pairs


def _by_what_they_convert(
    lines: Iterable[ProviderTransaction],
) -> dict[str, list[ProviderTransaction]]:
    found: dict[str, list[ProviderTransaction]] = {}
    for line in lines:
        if line.kind == "conversion":
            found.setdefault(line.object_id, []).append(line)
    return found


def _settled(pair: Match, legs: Sequence[ProviderTransaction]) -> ProviderTransaction | None:
    """Their line in the currency in which it was settled, where conversions of their own brought it
    there from its own; None where they did not do just that.

    They do not tell the fee in that currency: it is ours, unless the net differs.
    """
    ours, theirs = pair.ours, pair.theirs
    if ours.fee is None or ours.net is None or ours.fee_currency == theirs.currency:
        return None
    nets: dict[str, int] = {}
    for leg in legs:
        nets[leg.currency] = nets.get(leg.currency, 0) + leg.net
    if nets.keys() != {theirs.currency, ours.fee_currency} or nets[theirs.currency] != -theirs.net:
        return None
    net = nets[ours.fee_currency]
    gross = ours.net + ours.fee
    return msgspec.structs.replace(
        theirs,
        gross=gross,
        fee=gross - net,
        net=net,
        currency=ours.fee_currency,
        original=Money(theirs.gross, theirs.currency),
    )


def _judge(pair: Match) -> Iterator[Found]:
    """What a pair does not agree about. A currency that differs makes the rest meaningless."""
    ours, theirs = pair.ours, pair.theirs
    due, actual = _due(ours), _actual(ours, theirs)
    if ours.imported:
        yield Found("out_of_band", theirs.id, ours, theirs, due, actual)
    booked = Money(theirs.gross, theirs.currency)
    if ours.fee is not None and ours.fee_currency != theirs.currency:  # settled in another
        yield Found("currency", theirs.id, ours, theirs, due, booked)
        return
    if due.currency != actual.currency:
        yield Found("currency", theirs.id, ours, theirs, due, actual)
        return
    if due != actual:
        yield Found("amount", theirs.id, ours, theirs, due, actual)
    fee = Money(ours.fee or 0, ours.fee_currency or theirs.currency)
    if fee != Money(theirs.fee, theirs.currency):
        known = fee if ours.fee is not None else None
        yield Found("fee", theirs.id, ours, theirs, known, Money(theirs.fee, theirs.currency))


def _strangers(left: Iterable[ProviderTransaction], pairs: Sequence[Match]) -> Iterator[Found]:
    """Lines without a partner: a repetition, a movement that we missed, or none of our making."""
    seen: set[tuple[str, Money, str]] = set()
    payments: dict[str, Expected] = {}
    for pair in pairs:
        seen |= _likeness(pair.theirs)
        for name in pair.ours.ids | {pair.ours.payment_id, pair.ours.object_id}:
            payments[name] = pair.ours
    for other in sorted(left, key=_when):
        alike = _likeness(other)
        related = next((payments[n] for n in sorted(_names(other)) if n in payments), None)
        linked = related is not None or _is_ours(other.reference)
        kind: ExceptionKind = "missing_here" if linked else "out_of_band"
        if linked and alike & seen:
            kind = "duplicate"
        seen |= alike
        yield Found(kind, other.id, related, other, None, _gross(other))


def _likeness(line: ProviderTransaction) -> set[tuple[str, Money, str]]:
    """Two lines that have one of these in common are one movement, booked twice."""
    names = {line.object_id, line.reference or ""} - {""}
    return {(line.kind, _gross(line), name) for name in names}


def _is_ours(reference: str | None) -> bool:
    """Whether it is an id that we gave: then the movement should be in our books."""
    return bool(reference) and str(reference).startswith(("pay_", "ref_"))


def _names(line: ProviderTransaction) -> set[str]:
    return {line.object_id, line.reference or "", *line.ids} - {""}


def _due(line: Expected) -> Money:
    return Money(line.gross, line.currency)


def _gross(line: ProviderTransaction) -> Money:
    """As the buyer knows it."""
    return line.original or Money(line.gross, line.currency)


def _actual(ours: Expected, theirs: ProviderTransaction) -> Money:
    """Their gross, in our line's currency if it can be had."""
    if theirs.currency == ours.currency:
        return Money(theirs.gross, theirs.currency)
    return _gross(theirs)


def _when(line: ProviderTransaction) -> tuple[datetime, str]:
    return line.at, line.id


def _sorted(lines: Iterable[Expected]) -> list[Expected]:
    return sorted(lines, key=lambda line: line.key)


# --- payouts --------------------------------------------------------------------------------------

RowKind = Literal[
    "charge",
    "refund",
    "refund_failure",
    "dispute",
    "dispute_reversal",
    "reversal",
    "fee",
    "hold",
    "conversion",
    "adjustment",
    "payout_failure",
    "payout_fee",
    "others",
    "brought_forward",
    "carried_forward",
    "unexplained",
]


class StatementRow(msgspec.Struct, frozen=True):
    """The lines of one kind, summed, in the payout's currency. A residual has only a `net`, the
    payout's own fee a `fee` and a `net`."""

    kind: RowKind
    count: int
    gross: int
    fee: int
    net: int


class Statement(msgspec.Struct, frozen=True):
    """A payout explained: Σ rows' `net` = `amount`, always, since every residual is a row."""

    amount: int
    currency: str
    rows: tuple[StatementRow, ...]
    exact: bool


def statement(
    payout: ProviderPayout, lines: Iterable[ProviderTransaction], brought_forward: int = 0
) -> Statement:
    """Explain a payout by its lines (its own is left out). See `explain`."""
    sums: dict[TransactionKind, StatementRow] = {}
    for line in lines:
        if line.kind == "payout":
            continue
        row = sums.get(line.kind, StatementRow(line.kind, 0, 0, 0, 0))
        sums[line.kind] = StatementRow(
            line.kind,
            row.count + 1,
            row.gross + line.gross,
            row.fee + line.fee,
            row.net + line.net,
        )
    return explain(payout, [sums[kind] for kind in sorted(sums)], brought_forward)


def explain(
    payout: ProviderPayout, sums: Iterable[StatementRow], brought_forward: int = 0
) -> Statement:
    """Explain a payout by the sums of its lines.

    `brought_forward`: what the payout before it had left in the balance. What this one leaves is
    `carried_forward`, where the provider tells its balance; what then remains is `unexplained`.
    """
    rows = list(sums)
    if brought_forward:
        rows.insert(0, StatementRow("brought_forward", 0, 0, 0, brought_forward))
    if payout.fee:
        rows.append(StatementRow("payout_fee", 0, 0, payout.fee, -payout.fee))
    if payout.balance_after:
        rows.append(StatementRow("carried_forward", 0, 0, 0, -payout.balance_after))
    rest = payout.amount - sum(row.net for row in rows)
    if rest:
        rows.append(StatementRow("unexplained", 0, 0, 0, rest))
    return Statement(payout.amount, payout.currency, tuple(rows), exact=not rest)


def opening(first: Iterable[ProviderTransaction]) -> int:
    """The balance before `first`, the lines of the earliest time that we know (in one currency).

    Of lines of the same second nobody tells which was the first: it is the one whose balance
    before it is no other's balance after it. Zero where it cannot be told.
    """
    told = [
        (line.balance_after - line.net, line.balance_after)
        for line in first
        if line.balance_after is not None
    ]
    before = {start for start, _ in told} - {end for _, end in told}
    return before.pop() if len(before) == 1 else 0
