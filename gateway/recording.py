"""Facts in, state out: the one place where facts are added to an order.

Whoever learns something (an answer, a webhook, a sweep) comes through `record`: it appends the new
facts, computes the state anew and writes it, books the money that moved, tells the merchant and
extends the timeline, all in the caller's transaction.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from gateway.context import Context
from gateway.facts import Fact, PaidTwice, Recorded, RefundStatus
from gateway.movements import moved, tells_of_money
from gateway.order import OrderState, PaymentState
from gateway.ports import LockedOrder, Transaction
from gateway.projection import project
from gateway.records import MerchantEvent, OrderRecord, TimelineEntry
from gateway.resources import order_resource

#: The first look at an open payment that nobody reported on; later ones at growing distances.
FIRST_CHECK = timedelta(minutes=1)
_WATCHED = frozenset({"open", "processing", "authorized"})


def entry(ctx: Context, kind: str, summary: str, rule: str = "", **data: Any) -> TimelineEntry:
    """A timeline entry of this moment."""
    return TimelineEntry(ctx.ids.new("tln"), ctx.now(), kind, summary, rule, data)


async def record(
    ctx: Context,
    tx: Transaction,
    locked: LockedOrder,
    payment_id: str,
    facts: Iterable[Fact],
    *,
    source: str,
    entries: Sequence[TimelineEntry] = (),
) -> OrderState:
    """Add `facts` about `payment_id` (empty: the order itself) and return the new state.

    `source` says in words who told us, for the timeline. `entries` go before those that the facts
    cause.
    """
    order = locked.record
    known = list(locked.recorded)
    before = project(order.terms, known)
    added = await tx.add_facts(order, [Recorded(payment_id, fact) for fact in facts], ctx.now())
    lines = list(entries)
    if not added:
        await tx.add_timeline(order.merchant_id, order.id, lines)
        return before
    now = ctx.now()
    after = project(order.terms, [*known, *added])
    second = await tx.add_facts(order, superfluous(before, after, known, now), now)
    if second:
        added = [*added, *second]
        after = project(order.terms, [*known, *added])
    await tx.save_state(order, after, now)
    if tells_of_money(added):
        booked = moved(known, before)
        movements = moved([*known, *added], after)
        if movements != booked:
            await tx.book(order, movements, now, first=not booked)
    lines += [
        entry(ctx, "fact", describe(recorded.fact), f"new, from {source}", key=recorded.fact.key)
        for recorded in added
    ]
    if after.status != before.status:
        lines.append(entry(ctx, "status", f"{before.status} → {after.status}"))
    await tx.add_timeline(order.merchant_id, order.id, lines)
    types = event_types(before, after)
    await tx.add_events([_event(ctx, order, after, kind) for kind in types])
    await _watch(ctx, tx, order, before, after)
    return after


def superfluous(
    before: OrderState, after: OrderState, known: Iterable[Recorded], now: datetime
) -> list[Recorded]:
    """The decision that a payment is the second one of its order, for those just found. Pure.

    Whichever paid the order first, as far as we knew, is the one that is kept.
    """
    decided = {entry.payment_id for entry in known if isinstance(entry.fact, PaidTwice)}
    paid = [payment for payment in after.payments if payment.paid_in_full]
    earlier = {p.id for p in before.payments if p.paid_in_full and p.duplicate_of is None}
    kept = next((p.id for p in paid if p.id in earlier), None)
    kept = kept or next((p.id for p in paid if p.duplicate_of is None), None)
    return [
        Recorded(payment.id, PaidTwice(kept=kept, at=now))
        for payment in paid
        if kept is not None and payment.id != kept and payment.id not in decided
    ]


def event_types(before: OrderState, after: OrderState) -> list[str]:
    """What a merchant is told when an order goes from one state to another. Pure."""
    types = []
    # A refund that fails late makes an order paid once more: nobody must ship twice for that.
    again = after.status == "paid" and before.status in _HAVE_PAID
    if after.status != before.status and after.status in _TOLD and not again:
        types.append(_TOLD[after.status])
    was = {payment.id: payment.status for payment in before.payments}
    types += [
        "payment.failed"
        for payment in after.payments
        if payment.status == "failed" and was.get(payment.id) != "failed"
    ]
    refunds = {refund.id: refund.status for refund in before.refunds}
    for refund in after.refunds:
        if refund.id not in refunds:
            types.append("refund.created")
        told = _TOLD_OF_REFUNDS.get(refund.status)
        if told and told != _TOLD_OF_REFUNDS.get(refunds.get(refund.id, "pending")):
            types.append(told)
    disputes = {dispute.id: dispute.status for dispute in before.disputes}
    for dispute in after.disputes:
        if dispute.id not in disputes:
            types.append("dispute.opened")
        if dispute.status in _CLOSED_DISPUTES and disputes.get(dispute.id) not in _CLOSED_DISPUTES:
            types.append("dispute.closed")
    seen = {(item.kind, item.payment_id, item.subject) for item in before.attention}
    if {(item.kind, item.payment_id, item.subject) for item in after.attention} - seen:
        types.append("order.attention")
    return types


_TOLD = {
    "processing": "order.processing",
    "authorized": "order.authorized",
    "paid": "order.paid",
    "canceled": "order.canceled",
    "expired": "order.expired",
}
_HAVE_PAID = frozenset({"paid", "partially_refunded", "refunded"})
_TOLD_OF_REFUNDS: dict[RefundStatus, str] = {
    "succeeded": "refund.succeeded",
    "failed": "refund.failed",
    "canceled": "refund.failed",  # no money went back, in either case
}
_CLOSED_DISPUTES = frozenset({"won", "lost", "prevented"})


def created_event(ctx: Context, order: OrderRecord, state: OrderState) -> MerchantEvent:
    """The first event of an order."""
    return _event(ctx, order, state, "order.created")


def _event(ctx: Context, order: OrderRecord, state: OrderState, kind: str) -> MerchantEvent:
    now = ctx.now()
    resource = order_resource(order, state, client_token=ctx.client_token(order.id), updated_at=now)
    return MerchantEvent(
        id=ctx.ids.new("evt"),
        merchant_id=order.merchant_id,
        livemode=order.livemode,
        type=kind,
        order_id=order.id,
        created_at=now,
        data=msgspec.Raw(msgspec.json.encode(resource)),
    )


async def _watch(
    ctx: Context, tx: Transaction, order: OrderRecord, before: OrderState, after: OrderState
) -> None:
    """Whoever waits for a webhook must not wait for ever: look for ourselves in a while."""
    now = ctx.now()
    was = {payment.id: payment.status for payment in before.payments}
    for payment in after.payments:
        if payment.status in _WATCHED and was.get(payment.id) not in _WATCHED:
            await tx.enqueue(order.merchant_id, "check_payment", payment.id, now + FIRST_CHECK)
    pending = {refund.id for refund in before.refunds if refund.status == "pending"}
    for refund in after.refunds:
        if refund.status == "pending" and refund.id not in pending:
            await tx.enqueue(order.merchant_id, "check_refund", refund.id, now + FIRST_CHECK)
    known = {payment.id for payment in before.payments if _to_give_back(payment)}
    for payment in after.payments:
        if _to_give_back(payment) and payment.id not in known:
            await tx.enqueue(order.merchant_id, "refund_duplicate", payment.id, now)


def _to_give_back(payment: PaymentState) -> bool:
    return payment.duplicate_of is not None and payment.amount_refundable > 0


def describe(fact: Fact) -> str:
    """The fact in words, with ids and amounts, without anything personal."""
    words = fact.kind.replace("_", " ")
    amount, currency = getattr(fact, "amount", None), getattr(fact, "currency", None)
    status = getattr(fact, "status", None)
    parts = [words]
    if amount is not None:
        parts.append(f"{amount} {currency}")
    if status is not None:
        parts.append(str(status))
    return " ".join(parts)
