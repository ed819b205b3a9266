"""An order that was paid twice: the first payment is kept, the second goes back, once.

It happens with an old tab, or with two providers at once. That a payment is superfluous is decided
in the transaction that learns of it and stays decided (the fact PaidTwice); a job then reserves the
refund under ids that are derived from the payment, so that however often it runs there is one.
"""

from gateway.attempts import lock, operation_for, payment_ref
from gateway.context import Context
from gateway.facts import RefundReserved
from gateway.money import Money
from gateway.operations import perform, reserve
from gateway.projection_attention import duplicate_refund_id
from gateway.provider import RefundRequest
from gateway.recording import record
from gateway.records import Job, Operation, RefundCall


async def refund_duplicate(ctx: Context, job: Job, order_id: str) -> None:
    """Give the payment that is the job's subject back, unless that has been begun already."""
    operation = await _reserve(ctx, job, order_id)
    if operation is not None and not operation.settled:
        await perform(ctx, operation, tries=1)


async def _reserve(ctx: Context, job: Job, order_id: str) -> Operation | None:
    """The reserved refund; None where there is nothing to give back, or it is reserved already.

    From the reservation on, the operation's own job sees to it.
    """
    async with ctx.store.transaction() as tx:
        locked, state = await lock(tx, job.merchant_id, order_id)
        payment, order = state.payment(job.subject), locked.record
        refund_id = duplicate_refund_id(payment.id)
        ref = payment_ref(order, payment)
        begun = any(refund.id == refund_id for refund in state.refunds)
        idle = payment.duplicate_of is None or payment.amount_refundable <= 0
        operation = None
        if not begun and not idle and ref is not None and payment.capture_id is not None:
            money = Money(payment.amount_refundable, order.currency)
            reserved = RefundReserved(
                refund_id=refund_id,
                amount=money.amount,
                currency=money.currency,
                at=ctx.now(),
                reason="duplicate",
            )
            source = f"the rule that an order is paid once, by {payment.duplicate_of}"
            await record(ctx, tx, locked, payment.id, [reserved], source=source)
            call = RefundCall(RefundRequest(ref, refund_id, money, payment.capture_id, "duplicate"))
            key = f"{payment.id}-duplicate"
            operation = await reserve(
                ctx, tx, operation_for(ctx, order, payment.id, payment.provider, key, call)
            )
        await tx.finish_job(job)
    return operation
