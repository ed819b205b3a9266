"""All orders with their facts, and all payments of a time: what is verified and reconciled."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row, Select, Table, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.bookkeeping import Posting, ledger_id
from gateway.facts import Fact, Recorded
from gateway.order import OrderState
from gateway.reconcile import PaymentKey
from gateway.verify import PAYMENT_COLUMNS, REFUND_COLUMNS, StoredOrder
from storage import tables as t
from storage.bookkeeping import stored_line
from storage.engine import Database
from storage.unit_of_work import order_record

_BATCH = 200
_decode_fact = msgspec.json.Decoder(Fact).decode
_decode_state = msgspec.json.Decoder(OrderState).decode
Key = tuple[str, str]


class SqlLedger:
    """gateway.verify.Ledger and gateway.reconcile.Payments."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(self) -> int:
        """How many orders there are."""
        async with self._database.read() as connection:
            return await connection.scalar(select(func.count()).select_from(t.orders)) or 0

    async def count_payments(self, since: datetime, until: datetime) -> int:
        """How many payments were begun from `since` to before `until`."""
        query = select(func.count()).select_from(t.payments).where(*_begun(since, until))
        async with self._database.read() as connection:
            return await connection.scalar(query) or 0

    async def orders(self) -> AsyncIterator[Sequence[StoredOrder]]:
        """All orders, in batches; each batch is one transaction."""
        after: Key = ("", "")
        while True:
            async with self._database.read() as connection:
                found = await _stored(connection, _page(select(t.orders), t.orders, after))
            if not found:
                return
            yield found
            after = (found[-1].record.merchant_id, found[-1].record.id)

    async def order(self, merchant_id: str, order_id: str) -> StoredOrder | None:
        """One order, read under its lock."""
        c = t.orders.c
        query = select(t.orders).where(c.merchant_id == merchant_id, c.id == order_id)
        async with self._database.write() as connection:
            found = await _stored(connection, query.with_for_update())
        return found[0] if found else None

    async def snapshot(self, merchant_id: str, order_id: str) -> StoredOrder | None:
        """One order as it is at this moment; it is not locked."""
        c = t.orders.c
        query = select(t.orders).where(c.merchant_id == merchant_id, c.id == order_id)
        async with self._database.read() as connection:
            found = await _stored(connection, query)
        return found[0] if found else None

    async def payments(
        self, since: datetime, until: datetime
    ) -> AsyncIterator[Sequence[PaymentKey]]:
        """The payments that were begun from `since` to before `until`, in batches."""
        after: Key = ("", "")
        c = t.payments.c
        query = select(c.merchant_id, c.order_id, c.id, c.provider).where(*_begun(since, until))
        while True:
            async with self._database.read() as connection:
                rows = (await connection.execute(_page(query, t.payments, after))).all()
            if not rows:
                return
            yield [PaymentKey(row.merchant_id, row.order_id, row.id, row.provider) for row in rows]
            after = (rows[-1].merchant_id, rows[-1].id)


def _page(query: Select[Any], table: Table, after: Key) -> Select[Any]:
    key = (table.c.merchant_id, table.c.id)
    return query.where(tuple_(*key) > tuple_(*after)).order_by(*key).limit(_BATCH)


def _begun(since: datetime, until: datetime) -> tuple[Any, ...]:
    return t.payments.c.created_at >= since, t.payments.c.created_at < until


async def _stored(connection: AsyncConnection, query: Select[Any]) -> list[StoredOrder]:
    """Orders with everything that hangs on them: eight queries, however many orders."""
    rows = (await connection.execute(query)).all()
    keys = [(row.merchant_id, row.id) for row in rows]
    items = await _by_order(connection, t.order_items, keys, t.order_items.c.position)
    facts = await _by_order(connection, t.facts, keys)
    payments = await _by_order(connection, t.payments, keys)
    refunds = await _by_order(connection, t.refunds, keys)
    attention = await _by_order(connection, t.attention, keys)
    lines = await _by_order(connection, t.balance_transactions, keys)
    entries = await _entries(connection, lines)
    return [
        StoredOrder(
            record=order_record(row, items[key]),
            recorded=[Recorded(fact.payment_id, _decode_fact(fact.fact)) for fact in facts[key]],
            state=_decode_state(row.state),
            columns=dict(row._mapping),
            payments=_rows(payments[key], PAYMENT_COLUMNS),
            refunds=_rows(refunds[key], REFUND_COLUMNS),
            attention=frozenset(
                (item.kind, item.payment_id, item.subject)
                for item in attention[key]
                if item.resolved_at is None
            ),
            lines=[stored_line(line) for line in lines[key]],
            entries={
                posted: entries[key[0], posted]
                for posted in (ledger_id(line.id) for line in lines[key])
                if (key[0], posted) in entries
            },
        )
        for key, row in zip(keys, rows, strict=True)
    ]


async def _entries(
    connection: AsyncConnection, lines: dict[Key, list[Row[Any]]]
) -> dict[Key, list[Posting]]:
    """What the lines of some orders posted, by merchant and ledger transaction."""
    keys = [(line.merchant_id, ledger_id(line.id)) for its in lines.values() for line in its]
    found: dict[Key, list[Posting]] = {}
    c = t.ledger_entries.c
    for start in range(0, len(keys), _BATCH):
        part = keys[start : start + _BATCH]
        query = select(t.ledger_entries).where(tuple_(c.merchant_id, c.transaction_id).in_(part))
        for row in await connection.execute(query):
            its = found.setdefault((row.merchant_id, row.transaction_id), [])
            its.append(Posting(row.account, row.amount))
    return found


async def _by_order(
    connection: AsyncConnection, table: Table, keys: list[Key], *order: Any
) -> dict[Key, list[Row[Any]]]:
    found: dict[Key, list[Row[Any]]] = {key: [] for key in keys}
    if keys:
        c = table.c
        query = select(table).where(tuple_(c.merchant_id, c.order_id).in_(keys))
        for row in await connection.execute(query.order_by(*order)):
            found[row.merchant_id, row.order_id].append(row)
    return found


def _rows(rows: list[Row[Any]], columns: Sequence[str]) -> dict[str, dict[str, Any]]:
    return {row.id: {name: getattr(row, name) for name in columns} for row in rows}
