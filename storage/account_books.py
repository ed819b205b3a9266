"""The lines of a provider account itself in the books: payouts, and what is no order's."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.account_books import (
    arrival,
    arrival_id,
    failure_key,
    payout_key,
    payout_movements,
    record_key,
    record_movement,
    shares,
)
from gateway.bookkeeping import Line, account_line_id, missing_lines
from gateway.movements import Movement
from gateway.provider_books import ProviderPayout, ProviderTransaction
from gateway.settlement_store import Side
from storage import tables as t
from storage.bookkeeping import BookkeepingTransaction, stored_line

#: The type of the ledger transaction of a payout that has arrived.
PAID = "payout_paid"


class AccountBooksTransaction(BookkeepingTransaction):
    """The part of a transaction that books what a provider's own books tell of."""

    async def sole_merchant(self) -> str:
        """Whose everything is that belongs to nobody: the only merchant, or empty."""
        found = (await self._execute(select(t.merchants.c.id).limit(2))).scalars().all()
        return found[0] if len(found) == 1 else ""

    async def book_records(
        self,
        side: Side,
        lines: Sequence[ProviderTransaction],
        owned: Mapping[str, object],
        at: datetime,
    ) -> None:
        """Book the lines that are of no order, and take back what was found to be of one.

        `owned`: the ids of those that are about a payment of ours.
        """
        sole = await self.sole_merchant()
        if sole and any(line.id not in owned for line in lines):
            await self._lock_books(sole)
        keys = {record_key(line.id): line for line in lines}
        known = await self._account_lines(side, list(keys))
        wanted: dict[str, list[Movement]] = {merchant: [] for merchant in known}
        holders = {line.key: merchant for merchant, its in known.items() for line in its}
        for key, line in keys.items():
            merchant = holders.get(key, sole)
            movement = None if line.id in owned else record_movement(side.provider, line)
            if merchant and movement is not None:
                wanted.setdefault(merchant, []).append(movement)
        for merchant, movements in wanted.items():
            await self._book_account(side, merchant, known.get(merchant, []), movements, at)

    async def book_payout(self, side: Side, payout_id: str, at: datetime) -> None:
        """Post a stored payout, each merchant's share of it, and its arrival at the bank."""
        p = t.provider_payouts.c
        row = (
            await self._execute(
                select(t.provider_payouts)
                .where(
                    p.account == side.account,
                    p.provider == side.provider,
                    p.livemode == side.livemode,
                    p.provider_payout_id == payout_id,
                )
                .with_for_update()
            )
        ).one()
        payout = payout_of(row)
        place = (side.account, side.provider, payout.id)
        nets = (await payout_nets(self._connection, [place]))[place]
        known = await self._account_lines(side, [payout_key(payout.id), failure_key(payout.id)])
        its = shares(payout.amount, nets, row.merchant_id)
        for merchant in sorted({*its, *known}):
            share = its.get(merchant, 0)
            movements = payout_movements(side.provider, payout, share)
            await self._book_account(side, merchant, known.get(merchant, []), movements, at)
            await self._book_arrival(side, merchant, payout, share, at)

    async def _book_account(
        self,
        side: Side,
        merchant_id: str,
        known: Sequence[Line],
        movements: Sequence[Movement],
        at: datetime,
    ) -> None:
        new = missing_lines(known, movements)
        await self._add_lines(merchant_id, side.livemode, None, new, at)

    async def _book_arrival(
        self, side: Side, merchant_id: str, payout: ProviderPayout, share: int, at: datetime
    ) -> None:
        line = account_line_id(side.provider, payout_key(payout.id), 0, payout.at)
        c, e = t.ledger_transactions.c, t.ledger_entries.c
        own = (c.merchant_id == merchant_id, c.balance_transaction_id == line)
        booked = (
            await self._execute(
                select(
                    func.count().label("times"), func.coalesce(func.sum(e.amount), 0).label("held")
                )
                .select_from(t.ledger_transactions)
                .join(
                    t.ledger_entries, (e.merchant_id == c.merchant_id) & (e.transaction_id == c.id)
                )
                .where(*own, c.type == PAID, e.account == f"bank:{payout.currency}")
            )
        ).one()
        postings = arrival(payout, share, int(booked.held))
        if not postings:
            return
        arrived = arrival_id(side.provider, payout.id, payout.at, booked.times)
        common = {"merchant_id": merchant_id, "livemode": side.livemode, "created_at": at}
        transaction = common | {
            "id": arrived,
            "balance_transaction_id": line,
            "order_id": None,
            "type": PAID,
            "occurred_at": payout.arrives_at or payout.at,
        }
        entries = [
            common
            | {
                "transaction_id": arrived,
                "position": position,
                "account": posting.account,
                "currency": payout.currency,
                "amount": posting.amount,
            }
            for position, posting in enumerate(postings)
        ]
        await self._insert_books([], [transaction], entries)

    async def _account_lines(self, side: Side, keys: Sequence[str]) -> dict[str, list[Line]]:
        """The lines of the account with these keys, by merchant."""
        c, m = t.balance_transactions.c, t.merchants.c
        rows = await self._execute(
            select(t.balance_transactions)
            .where(
                c.merchant_id.in_(select(m.id)),
                c.order_id.is_(None),
                c.provider == side.provider,
                c.livemode == side.livemode,
                c.key.in_(keys),
            )
            .order_by(c.merchant_id, c.key, c.sequence)
        )
        found: dict[str, list[Line]] = {}
        for row in rows:
            found.setdefault(row.merchant_id, []).append(stored_line(row))
        return found


#: A payout: its account, its provider, and the provider's id.
Place = tuple[str, str, str]


async def payout_nets(
    connection: AsyncConnection, places: Sequence[Place]
) -> dict[Place, dict[str, int]]:
    """What is whose in each payout. What an earlier one brings that came back is whose it was."""
    r, b = t.provider_records.c, t.balance_transactions.c
    inside = tuple_(r.account, r.provider, r.payout_id).in_(places)
    place = (r.account, r.provider, r.payout_id)
    theirs = (
        select(*place, r.merchant_id, func.sum(r.net).label("net"))
        .where(inside, r.kind != "payout")
        .group_by(*place, r.merchant_id)
    )
    nets: dict[Place, dict[str, int]] = {place: {} for place in places}
    for row in await connection.execute(theirs):
        nets[row.account, row.provider, row.payout_id][row.merchant_id] = int(row.net)
    back = select(*place, r.object_id).where(inside, r.kind == "payout_failure")
    for returned in (await connection.execute(back)).all():
        shares_of_it = (
            select(b.merchant_id, func.sum(b.net).label("net"))
            .where(
                b.merchant_id.in_(select(t.merchants.c.id)),
                b.order_id.is_(None),
                b.provider == returned.provider,
                b.key == failure_key(returned.object_id),
            )
            .group_by(b.merchant_id)
        )
        its = nets[returned.account, returned.provider, returned.payout_id]
        for share in await connection.execute(shares_of_it):
            its[share.merchant_id] = its.get(share.merchant_id, 0) + int(share.net)
    return nets


def payout_of(row: Row[Any]) -> ProviderPayout:
    """A payout from its row."""
    return ProviderPayout(
        id=row.provider_payout_id,
        amount=row.amount,
        currency=row.currency,
        status=row.status,
        at=row.at,
        arrives_at=row.arrives_at,
        transaction_id=row.transaction_id,
        balance_after=row.balance_after,
    )
