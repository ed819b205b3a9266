"""Movements of money: what an order's facts say has come in, gone back, or been kept.

`moved(recorded, state)` is a function of the *set* of facts. Each movement has a natural key, made
of the provider's own ids: the same money is the same movement, however and whenever it was learnt.
Their sums are the projection's amounts, which tests/finance/test_movements.py proves.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec

from gateway.facts import (
    Captured,
    DisputeUpdated,
    Fact,
    Fee,
    Recorded,
    RefundReserved,
    RefundUpdated,
    Reversed,
)
from gateway.order import OrderState, OrderTerms
from gateway.projection import Facts, project
from gateway.projection_captures import fees_kept
from gateway.projection_refunds import swings, told_by_disputes

MovementType = Literal[
    "charge",
    "refund",
    "refund_failure",
    "dispute",
    "dispute_reversal",
    "reversal",
    "fee",
    "fee_refund",
    "conversion",
    "payout",
    "payout_failure",
    "adjustment",
]
_LONGEST_KEY = 255
#: Facts that say what moved; a reservation decides which refund a provider's refund is.
_TELLING = (Captured, Fee, RefundUpdated, DisputeUpdated, Reversed, RefundReserved)


class Movement(msgspec.Struct, frozen=True, kw_only=True):
    """Money that moved on our account at a provider, in minor units of `currency`.

    `gross` is positive for money that came in, `fee` for what the provider kept of it; one that it
    gave back is negative. A fee of nothing that is known is a movement of its own, with no gross.
    `provider_id` is the provider's id of the capture, refund, dispute or reversal, `balance_id`
    that of its own booking where it has one. `at`, UTC, is when it happened at the provider; None
    where that is not known. `settlement_currency` is that of the booking, once there is one; if it
    is another, two conversions follow, which take the gross out of the one currency and bring it,
    at `rate`, into the other, where the fee is.
    """

    key: str
    type: MovementType
    payment_id: str
    provider: str
    currency: str
    provider_id: str
    gross: int = 0
    fee: int = 0
    balance_id: str = ""
    refund_id: str | None = None
    dispute_id: str | None = None
    at: datetime | None = None
    available_at: datetime | None = None
    rate: str | None = None
    settlement_currency: str | None = None

    @property
    def net(self) -> int:
        """What it adds to the balance at the provider."""
        return self.gross - self.fee


def tells_of_money(recorded: Iterable[Recorded]) -> bool:
    """Whether any of these facts can change an order's movements."""
    return any(isinstance(entry.fact, _TELLING) for entry in recorded)


def movements(terms: OrderTerms, recorded: Sequence[Recorded]) -> tuple[Movement, ...]:
    """The movements of an order, sorted. Pure."""
    return moved(recorded, project(terms, recorded))


def moved(recorded: Iterable[Recorded], state: OrderState) -> tuple[Movement, ...]:
    """The movements of an order whose facts amount to `state`, sorted. Pure."""
    by_payment: dict[str, list[Fact]] = {}
    for entry in recorded:
        if entry.payment_id and isinstance(entry.fact, _TELLING):
            by_payment.setdefault(entry.payment_id, []).append(entry.fact)
    found: list[Movement] = []
    for payment_id, of_payment in by_payment.items():
        facts = Facts(of_payment)
        provider = state.payment(payment_id).provider
        its = [
            *_charges(payment_id, provider, facts),
            *_refunds(payment_id, provider, facts, state),
            *_disputes(payment_id, provider, facts, state),
        ]
        found += booked(its, fees_kept(facts, state.refunds), payment_id, provider)
    return tuple(sorted(found, key=lambda movement: (movement.payment_id, movement.key)))


def _charges(payment_id: str, provider: str, facts: Facts) -> list[Movement]:
    """Of facts that disagree on one capture the smaller counts, as in the projection."""
    captures: dict[tuple[str, str], list[Captured]] = {}
    for capture in facts.of(Captured):
        captures.setdefault((capture.capture_id, capture.currency), []).append(capture)
    return [
        Movement(
            key=natural_key("charge", capture_id, currency),
            type="charge",
            payment_id=payment_id,
            provider=provider,
            gross=min(capture.amount for capture in told),
            currency=currency,
            provider_id=capture_id,
            at=min(capture.at for capture in told),
        )
        for (capture_id, currency), told in captures.items()
    ]


def _refunds(payment_id: str, provider: str, facts: Facts, state: OrderState) -> list[Movement]:
    """Refunds that succeeded, and the return of those that failed afterwards."""
    found = []
    updates = facts.of(RefundUpdated)
    for refund in state.refunds:
        if refund.payment_id != payment_id or refund.provider_refund_id is None:
            continue
        its = [told for told in updates if told.provider_refund_id == refund.provider_refund_id]
        went = min((told.at for told in its if told.status == "succeeded"), default=None)
        if went is None:
            continue
        gone = Movement(
            key=natural_key("refund", refund.provider_refund_id, refund.currency),
            type="refund",
            payment_id=payment_id,
            provider=provider,
            gross=-refund.amount,
            currency=refund.currency,
            provider_id=refund.provider_refund_id,
            refund_id=refund.id,
            at=went,
        )
        found.append(gone)
        if refund.status != "succeeded":
            back = min(told.at for told in its if told.status == refund.status)
            found.append(
                msgspec.structs.replace(
                    gone,
                    key=natural_key("refund_failure", refund.provider_refund_id, refund.currency),
                    type="refund_failure",
                    gross=refund.amount,
                    at=back,
                )
            )
    return found


