"""Sweeps: what nobody reports is looked for.

Refunds that stay pending are looked up one by one, at growing distances. Webhooks whose delivery
was lost are found in the provider's own list of events and go through the same inbox, where the
event's id makes them one with a delivery that does arrive. Orphans are tried again once their
payment is known. (Open payments and expired orders: gateway/jobs.py; operations in doubt: there and
in gateway/operations.py.) All of it is bounded in one run and harmless to repeat.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from gateway.attempts import lock, payment_ref
from gateway.backoff import backoff
from gateway.confirm import confirm_payment
from gateway.context import Context
from gateway.errors import ProviderError, WebhookInvalid
from gateway.facts import Fact, Flagged
from gateway.inbox import DEFAULT_ACCOUNT
from gateway.order import OrderState, PaymentState, RefundState
from gateway.provider import ListedEvent, PaymentRef
from gateway.recording import entry, record
from gateway.records import Job, ReceivedEvent
from gateway.registry import Provider

#: How often the provider's events are listed.
EVENTS_EVERY = timedelta(minutes=5)
#: The next list begins so long before the end of the last one: events may be listed late.
EVENTS_OVERLAP = timedelta(minutes=5)
#: One run lists the events of so long a time, so that it ends within its lease.
EVENTS_PERIOD = timedelta(hours=1)
#: How far the very first list reaches back: providers repeat their deliveries for three days.
FIRST_LOOK_BACK = timedelta(days=3)
ORPHANS_EVERY = timedelta(minutes=1)
_BATCH = 100
#: After so long a payment or refund that has not cleared stands in the attention list.
OVERDUE = timedelta(days=14)
_FIRST_PAUSE = timedelta(minutes=5)
_LONGEST_EVENTS_PAUSE = timedelta(minutes=30)


async def schedule(ctx: Context) -> None:
    """Have the recurring sweeps run now, and from then on. Safe to repeat in every process."""
    async with ctx.store.transaction() as tx:
        for provider in ctx.providers.values():
            if provider.lists_events:
                await tx.enqueue("", "list_events", provider.name, ctx.now())
            if provider.report_lag is not None:
                await tx.enqueue("", "settle", provider.name, ctx.now())
        await tx.enqueue("", "retry_orphans", "inbox", ctx.now())


async def _again(ctx: Context, job: Job, pause: timedelta) -> None:
    """A recurring job: this run is over, the next one starts with its tries uncounted."""
    async with ctx.store.transaction() as tx:
        if await tx.finish_job(job):
            await tx.enqueue(job.merchant_id, job.kind, job.subject, ctx.now() + pause)


# --- lost webhooks --------------------------------------------------------------------------------


async def list_events(ctx: Context, job: Job) -> None:
    """Read one period of the provider's list, and take what the inbox lacks."""
    provider = ctx.providers.get(job.subject)
    if provider is None or not provider.lists_events:
        async with ctx.store.transaction() as tx:
            await tx.finish_job(job)
        return
    async with ctx.store.transaction() as tx:
        stored = await tx.cursor(DEFAULT_ACCOUNT, provider.name, "events")
    now = ctx.now()
    cursor = datetime.fromisoformat(stored) if stored else now - FIRST_LOOK_BACK
    until = cursor + EVENTS_PERIOD + EVENTS_OVERLAP
    try:
        latest = await _take(ctx, provider, cursor - EVENTS_OVERLAP, until)
    except ProviderError as error:
        ctx.swept("events", error.code, 1)
        async with ctx.store.transaction() as tx:
            pause = min(backoff(job.attempts, _FIRST_PAUSE), _LONGEST_EVENTS_PAUSE)
            await tx.retry_job(job, now + pause, error.code)
        return
    behind = until < now
    # By the provider's own clock, which ours may be ahead of; a quiet time that is well past is
    # passed over.
    reached = max(latest or cursor, cursor, min(until, now - EVENTS_PERIOD))
    async with ctx.store.transaction() as tx:
        value = reached.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")
        await tx.save_cursor(DEFAULT_ACCOUNT, provider.name, "events", value, now)
    await _again(ctx, job, timedelta() if behind else EVENTS_EVERY)
    ctx.wake()


async def _take(
    ctx: Context, provider: Provider, since: datetime, until: datetime
) -> datetime | None:
    """Import the events of a time. Returns the time of the latest."""
    latest: datetime | None = None
    batch: list[ListedEvent] = []
    async for event in provider.list_events(since, until):
        latest = event.at if latest is None else max(latest, event.at)
        batch.append(event)
        if len(batch) == _BATCH:
            await _import(ctx, provider, batch)
            batch = []
    await _import(ctx, provider, batch)
    return latest


