"""Reading settlement: payouts and their statements, exceptions and their story, closed months."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, and_, case, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.settlement import Statement, StatementRow, explain
from gateway.settlement_resources import (
    ExceptionNote,
    LateLine,
    PayoutResource,
    PeriodResource,
    SettlementException,
)
from gateway.settlement_store import Sight
from storage import tables as t
from storage.account_books import payout_of
from storage.engine import Database
from storage.visibility import seen

_MOST_LATE = 500


class SettlementQueries:
    """All as far as it is in somebody's `sight`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sole_merchant(self) -> bool:
        """Whether there is one merchant only: then what belongs to nobody is theirs."""
        async with self._database.read() as connection:
            return len((await connection.execute(select(t.merchants.c.id).limit(2))).all()) < 2

    async def payouts(
        self,
        sight: Sight,
        livemode: bool,
        after: str | None,
        limit: int,
        *,
        provider: str | None = None,
        currency: str | None = None,
    ) -> tuple[list[PayoutResource], str | None]:
        """Payouts with a line of theirs in it, or their own by all that is known, newest first."""
        c = t.provider_payouts.c
        query = select(t.provider_payouts).where(*_visible_payout(sight, livemode))
        if provider is not None:
            query = query.where(c.provider == provider)
        if currency is not None:
            query = query.where(c.currency == currency)
        if after is not None:
            query = query.where(c.id < after)
        async with self._database.read() as connection:
            rows = (await connection.execute(query.order_by(c.id.desc()).limit(limit + 1))).all()
        shown = [_payout(row) for row in rows[:limit]]
        return shown, shown[-1].id if len(rows) > limit else None

    async def payout(
        self, sight: Sight, livemode: bool, payout_id: str
    ) -> tuple[PayoutResource, Statement] | None:
        """A payout and its statement; the lines of other merchants are one row."""
        c, r = t.provider_payouts.c, t.provider_records.c
        query = select(t.provider_payouts).where(
            *_visible_payout(sight, livemode), c.id == payout_id
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
            if row is None:
                return None
            kind = case((seen(sight, r, r.id), r.kind), else_="others")
            sums = await connection.execute(
                select(
                    kind.label("kind"),
                    func.count().label("lines"),
                    func.sum(r.gross).label("gross"),
                    func.sum(r.fee).label("fee"),
                    func.sum(r.net).label("net"),
                )
                .where(
                    r.account == row.account,
                    r.provider == row.provider,
                    r.payout_id == row.provider_payout_id,
                    r.kind != "payout",
                )
                .group_by(kind)
                .order_by(kind)
            )
            rows = [
                StatementRow(s.kind, s.lines, int(s.gross), int(s.fee), int(s.net)) for s in sums
            ]
        return _payout(row), explain(payout_of(row), rows, row.brought_forward)

    async def exceptions(
        self,
        sight: Sight,
        livemode: bool,
        after: str | None,
        limit: int,
        *,
        status: str | None = None,
        kind: str | None = None,
        provider: str | None = None,
        order_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> tuple[list[SettlementException], str | None]:
        """What does not agree, the latest movement first; without their notes.

        `since` and `until` (excluded): when the money moved.
        """
        c = t.settlement_exceptions.c
        query = select(t.settlement_exceptions).where(
            seen(sight, c, c.record_id), c.livemode == livemode
        )
        for column, value in (
            (c.status, status),
            (c.kind, kind),
            (c.provider, provider),
            (c.order_id, order_id),
        ):
            if value is not None:
                query = query.where(column == value)
        if since is not None:
            query = query.where(c.occurred_at >= since)
        if until is not None:
            query = query.where(c.occurred_at < until)
        if after is not None:
            query = query.where(c.id < after)
        async with self._database.read() as connection:
            rows = (await connection.execute(query.order_by(c.id.desc()).limit(limit + 1))).all()
        shown = [_exception(row, ()) for row in rows[:limit]]
        return shown, shown[-1].id if len(rows) > limit else None

    async def exception(
        self, sight: Sight, livemode: bool, exception_id: str
    ) -> SettlementException | None:
        """One, with all that was done about it."""
        c, n = t.settlement_exceptions.c, t.settlement_notes.c
        async with self._database.read() as connection:
            row = (
                await connection.execute(
                    select(t.settlement_exceptions).where(
                        seen(sight, c, c.record_id), c.livemode == livemode, c.id == exception_id
                    )
                )
            ).first()
            if row is None:
                return None
            notes = await connection.execute(
                select(t.settlement_notes)
                .where(n.merchant_id == row.merchant_id, n.exception_id == row.id)
                .order_by(n.id)
            )
            return _exception(row, notes.all())

    async def period(self, merchant_id: str, livemode: bool, period: str) -> PeriodResource:
        """A month: closed or not, and what was read of it after it had been closed."""
        c = t.closed_periods.c
        async with self._database.read() as connection:
            row = (
                await connection.execute(
                    select(t.closed_periods).where(
                        c.merchant_id == merchant_id, c.livemode == livemode, c.period == period
                    )
                )
            ).first()
            late: list[LateLine] = []
            if row is not None:
                late = await _late(connection, merchant_id, livemode, period, row.closed_at)
        return PeriodResource(
            object="period",
            period=period,
            status="open" if row is None else "closed",
            closed_at=row.closed_at if row else None,
            closed_by=row.closed_by if row else None,
            note=(row.note or None) if row else None,
            late=late,
        )


async def _late(
    connection: AsyncConnection, merchant_id: str, livemode: bool, period: str, closed_at: datetime
) -> list[LateLine]:
    """What came in of a month after it was closed: in the provider's books, and in ours."""
    r, b = t.provider_records.c, t.balance_transactions.c
    since, until = bounds(period)
    read = (
        select(t.provider_records)
        .where(
            r.merchant_id == merchant_id,
            r.livemode == livemode,
            r.at >= since,
            r.at < until,
            r.read_at > closed_at,
        )
        .order_by(r.at, r.id)
        .limit(_MOST_LATE)
    )
    booked = (
        select(t.balance_transactions)
        .where(
            b.merchant_id == merchant_id,
            b.livemode == livemode,
            b.occurred_at >= since,
            b.occurred_at < until,
            b.created_at > closed_at,
        )
        .order_by(b.occurred_at, b.id)
        .limit(_MOST_LATE)
    )
    return [
        LateLine(
            "provider", row.provider, row.id, None, row.kind, row.order_id or None,
            row.gross, row.fee, row.net, row.currency, row.at, row.read_at,
        )
        for row in await connection.execute(read)
    ] + [
        LateLine(
            "ours", row.provider, row.provider_balance_id or None, row.id, row.type, row.order_id,
            row.gross, row.fee, row.net, row.currency, row.occurred_at, row.created_at,
        )
        for row in await connection.execute(booked)
    ]  # fmt: skip


async def open_differences(database: Database, provider: str) -> int:
    """How many are open, whosever they are."""
    c = t.settlement_exceptions.c
    query = select(func.count()).where(c.provider == provider, c.status == "open")
    async with database.read() as connection:
        return await connection.scalar(query) or 0


def bounds(period: str) -> tuple[datetime, datetime]:
    """The first moment of a month and of the next, UTC. Raises ValueError."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}", period):
        raise ValueError(f"{period!r} is no month")
    since = datetime.strptime(period, "%Y-%m").replace(tzinfo=UTC)
    year, month = divmod(since.year * 12 + since.month, 12)
    return since, since.replace(year=year, month=month + 1)


def _visible_payout(sight: Sight, livemode: bool) -> tuple[Any, ...]:
    c, r = t.provider_payouts.c, t.provider_records.c
    own = exists().where(
        and_(
            r.account == c.account,
            r.provider == c.provider,
            r.payout_id == c.provider_payout_id,
            seen(sight, r, r.id),
        )
    )
    # Of one that nobody explains, the lines are not known, but perhaps whose it must be.
    its = c.merchant_id == sight.merchant_id
    return c.livemode == livemode, or_(its, own)


def _payout(row: Row[Any]) -> PayoutResource:
    return PayoutResource(
        object="payout",
        id=row.id,
        livemode=row.livemode,
        provider=row.provider,
        provider_payout_id=row.provider_payout_id,
        amount=row.amount,
        currency=row.currency,
        status=row.status,
        created_at=row.at,
        arrives_at=row.arrives_at,
    )


def _exception(row: Row[Any], notes: Sequence[Row[Any]]) -> SettlementException:
    return SettlementException(
        object="settlement_exception",
        id=row.id,
        livemode=row.livemode,
        provider=row.provider,
        kind=row.kind,
        status=row.status,
        provider_transaction_id=row.record_id or None,
        order=row.order_id or None,
        payment=row.payment_id or None,
        expected=row.expected,
        expected_currency=row.expected_currency or None,
        actual=row.actual,
        actual_currency=row.actual_currency or None,
        occurred_at=row.occurred_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
        notes=[ExceptionNote(note.at, note.by, note.action, note.note or None) for note in notes],
    )
