"""The part of the projection that concerns people: what stands in the attention list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from gateway.facts import (
    AttentionResolved,
    CallSettled,
    Flagged,
    OrderCanceled,
    OrderExpired,
    PaidTwice,
    Unrecognized,
)
from gateway.ids import derived_id
from gateway.order import Attention, DisputeState, OrderTerms, PaymentState, RefundState

if TYPE_CHECKING:
    from gateway.projection import Facts


def duplicate_refund_id(payment_id: str) -> str:
    """The id of the one refund that gives a payment back because the order was paid already."""
    return derived_id("ref", payment_id, "paid_twice")


def choose_kept(
    payments: Sequence[PaymentState], groups: Mapping[str, Facts]
) -> tuple[list[PaymentState], PaymentState | None]:
    """The payments, with the superfluous ones marked as such; and the one that pays the order.

    What has been decided stays: a payment that was found to be the second one is never kept while
    another one pays the order.
    """
    paid = [payment for payment in payments if payment.paid_in_full]
    if not paid:
        return list(payments), None
    kept = min(paid, key=lambda p: (groups[p.id].first(PaidTwice) is not None, p.id))
    marked = [
        msgspec.structs.replace(payment, duplicate_of=kept.id)
        if payment.paid_in_full and payment.id != kept.id
        else payment
        for payment in payments
    ]
    return marked, kept


def paid_twice(
    terms: OrderTerms,
    payments: Iterable[PaymentState],
    refunds: Sequence[RefundState],
    disputes: Sequence[DisputeState],
) -> list[Attention]:
    """The superfluous payments that the buyer has not wholly got back yet."""
    items = []
    for payment in payments:
        if payment.duplicate_of is None:
            continue
        lost = sum(
            dispute.amount
            for dispute in disputes
            if dispute.payment_id == payment.id
            and (dispute.status, dispute.currency) == ("lost", terms.currency)
        )
        if payment.amount_refunded + lost >= payment.amount_captured:
            continue
        own = next((r for r in refunds if r.id == duplicate_refund_id(payment.id)), None)
        refused = own is not None and own.status in ("failed", "canceled")
        left = "refunding it has failed: refund it at the provider, or pay the buyer otherwise"
        todo = left if refused else "it is being refunded to the buyer, once"
        detail = f"the order was already paid by {payment.duplicate_of}; {todo}"
        items.append(Attention("paid_twice", detail, payment.id))
    return items


def paid_after_close(own: Facts, kept: PaymentState | None) -> list[Attention]:
    """An order that was paid although it had been closed: the goods may be sold to another."""
    canceled = own.first(OrderCanceled) is not None
    if kept is None or not (canceled or own.first(OrderExpired)):
        return []
    if kept.amount_refunded >= kept.amount_captured:
        return []
    closed = "had been canceled" if canceled else "had expired"
    detail = f"the order {closed} when it was paid nevertheless; deliver it, or refund it"
    return [Attention("paid_after_close", detail, kept.id)]


def flags(facts: Facts, payment_id: str | None) -> list[Attention]:
    """What we or the adapter have flagged, until it is settled."""
    settled = {fact.operation for fact in facts.of(CallSettled)}
    flagged = [
        Attention(flag.flag, flag.detail, payment_id, flag.subject)
        for flag in facts.of(Flagged)
        if flag.subject not in settled
    ]
    return flagged + [
        Attention(
            "unrecognized_state",
            f"the provider reports a state that this version does not know: {fact.state}; "
            "look at the payment at the provider",
            payment_id,
            fact.object_id,
        )
        for fact in facts.of(Unrecognized)
    ]


def standing(
    items: Iterable[Attention],
    resolved: Mapping[str, Facts],
    payments: Iterable[PaymentState],
    refunds: Iterable[RefundState],
) -> tuple[Attention, ...]:
    """Those items that nobody has resolved as they read now. `resolved`: facts by payment id."""
    done = {
        (payment_id, fact.flag, fact.subject, fact.detail)
        for payment_id, facts in resolved.items()
        for fact in facts.of(AttentionResolved)
    }
    waiting = {payment.id for payment in payments if payment.status == "processing"}
    waiting |= {refund.id for refund in refunds if refund.status == "pending"}
    return tuple(
        item
        for item in items
        if (item.payment_id or "", item.kind, item.subject, item.detail) not in done
        and (item.kind != "overdue" or item.subject in waiting)
    )