async def _import(ctx: Context, provider: Provider, listed: Sequence[ListedEvent]) -> None:
    missing = [
        ReceivedEvent(
            provider=provider.name,
            account=DEFAULT_ACCOUNT,
            event_id=event.id,
            type=event.type,
            body=event.body,
            received_at=ctx.now(),
            deliveries=0,
        )
        for event in listed
        if _of_use(provider, event)
    ]
    async with ctx.store.transaction() as tx:
        found = await tx.import_events(missing)
    ctx.swept("events", "listed", len(listed))
    ctx.swept("events", "found", found)


def _of_use(provider: Provider, event: ListedEvent) -> bool:
    """Whether the adapter has a use for it; what it cannot read is for a person to see."""
    try:
        return provider.plugin.read_event(event.body).ignored is None
    except WebhookInvalid:
        return True


async def retry_orphans(ctx: Context, job: Job) -> None:
    """Events of payments that were not known when they came: try those that are known by now."""
    async with ctx.store.transaction() as tx:
        released = await tx.release_orphans(ctx.now(), _BATCH)
    ctx.swept("orphans", "released", released)
    await _again(ctx, job, timedelta() if released == _BATCH else ORPHANS_EVERY)
    if released:
        ctx.wake()


# --- what does not clear --------------------------------------------------------------------------


async def check_refund(ctx: Context, job: Job) -> None:
    """A refund is pending and nobody has reported on it: look, at growing distances."""
    async with ctx.store.transaction() as tx:
        found = await tx.find_refund(job.merchant_id, job.subject)
        if found is None:  # it was imported, and is one with ours by now
            await tx.finish_job(job)
            return
        order_id, payment_id = found
        locked, state = await lock(tx, job.merchant_id, order_id)
        payment = state.payment(payment_id)
        ref = payment_ref(locked.record, payment)
        if not _is_pending(state, job.subject) or ref is None:
            await tx.finish_job(job)
            return
    facts, outcome = await _refunds_at_provider(ctx, payment, ref)
    if facts is None and outcome == "succeeded":  # it cannot list refunds: its whole truth, then
        await confirm_payment(ctx, job.merchant_id, order_id, payment_id)
    async with ctx.store.transaction() as tx:
        locked, state = await lock(tx, job.merchant_id, order_id)
        line = entry(
            ctx,
            "sweep",
            f"looked for refunds at {payment.provider}: {outcome}",
            "a refund is pending",
            refund=job.subject,
        )
        learnt: list[Fact] = [*(facts or ()), *_overdue_refund(ctx, state, job.subject)]
        state = await record(
            ctx, tx, locked, payment_id, learnt, source="the list of refunds", entries=[line]
        )
        pending = _is_pending(state, job.subject)
        if pending:
            pause = backoff(job.attempts, _FIRST_PAUSE)
            await tx.retry_job(job, ctx.now() + pause, f"still pending, {outcome}")
        else:
            await tx.finish_job(job)
    ctx.swept("refunds", "pending" if pending else "settled", 1)


async def _refunds_at_provider(
    ctx: Context, payment: PaymentState, ref: PaymentRef
) -> tuple[Sequence[Fact] | None, str]:
    provider = ctx.providers.get(payment.provider)
    if provider is None:
        return None, "provider_off"
    try:
        return await provider.find_refunds(ref), "succeeded"
    except ProviderError as error:
        return None, error.code


def _refund(state: OrderState, refund_id: str) -> RefundState | None:
    return next((refund for refund in state.refunds if refund.id == refund_id), None)


def _is_pending(state: OrderState, refund_id: str) -> bool:
    refund = _refund(state, refund_id)
    return refund is not None and refund.status == "pending"


def _overdue_refund(ctx: Context, state: OrderState, refund_id: str) -> list[Fact]:
    refund = _refund(state, refund_id)
    if refund is None or refund.status != "pending" or ctx.now() - refund.created_at < OVERDUE:
        return []
    detail = (
        f"the refund has been pending since {refund.created_at:%Y-%m-%d}; ask the provider what "
        "holds it up"
    )
    return [Flagged(flag="overdue", subject=refund_id, detail=detail, at=ctx.now())]


def overdue_payment(ctx: Context, payment: PaymentState) -> list[Fact]:
    """The flag of a payment whose money has not cleared for too long; empty for any other."""
    since = payment.created_at
    if payment.status != "processing" or since is None or ctx.now() - since < OVERDUE:
        return []
    detail = (
        f"the money has not cleared since {since:%Y-%m-%d}; look at the payment at the provider"
    )
    return [Flagged(flag="overdue", subject=payment.id, detail=detail, at=ctx.now())]
