"""The worker's work: received events and jobs, claimed with a lease, done, finished.

Whatever a job does is safe to do twice: facts are stored once, calls go under their key. The fence
keeps a worker that lost its lease from finishing or re-timing another one's job.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta

from gateway import inbox, tracing
from gateway.attempts import can_close, lock
from gateway.backoff import LONGEST_PAUSE, backoff
from gateway.closing import close_attempt, expire_order
from gateway.confirm import confirm_payment
from gateway.context import Context
from gateway.duplicates import refund_duplicate
from gateway.errors import Conflict, reason
from gateway.operations import Settlement, look_up, perform, window_passed
from gateway.order import CLOSED_PAYMENTS, OrderState
from gateway.ports import Transaction
from gateway.recording import record
from gateway.records import Job, ReceivedEvent
from gateway.settling import settle
from gateway.sweeps import check_refund, list_events, overdue_payment, retry_orphans

_log = logging.getLogger("gateway.worker")

#: Jobs and events claimed at once, and how many of them run side by side.
BATCH = 32
CONCURRENCY = 8
#: A job that raises this often is a dead letter; but the sweeps never end.
MAX_TRIES = 12
_RECURRING = frozenset({"list_events", "retry_orphans", "settle"})
_LONGEST_RECURRING_PAUSE = timedelta(minutes=10)


async def run_due(ctx: Context, stopping: Callable[[], bool] = lambda: False) -> int:
    """Claim and do what is due now. Returns how much there was.

    What has not been started when `stopping` turns true, or when half of its lease has gone by
    waiting for its turn, is given back at once, for this worker or another one.
    """
    now = ctx.now()
    events = await ctx.store.claim_events(now, now + ctx.lease, BATCH)
    jobs = await ctx.store.claim_jobs(now, now + ctx.lease, BATCH)
    limit = asyncio.Semaphore(CONCURRENCY)

    async def bounded(item: ReceivedEvent | Job) -> None:
        async with limit:
            if stopping() or ctx.now() - now > ctx.lease / 2:
                await _quietly(_release(ctx, item))
            elif isinstance(item, ReceivedEvent):
                await _apply(ctx, item)
            else:
                await _run(ctx, item)

    work: list[ReceivedEvent | Job] = [*events, *jobs]
    await asyncio.gather(*(bounded(item) for item in work))
    return len(work)


async def _release(ctx: Context, item: ReceivedEvent | Job) -> None:
    async with ctx.store.transaction() as tx:
        if isinstance(item, ReceivedEvent):
            await tx.release_event(item, ctx.now())
        else:
            await tx.release_job(item, ctx.now())


async def _apply(ctx: Context, event: ReceivedEvent) -> None:
    known = {"provider": event.provider, "event_id": event.event_id, "type": event.type}
    with tracing.span(f"apply {event.provider} event", **known):
        try:
            await inbox.apply(ctx, event)
        except Exception as error:
            _log.exception("event not applied")
            await _quietly(inbox.failed(ctx, event, reason(error)))
        else:
            ctx.applied(event.provider, (ctx.now() - event.received_at).total_seconds())


async def _run(ctx: Context, job: Job) -> None:
    with tracing.span(f"job {job.kind}", job=job.kind, subject=job.subject):
        try:
            await _HANDLERS[job.kind](ctx, job)
        except Exception as error:
            _log.exception("job failed")
            await _quietly(_failed(ctx, job, reason(error)))


async def _quietly(work: Awaitable[None]) -> None:
    """When even putting the work back fails, its lease runs out and it is claimed again."""
    try:
        await work
    except Exception:
        _log.exception("could not put work back")


async def _failed(ctx: Context, job: Job, error: str) -> None:
    async with ctx.store.transaction() as tx:
        if job.attempts >= MAX_TRIES and job.kind not in _RECURRING:
            if await tx.bury_job(job, error):
                live = any(provider.mode == "live" for provider in ctx.providers.values())
                detail = (
                    f"the job {job.kind} of {job.subject} has failed {job.attempts} times "
                    f"({error}); cure that, then look at the order and confirm it"
                )
                subject = f"{job.kind}:{job.subject}"
                await tx.add_attention(
                    job.merchant_id, live, "dead_letter", subject, detail, ctx.now()
                )
        else:
            pause = backoff(job.attempts)
            if job.kind in _RECURRING:
                pause = min(pause, _LONGEST_RECURRING_PAUSE)
            await tx.retry_job(job, ctx.now() + pause, error)


# --- what each kind of job does -------------------------------------------------------------------


async def _resume_operation(ctx: Context, job: Job) -> None:
    """An operation was left unsettled: call again under its key, or look it up after the window."""
    async with ctx.store.transaction() as tx:
        operation = await tx.operation(job.merchant_id, job.subject)
        if operation is None or operation.settled:
            await tx.finish_job(job)
            return

    async def finish(tx: Transaction, settlement: Settlement) -> None:
        if settlement.settled:
            await tx.finish_job(job)
            return
        pause = backoff(job.attempts)
        retry_after = getattr(settlement.error, "retry_after", None)
        if retry_after:
            pause = max(pause, min(timedelta(seconds=retry_after), LONGEST_PAUSE))
        await tx.retry_job(job, ctx.now() + pause, settlement.outcome)

    if not window_passed(ctx, operation):
        await perform(ctx, operation, finish, tries=1, resumed=True)
        return
    await look_up(ctx, operation, finish)
    if operation.verb not in ("create", "refund"):  # then the payment's own truth tells
        await confirm_payment(ctx, operation.merchant_id, operation.order_id, operation.payment_id)


async def _confirm_payment(ctx: Context, job: Job) -> None:
    """An event asked for the provider's truth."""

    async def finish(tx: Transaction, settlement: Settlement) -> None:
        if settlement.settled:
            await tx.finish_job(job)
        else:
            await tx.retry_job(job, ctx.now() + backoff(job.attempts), settlement.outcome)

    order_id = await _order_of(ctx, job)
    if order_id is None or not await confirm_payment(
        ctx, job.merchant_id, order_id, job.subject, finish
    ):
        await _finish(ctx, job)


