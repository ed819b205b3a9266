"""Reads of the books: balance transactions and the ledger's entries."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, Tuple, literal, select, tuple_

from gateway.bookkeeping import (
    BalanceTransactionResource,
    LedgerEntryResource,
    LedgerPostingResource,
)
from storage import tables as t
from storage.bookkeeping import first_line
from storage.engine import Database
from storage.filters import BookFilter
from storage.pages import newest


class Books:
    """What is read of the books. Everything names the merchant and the mode."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def balance_transactions(
        self, merchant_id: str, livemode: bool, wanted: BookFilter, after: str | None, limit: int
    ) -> tuple[list[BalanceTransactionResource], str | None]:
        """A page, the last booked first, and the id after which the next one starts.

        What is booked meanwhile comes before the first page: no page moves.
        """
        c = t.balance_transactions.c
        async with self._database.read() as connection:
            place: tuple[Any, ...] | None = None
            if after is not None:
                at = select(c.created_at).where(c.merchant_id == merchant_id, c.id == after)
                place = (await connection.scalar(at), after)
            ids = await newest(connection, merchant_id, livemode, wanted, place, limit + 1)
            query = _lines().where(c.merchant_id == merchant_id, c.id.in_(ids[:limit]))
            query = query.order_by(c.created_at.desc(), c.id.desc())
            rows = (await connection.execute(query)).all()
        return [_resource(row) for row in rows], ids[limit - 1] if len(ids) > limit else None

    async def balance_transaction(
        self, merchant_id: str, livemode: bool, line: str
    ) -> BalanceTransactionResource | None:
        """One line of this merchant and mode."""
        c = t.balance_transactions.c
        query = _lines().where(c.merchant_id == merchant_id, c.livemode == livemode, c.id == line)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        return _resource(row) if row else None

    async def ledger_entries(
        self,
        merchant_id: str,
        livemode: bool,
        after: str | None,
        limit: int,
        *,
        account: str | None = None,
        order_id: str | None = None,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
    ) -> tuple[list[LedgerEntryResource], str | None]:
        """A page of ledger transactions, the last booked first, and where the next one starts."""
        c, e = t.ledger_transactions.c, t.ledger_entries.c
        own = (c.merchant_id == merchant_id, c.livemode == livemode)
        query = select(t.ledger_transactions).where(*own)
        created, key = c.created_at, c.id
        if account is not None:
            posted = (e.merchant_id == c.merchant_id) & (e.transaction_id == c.id)
            query = query.join(t.ledger_entries, posted).where(
                e.merchant_id == merchant_id, e.livemode == livemode, e.account == account
            )
            created, key = e.created_at, e.transaction_id  # the index of the account's entries
        if order_id is not None:
            lines = t.balance_transactions.c
            query = query.where(
                c.balance_transaction_id.in_(
                    select(lines.id).where(
                        lines.merchant_id == merchant_id, lines.order_id == order_id
                    )
                )
            )
        if created_from is not None:
            query = query.where(created >= created_from)
        if created_to is not None:
            query = query.where(created < created_to)
        async with self._database.read() as connection:
            if after is not None:
                place = select(c.created_at).where(c.merchant_id == merchant_id, c.id == after)
                at = await connection.scalar(place)
                query = query.where(tuple_(created, key) < _place(at, after))
            query = query.order_by(created.desc(), key.desc()).limit(limit + 1)
            rows = (await connection.execute(query)).all()
            found = await connection.execute(
                select(t.ledger_entries)
                .where(e.merchant_id == merchant_id, e.transaction_id.in_([row.id for row in rows]))
                .order_by(e.position)
            )
            posted_to: dict[str, list[LedgerPostingResource]] = {row.id: [] for row in rows}
            for entry in found:
                posting = LedgerPostingResource(entry.account, entry.currency, entry.amount)
                posted_to[entry.transaction_id].append(posting)
        shown = [
            LedgerEntryResource(
                object="ledger_entry",
                id=row.id,
                livemode=row.livemode,
                type=row.type,
                balance_transaction=row.balance_transaction_id,
                order=row.order_id,
                postings=posted_to[row.id],
                occurred_at=row.occurred_at,
                created_at=row.created_at,
            )
            for row in rows[:limit]
        ]
        return shown, shown[-1].id if len(rows) > limit else None


def _lines() -> Select[Any]:
    """Balance transactions, each with its order's reference and when that was paid."""
    b, o = t.balance_transactions.c, t.orders.c
    order = (o.merchant_id == b.merchant_id) & (o.id == b.order_id)
    return select(t.balance_transactions, o.reference, o.paid_at).outerjoin(t.orders, order)


def _place(at: datetime | None, after: str) -> Tuple:
    c = t.balance_transactions.c
    return tuple_(literal(at, c.created_at.type), literal(after, c.id.type))


def _resource(row: Row[Any]) -> BalanceTransactionResource:
    return BalanceTransactionResource(
        object="balance_transaction",
        id=row.id,
        livemode=row.livemode,
        type=row.type,
        reporting_category=row.reporting_category,
        order=row.order_id,
        order_reference=row.reference,
        payment=row.payment_id or None,
        refund=row.refund_id,
        dispute=row.dispute_id,
        provider=row.provider,
        provider_id=row.provider_id,
        provider_balance_id=row.provider_balance_id or None,
        gross=row.gross,
        fee=row.fee,
        net=row.net,
        currency=row.currency,
        settlement_currency=row.settlement_currency,
        rate=row.rate,
        corrects=first_line(row) if row.sequence else None,
        payout=row.payout_id,
        paid_at=row.paid_at,
        occurred_at=row.occurred_at,
        available_on=row.available_at,
        settled_at=row.settled_at,
        created_at=row.created_at,
    )
