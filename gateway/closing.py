"""Closing attempts and orders: cancel, expire, make way for another provider."""

import asyncio

from gateway.attempts import (
    can_close,
    closing_key,
    let_retry,
    lock,
    operation_for,
    payment_ref,
    refuse,
    refuse_paid,
)
from gateway.confirm import confirm_order, confirm_payment
from gateway.context import Context
from gateway.errors import Conflict
from gateway.facts import OrderCanceled, OrderExpired
from gateway.idempotency import IdempotentRequest
from gateway.operations import Settlement, perform, reserve
from gateway.order import CLOSED_PAYMENTS, OrderState, PaymentState
from gateway.ports import Transaction
from gateway.recording import record
from gateway.records import Answer, CancelCall

#: How often, and after how many seconds each, a request waits for a call that is under way.
PATIENCE_TRIES = 6
PATIENCE_PAUSE = 0.4


async def close_attempt(
    ctx: Context, merchant_id: str, order_id: str, payment_id: str
) -> Settlement | None:
    """Close an attempt at its provider: expire its checkout, or void its authorization.

    None when there is nothing to close. Raises Conflict for a provider that cannot do it, and
    `payment_in_doubt` while a call of ours may be taking the money.
    """
    async with ctx.store.transaction() as tx:
        locked, state = await lock(tx, merchant_id, order_id)
        payment = state.payment(payment_id)
        ref = payment_ref(locked.record, payment)
        provider = ctx.providers.get(payment.provider)
        if ref is None or payment.status in CLOSED_PAYMENTS or provider is None:
            return None
        if not provider.plugin.capabilities.cancel:
            raise Conflict(
                f"{provider.plugin.display_name} cannot close a checkout; wait until it expires",
                code="not_supported_by_provider",
            )
        await refuse_while_taking(tx, merchant_id, payment_id)
        operation = operation_for(
            ctx, locked.record, payment_id, payment.provider, closing_key(payment), CancelCall(ref)
        )
        operation = await reserve(ctx, tx, operation)
    return await perform(ctx, operation)


async def refuse_while_taking(tx: Transaction, merchant_id: str, payment_id: str) -> None:
    """Raises Conflict `payment_in_doubt` while a confirm or capture is under way.

    It may capture what the buyer has approved: closed in between, the payment would be canceled
    here and charged there.
    """
    if any(o.verb in ("confirm", "capture") for o in await tx.unsettled(merchant_id, payment_id)):
        raise Conflict(
            f"the provider is being asked about {payment_id} at this moment, and may take the "
            "money; try again in a few seconds",
            code="payment_in_doubt",
        )


async def close_attempts(ctx: Context, merchant_id: str, order_id: str) -> OrderState:
    """Close every open attempt of an unpaid order, the provider's truth winning.

    Raises Conflict `order_already_paid` where one turns out paid, `payment_in_doubt` where one
    could not be closed yet, `not_supported_by_provider` where the provider does not close it.
    """
    async with ctx.store.transaction() as tx:
        _, state = await lock(tx, merchant_id, order_id)
    refuse_paid(state)
    for payment in state.payments:
        state = await _close(ctx, merchant_id, order_id, payment) or state
    return state


async def _close(
    ctx: Context, merchant_id: str, order_id: str, payment: PaymentState
) -> OrderState | None:
    """Close one attempt for certain; None when there is nothing to close."""
    settlement = await _close_patiently(ctx, merchant_id, order_id, payment.id)
    if settlement is None:
        return None
    refusal = settlement.error if settlement.outcome == "rejected" else None
    if refusal is not None:  # it may be paid by now: ask
        answer = await confirm_payment(ctx, merchant_id, order_id, payment.id)
        settlement = answer or settlement
    refuse_paid(settlement.state)
    if settlement.state.payment(payment.id).status in CLOSED_PAYMENTS:
        return settlement.state
    if refusal is not None and settlement.settled:
        raise Conflict(
            f"{payment.provider} does not close the attempt {payment.id} ({refusal.detail}); "
            "wait until it expires",
            code="not_supported_by_provider",
        )
    raise Conflict(
        f"the attempt {payment.id} could not be closed at {payment.provider} yet, its outcome is "
        "not known; try again in a minute",
        code="payment_in_doubt",
    )


async def _close_patiently(
    ctx: Context, merchant_id: str, order_id: str, payment_id: str
) -> Settlement | None:
    """Wait a little for what is under way, as a caller would have to, then close the attempt."""
    for _ in range(PATIENCE_TRIES):
        try:
            return await close_attempt(ctx, merchant_id, order_id, payment_id)
        except Conflict as error:
            if error.code != "payment_in_doubt":
                raise
        await asyncio.sleep(PATIENCE_PAUSE)
    return await close_attempt(ctx, merchant_id, order_id, payment_id)


async def cancel_order(
    ctx: Context, merchant_id: str, order_id: str, request: IdempotentRequest
) -> Answer:
    """Cancel an unpaid order. Raises Conflict `payment_in_doubt`: the same key may try again."""
    async with ctx.store.transaction() as tx:
        await lock(tx, merchant_id, order_id)
        await request.begin(ctx, tx)
    try:
        await close_attempts(ctx, merchant_id, order_id)
        async with ctx.store.transaction() as tx:
            locked, state = await lock(tx, merchant_id, order_id)
            refuse_paid(state)
            if state.status == "expired":
                raise Conflict("the order has expired already", code="order_closed")
            canceled = OrderCanceled(at=ctx.now())
            source = "the merchant's request"
            state = await record(ctx, tx, locked, "", [canceled], source=source)
            return await request.succeed(tx, locked.record, state, order_id)
    except Conflict as error:
        if error.code == "payment_in_doubt":
            await let_retry(ctx, request)
            raise
        return await refuse(ctx, request, error)


async def expire_order(ctx: Context, merchant_id: str, order_id: str) -> bool:
    """The order's time is over: ask the provider, close its page, then the order.

    False when it cannot be decided yet and is to be looked at again. An authorized order is left
    alone: its money is held, and the merchant decides.
    """
    answer = await confirm_order(ctx, merchant_id, order_id)
    if answer is not None and not answer.settled:
        return False
    async with ctx.store.transaction() as tx:
        _, state = await lock(tx, merchant_id, order_id)
    for payment in state.payments:
        if payment.status == "open" and can_close(ctx, payment):
            try:
                await _close_patiently(ctx, merchant_id, order_id, payment.id)
            except Conflict:  # it is still being asked about
                return False
    async with ctx.store.transaction() as tx:
        locked, state = await lock(tx, merchant_id, order_id)
        if state.status not in ("open", "processing"):
            return True
        undecided = {"open", "processing"} & {payment.status for payment in state.payments}
        if undecided:
            return False
        expired = OrderExpired(at=ctx.now())
        await record(ctx, tx, locked, "", [expired], source="the order's expiry")
    return True
