"""Payouts and the lines of no order, with what was booked of them: what is verified."""

from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Row, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.account_books import failure_key, payout_key, record_key
from gateway.bookkeeping import Line, Posting, account_line_id, ledger_id
from gateway.verify_accounts import BookedLines, StoredPayout, StoredRecord
from storage import tables as t
from storage.account_books import PAID, accounted_elsewhere, payout_nets, payout_of
from storage.bookkeeping import stored_line
from storage.engine import Database
from storage.settlement import record_of

_BATCH = 200
#: A merchant, and the id of something of theirs.
_Key = tuple[str, str]


class SqlAccounts:
    """gateway.verify_accounts.Accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def stored_payouts(self) -> AsyncIterator[Sequence[StoredPayout]]:
        """All payouts, in batches; each batch is one transaction."""
        c = t.provider_payouts.c
        after = ("", "")
        while True:
            async with self._database.read() as connection:
                rows = (
                    await connection.execute(
                        select(t.provider_payouts)
                        .where(tuple_(c.account, c.id) > tuple_(*after))
                        .order_by(c.account, c.id)
                        .limit(_BATCH)
                    )
                ).all()
                found = await _payouts(connection, rows)
            if not rows:
                return
            yield found
            after = (rows[-1].account, rows[-1].id)

    async def stored_records(self) -> AsyncIterator[Sequence[StoredRecord]]:
        """The lines that are of no order, or were booked as such, and orders' fees; in batches."""
        c, b = t.provider_records.c, t.balance_transactions.c
        booked = select(b.provider_balance_id).where(
            b.order_id.is_(None), b.provider == c.provider, b.key.startswith("record:")
        )
        after = ("", "", "")
        key = (c.account, c.provider, c.id)
        while True:
            async with self._database.read() as connection:
                rows = (
                    await connection.execute(
                        select(t.provider_records)
                        .where(
                            tuple_(*key) > tuple_(*after),
                            or_(c.payment_id == "", c.kind == "fee", c.id.in_(booked)),
                        )
                        .order_by(*key)
                        .limit(_BATCH)
                    )
                ).all()
                found = await _records(connection, rows)
            if not rows:
                return
            yield found
            after = (rows[-1].account, rows[-1].provider, rows[-1].id)


async def _payouts(connection: AsyncConnection, rows: Sequence[Row[Any]]) -> list[StoredPayout]:
    places = [(row.account, row.provider, row.provider_payout_id) for row in rows]
    nets = await payout_nets(connection, places)
    booked = await _booked(
        connection,
        {
            (row.provider, key(row.provider_payout_id))
            for row in rows
            for key in (payout_key, failure_key)
        },
    )
    first = [
        account_line_id(row.provider, payout_key(row.provider_payout_id), 0, row.at) for row in rows
    ]
    arrived = await _arrived(connection, first)
    return [
        StoredPayout(
            provider=row.provider,
            payout=payout_of(row),
            nets=nets[place],
            owner=row.merchant_id,
            booked=_of(booked, row.provider, (payout_key(place[2]), failure_key(place[2]))),
            arrived=arrived.get(line, {}),
        )
        for row, place, line in zip(rows, places, first, strict=True)
    ]


async def _records(connection: AsyncConnection, rows: Sequence[Row[Any]]) -> list[StoredRecord]:
    booked = await _booked(connection, {(row.provider, record_key(row.id)) for row in rows})
    found = []
    for place, group in groupby(rows, key=lambda row: (row.account, row.provider)):
        its = [(row, record_of(row)) for row in group]
        owned = {r.id: (r.merchant_id, r.order_id, r.payment_id) for r, _ in its if r.payment_id}
        elsewhere = await accounted_elsewhere(connection, place, [line for _, line in its], owned)
        found += [
            StoredRecord(
                provider=row.provider,
                line=line,
                elsewhere=row.id in elsewhere,
                owner=row.merchant_id,
                booked=_of(booked, row.provider, (record_key(row.id),)),
            )
            for row, line in its
        ]
    return found


_Booked = dict[tuple[str, str], dict[str, list[tuple[Line, list[Posting]]]]]


async def _booked(connection: AsyncConnection, keys: Iterable[tuple[str, str]]) -> _Booked:
    """Lines of no order with what they posted, by (provider, key) and merchant."""
    wanted = sorted(keys)
    found: _Booked = {key: {} for key in wanted}
    if not wanted:
        return found
    b, e = t.balance_transactions.c, t.ledger_entries.c
    rows = (
        await connection.execute(
            select(t.balance_transactions)
            .where(
                b.merchant_id.in_(select(t.merchants.c.id)),
                b.order_id.is_(None),
                tuple_(b.provider, b.key).in_(wanted),
            )
            .order_by(b.sequence)
        )
    ).all()
    posted: dict[_Key, list[Posting]] = {(row.merchant_id, ledger_id(row.id)): [] for row in rows}
    entries = select(t.ledger_entries).where(
        tuple_(e.merchant_id, e.transaction_id).in_(list(posted))
    )
    for entry in await connection.execute(entries) if posted else ():
        posted[entry.merchant_id, entry.transaction_id].append(Posting(entry.account, entry.amount))
    for row in rows:
        its = found[row.provider, row.key].setdefault(row.merchant_id, [])
        its.append((stored_line(row), posted[row.merchant_id, ledger_id(row.id)]))
    return found


def _of(booked: _Booked, provider: str, keys: Iterable[str]) -> dict[str, BookedLines]:
    by_merchant: dict[str, list[tuple[Line, list[Posting]]]] = {}
    for key in keys:
        for merchant, its in booked.get((provider, key), {}).items():
            by_merchant.setdefault(merchant, []).extend(its)
    return {
        merchant: BookedLines(
            [line for line, _ in its],
            {ledger_id(line.id): entries for line, entries in its if entries},
        )
        for merchant, its in by_merchant.items()
    }


async def _arrived(
    connection: AsyncConnection, lines: Sequence[str]
) -> dict[str, dict[str, dict[str, int]]]:
    """What the arrivals of payouts have posted, by the payout's line, merchant and account."""
    c, e = t.ledger_transactions.c, t.ledger_entries.c
    found: dict[str, dict[str, dict[str, int]]] = {}
    if not lines:
        return found
    sums = (
        select(c.balance_transaction_id, c.merchant_id, e.account, func.sum(e.amount).label("sum"))
        .select_from(t.ledger_transactions)
        .join(t.ledger_entries, (e.merchant_id == c.merchant_id) & (e.transaction_id == c.id))
        .where(
            c.merchant_id.in_(select(t.merchants.c.id)),
            c.balance_transaction_id.in_(lines),
            c.type == PAID,
        )
        .group_by(c.balance_transaction_id, c.merchant_id, e.account)
    )
    for row in await connection.execute(sums):
        its = found.setdefault(row.balance_transaction_id, {})
        its.setdefault(row.merchant_id, {})[row.account] = int(row.sum)
    return found
