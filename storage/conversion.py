"""Counting what has become of the orders made in a time, and of the attempts to pay them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    RowMapping,
    Select,
    and_,
    case,
    cast,
    extract,
    func,
    select,
    type_coerce,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.conversion import Conversion, Key, Outcomes, TimesToPay
from gateway.ids import earliest
from gateway.reports import Dimension, Period
from storage import tables as t
from storage.engine import Database
from storage.filters import MARGIN
from storage.reports import Counted, grouped, labels, period_of


class Conversions:
    """Reads over many orders. Each names the merchant and the mode."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def conversion(
        self, merchant_id: str, livemode: bool, asked: Period, group_by: Sequence[Dimension]
    ) -> Conversion:
        """All of the report: four queries, three where it is not grouped."""
        orders, all_orders = (
            Counted(self._database, t.orders.c.created_at, merchant_id, livemode, time)
            for time in (asked, asked.undivided)
        )
        async with self._database.read() as connection:
            times = await self._times(connection, all_orders, ())
            if group_by:
                times |= await self._times(connection, orders, group_by)
            return Conversion(
                await _outcomes(connection, _of_orders(orders, group_by)),
                times,
                await _outcomes(connection, _of_attempts(orders, merchant_id, asked, group_by)),
            )

    async def orders(self, merchant_id: str, livemode: bool, asked: Period) -> Outcomes:
        """What has become of all orders of a time; one query."""
        at = t.orders.c.created_at
        counted = Counted(self._database, at, merchant_id, livemode, asked.undivided)
        async with self._database.read() as connection:
            found = await _outcomes(connection, _of_orders(counted, ()))
        return found[Key()]

    async def _times(
        self, connection: AsyncConnection, orders: Counted, group_by: Sequence[Dimension]
    ) -> dict[Key, TimesToPay]:
        """By nearest rank: the time of the first of whom so many have paid by then.

        Those who took equally long are counted first: that leaves little to be sorted.
        """
        keys = orders.keys(group_by)
        seconds = self._seconds_to_pay().label("seconds")
        alike = (
            select(*keys, seconds, func.count().label("number"))
            .where(*orders.where, t.orders.c.paid_at.is_not(None))
            .group_by(*labels(keys), "seconds")
            .subquery("alike")
        )
        names = [alike.c[key.name] for key in keys]
        whose: dict[str, Any] = {"partition_by": names} if names else {}
        number = func.sum(alike.c.number)
        ranked = select(
            *names,
            alike.c.seconds,
            number.over(**whose, order_by=alike.c.seconds).label("place"),
            number.over(**whose).label("many"),
        ).subquery("ranked")
        r = ranked.c
        query = grouped(
            ranked,
            [r[key.name] for key in keys],
            [
                func.min(r.seconds).filter(r.place * 2 >= r.many).label("p50"),
                func.min(r.seconds).filter(r.place * 10 >= r.many * 9).label("p90"),
            ],
        )
        rows = (await connection.execute(query)).mappings()
        return {_key(row): TimesToPay(row["p50"], row["p90"]) for row in rows}

    def _seconds_to_pay(self) -> ColumnElement[int]:
        """Whole seconds; none where the provider's clock says that it was paid before."""
        c = t.orders.c
        if self._database.is_sqlite:
            passed: ColumnElement[Any] = type_coerce(c.paid_at - c.created_at, BigInteger)
            passed = passed // 1_000_000
        else:
            passed = cast(func.floor(extract("epoch", c.paid_at - c.created_at)), BigInteger)
        return case((c.paid_at > c.created_at, passed), else_=0)


def _of_orders(orders: Counted, group_by: Sequence[Dimension]) -> Select[Any]:
    c = t.orders.c
    unpaid = c.paid_at.is_(None)
    counts = [
        func.count().label("created"),
        func.count(c.paid_at).label("paid"),
        func.count().filter(unpaid, c.status == "canceled").label("canceled"),
        func.count().filter(unpaid, c.status == "expired").label("expired"),
    ]
    return grouped(t.orders, orders.keys(group_by), counts).where(*orders.where)


def _of_attempts(
    orders: Counted, merchant_id: str, asked: Period, group_by: Sequence[Dimension]
) -> Select[Any]:
    c, p = t.orders.c, t.payments.c
    counts = [
        func.count().label("created"),
        func.count().filter(p.status == "captured").label("paid"),
        *(
            func.count().filter(p.status == status).label(status)
            for status in ("failed", "canceled", "expired")
        ),
    ]
    its = and_(p.merchant_id == c.merchant_id, p.order_id == c.id)
    keys = orders.keys(group_by, {"provider": p.provider})
    query = grouped(t.orders.join(t.payments, its), keys, counts).where(*orders.where)
    # An index has the payments by their orders, whose ids begin with when they were made.
    return query.where(
        p.merchant_id == merchant_id,
        p.order_id >= earliest("ord", asked.since, -MARGIN),
        p.order_id < earliest("ord", asked.until, MARGIN),
    )


async def _outcomes(connection: AsyncConnection, query: Select[Any]) -> dict[Key, Outcomes]:
    rows = (await connection.execute(query)).mappings()
    return {
        _key(row): Outcomes(**{name: row.get(name, 0) for name in Outcomes.__struct_fields__})
        for row in rows
    }


def _key(row: RowMapping) -> Key:
    return Key(period=period_of(row), provider=row.get("provider"), currency=row.get("currency"))
