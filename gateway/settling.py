"""The settlement job: reads the providers' own books and payouts, and compares them with ours.

It reads what is older than the provider's report may lag, a week at a time, and a few days of the
past again, since money that was pending appears late under its old date. Whatever it stores is
unique by the provider's ids, so that reading again harms nothing. (`gateway/reconcile.py` is
another thing: it asks about payments one by one.)
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from gateway.backoff import backoff
from gateway.context import Context
from gateway.errors import ProviderError
from gateway.expectations import expected
from gateway.inbox import DEFAULT_ACCOUNT
from gateway.provider_books import ProviderPayout, ProviderTransaction
from gateway.records import Job
from gateway.registry import Provider
from gateway.settlement import match
from gateway.settlement_store import Side

#: How often the books are read, and the time that one run reads.
EVERY = timedelta(hours=1)
PERIOD = timedelta(days=7)
#: How much of the past is read again: bank debits take days to clear, and keep their date.
OVERLAP = timedelta(days=5)
#: How far the very first run reaches back.
FIRST_LOOK_BACK = timedelta(days=31)
#: Clocks differ: what of ours is younger than this at the report's end is not missed yet.
GRACE = timedelta(hours=1)
_CURSOR = "settlement"
_BATCH = 200
_LONGEST_PAUSE = timedelta(hours=1)


async def settle(ctx: Context, job: Job) -> None:
    """The recurring job of one provider: the next period of its books."""
    provider = ctx.providers.get(job.subject)
    if provider is None or provider.report_lag is None:
        async with ctx.store.transaction() as tx:
            await tx.finish_job(job)
        return
    now = ctx.now()
    async with ctx.store.transaction() as tx:
        stored = await tx.cursor(DEFAULT_ACCOUNT, provider.name, _CURSOR)
    cursor = datetime.fromisoformat(stored) if stored else now - FIRST_LOOK_BACK
    complete = (now - provider.report_lag).replace(microsecond=0)
    until = min(cursor + PERIOD, complete)
    try:
        if until > cursor:
            await read(ctx, provider, cursor - OVERLAP, until)
    except ProviderError as error:
        ctx.swept("settlement", error.code, 1)
        async with ctx.store.transaction() as tx:
            pause = min(backoff(job.attempts), _LONGEST_PAUSE)
            await tx.retry_job(job, now + pause, error.code)
        return
    async with ctx.store.transaction() as tx:
        value = max(until, cursor).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")
        await tx.save_cursor(DEFAULT_ACCOUNT, provider.name, _CURSOR, value, now)
        if await tx.finish_job(job):
            behind = until < complete
            await tx.enqueue("", job.kind, job.subject, now + (timedelta() if behind else EVERY))
    ctx.swept("settlement", "done", 1)


async def read(ctx: Context, provider: Provider, since: datetime, until: datetime) -> None:
    """Read a time of the provider's books, and compare it with ours. Raises Unavailable."""
    side = Side(DEFAULT_ACCOUNT, provider.name, provider.mode == "live")
    batch: list[ProviderTransaction] = []
    async for line in provider.list_transactions(since, until):
        batch.append(line)
        if len(batch) == _BATCH:
            await _save(ctx, side, batch)
            batch = []
    await _save(ctx, side, batch)
    payouts = [payout async for payout in provider.list_payouts(since, until)]
    for payout in sorted(payouts, key=lambda payout: (payout.at, payout.id)):
        await _read_payout(ctx, provider, side, payout)
    await compare(ctx, side, since, until)


async def _save(ctx: Context, side: Side, lines: Sequence[ProviderTransaction]) -> None:
    async with ctx.store.transaction() as tx:
        await tx.save_records(side, lines, ctx.now())


async def _read_payout(
    ctx: Context, provider: Provider, side: Side, payout: ProviderPayout
) -> None:
    """A payout and its lines, which may be older than what was read."""
    if provider.names_payout_lines:
        batch: list[ProviderTransaction] = []
        async for line in provider.payout_transactions(payout.id):
            batch.append(line)
            if len(batch) == _BATCH:
                await _save(ctx, side, batch)
                batch = []
        await _save(ctx, side, batch)
    async with ctx.store.transaction() as tx:
        new = await tx.save_payout(side, payout, ctx.now())
        if new and not provider.names_payout_lines:
            await tx.allot(side, payout)
        await tx.book_payout(side, payout.id, ctx.now())
        await tx.mark_settled(side, payout)


async def compare(ctx: Context, side: Side, since: datetime, until: datetime) -> None:
    """Match all that moved in a time, payment by payment, and what is no payment's."""
    async with ctx.store.transaction() as tx:
        payments = await tx.to_settle(side, since, until)
    for start in range(0, len(payments), _BATCH):
        async with ctx.store.transaction() as tx:
            books = await tx.books(side, payments[start : start + _BATCH])
            matching = match(
                (line for one in books for line in expected(one.payment, one.facts)),
                (line for one in books for line in one.lines),
                until - GRACE,
            )
            await tx.save_matching(side, [one.payment for one in books], [], matching, ctx.now())
    async with ctx.store.transaction() as tx:
        strangers = await tx.strangers(side, since, until)
        await tx.save_matching(side, [], strangers, match([], strangers, until), ctx.now())
