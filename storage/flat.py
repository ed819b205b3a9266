"""The flat records of gateway/columns.py from the tables, in batches that hold no transaction.

The batches are read as the driver gives them, column by column, without an object per row: a file
of a million orders is to be written in seconds.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    and_,
    case,
    func,
    literal,
    null,
    select,
    tuple_,
)

from gateway.columns import COLUMNS, Column, RecordKind
from storage import tables as t
from storage.engine import Database
from storage.filters import Wanted, conditions

#: Rows read at once: enough that a statement costs little, few enough to be held in memory.
BATCH = 5_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Batch(msgspec.Struct, frozen=True):
    """Some records, column by column, in the order of `columns`.

    Times are aware and UTC, money an integer of minor units, json the bytes as stored.
    """

    columns: tuple[Column, ...]
    values: tuple[Sequence[Any], ...]

    def __len__(self) -> int:
        return len(self.values[0])

    def named(self, name: str) -> Sequence[Any]:
        """The values of one column."""
        return self.values[[column.name for column in self.columns].index(name)]


class Flat:
    """Reads flat records, the newest first, as the lists of the API have them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def batches(
        self,
        kind: RecordKind,
        merchant_id: str,
        livemode: bool,
        wanted: Wanted,
    ) -> AsyncIterator[Batch]:
        """All records that are wanted. Every batch is a transaction of its own.

        So a record is as it was when its batch was read, and what is made meanwhile is not among
        them: it comes before the first. There is always a batch, be it an empty one.
        """
        place: tuple[Any, ...] | None = None
        while True:
            batch = await self._batch(kind, merchant_id, livemode, wanted, place)
            yield batch
            if len(batch) < BATCH:
                return
            place = min(zip(*(batch.named(name) for name in _ORDER[kind]), strict=True))

    async def count(
        self, kind: RecordKind, merchant_id: str, livemode: bool, wanted: Wanted, most: int
    ) -> int:
        """How many they are; `most` stands for all beyond."""
        source = _SOURCES[kind]
        some = (
            select(literal(1))
            .select_from(source.table)
            .where(*conditions(merchant_id, livemode, wanted))
            .limit(most)
        )
        async with self._database.read() as connection:
            return await connection.scalar(select(func.count()).select_from(some.subquery())) or 0

    async def _batch(
        self,
        kind: RecordKind,
        merchant_id: str,
        livemode: bool,
        wanted: Wanted,
        place: tuple[Any, ...] | None,
    ) -> Batch:
        source, columns = _SOURCES[kind], COLUMNS[kind]
        keys = [source.columns[name] for name in _ORDER[kind]]
        query = flat(kind).where(*conditions(merchant_id, livemode, wanted))
        if place is not None:
            before = [literal(v, key.type) for v, key in zip(place, keys, strict=True)]
            query = query.where(
                keys[0] < before[0] if len(keys) == 1 else tuple_(*keys) < tuple_(*before)
            )
        query = query.order_by(*(key.desc() for key in keys)).limit(BATCH)
        return Batch(columns, await self._columns(query, columns))

    async def _columns(
        self, query: Select[Any], columns: tuple[Column, ...]
    ) -> tuple[Sequence[Any], ...]:
        """What a query finds, column by column, as the driver gives it."""
        if not self._database.is_sqlite:
            # PostgreSQL sends whole columns: half the work of taking thousands of rows apart.
            arrays = (func.array_agg(column) for column in query.subquery().c)
            query = Select(*arrays)
        async with self._database.read() as connection:
            cursor = (await connection.execute(query)).cursor
            rows: Sequence[Sequence[Any]] = cursor.fetchall() if cursor else []
        if not self._database.is_sqlite:
            return tuple(values or () for values in rows[0])
        found = zip(*rows, strict=True) if rows else ((),) * len(columns)
        return tuple(_from_sqlite(column, of) for column, of in zip(columns, found, strict=True))


def flat(kind: RecordKind) -> Select[Any]:
    """The records of all merchants, under the names of gateway/columns.py."""
    source = _SOURCES[kind]
    return select(*(source.columns[c.name].label(c.name) for c in COLUMNS[kind])).select_from(
        source.table
    )


def _from_sqlite(column: Column, values: Sequence[Any]) -> Sequence[Any]:
    """What SQLite keeps as integers, as what it is."""
    if column.type == "time":
        return [None if v is None else _EPOCH + timedelta(microseconds=v) for v in values]
    if column.type == "bool":
        return [None if v is None else bool(v) for v in values]
    return values


class _Source(msgspec.Struct, frozen=True):
    """Where the records of one kind are, and what each of their columns is there."""

    table: FromClause
    columns: Mapping[str, ColumnElement[Any]]


def _source(kind: RecordKind, table: FromClause, own: Any, **named: ColumnElement[Any]) -> _Source:
    """`named`: the columns that have another name than in the table `own`."""
    columns = {c.name: named[c.name] if c.name in named else own[c.name] for c in COLUMNS[kind]}
    return _Source(table, columns)


def _lines() -> _Source:
    c, o = t.balance_transactions.c, t.orders.c
    order = and_(o.merchant_id == c.merchant_id, o.id == c.order_id)
    return _source(
        "balance_transactions",
        t.balance_transactions.outerjoin(t.orders, order),
        c,
        order=c.order_id,
        order_reference=o.reference,
        payment=func.nullif(c.payment_id, ""),
        refund=c.refund_id,
        dispute=c.dispute_id,
        provider_balance_id=func.nullif(c.provider_balance_id, ""),
        corrects=_corrected(),
        payout=c.payout_id,
        paid_at=o.paid_at,
        available_on=c.available_at,
    )


def _corrected() -> ColumnElement[Any]:
    """The first line of what a line corrects; few do, and only they look for it.

    A line of the account itself (a payout) has no order, and its key is unique within the provider.
    """
    c, first = t.balance_transactions.c, t.balance_transactions.alias("first").c
    same = select(first.id).where(
        first.merchant_id == c.merchant_id, first.key == c.key, first.sequence == 0
    )
    of_order = same.where(first.order_id == c.order_id, first.payment_id == c.payment_id)
    of_account = same.where(first.order_id.is_(None), first.provider == c.provider)
    return case(
        (c.sequence == 0, null()),
        (c.order_id.is_not(None), of_order.correlate(t.balance_transactions).scalar_subquery()),
        else_=of_account.correlate(t.balance_transactions).scalar_subquery(),
    )


_SOURCES: Mapping[RecordKind, _Source] = {
    "orders": _source("orders", t.orders, t.orders.c),
    "refunds": _source(
        "refunds",
        t.refunds,
        t.refunds.c,
        order=t.refunds.c.order_id,
        payment=t.refunds.c.payment_id,
        reason=func.nullif(t.refunds.c.reason, ""),
        failure_code=func.nullif(t.refunds.c.failure_code, ""),
        failure_message=func.nullif(t.refunds.c.failure_message, ""),
    ),
    "balance_transactions": _lines(),
}
#: By which columns the newest come first; together they are unique.
_ORDER: Mapping[RecordKind, tuple[str, ...]] = {
    "orders": ("id",),
    "refunds": ("id",),
    "balance_transactions": ("created_at", "id"),
}
