"""The settlement job: reads the providers' own books and payouts, and compares them with ours.

It reads what is older than the provider's report may lag, a week at a time, and some days of the
past again, since money that was pending appears late under its old date. Whatever it stores is
unique by the provider's ids, so that reading again harms nothing. (`gateway/reconcile.py` is
another thing: it asks about payments one by one.)
"""

import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, time, timedelta

import msgspec

from gateway.backoff import backoff
from gateway.context import Context
from gateway.errors import ProviderError, Rejected
from gateway.expectations import expected
from gateway.inbox import DEFAULT_ACCOUNT
from gateway.provider_books import ProviderPayout, ProviderTransaction
from gateway.records import Job
from gateway.registry import Provider
from gateway.settlement import Matching, match
from gateway.settlement_store import Side, Span

_log = logging.getLogger("gateway.worker")

#: How often the books are read, and the time that one run reads.
EVERY = timedelta(hours=1)
PERIOD = timedelta(days=7)
#: How far the very first run reaches back.
FIRST_LOOK_BACK = timedelta(days=31)
#: Clocks differ: what of ours is younger than this at the report's end is not missed yet.
GRACE = timedelta(hours=1)
_CURSOR = "settlement"
_BATCH = 200
_LONGEST_PAUSE = timedelta(hours=1)
#: So many tries, some three quarters of an hour, may what is in one payout hold up the rest.
_PATIENCE = 10


class Unread(msgspec.Struct, frozen=True):
    """A payout that was stored without its lines, and why."""

    payout_id: str
    why: ProviderError


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
            unread = await read(ctx, provider, cursor - provider.report_overlap, until)
            _insist(unread, job.attempts)
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


def _insist(unread: Sequence[Unread], attempts: int) -> None:
    """Raise what may pass, for another try, as long as that holds up the rest for a short time."""
    for one in unread:
        if not isinstance(one.why, Rejected) and attempts < _PATIENCE:
            raise one.why


async def read(
    ctx: Context, provider: Provider, since: datetime, until: datetime
) -> Sequence[Unread]:
    """Read a time of the provider's books, and compare it with ours. Raises Unavailable.

    What is in one payout does not stop the rest: those of which it cannot be read are returned.
    """
    side, started = Side(DEFAULT_ACCOUNT, provider.name, provider.mode == "live"), ctx.now()
    async with ctx.store.transaction() as tx:
        pending = await tx.pending_payouts(side)
        cursor = await tx.cursor(DEFAULT_ACCOUNT, provider.name, _CURSOR)
    await _save_all(ctx, side, provider.list_transactions(since, until))
    oldest = min([since, *pending.values()])
    payouts = [
        payout
        async for payout in provider.list_payouts(oldest, until)
        if payout.at >= since or payout.id in pending
    ]
    unread = []
    for payout in sorted(payouts, key=lambda payout: (payout.at, payout.id)):
        why = await _read_payout(ctx, provider, side, payout)
        if why is not None:
            unread.append(Unread(payout.id, why))
    if not provider.names_payout_lines:
        await _place(ctx, provider, side, Span(since, until), cursor, started)
    await compare(ctx, side, since, until)
    return unread


async def _save_all(ctx: Context, side: Side, lines: AsyncIterator[ProviderTransaction]) -> None:
    batch: list[ProviderTransaction] = []
    async for line in lines:
        batch.append(line)
        if len(batch) == _BATCH:
            await _save(ctx, side, batch)
            batch = []
    await _save(ctx, side, batch)


async def _save(ctx: Context, side: Side, lines: Sequence[ProviderTransaction]) -> None:
    async with ctx.store.transaction() as tx:
        await tx.save_records(side, lines, ctx.now())


async def _read_payout(
    ctx: Context, provider: Provider, side: Side, payout: ProviderPayout
) -> ProviderError | None:
    """A payout and its lines, which may be older than what was read; why, if they cannot be."""
    why = None
    if provider.names_payout_lines and payout.itemized:
        try:
            await _save_all(ctx, side, provider.payout_transactions(payout.id))
        except ProviderError as error:
            why = error
            ctx.swept("settlement", error.code, 1)
            known = {"provider": side.provider, "payout": payout.id, "detail": error.detail}
            _log.error("payout not explained", extra=known)
    async with ctx.store.transaction() as tx:
        changed: Sequence[ProviderPayout] = [payout]
        if await tx.save_payout(side, payout, ctx.now()) and not provider.names_payout_lines:
            changed = await tx.allot(side, payout)
        for one in changed:
            await tx.book_payout(side, one.id, ctx.now())
            await tx.mark_settled(side, one)
    return why


async def _place(
    ctx: Context,
    provider: Provider,
    side: Side,
    span: Span,
    cursor: str | None,
    started: datetime,
) -> None:
    """What was read of a time that nobody had read before goes into the payouts of that time.

    In the time that the job has read already, and reads again, only what cleared late is new: the
    payouts of its date went without it, and it waits for the next.
    """
    read_before = None
    if cursor is not None:
        end = datetime.fromisoformat(cursor)
        read_before = Span(end - provider.report_overlap, end)
    async with ctx.store.transaction() as tx:
        for payout in await tx.place(side, span, read_before, started):
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
            compared = [one.payment for one in books]
            await tx.save_matching(side, compared, [], matching, ctx.now())
            await tx.mark_booked_late(compared)
    for day in _days(since, until):
        await _compare_strangers(ctx, side, day)


async def _compare_strangers(ctx: Context, side: Side, day: Span) -> None:
    """There may be any number of them, on an account that sells elsewhere as well: day by day."""
    async with ctx.store.transaction() as tx:
        strangers = await tx.strangers(side, day.since, day.until)
    found = {item.subject: item for item in match([], strangers, day.until).found}
    for start in range(0, len(strangers), _BATCH):
        batch = strangers[start : start + _BATCH]
        theirs = tuple(found[line.id] for line in batch if line.id in found)
        async with ctx.store.transaction() as tx:
            await tx.save_matching(side, [], batch, Matching((), theirs), ctx.now())


def _days(since: datetime, until: datetime) -> Iterator[Span]:
    """The days of a time, UTC; of the first and the last perhaps a part."""
    start = since
    while start <= until:
        day = start.astimezone(UTC).date() + timedelta(days=1)
        midnight = datetime.combine(day, time(), UTC)
        yield Span(start, min(midnight - timedelta.resolution, until))
        start = midnight