async def _check_payment(ctx: Context, job: Job) -> None:
    """Nobody reported on an open payment: look, at growing distances, until it is closed."""
    order_id = await _order_of(ctx, job)
    if order_id is None:
        await _finish(ctx, job)
        return
    async with ctx.store.transaction() as tx:
        _, state = await lock(tx, job.merchant_id, order_id)
    if _abandoned(state, job.subject) and can_close(ctx, state.payment(job.subject)):
        with suppress(Conflict):  # it is being asked about at this moment: look again later
            await close_attempt(ctx, job.merchant_id, order_id, job.subject)
    else:
        await confirm_payment(ctx, job.merchant_id, order_id, job.subject)
    async with ctx.store.transaction() as tx:
        locked, state = await lock(tx, job.merchant_id, order_id)
        payment = state.payment(job.subject)
        if payment.status in CLOSED_PAYMENTS:
            await tx.finish_job(job)
        else:
            overdue = overdue_payment(ctx, payment)
            await record(ctx, tx, locked, payment.id, overdue, source="the sweep of open payments")
            pause = backoff(job.attempts, timedelta(minutes=5))
            await tx.retry_job(job, ctx.now() + pause, "still open")


def _abandoned(state: OrderState, payment_id: str) -> bool:
    """Its order is closed, or another attempt has taken its place: the page must not stay open."""
    if state.payment(payment_id).status != "open":
        return False
    current = state.current
    return state.status not in ("open", "processing") or (
        current is not None and current.id != payment_id
    )


async def _refund_duplicate(ctx: Context, job: Job) -> None:
    """An order was paid twice: the second payment goes back."""
    order_id = await _order_of(ctx, job)
    if order_id is None:
        await _finish(ctx, job)
    else:
        await refund_duplicate(ctx, job, order_id)


async def _expire_order(ctx: Context, job: Job) -> None:
    if await expire_order(ctx, job.merchant_id, job.subject):
        await _finish(ctx, job)
    else:
        async with ctx.store.transaction() as tx:
            pause = backoff(job.attempts, timedelta(minutes=1))
            await tx.retry_job(job, ctx.now() + pause, "not decided yet")


async def _order_of(ctx: Context, job: Job) -> str | None:
    async with ctx.store.transaction() as tx:
        found = await tx.find_payment("", job.subject, ())
    return found[1] if found else None


async def _finish(ctx: Context, job: Job) -> None:
    async with ctx.store.transaction() as tx:
        await tx.finish_job(job)


_HANDLERS: dict[str, Callable[[Context, Job], Awaitable[None]]] = {
    "resume_operation": _resume_operation,
    "confirm_payment": _confirm_payment,
    "check_payment": _check_payment,
    "check_refund": check_refund,
    "refund_duplicate": _refund_duplicate,
    "expire_order": _expire_order,
    "list_events": list_events,
    "retry_orphans": retry_orphans,
    "settle": settle,
}
