"""Which lines are in which payout, where the provider does not tell: by their time and its own.

The books are not always read in order: `gateway settle` may read last week while the job is still
with last month. What is in a payout must not depend on that.
"""

from collections.abc import Sequence, Set
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    and_,
    case,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)

from gateway.provider_books import ProviderPayout
from gateway.settlement import opening
from gateway.settlement_store import Side, Span
from storage import tables as t
from storage.account_books import payout_of
from storage.settlement import ReadingTransaction, own, record_of


class AllottingTransaction(ReadingTransaction):
    """The part of a transaction that puts lines into payouts."""

    async def allot(self, side: Side, payout: ProviderPayout) -> Sequence[ProviderPayout]:
        """Of a provider that does not tell what a payout consists of: to a new one, all that came
        in since the one before it, and what had cleared late for that one. A later payout has had
        to answer for this time, if it was read first: it gives up what is not its own."""
        c = t.provider_records.c
        row = await self._payout_row(side, payout.id)
        before = await self._payout_before(side, row)
        possible = (
            *own(t.provider_records, side),
            c.currency == payout.currency,
            c.at <= payout.at,
            or_(c.kind != "payout", c.id == (payout.transaction_id or "")),
        )
        since = () if before is None else (c.at > before.at,)
        changed = {payout.id, *await self._give(side, row, (*possible, *since))}
        await self._give(side, row, (*possible, c.payout_id == ""))
        await self._carry(side, row, changed)
        return [payout_of(await self._payout_row(side, name)) for name in sorted(changed)]

    async def place(
        self, side: Side, span: Span, read_before: Span | None, started: datetime
    ) -> Sequence[ProviderPayout]:
        """Put lines into the payouts that they precede, but for those of what was read before. One
        that is new may have been given away already, by somebody who reads at the same time."""
        await self._lock_side(side)
        c, p = t.provider_records.c, t.provider_payouts.c
        loose = (
            *own(t.provider_records, side),
            or_(c.payout_id == "", c.read_at >= started),
            c.kind != "payout",
            c.at >= span.since,
            c.at <= span.until,
        )
        if read_before is not None:
            loose = (*loose, or_(c.at < read_before.since, c.at > read_before.until))
        oldest = select(c.currency, func.min(c.at).label("at")).where(*loose).group_by(c.currency)
        changed: set[str] = set()
        for first in (await self._execute(oldest)).all():
            its = (*loose, c.currency == first.currency)
            payouts = (
                select(t.provider_payouts)
                .where(
                    *own(t.provider_payouts, side), p.currency == first.currency, p.at >= first.at
                )
                .order_by(p.at, p.id)
            )
            rows = (await self._execute(payouts)).all()
            before = await self._payout_before(side, rows[0]) if rows else None
            moved: set[str] = set()
            for row in rows:
                since = () if before is None else (c.at > before.at,)
                moved |= set(await self._give(side, row, (*its, c.at <= row.at, *since)))
                before = row
            if moved:
                await self._carry(side, rows[0], moved)
            changed |= moved
        return [payout_of(await self._payout_row(side, name)) for name in sorted(changed)]

    async def _give(
        self, side: Side, payout: Row[Any], lines: Sequence[ColumnElement[bool]]
    ) -> list[str]:
        """Put lines into a payout; returns all that had, or have got, any by that: none if it has
        them all."""
        c, name = t.provider_records.c, payout.provider_payout_id
        others = (*lines, c.payout_id != name)
        holders = set(
            (await self._execute(select(c.payout_id).where(*others).distinct())).scalars()
        )
        if not holders:
            return []
        losers = sorted(holders - {""})
        await self._unmark(side, losers)
        await self._execute(update(t.provider_records).where(*others).values(payout_id=name))
        return sorted({*losers, name})

    async def _carry(self, side: Side, first: Row[Any], changed: Set[str]) -> None:
        """Note from a payout on what each found in the balance. `changed`: other lines than before
        are in these; after them all, a payout that finds what it found before is the end."""
        p = t.provider_payouts.c
        later = (
            select(t.provider_payouts)
            .where(
                *own(t.provider_payouts, side),
                p.currency == first.currency,
                tuple_(p.at, p.id) >= tuple_(literal(first.at, p.at.type), first.id),
            )
            .order_by(p.at, p.id)
        )
        before = await self._payout_before(side, first)
        brought = (
            await self._opening(side, first.currency)
            if before is None
            else await self._left_by(side, before, before.brought_forward)
        )
        waiting = set(changed)
        for row in (await self._execute(later)).all():
            if not waiting and row.brought_forward == brought:
                return
            waiting.discard(row.provider_payout_id)
            await self._execute(
                update(t.provider_payouts)
                .where(p.account == row.account, p.id == row.id)
                .values(brought_forward=brought)
            )
            brought = await self._left_by(side, row, brought)

    async def _payout_row(self, side: Side, payout_id: str) -> Row[Any]:
        p = t.provider_payouts.c
        query = select(t.provider_payouts).where(
            *own(t.provider_payouts, side), p.provider_payout_id == payout_id
        )
        return (await self._execute(query)).one()

    async def _payout_before(self, side: Side, payout: Row[Any]) -> Row[Any] | None:
        """The one before in its currency. Of the same second, the one with the smaller id."""
        p = t.provider_payouts.c
        query = (
            select(t.provider_payouts)
            .where(
                *own(t.provider_payouts, side),
                p.currency == payout.currency,
                tuple_(p.at, p.id) < tuple_(literal(payout.at, p.at.type), payout.id),
            )
            .order_by(p.at.desc(), p.id.desc())
            .limit(1)
        )
        return (await self._execute(query)).first()

    async def _opening(self, side: Side, currency: str) -> int:
        """What was in the balance before the first line that we have read, where that is told."""
        c = t.provider_records.c
        its = (*own(t.provider_records, side), c.currency == currency)
        earliest = select(func.min(c.at)).where(*its).scalar_subquery()
        rows = await self._execute(select(t.provider_records).where(*its, c.at == earliest))
        return opening(record_of(row) for row in rows)

    async def _left_by(self, side: Side, payout: Row[Any], brought_forward: int) -> int:
        """What a payout left in the balance: as told, or as its lines come to."""
        if payout.balance_after is not None:
            return int(payout.balance_after)
        c = t.provider_records.c
        # Of its own line its fee counts; what an older version stored as `amount` has it within.
        its_own = and_(c.kind == "payout", c.gross == -payout.amount)
        net = case((c.kind != "payout", c.net), (its_own, -c.fee), else_=0)
        total = await self._connection.scalar(
            select(func.coalesce(func.sum(net), 0)).where(
                *own(t.provider_records, side), c.payout_id == payout.provider_payout_id
            )
        )
        return int(brought_forward + (total or 0) - payout.amount)