def _disputes(payment_id: str, provider: str, facts: Facts, state: OrderState) -> list[Movement]:
    """Money taken in a dispute and given back when it was not lost; money taken without one."""
    found = []
    updates: dict[str, list[DisputeUpdated]] = {}
    for update in facts.of(DisputeUpdated):
        updates.setdefault(update.dispute_id, []).append(update)
    bookings = {of: by for by, of in told_by_disputes(facts, updates.values()).items()}
    for dispute in state.disputes:
        if dispute.payment_id != payment_id:
            continue
        name = dispute.provider_dispute_id
        taken = Movement(
            key=natural_key(dispute.kind, name, dispute.currency),
            type=dispute.kind,
            payment_id=payment_id,
            provider=provider,
            gross=-dispute.amount,
            currency=dispute.currency,
            provider_id=name,
            balance_id=bookings.get(name, ""),
            dispute_id=dispute.id,
            at=dispute.opened_at,
        )
        if dispute.kind == "reversal":
            found.append(taken)
            continue
        for number, at in enumerate(swings(updates[name])):
            kind: MovementType = "dispute_reversal" if number % 2 else "dispute"
            turn = (str(number // 2 + 1),) if number > 1 else ()
            found.append(
                msgspec.structs.replace(
                    taken,
                    key=natural_key(kind, name, dispute.currency, *turn),
                    type=kind,
                    gross=dispute.amount if number % 2 else -dispute.amount,
                    balance_id="" if number % 2 else taken.balance_id,
                    at=at,
                )
            )
    return found


# --- what the provider booked ---------------------------------------------------------------------


def booked(
    movements: Sequence[Movement], fees: Iterable[Fee], payment_id: str, provider: str
) -> list[Movement]:
    """The movements of a payment with what the provider kept of each, in the currency in which it
    was settled; and the fees that are of none of them. Pure."""
    homes: dict[str, list[Fee]] = {movement.key: [] for movement in movements}
    found: list[Movement] = []
    for fee in sorted(fees, key=_when_booked):
        candidates = [
            movement
            for movement in movements
            if fee.object_id in (movement.provider_id, movement.balance_id)
        ]
        if candidates:
            homes[_home(fee, candidates, homes).key].append(fee)
        elif fee.fee:
            found.append(_fee(fee, payment_id, provider))
    for movement in movements:
        currencies = {fee.currency for fee in homes[movement.key]}
        settled = (
            movement.currency if movement.currency in currencies else min(currencies, default="")
        )
        of_it = [fee for fee in homes[movement.key] if fee.currency == settled]
        others = [fee for fee in homes[movement.key] if fee.currency != settled and fee.fee]
        found += _settled(movement, of_it) if of_it else [movement]
        found += [_fee(fee, payment_id, provider, movement) for fee in others]
    return found


def _when_booked(fee: Fee) -> tuple[datetime, str, str]:
    return fee.available_at or datetime.min.replace(tzinfo=UTC), fee.balance_id, fee.key


def _home(fee: Fee, candidates: Sequence[Movement], homes: dict[str, list[Fee]]) -> Movement:
    """Which movement a booking is of: of several of one object (a refund that failed, a dispute
    that was won) the first without one that goes the same way."""
    gross = fee.net + fee.fee
    return min(
        candidates,
        key=lambda movement: (
            gross * movement.gross < 0,
            movement.currency != fee.currency,
            len(homes[movement.key]),
            movement.at or datetime.min.replace(tzinfo=UTC),
            movement.key,
        ),
    )


def _settled(movement: Movement, bookings: Sequence[Fee]) -> list[Movement]:
    """A movement as it was booked, all in one currency; with its conversion if it is another."""
    first = bookings[0]
    movement = msgspec.structs.replace(
        movement,
        balance_id=first.balance_id or movement.balance_id,
        available_at=first.available_at,
        rate=first.rate,
        settlement_currency=first.currency,
    )
    if first.currency == movement.currency:
        kept = sum(booking.fee for booking in bookings)
        return [msgspec.structs.replace(movement, fee=kept)]
    out = msgspec.structs.replace(
        movement,
        key=natural_key("conversion", movement.key, movement.currency),
        type="conversion",
        gross=-movement.gross,
    )
    return [
        movement,
        out,
        *(
            msgspec.structs.replace(
                out,
                key=natural_key("conversion", movement.key, booking.currency, booking.balance_id),
                gross=booking.net + booking.fee,
                fee=booking.fee,
                currency=booking.currency,
                balance_id=booking.balance_id,
                available_at=booking.available_at,
                rate=booking.rate,
            )
            for booking in bookings
        ),
    ]


def _fee(fee: Fee, payment_id: str, provider: str, of: Movement | None = None) -> Movement:
    """A fee that no movement can carry: of nothing known, or in a currency of its own."""
    return Movement(
        key=natural_key("fee", fee.object_id, fee.balance_id, fee.currency),
        type="fee" if fee.fee > 0 else "fee_refund",
        payment_id=payment_id,
        provider=provider,
        fee=fee.fee,
        currency=fee.currency,
        provider_id=fee.object_id,
        balance_id=fee.balance_id,
        refund_id=of.refund_id if of else None,
        dispute_id=of.dispute_id if of else None,
        at=of.at if of else None,
        available_at=fee.available_at,
        rate=fee.rate,
        settlement_currency=fee.currency,
    )


def natural_key(*parts: str) -> str:
    """The parts with colons between them, escaped as in the keys of facts; a digest if too long."""
    key = ":".join(part.replace("%", "%25").replace(":", "%3A") for part in parts)
    if len(key) <= _LONGEST_KEY:
        return key
    return f"{parts[0]}:sha256:{hashlib.sha256(key.encode()).hexdigest()}"
