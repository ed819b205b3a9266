"""Checkouts: a new order, and a new attempt on an old one with another provider."""

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from gateway.attempts import let_retry, lock, refuse, stored_operation
from gateway.choosing import Chosen, Wish, choose
from gateway.closing import close_attempts
from gateway.context import Context
from gateway.errors import Conflict, InvalidRequest
from gateway.idempotency import IdempotentRequest
from gateway.money import MAX_AMOUNT, exponent
from gateway.opening import (
    Attempt,
    attempt_on,
    creation_key,
    open_page,
    refuse_closed,
    start_payment,
)
from gateway.order import CLOSED_PAYMENTS, OrderState
from gateway.ports import Transaction
from gateway.provider import CaptureMode
from gateway.recording import created_event
from gateway.records import Answer, OrderItem, OrderRecord

EXPIRY_GRACE = timedelta(seconds=30)


class NewOrder(msgspec.Struct, frozen=True):
    """A validated request for an order. Prices are the catalogue's, or a secret key's own."""

    merchant_id: str
    livemode: bool
    provider: Wish
    currency: str
    items: tuple[OrderItem, ...]
    success_url: str
    cancel_url: str
    expires_in: timedelta
    capture: CaptureMode
    reference: str | None
    customer_email: str | None
    metadata: dict[str, str]


def total(currency: str, items: Sequence[OrderItem]) -> int:
    """Σ unit_amount x quantity. Raises InvalidRequest for nothing to pay or too much."""
    exponent(currency)
    amount = sum(item.unit_amount * item.quantity for item in items)
    if not 0 < amount <= MAX_AMOUNT:
        raise InvalidRequest(
            f"the items add up to {amount} minor units; an order is of 1 to {MAX_AMOUNT}",
            path="items",
            code="invalid_amount",
        )
    return amount


async def create_order(ctx: Context, new: NewOrder, request: IdempotentRequest) -> Answer:
    """Reserve an order and open its checkout. The answer shows the order.

    Raises Unavailable when the provider could not be reached: the same key may try again.
    """
    now = ctx.now()
    async with ctx.store.transaction() as tx:
        order_id = await request.begin(ctx, tx)
        if order_id is not None:
            _, state = await lock(tx, new.merchant_id, order_id)
            attempt = await attempt_on(tx, new.merchant_id, state.payments[0].id)
        else:
            order = OrderRecord(
                id=ctx.ids.new("ord"),
                merchant_id=new.merchant_id,
                livemode=new.livemode,
                reference=new.reference,
                currency=new.currency,
                amount=total(new.currency, new.items),
                capture=new.capture,
                items=new.items,
                success_url=new.success_url,
                cancel_url=new.cancel_url,
                customer_email=new.customer_email,
                metadata=new.metadata,
                created_at=now,
                expires_at=now + new.expires_in,
            )
            attempt = await _add_order(ctx, tx, order, choose(ctx, order, new.provider))
            await request.reserved(tx, order.id)
    return await open_page(ctx, attempt, request, new.provider, of_order=True)


async def change_provider(
    ctx: Context, merchant_id: str, order_id: str, wish: Wish, request: IdempotentRequest
) -> Answer:
    """Close the earlier attempt at its provider, then open a new one, perhaps elsewhere.

    Raises Conflict `payment_in_doubt` while the earlier one cannot be closed. That it turned out
    paid (409 `order_already_paid`) is an answer that is kept.
    """
    async with ctx.store.transaction() as tx:
        locked, state = await lock(tx, merchant_id, order_id)
        order = locked.record
        payment_id = await request.begin(ctx, tx)
        # A repetition does not depend on what is switched on now.
        chosen = choose(ctx, order, wish, state) if payment_id is None else None
    if chosen is not None:
        try:
            await close_attempts(ctx, merchant_id, order_id)
            attempt = await _reserve_attempt(ctx, order, chosen, request)
        except Conflict as error:
            if error.code == "payment_in_doubt":
                await let_retry(ctx, request)
                raise
            return await refuse(ctx, request, error)
    else:
        async with ctx.store.transaction() as tx:
            attempt = await attempt_on(tx, merchant_id, str(payment_id))
    return await open_page(ctx, attempt, request, wish, of_order=False)


async def _add_order(ctx: Context, tx: Transaction, order: OrderRecord, chosen: Chosen) -> Attempt:
    await tx.add_order(order)
    locked, _ = await lock(tx, order.merchant_id, order.id)
    attempt = await start_payment(ctx, tx, locked, chosen)
    _, state = await lock(tx, order.merchant_id, order.id)
    await tx.add_events([created_event(ctx, order, state)])
    expiry = order.expires_at + EXPIRY_GRACE
    await tx.enqueue(order.merchant_id, "expire_order", order.id, expiry)
    return attempt


async def _reserve_attempt(
    ctx: Context, order: OrderRecord, chosen: Chosen, request: IdempotentRequest
) -> Attempt:
    async with ctx.store.transaction() as tx:
        locked, state = await lock(tx, order.merchant_id, order.id)
        refuse_closed(state, order, ctx.now())
        await _refuse_concurrent(tx, state, order)
        attempt = await start_payment(ctx, tx, locked, chosen)
        await request.reserved(tx, attempt.operation.payment_id)
    return attempt


async def _refuse_concurrent(tx: Transaction, state: OrderState, order: OrderRecord) -> None:
    """Raises Conflict `payment_in_doubt` while another attempt may give the buyer a page."""
    for payment in state.payments:
        if payment.status in CLOSED_PAYMENTS or payment.creation_in_doubt:
            continue
        if payment.status == "creating":
            creation = await stored_operation(tx, order.merchant_id, creation_key(payment.id))
            if creation.attempts:  # answered in vain: a page that opens later is closed again
                continue
        raise Conflict(
            "another attempt was opened at the same time; look at the order",
            code="payment_in_doubt",
        )
