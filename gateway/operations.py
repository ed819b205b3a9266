"""Reserve → call → settle: how every call to a provider is made.

The intent is committed before the call (`reserve`), together with a job that will take it up again
should this process die. No transaction is open during the call. Its outcome is committed with the
facts it brought (`perform`). An operation that stays in doubt is called again under the same key
inside the provider's key window, and looked up after it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import msgspec

from gateway import tracing
from gateway.context import Context
from gateway.errors import InvalidRequest, OutcomeUnknown, ProviderError, Rejected, Unavailable
from gateway.facts import Expired, ProviderFact, RefundUpdated
from gateway.order import OrderState
from gateway.outcomes import GivenUp, Outcome, outcome_of, own_facts, told
from gateway.ports import LockedOrder, Transaction
from gateway.projection import project
from gateway.recording import record
from gateway.records import CreateCall, Operation, OrderRecord, RefundCall

#: Tries inside one request, so that a hiccup is not the buyer's problem.
QUICK_TRIES = 3
#: No further try in the request once this much time has gone into it.
QUICK_SECONDS = 4.0
#: The first try after a request that got no clear answer; later ones at growing distances.
FIRST_RESUMPTION = timedelta(seconds=3)


class Settlement(msgspec.Struct, frozen=True):
    """How a call ended, and what the order is now. `error` is set unless it succeeded.

    `doubted`: an earlier try of the same call may have been answered otherwise.
    """

    outcome: Outcome
    order: OrderRecord
    state: OrderState
    error: ProviderError | None = None
    doubted: bool = False

    @property
    def settled(self) -> bool:
        """There is nothing more to find out about this operation."""
        return self.outcome in ("succeeded", "rejected")


#: Runs in the transaction that settles.
Finish = Callable[[Transaction, Settlement], Awaitable[None]]


async def reserve(ctx: Context, tx: Transaction, operation: Operation) -> Operation:
    """Commit to a call, in the caller's transaction, with a job that resumes it after the lease."""
    stored = await tx.reserve(operation)
    if not stored.settled:
        run_at = ctx.now() + ctx.lease
        await tx.enqueue(operation.merchant_id, "resume_operation", operation.key, run_at)
    return stored


async def perform(
    ctx: Context,
    operation: Operation,
    finish: Finish | None = None,
    *,
    tries: int = QUICK_TRIES,
    resumed: bool = False,
    give_up: bool = False,
) -> Settlement:
    """Call the provider and settle. Raises nothing that a provider did; see Settlement.

    `resumed`: by the operation's own job, which sees to the next try itself, in `finish`.
    Nothing is sent for an operation that is settled, or whose key the provider may have forgotten:
    under a forgotten key the call would be made a second time.

    `give_up`: an unavailable provider is not to be tried again later. Then the operation is settled
    as one that was refused, if it is certain that none of its tries did anything. Only for who has
    reserved it himself just now: of an earlier run nothing is known.
    """
    tracing.note(order_id=operation.order_id, payment_id=operation.payment_id)
    if operation.settled or window_passed(ctx, operation):
        return await _as_it_stands(ctx, operation, finish)
    started = time.perf_counter()
    facts: Sequence[ProviderFact] = ()
    error: ProviderError | None = None
    doubted = operation.attempts > 0
    for attempt in range(1, tries + 1):
        doubted = doubted or isinstance(error, OutcomeUnknown)
        facts, error = await _call(ctx, operation)
        spent = time.perf_counter() - started
        pause = _quick_pause(error, attempt)
        if pause is None or attempt == tries or spent + pause > QUICK_SECONDS:
            break
        await asyncio.sleep(pause)
    if isinstance(error, Rejected) and doubted:
        facts, error = await _doubt_rejection(ctx, operation, error)
    milliseconds = round((time.perf_counter() - started) * 1000)
    give_up = give_up and not doubted
    return await _settle(
        ctx,
        operation,
        facts,
        error,
        milliseconds,
        finish,
        doubted=doubted,
        give_up=give_up,
        resumed=resumed,
    )


async def _as_it_stands(ctx: Context, operation: Operation, finish: Finish | None) -> Settlement:
    """What is known of an operation, without a call; its job looks it up if it is in doubt."""
    async with ctx.store.transaction() as tx:
        locked = await _lock(tx, operation)
        state = project(locked.record.terms, locked.recorded)
        outcome: Outcome = "succeeded" if operation.settled else "unknown"
        # More than one run of it: the last answer may not be the only one.
        doubted = operation.attempts > 1
        settlement = Settlement(outcome, locked.record, state, doubted=doubted)
        if finish is not None:
            await finish(tx, settlement)
    return settlement


async def _lock(tx: Transaction, operation: Operation) -> LockedOrder:
    locked = await tx.lock_order(operation.merchant_id, operation.order_id)
    if locked is None:
        raise LookupError(f"operation {operation.key} without its order")
    return locked


async def _call(
    ctx: Context, operation: Operation
) -> tuple[Sequence[ProviderFact], ProviderError | None]:
    provider = ctx.providers.get(operation.provider)
    if provider is None:
        return (), Unavailable(f"the provider {operation.provider} is switched off")
    try:
        return await provider.call(operation.call, operation.key), None
    except ProviderError as error:
        return (), error
    except InvalidRequest as error:  # refused before anything was sent
        return (), Rejected(error.detail, provider_code=error.code)


