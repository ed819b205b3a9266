"""Opening checkouts: a new order, and a new attempt on an old one with another provider."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from gateway.attempts import let_retry, lock, operation_for, refuse, refuse_paid, stored_operation
from gateway.closing import close_attempts
from gateway.context import Context
from gateway.errors import Conflict, InvalidRequest, Unavailable
from gateway.facts import PaymentStarted
from gateway.idempotency import IdempotentRequest
from gateway.money import MAX_AMOUNT, Money, exponent
from gateway.operations import Settlement, perform, reserve
from gateway.order import CLOSED_PAYMENTS, OrderState
from gateway.ports import LockedOrder, Transaction
from gateway.provider import CaptureMode, CheckoutRequest, LineItem
from gateway.recording import created_event, record
from gateway.records import Answer, CreateCall, Operation, OrderItem, OrderRecord
from gateway.registry import Provider

#: A provider's page is asked to stay open a little longer than the order, so that the order's own
#: expiry, which closes the page first, decides; never longer than the 24 hours providers allow.
PAGE_GRACE = timedelta(minutes=5)
SHORTEST_PAGE = timedelta(minutes=35)
LONGEST_PAGE = timedelta(hours=23, minutes=59)
EXPIRY_GRACE = timedelta(seconds=30)


class NewOrder(msgspec.Struct, frozen=True):
    """A validated request for an order. Prices are the catalogue's, or a secret key's own."""

    merchant_id: str
    livemode: bool
    provider: str
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
            key = _creation_key(state.payments[0].id)
            operation = await stored_operation(tx, new.merchant_id, key)
        else:
            amount = total(new.currency, new.items)
            provider = _provider(ctx, new.provider, new.livemode, new.currency, new.capture)
            _refuse_inexact(provider, new.currency, new.items)
            order = OrderRecord(
                id=ctx.ids.new("ord"),
                merchant_id=new.merchant_id,
                livemode=new.livemode,
                reference=new.reference,
                currency=new.currency,
                amount=amount,
                capture=new.capture,
                items=new.items,
                success_url=new.success_url,
                cancel_url=new.cancel_url,
                customer_email=new.customer_email,
                metadata=new.metadata,
                created_at=now,
                expires_at=now + new.expires_in,
            )
            operation = await _add_order(ctx, tx, order, provider)
            await request.reserved(tx, order.id)
    return await _open(ctx, operation, request, operation.order_id)


async def change_provider(
    ctx: Context, merchant_id: str, order_id: str, provider_name: str, request: IdempotentRequest
) -> Answer:
    """Close the earlier attempt at its provider, then open a new one, perhaps elsewhere.

    Raises Conflict `payment_in_doubt` while the earlier one cannot be closed. That it turned out
    paid (409 `order_already_paid`) is an answer that is kept.
    """
    async with ctx.store.transaction() as tx:
        locked, _ = await lock(tx, merchant_id, order_id)
        order = locked.record
        payment_id = await request.begin(ctx, tx)
        if payment_id is None:  # a repetition does not depend on what is switched on now
            provider = _provider(ctx, provider_name, order.livemode, order.currency, order.capture)
            _refuse_inexact(provider, order.currency, order.items)
    if payment_id is None:
        try:
            await close_attempts(ctx, merchant_id, order_id)
            operation = await _reserve_attempt(ctx, order, provider_name, request)
        except Conflict as error:
            if error.code == "payment_in_doubt":
                await let_retry(ctx, request)
                raise
            return await refuse(ctx, request, error)
    else:
        async with ctx.store.transaction() as tx:
            operation = await stored_operation(tx, merchant_id, _creation_key(payment_id))
    return await _open(ctx, operation, request, operation.payment_id)


def _provider(
    ctx: Context, name: str, livemode: bool, currency: str, capture: CaptureMode
) -> Provider:
    provider = ctx.providers.choose(name, livemode=livemode, currency=currency)
    if capture == "manual" and not provider.plugin.capabilities.manual_capture:
        raise InvalidRequest(
            f"{provider.plugin.display_name} cannot authorize now and capture later",
            path="provider",
            code="not_supported_by_provider",
        )
    return provider


def _refuse_inexact(provider: Provider, currency: str, items: Sequence[OrderItem]) -> None:
    """Raises InvalidAmount for a price that this provider cannot express."""
    for item in items:
        provider.plugin.scale.to_provider(Money(item.unit_amount, currency))


async def _add_order(
    ctx: Context, tx: Transaction, order: OrderRecord, provider: Provider
) -> Operation:
    await tx.add_order(order)
    locked, _ = await lock(tx, order.merchant_id, order.id)
    operation = await _start_payment(ctx, tx, locked, provider.name)
    _, state = await lock(tx, order.merchant_id, order.id)
    await tx.add_events([created_event(ctx, order, state)])
    expiry = order.expires_at + EXPIRY_GRACE
    await tx.enqueue(order.merchant_id, "expire_order", order.id, expiry)
    return operation


async def _reserve_attempt(
    ctx: Context, order: OrderRecord, provider: str, request: IdempotentRequest
) -> Operation:
    async with ctx.store.transaction() as tx:
        locked, state = await lock(tx, order.merchant_id, order.id)
        _refuse_closed(state, order, ctx.now())
        await _refuse_concurrent(tx, state, order)
        operation = await _start_payment(ctx, tx, locked, provider)
        await request.reserved(tx, operation.payment_id)
    return operation


def _refuse_closed(state: OrderState, order: OrderRecord, now: datetime) -> None:
    refuse_paid(state)
    if state.status in ("canceled", "expired") or now >= order.expires_at:
        raise Conflict("the order is closed; create a new one", code="order_closed")


async def _refuse_concurrent(tx: Transaction, state: OrderState, order: OrderRecord) -> None:
    """Raises Conflict `payment_in_doubt` while another attempt may give the buyer a page."""
    for payment in state.payments:
        if payment.status in CLOSED_PAYMENTS or payment.creation_in_doubt:
            continue
        if payment.status == "creating":
            creation = await stored_operation(tx, order.merchant_id, _creation_key(payment.id))
            if creation.attempts:  # answered in vain: a page that opens later is closed again
                continue
        raise Conflict(
            "another attempt was opened at the same time; look at the order",
            code="payment_in_doubt",
        )


async def _start_payment(
    ctx: Context, tx: Transaction, locked: LockedOrder, provider: str
) -> Operation:
    """Reserve an attempt: its facts, and the operation that will open its checkout."""
    order, now = locked.record, ctx.now()
    payment_id = ctx.ids.new("pay")
    started = PaymentStarted(
        provider=provider, amount=order.amount, currency=order.currency, at=now
    )
    await record(ctx, tx, locked, payment_id, [started], source="the merchant's request")
    back = f"{ctx.public_url}/checkout/{order.id}"
    page = min(max(order.expires_at - now + PAGE_GRACE, SHORTEST_PAGE), LONGEST_PAGE)
    call = CreateCall(
        CheckoutRequest(
            order_id=order.id,
            payment_id=payment_id,
            money=order.money,
            items=tuple(LineItem(i.name, i.unit_amount, i.quantity) for i in order.items),
            success_url=f"{back}/return",
            cancel_url=f"{back}/cancel",
            expires_at=(now + page).replace(microsecond=0),
            capture=order.capture,
            reference=order.reference,
            customer_email=order.customer_email,
        )
    )
    key = _creation_key(payment_id)
    return await reserve(ctx, tx, operation_for(ctx, order, payment_id, provider, key, call))


def _creation_key(payment_id: str) -> str:
    return f"{payment_id}-create"


async def _open(
    ctx: Context, operation: Operation, request: IdempotentRequest, resource_id: str
) -> Answer:
    """Make the create call of a reserved payment and answer the request with its outcome."""
    answers: list[Answer] = []

    async def finish(tx: Transaction, settlement: Settlement) -> None:
        if settlement.outcome == "unavailable":
            await tx.release_key(request.claim)  # nothing was done: the same key may try again
        elif settlement.outcome == "rejected" and settlement.error is not None:
            answers.append(await request.fail(tx, settlement.error, settlement.order.id))
        else:
            order, state = settlement.order, settlement.state
            answers.append(await request.succeed(tx, order, state, resource_id))

    settlement = await perform(ctx, operation, finish)
    if answers:
        return answers[0]
    raise settlement.error or Unavailable("the provider could not be reached")
