"""The trial balance: what every account came to at any time, without adding up all of the past.

The sums of all accounts before a midnight (UTC) are kept as a snapshot, each made from the one
before when a trial balance is asked for. What is booked later than a snapshot does not touch it;
what is booked into the past, which only `gateway verify --repair` does, drops those that follow
(storage/bookkeeping.py).
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.bookkeeping import LedgerAccountResource, TrialBalanceResource
from storage import tables as t
from storage.engine import Database

#: No transaction takes so long: what is older has been committed, or never will be.
SETTLED = timedelta(hours=1)
Sums = dict[tuple[str, str], tuple[int, int]]


class TrialBalances:
    """What all accounts of a merchant in a mode came to."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def at(
        self, merchant_id: str, livemode: bool, at: datetime, now: datetime
    ) -> TrialBalanceResource:
        """The sums of all accounts as they had been booked up to `at`, exactly."""
        book = _Book(merchant_id, livemode)
        midnight = _midnight(min(at, now - SETTLED))
        async with self._database.read() as connection:
            behind = await book.days(connection, midnight)
        if behind:
            await self._keep(book, midnight)
        async with self._database.read() as connection:
            sums, since = await book.snapshot(connection, at)
            c = t.ledger_entries.c
            later = book.sums().where(c.created_at <= at)
            if since is not None:
                later = later.where(c.created_at >= since)
            _add(sums, (await connection.execute(later)).all())
        return TrialBalanceResource(
            at,
            [
                LedgerAccountResource(account, currency, debits, credits, debits - credits)
                for (account, currency), (debits, credits) in sorted(sums.items())
            ],
        )

    async def _keep(self, book: "_Book", midnight: datetime) -> None:
        """Make the snapshots that are missing up to `midnight`, one for each day with entries."""
        async with self._database.write() as connection:
            await book.lock(connection)
            days = await book.days(connection, midnight)
            sums, _ = await book.snapshot(connection, midnight)
            rows: list[dict[str, Any]] = []
            c = t.ledger_entries.c
            for day in days:
                until = day + timedelta(days=1)
                query = book.sums().where(c.created_at >= day, c.created_at < until)
                _add(sums, (await connection.execute(query)).all())
                rows += [
                    book.key
                    | {
                        "at": until,
                        "account": account,
                        "currency": currency,
                        "debits": debits,
                        "credits": credits,
                    }
                    for (account, currency), (debits, credits) in sums.items()
                ]
            if rows:
                await connection.execute(t.ledger_snapshots.insert(), rows)


class _Book:
    """One merchant's ledger in one mode."""

    def __init__(self, merchant_id: str, livemode: bool) -> None:
        self.key = {"merchant_id": merchant_id, "livemode": livemode}

    def sums(self) -> Select[Any]:
        """Debits and credits of all entries, by account."""
        c = t.ledger_entries.c
        return (
            select(
                c.account,
                c.currency,
                func.sum(case((c.amount > 0, c.amount), else_=0)).label("debits"),
                func.sum(case((c.amount < 0, -c.amount), else_=0)).label("credits"),
            )
            .where(c.merchant_id == self.key["merchant_id"], c.livemode == self.key["livemode"])
            .group_by(c.account, c.currency)
        )

    async def lock(self, connection: AsyncConnection) -> None:
        """Nobody books into the past, or makes snapshots, at the same time."""
        m = t.merchants.c
        query = select(m.id).where(m.id == self.key["merchant_id"])
        await connection.execute(query.with_for_update(key_share=True))

    async def snapshot(
        self, connection: AsyncConnection, at: datetime
    ) -> tuple[Sums, datetime | None]:
        """The sums of the last snapshot up to `at`, and its time."""
        c = t.ledger_snapshots.c
        own = (c.merchant_id == self.key["merchant_id"], c.livemode == self.key["livemode"])
        latest = await connection.scalar(select(func.max(c.at)).where(*own, c.at <= at))
        if latest is None:
            return {}, None
        rows = await connection.execute(select(t.ledger_snapshots).where(*own, c.at == latest))
        sums: Sums = {}
        _add(sums, rows.all())
        return sums, latest

    async def days(self, connection: AsyncConnection, midnight: datetime) -> list[datetime]:
        """The days before `midnight`, since the last snapshot, on which anything was booked."""
        c = t.ledger_entries.c
        own = (c.merchant_id == self.key["merchant_id"], c.livemode == self.key["livemode"])
        _, since = await self.snapshot(connection, midnight)
        days: list[datetime] = []
        while True:
            query = select(func.min(c.created_at)).where(*own, c.created_at < midnight)
            start = days[-1] + timedelta(days=1) if days else since
            if start is not None:
                query = query.where(c.created_at >= start)
            first = await connection.scalar(query)
            if first is None:
                return days
            days.append(_midnight(first))


def _add(sums: Sums, rows: Sequence[Row[Any]]) -> None:
    for row in rows:
        debits, credits = sums.get((row.account, row.currency), (0, 0))
        sums[row.account, row.currency] = debits + int(row.debits), credits + int(row.credits)


def _midnight(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
