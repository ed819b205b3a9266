"""Reports: sums over many orders and movements, made by the database; rows by gateway/reports.py.

Time is divided by spans of UTC (gateway/zones.py). What is added up is all in an index, so that no
order is read: a month of a shop with a million orders a year takes PostgreSQL tens of milliseconds
(bench/finance/reports.py), which is why nothing is summed up in advance (docs/adr/0008).
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    Select,
    and_,
    case,
    func,
    literal,
    literal_column,
    or_,
    select,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.elements import Grouping

from gateway.reports import Axis, Dimension, Group, Period, Sums
from storage import tables as t
from storage.engine import Database

#: What is not counted under `amount_other`. A payout takes money out of the balance, but it is no
#: part of what was earned.
_NO_OTHER = ("sales", "refunds", "disputes", "payouts")


class Reports:
    """Reads over many orders. Each names the merchant and the mode."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def summary(
        self,
        merchant_id: str,
        livemode: bool,
        asked: Period,
        by: Axis,
        group_by: Sequence[Dimension],
    ) -> list[Group]:
        """Sums by `group_by` and always by currency, in no order, in one query.

        `by`: orders by when they were made or paid, or movements by when they happened (which have
        no status to be grouped by). Groups in which nothing happened are left out.
        """
        at = {
            "created": t.orders.c.created_at,
            "paid": t.orders.c.paid_at,
            "occurred": t.balance_transactions.c.occurred_at,
        }[by]
        counted = Counted(self._database, at, merchant_id, livemode, asked)
        sums = _of_movements() if by == "occurred" else _of_orders()
        keys = counted.keys(["currency", *group_by])
        query = grouped(counted.table, keys, sums).where(*counted.where)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).mappings().all()
        return [
            Group(
                currency=row["currency"],
                period=period_of(row),
                provider=row.get("provider"),
                status=row.get("status"),
                converted=bool(row.get("conversions")),
                **{name: int(row.get(name) or 0) for name in Sums.__struct_fields__},
            )
            for row in rows
        ]


class Counted:
    """The rows of a table of one merchant and mode whose moment is in the time asked for.

    The period of a row is computed from its moment. That is a search among the beginnings of spans,
    and not a join with them, so that the plan is always the one range of one index.
    """

    def __init__(
        self,
        database: Database,
        at: ColumnElement[Any],
        merchant_id: str,
        livemode: bool,
        asked: Period,
    ) -> None:
        self.table: FromClause = at.table
        own = (self.table.c.merchant_id == merchant_id, self.table.c.livemode == livemode)
        parts = (and_(at >= one.since, at < one.until) for one in asked.undivided.spans)
        self.where = (*own, or_(*parts))
        self._period = () if asked.unit is None else (_period(database, at, asked).label("period"),)

    def keys(
        self, group_by: Sequence[str], elsewhere: Mapping[str, ColumnElement[Any]] | None = None
    ) -> list[ColumnElement[Any]]:
        """What rows are grouped by; `elsewhere`: columns that are another table's."""
        columns = {**self.table.c, **(elsewhere or {})}
        names = sorted({"currency", "provider", "status"} & {*group_by})
        return [*self._period, *(columns[name].label(name) for name in names)]


def grouped(
    source: FromClause, keys: Sequence[ColumnElement[Any]], sums: Sequence[ColumnElement[Any]]
) -> Select[Any]:
    """The sums by `keys`."""
    return select(*keys, *sums).select_from(source).group_by(*labels(keys))


def labels(keys: Sequence[ColumnElement[Any]]) -> list[Any]:
    """What to group by for `keys`: the period by its label, since PostgreSQL cannot tell that an
    expression with parameters is the same in two places."""
    return ["period" if key.name == "period" else key for key in keys]


def period_of(row: Mapping[Any, Any]) -> date | None:
    """The beginning of the period that a row of sums is of."""
    number = row.get("period")
    return None if number is None else date.fromordinal(number)


def _period(database: Database, at: ColumnElement[Any], asked: Period) -> ColumnElement[int]:
    """The number of the date on which the period of a moment in this time begins."""
    starts = [part.since for part in asked.spans]
    numbers = [part.period.toordinal() for part in asked.spans if part.period is not None]
    if database.is_sqlite:
        return _search(at, starts, numbers)
    moments = literal(starts, postgresql.ARRAY(postgresql.TIMESTAMP(timezone=True)))
    found = func.width_bucket(at, moments, type_=Integer)
    return Grouping(literal(numbers, postgresql.ARRAY(Integer)))[found]


def _search(
    at: ColumnElement[Any], starts: Sequence[datetime], numbers: Sequence[int]
) -> ColumnElement[int]:
    """The same in comparisons: the number of the last start that is not after `at`."""
    if len(numbers) == 1:
        return literal_column(str(numbers[0]), Integer)
    half = len(starts) // 2
    later = _search(at, starts[half:], numbers[half:])
    return case((at >= starts[half], later), else_=_search(at, starts[:half], numbers[:half]))


def _of_orders() -> list[ColumnElement[Any]]:
    c = t.orders.c
    unknown = c.fee.is_(None)
    return [
        func.count().label("orders"),
        func.count(c.paid_at).label("paid_orders"),
        func.count().filter(c.amount_refunded > 0).label("refunded_orders"),
        func.count().filter(c.amount_disputed > 0).label("disputed_orders"),
        func.count().filter(unknown, c.amount_captured > 0).label("orders_without_fee"),
        func.sum(c.amount_captured).label("amount_captured"),
        func.sum(c.amount_refunded).label("amount_refunded"),
        func.sum(c.amount_disputed).label("amount_disputed"),
        func.sum(c.amount_captured).filter(unknown).label("amount_without_fee"),
        func.sum(c.fee).label("fee"),
    ]


def _of_movements() -> list[ColumnElement[Any]]:
    """A movement is counted by its first line; those that correct it only add to its amounts.

    A charge has the currency in which it was settled once its fee is told. If that is another, the
    fee is with the conversion.
    """
    c = t.balance_transactions.c
    first, category = c.sequence == 0, c.reporting_category
    charge, sales, conversions = c.type == "charge", category == "sales", category == "conversions"
    charges = func.count().filter(first, charge)
    unknown = c.settlement_currency.is_distinct_from(c.currency)
    return [
        charges.label("orders"),
        charges.label("paid_orders"),
        func.count().filter(first, c.type == "refund").label("refunded_orders"),
        func.count().filter(first, c.type == "dispute").label("disputed_orders"),
        func.count().filter(first, charge, unknown).label("orders_without_fee"),
        func.count().filter(conversions).label("conversions"),
        func.sum(c.gross).filter(sales).label("amount_captured"),
        func.sum(c.gross).filter(sales, unknown).label("amount_without_fee"),
        func.sum(-c.gross).filter(category == "refunds").label("amount_refunded"),
        func.sum(-c.gross).filter(category == "disputes").label("amount_disputed"),
        func.sum(c.gross).filter(category.not_in(_NO_OTHER)).label("amount_other"),
        func.sum(c.fee).label("fee"),
    ]
