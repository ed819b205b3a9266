"""Asking the provider for the truth, and capturing what the buyer has approved."""

from gateway.attempts import can_close, closing_key, lock, operation_for, payment_ref
from gateway.context import Context
from gateway.operations import Finish, Settlement, perform, reserve
from gateway.order import CLOSED_PAYMENTS, OrderState, PaymentState
from gateway.records import Call, CancelCall, ConfirmCall

# Asking captures what is approved; what we closed ourselves must stay closed.
_NOT_ASKED = frozenset({"canceled", "failed", "expired"})


async def confirm_payment(
    ctx: Context, merchant_id: str, order_id: str, payment_id: str, finish: Finish | None = None
) -> Settlement | None:
    """Ask about one payment. Safe to repeat: one try of the buyer's is one key.

    Asking may capture, so a payment that is not closed while another one pays the order is closed
    instead, which tells its truth too. None when there is nothing to ask: it is closed or being
    closed, or its checkout is not known.
    """
    async with ctx.store.transaction() as tx:
        locked, state = await lock(tx, merchant_id, order_id)
        payment = state.payment(payment_id)
        ref = payment_ref(locked.record, payment)
        if ref is None or payment.status in _NOT_ASKED:
            return None
        under_way = {operation.verb for operation in await tx.unsettled(merchant_id, payment_id)}
        if "cancel" in under_way:
            return None
        # After a decline the buyer tries anew, and so do we, under a new key.
        key = f"{payment_id}-confirm-{payment.declines}"
        call: Call = ConfirmCall(ref)
        if _needless(ctx, state, payment):
            if under_way & {"confirm", "capture"}:  # it may be taking the money: look again later
                return None
            key, call = closing_key(payment), CancelCall(ref)
        operation = operation_for(ctx, locked.record, payment_id, payment.provider, key, call)
        operation = await reserve(ctx, tx, operation)
    return await perform(ctx, operation, finish)


def _needless(ctx: Context, state: OrderState, payment: PaymentState) -> bool:
    """Whether another payment pays the order already, so that this one had better not."""
    paid = any(p.paid_in_full for p in state.payments if p.id != payment.id)
    return paid and can_close(ctx, payment) and payment.status not in CLOSED_PAYMENTS


async def confirm_order(ctx: Context, merchant_id: str, order_id: str) -> Settlement | None:
    """Ask about every attempt that is not closed, or else about the one that was paid.

    Returns the settlement that matters most to the caller: the last one that is not clear, else the
    last. None when there was nothing to ask.
    """
    async with ctx.store.transaction() as tx:
        _, state = await lock(tx, merchant_id, order_id)
    asked = [p for p in state.payments if p.status not in CLOSED_PAYMENTS]
    asked = asked or [p for p in state.payments if p.status == "captured"]
    answers = [await confirm_payment(ctx, merchant_id, order_id, p.id) for p in asked]
    settlements = [answer for answer in answers if answer is not None]
    unclear = [settlement for settlement in settlements if not settlement.settled]
    ranked = settlements + unclear
    return ranked[-1] if ranked else None
