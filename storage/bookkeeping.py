"""Balance transactions and the ledger in the database: booked with an order's state.

They are read in storage/book_queries.py.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import (
    JSON,
    ColumnElement,
    Row,
    Table,
    Text,
    bindparam,
    cast,
    column,
    delete,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import Insert, insert

from gateway.bookkeeping import (
    CATEGORY,
    Line,
    account_line_id,
    described,
    ledger_id,
    line_id,
    missing_lines,
    postings,
)
from gateway.movements import Movement
from gateway.records import OrderRecord
from storage import tables as t
from storage.closing import ClosingTransaction

_DESCRIPTION = (
    "refund_id",
    "dispute_id",
    "provider_balance_id",
    "rate",
    "settlement_currency",
    "occurred_at",
    "available_at",
)
Rows = list[dict[str, Any]]


class BookkeepingTransaction(ClosingTransaction):
    """The part of a transaction that concerns the books."""

    async def book(
        self,
        order: OrderRecord,
        movements: Sequence[Movement],
        at: datetime,
        *,
        first: bool,
        backdated: bool = False,
    ) -> int:
        """Book what the books lack of an order's movements; returns how many lines that were.

        The order is locked. `first`: nothing of it was booked before, so nobody need look.
        `backdated`: `at` is in the past.
        """
        if backdated:
            await self._drop_snapshots(order.merchant_id, order.livemode, at)
        own = order.merchant_id, order.livemode, order.id
        if first:
            new = missing_lines([], movements)
            if await self._add_lines(*own, new, at, backdated=backdated):
                return len(new)
            # There are lines, for facts that somebody has deleted.
        known = await self._lines(order)
        new = missing_lines(known, movements)
        await self._add_lines(*own, new, at, backdated=backdated)
        await self._describe(order.merchant_id, described(known, movements))
        return len(new)

    async def is_booked(self, merchant_id: str, order_id: str) -> bool:
        """Whether the order has any line."""
        c = t.balance_transactions.c
        own = select(c.id).where(c.merchant_id == merchant_id, c.order_id == order_id)
        return (await self._execute(own.limit(1))).first() is not None

    async def _lines(self, order: OrderRecord) -> list[Line]:
        c = t.balance_transactions.c
        rows = await self._execute(
            select(t.balance_transactions)
            .where(c.merchant_id == order.merchant_id, c.order_id == order.id)
            .order_by(c.payment_id, c.key, c.sequence)
        )
        return [stored_line(row) for row in rows]

    async def _add_lines(
        self,
        merchant_id: str,
        livemode: bool,
        order_id: str | None,
        new: Sequence[Line],
        at: datetime,
        *,
        backdated: bool = False,
    ) -> bool:
        """Insert lines and post them; `order_id` is None for those of the account itself.

        False where some were there already: those are left as they are.
        """
        moved = [(merchant_id, line.occurred_at or at) for line in new]
        closings = await self.closings(livemode, moved, at, backdated=backdated)
        lines, transactions, entries = Rows(), Rows(), Rows()
        for line, (_, occurred) in zip(new, moved, strict=True):
            created = closings.after(merchant_id, occurred, at)
            common = {"merchant_id": merchant_id, "livemode": livemode, "created_at": created}
            lines.append(
                common
                | msgspec.structs.asdict(line)
                | {
                    "order_id": order_id,
                    "reporting_category": CATEGORY[line.type],
                    "occurred_at": occurred,
                }
            )
            transactions.append(
                common
                | {
                    "id": ledger_id(line.id),
                    "balance_transaction_id": line.id,
                    "order_id": order_id,
                    "type": line.type,
                    "occurred_at": occurred,
                }
            )
            entries += [
                common
                | {
                    "transaction_id": ledger_id(line.id),
                    "position": position,
                    "account": posting.account,
                    "currency": line.currency,
                    "amount": posting.amount,
                }
                for position, posting in enumerate(postings(line))
            ]
        return await self._insert_books(lines, transactions, entries)

    async def _insert_books(self, lines: Rows, transactions: Rows, entries: Rows) -> bool:
        """On PostgreSQL in one round trip: this is in the way of every payment. True where nothing
        of it was there already."""
        if not self._database.is_sqlite:
            if not transactions:
                return True
            rows = {"lines": lines, "transactions": transactions, "entries": entries}
            parameters = {name: _encode(its).decode() for name, its in rows.items()}
            made = await self._connection.execute(_INSERT_BOOKS, parameters)
            return made.rowcount == len(entries)
        count = 0
        for table, its in (
            (t.balance_transactions, lines),
            (t.ledger_transactions, transactions),
            (t.ledger_entries, entries),
        ):
            if its:
                insertion = self._insert(table).on_conflict_do_nothing()
                count += (await self._connection.execute(insertion, its)).rowcount
        return count == len(lines) + len(transactions) + len(entries)

    async def _describe(self, merchant_id: str, better: Sequence[Line]) -> None:
        """Write what is known better of lines, which is never an amount."""
        if not better:
            return
        c = t.balance_transactions.c
        change = (
            update(t.balance_transactions)
            .where(c.merchant_id == merchant_id, c.id == bindparam("line"))
            .values({name: bindparam(f"new_{name}") for name in _DESCRIPTION})
        )
        await self._connection.execute(
            change,
            [
                {"line": line.id} | {f"new_{name}": getattr(line, name) for name in _DESCRIPTION}
                for line in better
            ],
        )

    async def _lock_books(self, merchant_id: str) -> None:
        """Whoever books what is of no order, or in the past, does so one after the other."""
        own = select(t.merchants.c.id).where(t.merchants.c.id == merchant_id)
        await self._execute(own.with_for_update(key_share=True))

    async def _drop_snapshots(self, merchant_id: str, livemode: bool, since: datetime) -> None:
        """Forget the sums of the past (storage/trial_balance.py) that will not hold any more."""
        await self._lock_books(merchant_id)
        c = t.ledger_snapshots.c
        await self._execute(
            delete(t.ledger_snapshots).where(
                c.merchant_id == merchant_id, c.livemode == livemode, c.at > since
            )
        )


def _from_json(table: Table, parameter: str) -> Insert:
    """INSERT of the rows in a JSON array, one parameter however many they are."""
    columns = [column(col.name, col.type) for col in table.columns]
    shape: ColumnElement[Any] = literal_column(f"NULL::{table.name}")
    rows = func.json_populate_recordset(shape, cast(bindparam(parameter, type_=Text), JSON))
    names = [col.name for col in columns]
    insertion = insert(table).from_select(names, select(rows.table_valued(*columns)))
    return insertion.on_conflict_do_nothing()


_encode = msgspec.json.encode
#: Foreign keys are checked at its end, so that the order within does not matter.
_INSERT_BOOKS = _from_json(t.ledger_entries, "entries").add_cte(
    _from_json(t.balance_transactions, "lines").cte("lines"),
    _from_json(t.ledger_transactions, "transactions").cte("transactions"),
)


def stored_line(row: Row[Any]) -> Line:
    """A line from its row."""
    return Line(**{name: getattr(row, name) for name in Line.__struct_fields__})


def first_line(row: Row[Any]) -> str:
    """The id of the line that this one corrects."""
    if row.payment_id:
        return line_id(row.payment_id, row.key, 0)
    return account_line_id(row.provider, row.key, 0, row.occurred_at)
