"""What the lines of a time, and all before it, came to: for the balance report."""

from sqlalchemy import func, select

from gateway.balances import BalanceAxis, CategorySums
from gateway.reports import Period
from storage import tables as t
from storage.engine import Database

_SUMS = ("before", "lines", "gross", "fee", "net")


class Balances:
    """Reads over all lines of a merchant and mode."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sums(
        self,
        merchant_id: str,
        livemode: bool,
        asked: Period,
        by: BalanceAxis,
        currency: str | None = None,
    ) -> list[CategorySums]:
        """By provider, currency and category; one query."""
        c = t.balance_transactions.c
        at = c.occurred_at if by == "occurred" else c.created_at
        within = at >= asked.since
        keys = (c.provider, c.currency, c.reporting_category)
        query = (
            select(
                *keys,
                func.sum(c.net).filter(at < asked.since).label("before"),
                func.count().filter(within).label("lines"),
                func.sum(c.gross).filter(within).label("gross"),
                func.sum(c.fee).filter(within).label("fee"),
                func.sum(c.net).filter(within).label("net"),
            )
            .where(c.merchant_id == merchant_id, c.livemode == livemode, at < asked.until)
            .group_by(*keys)
        )
        if currency is not None:
            query = query.where(c.currency == currency)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).mappings().all()
        return [
            CategorySums(
                provider=row["provider"],
                currency=row["currency"],
                category=row["reporting_category"],
                **{name: int(row[name] or 0) for name in _SUMS},
            )
            for row in rows
        ]
