"""The lines of a provider account itself in the books: payouts, and what is no order's."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row, func, or_, select, tuple_, update
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
#: Whose a line is: the merchant, the order, the payment.
Owner = tuple[str, str, str]


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
        owned: Mapping[str, Owner],
        at: datetime,
    ) -> None:
        """Book the lines that nothing else accounts for, and take back what was found to be so.

        `owned`: whose those are that are about a payment of ours.
        """
        place = (side.account, side.provider)
        elsewhere = await accounted_elsewhere(self._connection, place, lines, owned)
        left = {record_key(line.id): line for line in lines if line.id not in elsewhere}
        sole = await self.sole_merchant()
        for merchant in sorted({owned.get(line.id, (sole,))[0] for line in left.values()} - {""}):
            await self._lock_books(merchant)
        known = await self._account_lines(side, [record_key(line.id) for line in lines])
        wanted: dict[str, list[Movement]] = {merchant: [] for merchant in known}
        holders = {line.key: merchant for merchant, its in known.items() for line in its}
        for key, line in left.items():
            merchant = owned[line.id][0] if line.id in owned else holders.get(key, sole)
            movement = record_movement(side.provider, line)
            if merchant and movement is not None:
                wanted.setdefault(merchant, []).append(movement)
        for merchant, movements in wanted.items():
            await self._book_account(side, merchant, known.get(merchant, []), movements, at)

    async def book_payout(self, side: Side, payout_id: str, at: datetime) -> None:
        """Post a stored payout as its lines tell, each merchant's share of it, and its arrival at
        the bank."""
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
        payout = await self._told_by_lines(side, row)
        place = (side.account, side.provider, payout.id)
        nets = (await payout_nets(self._connection, [place]))[place]
        known = await self._account_lines(side, [payout_key(payout.id), failure_key(payout.id)])
        its = shares(payout.amount, nets, row.merchant_id)
        for merchant in sorted({*its, *known, row.merchant_id} - {""}):
            share, owner = its.get(merchant, 0), merchant == row.merchant_id
            movements = payout_movements(side.provider, payout, share, owner=owner)
            await self._book_account(side, merchant, known.get(merchant, []), movements, at)
            await self._book_arrival(side, merchant, payout, share, at)
        await self._take_back_returns(side, payout_id, at)

    async def _told_by_lines(self, side: Side, row: Row[Any]) -> ProviderPayout:
        """A payout with what its lines in the provider's books tell, which is stored with it."""
        r, p = t.provider_records.c, t.provider_payouts.c
        books = (r.account == side.account, r.provider == side.provider)
        fee = await self._connection.scalar(
            select(r.fee).where(
                *books,
                r.id == (row.transaction_id or ""),
                r.kind == "payout",
                r.gross == -row.amount,  # what an older version stored is less the fee
            )
        )
        returned = (
            await self._execute(
                select(func.min(r.at).label("at"), func.sum(r.net).label("net")).where(
                    *books, r.kind == "payout_failure", r.object_id == row.provider_payout_id
                )
            )
        ).one()
        payout = payout_of(row)
        told = msgspec.structs.replace(
            payout,
            fee=payout.fee if fee is None else fee,
            returned_at=payout.returned_at or returned.at,
            returned=None if returned.net is None else int(returned.net),
        )
        found = {name: getattr(told, name) for name in ("fee", "returned_at", "returned")}
        if any(getattr(row, name) != value for name, value in found.items()):
            own = update(t.provider_payouts).where(p.account == row.account, p.id == row.id)
            await self._execute(own.values(found))
        return told

    async def _take_back_returns(self, side: Side, payout_id: str, at: datetime) -> None:
        """A payout has been read: the lines of its return, read before it, wait no longer."""
        r = t.provider_records.c
        lines = select(r.id).where(
            r.account == side.account,
            r.provider == side.provider,
            r.kind == "payout_failure",
            r.object_id == payout_id,
        )
        keys = [record_key(name) for name in (await self._execute(lines)).scalars()]
        for merchant, its in (await self._account_lines(side, keys)).items():
            await self._book_account(side, merchant, its, [], at)

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
        arrives = payout.arrives_at or payout.at
        occurred = arrives if payout.status == "paid" else payout.returned_at or at
        common = {"merchant_id": merchant_id, "livemode": side.livemode, "created_at": at}
        transaction = common | {
            "id": arrived,
            "balance_transaction_id": line,
            "order_id": None,
            "type": PAID,
            "occurred_at": occurred,
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


async def accounted_elsewhere(
    connection: AsyncConnection,
    place: tuple[str, str],
    lines: Sequence[ProviderTransaction],
    owned: Mapping[str, Owner],
) -> set[str]:
    """Which lines of a provider's books something else in ours accounts for: the facts of an order,
    or a payout that came back. Facts seldom tell of a fee that is a line of its own."""
    fees = {line.id: owned[line.id] for line in lines if line.kind == "fee" and line.id in owned}
    elsewhere = {line.id for line in lines if line.id in owned and line.id not in fees}
    if fees:
        b = t.balance_transactions.c
        told = await connection.execute(
            select(b.provider_balance_id, b.provider_id).where(
                tuple_(b.merchant_id, b.order_id).in_(sorted({its[:2] for its in fees.values()})),
                or_(b.provider_balance_id.in_(list(fees)), b.provider_id.in_(list(fees))),
            )
        )
        elsewhere |= {name for row in told for name in row} & fees.keys()
    returns = {line.object_id for line in lines if line.kind == "payout_failure"}
    if returns:
        p = t.provider_payouts.c
        payouts = await connection.execute(
            select(p.provider_payout_id).where(
                p.account == place[0],
                p.provider == place[1],
                p.provider_payout_id.in_(sorted(returns)),
            )
        )
        known = set(payouts.scalars())
        elsewhere |= {
            line.id for line in lines if line.kind == "payout_failure" and line.object_id in known
        }
    return elsewhere


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
    """A payout from its row. One without a fee, not even none, was booked by an older version,
    which dated its return as the payout itself."""
    older = row.fee is None and row.status == "failed"
    return ProviderPayout(
        id=row.provider_payout_id,
        amount=row.amount,
        currency=row.currency,
        status=row.status,
        at=row.at,
        arrives_at=row.arrives_at,
        transaction_id=row.transaction_id,
        balance_after=row.balance_after,
        fee=row.fee or 0,
        returned_at=row.at if older else row.returned_at,
        returned=row.returned,
    )
