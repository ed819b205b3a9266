"""Closed months, and what comes into one of them afterwards: it is late, which its time tells.

A line's time (`created_at`, `read_at`) is taken before its commit, maybe by another machine's
clock. One that is being stored while its month is closed would be nowhere: not in the books that
were closed, since nobody saw it yet, and not late, since its time is from before. So whoever stores
a line of a month that may be closed holds a lock until the commit, and the closing waits for them;
and whatever is stored after the closing has a time after it.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from storage import tables as t
from storage.work import WorkTransaction

#: The advisory lock on PostgreSQL: shared by those who store lines. SQLite has one writer.
_LOCK = 0x636C_6F73_6564  # "closed"
#: No two machines' clocks differ by so much.
_APART = timedelta(hours=1)
_NEXT = timedelta(microseconds=1)


class Closings(dict[tuple[str, str], datetime]):
    """When which merchant's months were closed."""

    def after(self, merchant_id: str, moved: datetime, at: datetime) -> datetime:
        """The time of a line that is stored at `at`, of money that moved at `moved`."""
        closed_at = self.get((merchant_id, _month(moved)))
        return at if closed_at is None else max(at, closed_at + _NEXT)


class ClosingTransaction(WorkTransaction):
    """The part of a transaction that concerns closed months."""

    async def close_period(
        self,
        merchant_id: str,
        livemode: bool,
        period: str,
        by: str,
        note: str,
        now: Callable[[], datetime],
    ) -> None:
        """Lock a month; one that is locked stays as it is.

        It waits for those who are storing lines, and asks `now` then.
        """
        if not self._database.is_sqlite:
            await self._execute(select(func.pg_advisory_xact_lock(_LOCK)))
        insert = self._insert(t.closed_periods).values(
            merchant_id=merchant_id,
            livemode=livemode,
            period=period,
            closed_at=now(),
            closed_by=by,
            note=note,
        )
        await self._execute(insert.on_conflict_do_nothing())

    async def closings(
        self,
        livemode: bool,
        lines: Iterable[tuple[str, datetime]],
        at: datetime,
        *,
        backdated: bool = False,
    ) -> Closings:
        """The closings that lines about to be stored at `at` come after: for each line its
        merchant, and when its money moved. Until this transaction ends no month is closed.

        Money of this month, which is nearly all, costs nothing: a month that is not over cannot be
        closed. `backdated`: `at` is in the past.
        """
        this_month = _month(at + _APART)
        over = {
            (merchant_id, period)
            for merchant_id, moved in lines
            if (period := _month(moved)) < this_month or backdated
        }
        if not over:
            return Closings()
        if not self._database.is_sqlite:
            await self._execute(select(func.pg_advisory_xact_lock_shared(_LOCK)))
        c = t.closed_periods.c
        rows = await self._execute(
            select(c.merchant_id, c.period, c.closed_at).where(
                c.merchant_id.in_(sorted({merchant_id for merchant_id, _ in over})),
                c.livemode == livemode,
                c.period.in_(sorted({period for _, period in over})),
            )
        )
        return Closings({(row.merchant_id, row.period): row.closed_at for row in rows})


def _month(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m")
