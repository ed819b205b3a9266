"""Pages of long lists: however PostgreSQL is asked, they are the same rows in the same order."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from bench.finance import orders
from bench.finance.load import load
from bench.finance.orders import MERCHANT, START
from bench.finance.questions import LISTS, questions, words
from storage import pages
from storage import tables as t
from storage.engine import Database
from storage.filters import TABLES, BookFilter, OrderFilter, Wanted
from storage.migrate import upgrade
from storage.pages import Newest, newest
from storage.queries import Queries
from tests.postgres import Server

ORDERS = 3_000


@pytest.fixture(scope="module")
def full_url(postgres_server: Server) -> Iterator[str]:
    """A database with a year of orders."""
    with postgres_server.database() as name:
        yield postgres_server.database_url(name)


@pytest.fixture(scope="module")
async def full(full_url: str) -> AsyncIterator[Database]:
    await upgrade(full_url)
    await load(full_url, ORDERS)
    database = Database(full_url)
    yield database
    await database.close()


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few rows are few here, that every way to a page is gone."""
    monkeypatch.setattr(pages, "WINDOW", 60)
    monkeypatch.setattr(pages, "WIDEST", 400)
    monkeypatch.setattr(pages, "FEW", 40)


@pytest.mark.parametrize("kind", LISTS, ids=lambda kind: TABLES[kind].name)
async def test_a_page_is_what_the_plain_question_finds(full: Database, kind: type[Wanted]) -> None:
    c = TABLES[kind].c
    found_some = 0
    async with full.read() as connection:
        for wanted in questions(kind, twos=70, threes=30):
            place: tuple[Any, ...] | None = None
            for _ in range(2):
                who = (MERCHANT, True, wanted, place)
                expected = await Newest(*who).plainly(connection, 20)
                assert await newest(connection, *who, 20) == expected, words(wanted)
                if len(expected) < 20:
                    break
                last = select(c.created_at, c.id).where(c.id == expected[-1])
                row = (await connection.execute(last)).one()
                place = (row.id,) if "created_at" not in pages._LISTINGS[kind].order else (*row,)
                found_some += 1
    assert found_some > 20


@pytest.mark.parametrize("way", ["_among", "_merged", "_look"])
async def test_every_way_is_gone(full: Database, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above would prove nothing of a way that no question takes."""
    gone: list[Wanted] = []
    taken = getattr(Newest, way)

    def noted(self: Newest, *given: Any) -> Any:
        gone.append(self._wanted)
        return taken(self, *given)

    monkeypatch.setattr(Newest, way, noted)
    async with full.read() as connection:
        for wanted in questions(OrderFilter, twos=70, threes=30):
            await newest(connection, MERCHANT, True, wanted, None, 20)
    assert len(gone) > 10


async def test_no_order_is_missed_or_shown_twice_while_others_write(full: Database) -> None:
    queries = Queries(full, lambda _: "")
    async with full.read() as connection:
        all_ids = set(await connection.scalars(select(t.orders.c.id)))
    stop = asyncio.Event()
    made = 0

    async def sell() -> None:
        """New orders, and old ones that change."""
        nonlocal made
        names = orders.COLUMNS["orders"]
        while not stop.is_set():
            (row,) = orders.made(ORDERS, range(ORDERS + made, ORDERS + made + 1))["orders"]
            made += 1
            async with full.write() as connection:
                await connection.execute(
                    t.orders.insert().values(dict(zip(names, row, strict=True)))
                )
                some = sorted(all_ids)[made * 7 % len(all_ids)]
                change = update(t.orders).where(
                    t.orders.c.merchant_id == MERCHANT, t.orders.c.id == some
                )
                await connection.execute(change.values(updated_at=datetime.now(UTC)))

    selling = asyncio.create_task(sell())
    try:
        seen: list[str] = []
        after: str | None = None
        while True:
            page, after = await queries.orders(MERCHANT, True, OrderFilter(), after, 100)
            seen += [order.id for order in page]
            if after is None:
                break
    finally:
        stop.set()
        await selling
    assert made > 3
    assert len(seen) == len(set(seen))
    assert all_ids <= set(seen)
    assert seen == sorted(seen, reverse=True)


async def test_what_is_paid_much_later_is_found_by_when_it_was_paid(full: Database) -> None:
    """It is out of the bounds that the ids of a time are in."""
    o = t.orders.c
    async with full.read() as connection:
        query = select(o.id, o.paid_at).where(o.paid_at - o.created_at > timedelta(days=1))
        late = (await connection.execute(query)).all()
        assert late
        for row in late:
            wanted = OrderFilter(
                paid_from=row.paid_at,
                paid_to=row.paid_at + timedelta(microseconds=1),
                provider=None,
            )
            assert row.id in await newest(connection, MERCHANT, True, wanted, None, 20)
    assert late[0].paid_at > START


@pytest.mark.parametrize("days", [-40, 9])
async def test_money_is_found_by_when_it_moved_however_far_the_clocks_are_apart(
    full: Database, days: int
) -> None:
    """A book that was read late, and a provider whose clock is ahead, as the sandbox's can be."""
    c = t.balance_transactions.c
    async with full.write() as connection:
        line = (await connection.execute(select(c.id, c.created_at).limit(1))).one()
        moved = line.created_at + timedelta(days=days)
        mine = (c.merchant_id == MERCHANT, c.id == line.id)
        await connection.execute(
            update(t.balance_transactions).where(*mine).values(occurred_at=moved)
        )
    async with full.read() as connection:
        for wanted in (
            BookFilter(occurred_from=moved, occurred_to=moved + timedelta(microseconds=1)),
            BookFilter(occurred_from=moved, occurred_to=moved + timedelta(hours=9), type=("none",)),
        ):
            found = await newest(connection, MERCHANT, True, wanted, None, 20)
            assert (line.id in found) == (wanted.type is None)
            assert found == await Newest(MERCHANT, True, wanted, None).plainly(connection, 20)