def _quick_pause(error: ProviderError | None, attempt: int) -> float | None:
    """Seconds until the next try inside the request; None for no further one."""
    if isinstance(error, Unavailable):
        return max(error.retry_after or 0, 0.3 * attempt)
    return 0.3 * attempt if isinstance(error, OutcomeUnknown) else None


async def _doubt_rejection(
    ctx: Context, operation: Operation, error: Rejected
) -> tuple[Sequence[ProviderFact], ProviderError | None]:
    """A refusal after an unanswered try may only mean that the first one worked: look."""
    if not isinstance(operation.call, RefundCall):
        return (), error
    found = await _look_up_refund(ctx, operation)
    if isinstance(found, ProviderError):
        return (), found
    if found is None:
        return (), OutcomeUnknown(f"refused after an unanswered try ({error.detail}); look at it")
    return (found, None) if found else ((), error)


async def _look_up_refund(
    ctx: Context, operation: Operation
) -> Sequence[ProviderFact] | ProviderError | None:
    """This refund's facts; empty when the provider has no such refund; None when it cannot tell."""
    provider = ctx.providers.get(operation.provider)
    if provider is None or not isinstance(operation.call, RefundCall):
        return None
    request = operation.call.request
    try:
        facts = await provider.find_refunds(request.payment)
    except ProviderError as error:
        return error
    if facts is None:
        return None
    ours = [f for f in facts if isinstance(f, RefundUpdated) and f.refund_id == request.refund_id]
    return facts if ours else ()


async def look_up(ctx: Context, operation: Operation, finish: Finish | None = None) -> Settlement:
    """Settle an operation whose key window has passed: ask what became of it, send nothing.

    For the operation's own job, which sees to the next try in `finish`.

    For captures and cancels the truth is the payment's, which the caller confirms separately. A
    checkout cannot be asked for without its id: it is left until its page has run out.
    """
    found: Sequence[ProviderFact] | ProviderError | None = ()
    error: ProviderError | None = None
    if isinstance(operation.call, RefundCall):
        found = await _look_up_refund(ctx, operation)
    elif isinstance(operation.call, CreateCall):
        over = ctx.now() >= operation.call.request.expires_at
        found = [Expired(object_id=operation.payment_id, at=ctx.now())] if over else None
    if isinstance(found, ProviderError):
        error, found = found, ()
    elif found is None:
        error = OutcomeUnknown("the provider's key window has passed and it cannot be looked up")
    elif not found and isinstance(operation.call, RefundCall):
        error = Rejected("the provider has no such refund", provider_code="not_found_at_provider")
    return await _settle(ctx, operation, found or (), error, None, finish, resumed=True)


def window_passed(ctx: Context, operation: Operation) -> bool:
    """Whether the operation's key may have been forgotten by the provider (with a tenth spare)."""
    provider = ctx.providers.get(operation.provider)
    if provider is None:
        return False
    seconds: int = getattr(provider.plugin.key_windows, operation.verb)
    return ctx.now() - operation.created_at > timedelta(seconds=seconds * 0.9)


async def _settle(
    ctx: Context,
    operation: Operation,
    facts: Sequence[ProviderFact],
    error: ProviderError | None,
    milliseconds: int | None,
    finish: Finish | None,
    *,
    doubted: bool = False,
    give_up: bool = False,
    resumed: bool,
) -> Settlement:
    outcome = outcome_of(error)
    async with ctx.store.transaction() as tx:
        locked = await _lock(tx, operation)
        stored = await tx.operation(operation.merchant_id, operation.key)
        if give_up and isinstance(error, Unavailable) and _untouched(ctx, operation, stored):
            error = GivenUp(
                error.detail, provider_code=error.provider_code, request_id=error.request_id
            )
            outcome = "rejected"
        # Another process has taken it over and knows how it ended: our lack of an answer under the
        # same key is no doubt, and one would stay for ever, since nobody takes it up again.
        outrun = stored is not None and stored.settled and outcome in ("unavailable", "unknown")
        own = [] if outrun else own_facts(operation, locked, error, ctx.now())
        state = await record(
            ctx,
            tx,
            locked,
            operation.payment_id,
            [*facts, *own],
            source=f"the answer to {operation.verb}",
            entries=[told(ctx, operation, error, outcome, milliseconds)],
        )
        settlement = Settlement(outcome, locked.record, state, error, doubted)
        if outrun:
            settlement = Settlement("succeeded", locked.record, state, doubted=True)
        settled = settlement.settled and not outrun
        await tx.save_attempt(operation, settled=settled, outcome=outcome)
        if settlement.settled:
            await tx.drop_job(operation.merchant_id, "resume_operation", operation.key)
        elif not resumed:  # this process is done with it: nobody need wait for its lease to run out
            soon = ctx.now() + FIRST_RESUMPTION
            await tx.enqueue(operation.merchant_id, "resume_operation", operation.key, soon)
        if outrun or (outcome == "rejected" and operation.verb in ("capture", "cancel")):
            # A refusal often means that the payment is not what we thought it was: look. Likewise
            # where two calls were under way and only one was answered.
            await tx.enqueue(
                operation.merchant_id, "confirm_payment", operation.payment_id, ctx.now()
            )
        if finish is not None:
            await finish(tx, settlement)
    ctx.wake()
    return settlement


def _untouched(ctx: Context, operation: Operation, stored: Operation | None) -> bool:
    """Whether nobody else can have made this call: its job was not due yet."""
    return (
        stored is not None
        and stored.attempts == operation.attempts
        and ctx.now() - operation.created_at < ctx.lease
    )
