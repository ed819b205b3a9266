"""Opening a provider's page: one attempt and, where a policy chooses, the next one.

Where the chosen provider certainly opens no page, the next one takes its place, as a further
attempt on the same order within the same request. The end of the one and the beginning of the other
are one transaction, so a process that dies leaves one attempt to carry on with. Where a page may
have been opened, nobody else is asked.
"""

from datetime import datetime, timedelta

import msgspec

from gateway.attempts import lock, operation_for, refuse_paid, stored_operation
from gateway.choosing import Auto, Chosen, Wish, choose
from gateway.context import Context
from gateway.errors import Conflict, GatewayError, InvalidRequest, Rejected, Unavailable
from gateway.facts import PaymentStarted
from gateway.idempotency import IdempotentRequest
from gateway.operations import Settlement, perform, reserve
from gateway.order import OrderState, PaymentState
from gateway.ports import LockedOrder, Transaction
from gateway.provider import CheckoutRequest, LineItem
from gateway.recording import record
from gateway.records import Answer, CreateCall, Operation, OrderRecord

#: A provider's page is asked to stay open a little longer than the order, so that the order's own
#: expiry, which closes the page first, decides; never longer than the 24 hours providers allow.
PAGE_GRACE = timedelta(minutes=5)
SHORTEST_PAGE = timedelta(minutes=35)
LONGEST_PAGE = timedelta(hours=23, minutes=59)


class Attempt(msgspec.Struct, frozen=True):
    """A reserved attempt to open a page.

    `spare`: it was reserved just now by this very request, and there is another provider, so that
    it may be given up if nothing was done.
    """

    operation: Operation
    spare: bool = False


def creation_key(payment_id: str) -> str:
    """The key of the operation that opens this payment's page."""
    return f"{payment_id}-create"


async def attempt_on(tx: Transaction, merchant_id: str, payment_id: str) -> Attempt:
    """An attempt that was reserved before: what became of it is not known here."""
    return Attempt(await stored_operation(tx, merchant_id, creation_key(payment_id)))


async def start_payment(
    ctx: Context, tx: Transaction, locked: LockedOrder, chosen: Chosen
) -> Attempt:
    """Reserve an attempt: its facts, and the operation that will open its checkout."""
    order, now = locked.record, ctx.now()
    payment_id = ctx.ids.new("pay")
    started = PaymentStarted(
        provider=chosen.name, amount=order.amount, currency=order.currency, at=now
    )
    source = "the merchant's request"
    await record(ctx, tx, locked, payment_id, [started], source=source, entries=chosen.why)
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
            webhook_url=f"{ctx.public_url}/webhooks/{chosen.name}",
        )
    )
    key = creation_key(payment_id)
    operation = operation_for(ctx, order, payment_id, chosen.name, key, call)
    return Attempt(await reserve(ctx, tx, operation), chosen.spare)


def refuse_closed(state: OrderState, order: OrderRecord, now: datetime) -> None:
    """Raises Conflict for an order that has been paid, canceled, or whose time is over."""
    refuse_paid(state)
    if state.status in ("canceled", "expired") or now >= order.expires_at:
        raise Conflict("the order is closed; create a new one", code="order_closed")


async def open_page(
    ctx: Context, attempt: Attempt, request: IdempotentRequest, wish: Wish, *, of_order: bool
) -> Answer:
    """Make the create call of a reserved attempt and answer the request with its outcome.

    Under a policy, one attempt after the other until that outcome is an answer. `of_order`: the
    request reserved an order, not only an attempt.
    """
    while True:
        outcome = await _open_one(ctx, attempt, request, wish, of_order=of_order)
        if isinstance(outcome, Answer):
            return outcome
        attempt = outcome


async def _open_one(
    ctx: Context, attempt: Attempt, request: IdempotentRequest, wish: Wish, *, of_order: bool
) -> Answer | Attempt:
    """The answer, or the attempt that has taken this one's place. Raises Unavailable."""
    operation, outcomes = attempt.operation, list[Answer | Attempt]()

    async def finish(tx: Transaction, settlement: Settlement) -> None:
        order, state = settlement.order, settlement.state
        refusal = _refusal(settlement, state.payment(operation.payment_id))
        if settlement.outcome == "unavailable":
            await tx.release_key(request.claim)  # nothing was done: the same key may try again
            return
        if refusal is not None and isinstance(wish, Auto):
            certain = not settlement.doubted
            following = await _fall_over(ctx, tx, operation, wish, certain=certain)
            if isinstance(following, Attempt):
                outcomes.append(following)
                return
            refusal = following or refusal
        if refusal is not None:
            outcomes.append(await request.fail(tx, refusal, order.id))
        else:
            resource_id = order.id if of_order else operation.payment_id
            outcomes.append(await request.succeed(tx, order, state, resource_id))

    settlement = await perform(ctx, operation, finish, give_up=attempt.spare)
    if outcomes:
        return outcomes[0]
    raise settlement.error or Unavailable("the provider could not be reached")


def _refusal(settlement: Settlement, payment: PaymentState) -> GatewayError | None:
    """Why there will be no page; another process may have been told."""
    if settlement.outcome == "rejected":
        return settlement.error
    if payment.status == "failed" and payment.provider_order_id is None and payment.failure:
        return Rejected(payment.failure.message, provider_code=payment.failure.code)
    return None


async def _fall_over(
    ctx: Context, tx: Transaction, failed: Operation, wish: Auto, *, certain: bool
) -> Attempt | Conflict | None:
    """Reserve the next attempt, in the transaction that ends one which certainly opened nothing.

    None where that is not `certain`, or nobody is left; Conflict where the order has been closed
    meanwhile. Another run of the same request may have been here before: then its attempt is
    carried on with.
    """
    locked, state = await lock(tx, failed.merchant_id, failed.order_id)
    current = state.current
    if current is not None and current.id != failed.payment_id:
        return await attempt_on(tx, failed.merchant_id, current.id)
    if not certain:
        return None
    try:
        refuse_closed(state, locked.record, ctx.now())
        chosen = choose(ctx, locked.record, wish, state)
    except Conflict as error:
        return error
    except InvalidRequest:
        return None
    return await start_payment(ctx, tx, locked, chosen)
