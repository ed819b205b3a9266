"""The part of the projection that concerns money coming in: holds, captures, fees."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from gateway.facts import Authorized, Captured, CaptureRequested, Fee
from gateway.order import Attention, OrderTerms, RefundState

if TYPE_CHECKING:
    from gateway.projection import Facts


def captured_money(terms: OrderTerms, payment_id: str, facts: Facts) -> tuple[int, list[Attention]]:
    """The money captured in the order's currency, and what is wrong with it.

    Two facts that disagree on one capture count as its smaller amount, and are a mismatch.
    """
    captures = facts.of(Captured)
    amounts: dict[str, list[int]] = {}
    complaints: list[Attention] = []
    for capture in captures:
        if capture.currency == terms.currency:
            amounts.setdefault(capture.capture_id, []).append(capture.amount)
        else:
            complaints.append(
                Attention(
                    "currency_mismatch",
                    f"the provider captured {capture.amount} {capture.currency} where the order "
                    f"asks for {terms.amount} {terms.currency}; refund it at the provider",
                    payment_id,
                    capture.capture_id,
                )
            )
    total = sum(min(of_one) for of_one in amounts.values())
    expected = {terms.amount}
    if terms.capture == "manual":
        expected |= {f.amount for f in facts.of(CaptureRequested) if f.currency == terms.currency}
    disagree = any(len(of_one) > 1 for of_one in amounts.values())
    if amounts and (total not in expected or disagree):
        most = sum(max(of_one) for of_one in amounts.values())
        told = f"{total} or {most}" if disagree else str(total)
        complaints.append(
            Attention(
                "amount_mismatch",
                f"the provider captured {told} {terms.currency} where {terms.amount} was due; "
                "refund it, or settle the difference with the buyer",
                payment_id,
                min(amounts),
            )
        )
    return total, complaints


def held_amiss(terms: OrderTerms, payment_id: str, facts: Facts) -> list[Attention]:
    """Authorizations of another amount or currency, while nothing has been captured."""
    if facts.first(Captured):
        return []
    return [
        Attention(
            "currency_mismatch" if held.currency != terms.currency else "amount_mismatch",
            f"the provider holds {held.amount} {held.currency} where the order asks for "
            f"{terms.amount} {terms.currency}; cancel it",
            payment_id,
            held.authorization_id,
        )
        for held in facts.of(Authorized)
        if (held.amount, held.currency) != (terms.amount, terms.currency)
    ]


def bookings(fees: Iterable[Fee]) -> dict[tuple[str, str], Fee]:
    """One object can be booked several times: a dispute's money is taken, and given back.

    Of two facts about one booking the one counts whose key is the last.
    """
    told = sorted(fees, key=lambda fee: fee.key)
    return {(fee.object_id, fee.balance_id): fee for fee in told}


def fees_kept(facts: Facts, refunds: Iterable[RefundState]) -> list[Fee]:
    """What the provider says of its fees, each booking once, as far as it counts.

    Where the provider names its bookings, a refund that fails is booked a second time and both
    count. Where it does not, what it gave back with a refund that failed it has taken again.
    """
    failed = {r.provider_refund_id for r in refunds if r.status in ("failed", "canceled")}
    fees = bookings(facts.of(Fee)).values()
    return [fee for fee in fees if fee.balance_id or fee.object_id not in failed]


def total_fee(
    terms: OrderTerms, groups: Mapping[str, Facts], refunds: Sequence[RefundState]
) -> int | None:
    """What providers kept, once it is known for every capture; None across currencies."""
    total, captures = 0, 0
    for facts in groups.values():
        fees = bookings(facts.of(Fee))
        captured = {capture.capture_id for capture in facts.of(Captured)}
        captures += len(captured)
        unknown = captured - {object_id for object_id, _ in fees}
        if unknown or any(fee.currency != terms.currency for fee in fees.values()):
            return None
        total += sum(fee.fee for fee in fees_kept(facts, refunds))
    return total if captures else None
