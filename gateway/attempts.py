"""What the use cases on a payment attempt share: finding it, naming its calls, answering."""

from gateway import tracing
from gateway.context import Context
from gateway.errors import Conflict, GatewayError, NotFound
from gateway.idempotency import IdempotentRequest
from gateway.operations import Settlement, perform
from gateway.order import OrderState, PaymentState
from gateway.ports import LockedOrder, Transaction
from gateway.projection import project
from gateway.provider import PaymentRef
from gateway.records import Answer, Call, Operation, OrderRecord


async def lock(tx: Transaction, merchant_id: str, order_id: str) -> tuple[LockedOrder, OrderState]:
    """The order under its lock, and its state. Raises NotFound."""
    tracing.note(order_id=order_id)
    locked = await tx.lock_order(merchant_id, order_id)
    if locked is None:
        raise NotFound(f"there is no order {order_id}")
    return locked, project(locked.record.terms, locked.recorded)


def payment_ref(order: OrderRecord, payment: PaymentState) -> PaymentRef | None:
    """What an adapter needs to find this payment; None while no checkout is known."""
    if payment.provider_order_id is None:
        return None
    return PaymentRef(
        order_id=order.id,
        payment_id=payment.id,
        money=order.money,
        provider_order_id=payment.provider_order_id,
        capture=order.capture,
        authorization_id=payment.authorization_id,
        capture_id=payment.capture_id,
        created_at=payment.created_at,
    )


def can_close(ctx: Context, payment: PaymentState) -> bool:
    """Whether the payment's provider is there and able to close it; else only its time can."""
    provider = ctx.providers.get(payment.provider)
    return provider is not None and provider.plugin.capabilities.cancel


def closing_key(payment: PaymentState) -> str:
    """The key of the call that closes it. An open page and held money are closed by two calls: the
    provider may have refused the one, and would repeat that to the other."""
    return f"{payment.id}-{'void' if payment.status == 'authorized' else 'cancel'}"


def operation_for(
    ctx: Context, order: OrderRecord, payment_id: str, provider: str, key: str, call: Call
) -> Operation:
    """An operation on a payment; `key` must be derived from our ids alone."""
    return Operation(
        key=key,
        merchant_id=order.merchant_id,
        order_id=order.id,
        payment_id=payment_id,
        provider=provider,
        call=call,
        created_at=ctx.now(),
    )


async def stored_operation(tx: Transaction, merchant_id: str, key: str) -> Operation:
    """An operation that must exist, since something refers to it."""
    operation = await tx.operation(merchant_id, key)
    if operation is None:
        raise LookupError(f"no operation {key}")
    return operation


async def perform_and_answer(
    ctx: Context, operation: Operation, request: IdempotentRequest, resource_id: str
) -> Answer:
    """Make a reserved call; the answer shows the order (or refund) whatever is known of it.

    An unknown or delayed outcome is shown as such and settled by the worker; only the provider's
    refusal is an error.
    """
    answers: list[Answer] = []

    async def finish(tx: Transaction, settlement: Settlement) -> None:
        if settlement.outcome == "rejected" and settlement.error is not None:
            answers.append(await request.fail(tx, settlement.error))
        else:
            answers.append(
                await request.succeed(tx, settlement.order, settlement.state, resource_id)
            )

    await perform(ctx, operation, finish)
    return answers[0]


async def refuse(ctx: Context, request: IdempotentRequest, error: GatewayError) -> Answer:
    """Answer with an error that was executed, and keep it for repetitions."""
    async with ctx.store.transaction() as tx:
        return await request.fail(tx, error)


async def let_retry(ctx: Context, request: IdempotentRequest) -> None:
    """Nothing was decided: the same key may be used again at once."""
    async with ctx.store.transaction() as tx:
        await tx.release_key(request.claim)


def refuse_paid(state: OrderState) -> None:
    """Raises Conflict `order_already_paid` for an order that holds money."""
    if state.amount_captured:
        raise Conflict("the order has been paid; refund it instead", code="order_already_paid")
