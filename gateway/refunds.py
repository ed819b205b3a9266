"""Refunds: the amount is reserved under the order's lock before the provider is called."""

from gateway.attempts import lock, operation_for, payment_ref, perform_and_answer, stored_operation
from gateway.context import Context
from gateway.errors import Conflict, RefusedByRule
from gateway.facts import RefundReserved
from gateway.idempotency import IdempotentRequest
from gateway.money import Money
from gateway.operations import reserve
from gateway.order import OrderState, PaymentState
from gateway.ports import LockedOrder, Transaction
from gateway.provider import RefundRequest
from gateway.recording import record
from gateway.records import Answer, Operation, RefundCall


async def refund_order(
    ctx: Context,
    merchant_id: str,
    order_id: str,
    amount: int | None,
    reason: str | None,
    metadata: dict[str, str],
    request: IdempotentRequest,
) -> Answer:
    """Refund `amount` minor units, or all that is refundable. The answer shows the refund.

    A provider's unclear or late answer leaves it `pending`. Raises Conflict `nothing_to_refund`,
    RefusedByRule `refund_exceeds_captured`.
    """
    async with ctx.store.transaction() as tx:
        locked, state = await lock(tx, merchant_id, order_id)
        refund_id = await request.begin(ctx, tx)
        if refund_id is not None:
            operation = await stored_operation(tx, merchant_id, refund_id)
        else:
            refund_id = ctx.ids.new("ref")
            operation = await _reserve(ctx, tx, locked, state, refund_id, amount, reason, metadata)
            await request.reserved(tx, refund_id)
    return await perform_and_answer(ctx, operation, request, refund_id)


async def _reserve(
    ctx: Context,
    tx: Transaction,
    locked: LockedOrder,
    state: OrderState,
    refund_id: str,
    amount: int | None,
    reason: str | None,
    metadata: dict[str, str],
) -> Operation:
    order = locked.record
    payment, money = _refundable(ctx, state, order.currency, amount)
    ref = payment_ref(order, payment)
    assert ref is not None  # it was captured, so both are known
    assert payment.capture_id is not None
    reserved = RefundReserved(
        refund_id=refund_id,
        amount=money.amount,
        currency=money.currency,
        at=ctx.now(),
        reason=reason or "",
        metadata=metadata,
    )
    await record(ctx, tx, locked, payment.id, [reserved], source="the merchant's request")
    call = RefundCall(RefundRequest(ref, refund_id, money, payment.capture_id, reason))
    operation = operation_for(ctx, order, payment.id, payment.provider, refund_id, call)
    return await reserve(ctx, tx, operation)


def _refundable(
    ctx: Context, state: OrderState, currency: str, amount: int | None
) -> tuple[PaymentState, Money]:
    """The payment to take it from. What was paid twice goes back by itself (duplicates.py)."""
    held = [payment for payment in state.payments if payment.amount_refundable > 0]
    held = [payment for payment in held if payment.duplicate_of is None] or held
    if not held:
        raise Conflict(
            "nothing to refund: nothing is captured, or all of it is refunded or disputed",
            code="nothing_to_refund",
        )
    payment = held[-1]
    wanted = payment.amount_refundable if amount is None else amount
    if wanted > payment.amount_refundable:
        raise RefusedByRule(
            f"{wanted} is more than the {payment.amount_refundable} {currency} that can still be "
            "refunded",
            code="refund_exceeds_captured",
        )
    provider = ctx.providers.get(payment.provider)
    capabilities = provider.plugin.capabilities if provider else None
    if capabilities and wanted < payment.amount_captured and not capabilities.partial_refund:
        raise RefusedByRule(
            f"{payment.provider} refunds the whole amount only", code="not_supported_by_provider"
        )
    money = Money(wanted, currency)
    if provider is not None:
        provider.plugin.scale.to_provider(money)
    return payment, money
