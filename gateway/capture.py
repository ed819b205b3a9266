"""Capturing an authorization."""

from gateway.attempts import lock, operation_for, payment_ref, perform_and_answer, stored_operation
from gateway.context import Context
from gateway.errors import Conflict, RefusedByRule
from gateway.facts import CaptureRequested
from gateway.idempotency import IdempotentRequest
from gateway.money import Money
from gateway.operations import reserve
from gateway.order import OrderState, PaymentState
from gateway.ports import LockedOrder, Transaction
from gateway.recording import record
from gateway.records import Answer, CancelCall, CaptureCall, Operation, OrderRecord


async def capture_order(
    ctx: Context, merchant_id: str, order_id: str, amount: int | None, request: IdempotentRequest
) -> Answer:
    """Capture an authorized order, wholly or in part (minor units); the rest is released.

    Raises Conflict `order_not_authorized`, RefusedByRule `capture_exceeds_authorized`.
    """
    async with ctx.store.transaction() as tx:
        locked, state = await lock(tx, merchant_id, order_id)
        reserved = await request.begin(ctx, tx)
        if reserved is not None:
            operation = await stored_operation(tx, merchant_id, reserved)
        else:
            operation = await _reserve(ctx, tx, locked, state, amount)
            await request.reserved(tx, operation.key)
    return await perform_and_answer(ctx, operation, request, order_id)


async def _reserve(
    ctx: Context, tx: Transaction, locked: LockedOrder, state: OrderState, amount: int | None
) -> Operation:
    order = locked.record
    payment = next((p for p in state.payments if p.status == "authorized"), None)
    ref = payment_ref(order, payment) if payment else None
    if payment is None or ref is None:
        raise Conflict(
            f"the order is {state.status}, not authorized: there is nothing to capture",
            code="order_not_authorized",
        )
    money = _captured_money(ctx, order, payment, amount)
    await _refuse_while_under_way(tx, order.merchant_id, payment.id, money)
    requested = CaptureRequested(amount=money.amount, currency=money.currency, at=ctx.now())
    await record(ctx, tx, locked, payment.id, [requested], source="the merchant's request")
    key = _key(payment.id, money.amount)
    call = CaptureCall(ref, money)
    return await reserve(
        ctx, tx, operation_for(ctx, order, payment.id, payment.provider, key, call)
    )


async def _refuse_while_under_way(
    tx: Transaction, merchant_id: str, payment_id: str, money: Money
) -> None:
    """Raises Conflict `payment_in_doubt` while a cancel or another amount may still go through."""
    for operation in await tx.unsettled(merchant_id, payment_id):
        call = operation.call
        if isinstance(call, CancelCall):
            raise Conflict(
                "the order is being canceled; look at it in a few seconds", code="payment_in_doubt"
            )
        if isinstance(call, CaptureCall) and call.money != money:
            raise Conflict(
                f"the outcome of capturing {call.money.amount} {call.money.currency} is not known "
                "yet; try again in a minute",
                code="payment_in_doubt",
            )


def _key(payment_id: str, amount: int) -> str:
    return f"{payment_id}-capture-{amount}"


def _captured_money(
    ctx: Context, order: OrderRecord, payment: PaymentState, amount: int | None
) -> Money:
    money = Money(order.amount if amount is None else amount, order.currency)
    if money.amount > order.amount:
        raise RefusedByRule(
            f"{money.amount} is more than the {order.amount} {order.currency} authorized",
            code="capture_exceeds_authorized",
        )
    provider = ctx.providers.get(payment.provider)
    partial = provider is not None and provider.plugin.capabilities.partial_capture
    if money.amount < order.amount and not partial:
        raise RefusedByRule(
            f"{payment.provider} captures the whole amount only", code="not_supported_by_provider"
        )
    if provider is not None:
        provider.plugin.scale.to_provider(money)
    return money
