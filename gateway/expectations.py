"""What a provider's own books should show of a payment: a pure function of its facts.

It says what moved at the *provider*, which is not always what an order shows: a refund that failed
later left the balance and came back, and a dispute takes money at once with some providers, and
only when it is lost with others. What the provider may or may not have booked is not `certain`:
it is matched where it is there and not missed where it is not.
"""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from gateway.facts import Captured, DisputeUpdated, Fact, Fee, RefundUpdated, Reversed
from gateway.projection_captures import bookings
from gateway.provider_books import TransactionKind


class Expected(msgspec.Struct, frozen=True):
    """One line that the provider's books should have.

    `gross` is signed, in minor units of `currency`, the buyer's; `fee` and `net` in `fee_currency`,
    that of the balance, None where they are not known here. `reference` is our id of it, `ids` all
    by which the provider knows the payment. `imported`: it was made at the provider, not through
    us.
    """

    key: str
    kind: TransactionKind
    merchant_id: str
    order_id: str
    payment_id: str
    object_id: str
    gross: int
    currency: str
    at: datetime
    fee: int | None = None
    net: int | None = None
    fee_currency: str = ""
    balance_id: str = ""
    reference: str = ""
    ids: frozenset[str] = frozenset()
    certain: bool = True
    imported: bool = False


class Payment(msgspec.Struct, frozen=True):
    """Whose payment it is, and every id that its provider has for it."""

    merchant_id: str
    order_id: str
    payment_id: str
    ids: frozenset[str] = frozenset()


def expected(payment: Payment, facts: Iterable[Fact]) -> tuple[Expected, ...]:
    """The lines of one payment, sorted by key. Depends on the set of facts only."""
    known = tuple(facts)
    fees = _fees(known)
    lines: dict[str, Expected] = {}
    for fact in sorted(known, key=_rank):
        match fact:
            case Captured():
                found = [_charge(payment, fact, fees)]
            case Reversed():
                found = [_reversal(payment, fact, fees)]
            case DisputeUpdated():
                found = list(_dispute(payment, fact, fees))
            case _:
                found = []
        for line in found:
            lines.setdefault(line.key, line)
    for line in _refunds(payment, known, fees):
        lines[line.key] = line
    return tuple(lines[key] for key in sorted(lines))


def _fees(facts: Iterable[Fact]) -> dict[str, list[Fee]]:
    """The fees by what they belong to: those that count for the order, too."""
    found: dict[str, list[Fee]] = {}
    for fee in bookings(fact for fact in facts if isinstance(fact, Fee)).values():
        found.setdefault(fee.object_id, []).append(fee)
    return found


def _rank(fact: Fact) -> tuple[str, int, str, str]:
    """Of two facts about one line the first counts: of captures that disagree, the smaller."""
    at = getattr(fact, "at", None)
    amount = fact.amount if isinstance(fact, Captured) else 0
    return fact.kind, amount, fact.key, at.isoformat() if at else ""


def _line(
    payment: Payment,
    kind: TransactionKind,
    object_id: str,
    gross: int,
    currency: str,
    at: datetime,
    fee: Fee | None = None,
) -> Expected:
    return Expected(
        key=f"{kind}:{object_id}",
        kind=kind,
        merchant_id=payment.merchant_id,
        order_id=payment.order_id,
        payment_id=payment.payment_id,
        object_id=object_id,
        gross=gross,
        currency=currency,
        at=at,
        fee=fee.fee if fee else None,
        net=fee.net if fee else None,
        fee_currency=fee.currency if fee else "",
        balance_id=fee.balance_id if fee else "",
        reference=payment.payment_id if kind == "charge" else "",
        ids=payment.ids,
    )


def _fee(fees: dict[str, list[Fee]], object_id: str, *, taken: bool) -> Fee | None:
    """The fee of the booking that brought (or took) money; of several, the first by its key."""
    booked = [fee for fee in fees.get(object_id, ()) if (fee.net + fee.fee < 0) == taken]
    return min(booked, key=lambda fee: fee.key, default=None)


def _charge(payment: Payment, fact: Captured, fees: dict[str, list[Fee]]) -> Expected:
    booked = fees.get(fact.capture_id, [])
    fee = min(booked, key=lambda fee: fee.key, default=None)
    return _line(payment, "charge", fact.capture_id, fact.amount, fact.currency, fact.at, fee)


def _reversal(payment: Payment, fact: Reversed, fees: dict[str, list[Fee]]) -> Expected:
    fee = _fee(fees, fact.reversal_id, taken=True)
    return _line(payment, "reversal", fact.reversal_id, -fact.amount, fact.currency, fact.at, fee)


def _dispute(
    payment: Payment, fact: DisputeUpdated, fees: dict[str, list[Fee]]
) -> Iterable[Expected]:
    """One line for each booking of the dispute; where the provider books none, none."""
    for fee in fees.get(fact.dispute_id, ()):
        gross = fee.net + fee.fee
        kind: TransactionKind = "dispute" if gross < 0 else "dispute_reversal"
        line = _line(payment, kind, fact.dispute_id, gross, fee.currency, fact.at, fee)
        key = f"{line.key}:{fee.balance_id}"
        yield msgspec.structs.replace(line, key=key)


def _refunds(
    payment: Payment, facts: tuple[Fact, ...], fees: dict[str, list[Fee]]
) -> Iterable[Expected]:
    """A refund, certain once it has succeeded; and its way back, if it failed afterwards."""
    stories: dict[str, list[RefundUpdated]] = {}
    for fact in facts:
        if isinstance(fact, RefundUpdated):
            stories.setdefault(fact.provider_refund_id, []).append(fact)
    # Money that the provider takes back by itself can come under one id as a refund as well.
    reversals = {fact.reversal_id for fact in facts if isinstance(fact, Reversed)}
    for refund_id, story in stories.items():
        if refund_id in reversals and all(fact.refund_id is None for fact in story):
            continue
        story.sort(key=lambda fact: (fact.at, fact.key))
        statuses = {fact.status for fact in story}
        first, failed = story[0], bool(statuses & {"failed", "canceled"})
        ours = min((fact.refund_id for fact in story if fact.refund_id), default=None)
        out = _line(
            payment,
            "refund",
            refund_id,
            -first.amount,
            first.currency,
            first.at,
            _fee(fees, refund_id, taken=True),
        )
        out = msgspec.structs.replace(
            out,
            reference=ours or "",
            certain=statuses == {"succeeded"} or statuses == {"pending", "succeeded"},
            imported=ours is None,
        )
        yield out
        if failed:
            back = _line(
                payment,
                "refund_failure",
                refund_id,
                first.amount,
                first.currency,
                story[-1].at,
                _fee(fees, refund_id, taken=False),
            )
            yield msgspec.structs.replace(back, certain=False)
