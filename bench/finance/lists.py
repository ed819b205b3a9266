"""How long a page takes, of every list, with every filter, at its beginning, middle and end."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from bench.finance.orders import MERCHANT, START, YEAR
from bench.finance.questions import questions, words
from storage.book_queries import Books
from storage.engine import Database
from storage.filters import TABLES, BookFilter, OrderFilter, RefundFilter, Wanted
from storage.queries import Queries
from storage.search import find
from storage.tables import metadata

_LIMIT = 50
#: Where a walk begins: at the newest, half a year before, and close to the oldest.
_DEPTHS = (None, START + YEAR / 2, START + timedelta(days=2))

Ask = Callable[[Wanted, str | None], Awaitable[tuple[list[Any], str | None]]]


@dataclass
class Measured:
    """The milliseconds that each of some questions took, and what they were."""

    name: str
    taken: list[tuple[float, str]] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        """The milliseconds within which this share of them was answered."""
        ordered = sorted(milliseconds for milliseconds, _ in self.taken)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]

    def worst(self, number: int) -> list[tuple[float, str]]:
        """The slowest."""
        return sorted(self.taken, reverse=True)[:number]


async def measure_lists(database: Database, tries: int) -> AsyncIterator[Measured]:
    """Pages of orders, refunds and balance transactions.

    Each is asked for so many times, and the fastest counts: on a machine with other work to do, the
    others tell of that.
    """
    for kind, ask in _lists(database):
        yield await _measure(database, kind, ask, tries)


def _lists(database: Database) -> Iterator[tuple[type[Wanted], Ask]]:
    queries, books = Queries(database, lambda _: ""), Books(database)

    def asking(read: Callable[..., Awaitable[tuple[list[Any], str | None]]]) -> Ask:
        return lambda wanted, after: read(MERCHANT, True, wanted, after, _LIMIT)

    yield OrderFilter, asking(queries.orders)
    yield RefundFilter, asking(queries.refunds)
    yield BookFilter, asking(books.balance_transactions)


async def _measure(database: Database, kind: type[Wanted], ask: Ask, tries: int) -> Measured:
    measured = Measured(str(TABLES[kind].name))
    begins = [None if at is None else await _place(database, kind, at) for at in _DEPTHS]
    await ask(kind(), None)  # the connection is made
    for wanted in questions(kind):
        for at, begin in zip(_DEPTHS, begins, strict=True):
            after: str | None = begin
            for page in (1, 2):
                taken, following = [], after
                for _ in range(tries):
                    started = time.perf_counter()
                    _, following = await ask(wanted, after)
                    taken.append((time.perf_counter() - started) * 1000)
                measured.taken.append((min(taken), f"{words(wanted)} | from {at}, page {page}"))
                if following is None:
                    break
                after = following
    return measured


async def _place(database: Database, kind: type[Wanted], at: datetime) -> str:
    """The id of the last row that was made before `at`."""
    c = TABLES[kind].c
    query = select(c.id).where(c.merchant_id == MERCHANT, c.created_at < at)
    async with database.read() as connection:
        found = await connection.scalar(query.order_by(c.created_at.desc()).limit(1))
        return str(found)


async def measure_search(database: Database) -> Measured:
    """Finding orders by every kind of id."""
    measured = Measured("search")
    texts = await held(database)
    for text in texts * 5:
        started = time.perf_counter()
        await find(database, MERCHANT, True, text, 20)
        measured.taken.append(((time.perf_counter() - started) * 1000, text))
    return measured


async def held(database: Database) -> list[str]:
    """Ids of all kinds, of this merchant and of nobody."""
    texts = ["R-000007777", "pi_000007777", "ch_000007777", "re_000001200", "dp_000000300"]
    texts += ["paypal_000007777", "stripe_000007777", "txn_ch_000007777", "nobody's"]
    texts += ["po_stripe_EUR_2025_20", "customer-40@example.com", "nobody@example.com"]
    async with database.read() as connection:
        for name in ("orders", "payments", "refunds", "events", "balance_transactions"):
            c = metadata.tables[name].c
            found = select(c.id).where(c.merchant_id == MERCHANT).limit(1).offset(777)
            texts.append(str(await connection.scalar(found)))
        pout = await connection.scalar(select(metadata.tables["provider_payouts"].c.id).limit(1))
    return [*texts, str(pout), texts[-1].replace("txn_", "ltx_")]
