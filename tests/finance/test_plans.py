"""How PostgreSQL finds what finance asks for: by an index, never by reading a table through.

Twenty thousand orders of the generator that the bench fills its million with. Every statement that
the store's own functions send is explained once more, with the values it was sent with.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, event

from bench.finance.lists import held
from bench.finance.load import load
from bench.finance.orders import MERCHANT
from bench.finance.questions import LISTS, questions, words
from gateway import reports
from storage.book_queries import Books
from storage.engine import Database
from storage.filters import TABLES, BookFilter, OrderFilter, RefundFilter, Wanted
from storage.flat import Flat
from storage.migrate import upgrade
from storage.queries import Queries
from storage.reports import Reports
from storage.search import find
from tests.postgres import Server

ORDERS = 20_000
#: Tables of so few rows that reading them through may be the best plan there is.
FEW_ROWS = {"provider_payouts", "deliveries", "attention", "settlement_exceptions", "refunds"}
Sent = list[tuple[str, Any]]


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


@contextmanager
def recording(database: Database) -> Iterator[Sent]:
    """The statements that are sent, with their values."""
    sent: Sent = []

    def note(_: Any, __: Any, statement: str, values: Any, *___: Any) -> None:
        sent.append((statement, values))

    engine = database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", note)


def _plans(connection: Connection, sent: Sent) -> list[str]:
    """The lines of the plans of what was asked of the database."""
    lines: list[str] = []
    for statement, values in sent:
        if statement.lstrip().startswith(("SELECT", "WITH")):
            lines += connection.exec_driver_sql(f"EXPLAIN {statement}", values).scalars()
    return [line.strip() for line in lines]


async def scans(database: Database, sent: Sent) -> list[str]:
    """The tables that these statements read through, of those that have many rows; and those of
    few rows that they cannot but read through."""
    found = []
    for allowed in ("on", "off"):
        async with database.read() as connection:
            await connection.exec_driver_sql("SET LOCAL plan_cache_mode = force_custom_plan")
            await connection.exec_driver_sql(f"SET LOCAL enable_seqscan = {allowed}")
            plans = await connection.run_sync(_plans, sent)
        read = [line.split("Seq Scan on ")[1].split()[0] for line in plans if "Seq Scan on" in line]
        found += [table for table in read if allowed == "off" or table not in FEW_ROWS]
    return found


@pytest.mark.parametrize("kind", LISTS, ids=lambda kind: TABLES[kind].name)
async def test_no_page_reads_a_table_through(full: Database, kind: type[Wanted]) -> None:
    queries, books = Queries(full, lambda _: ""), Books(full)
    read: Any = {
        OrderFilter: queries.orders,
        RefundFilter: queries.refunds,
        BookFilter: books.balance_transactions,
    }[kind]
    with recording(full) as sent:
        for wanted in questions(kind, twos=60, threes=0):
            sent.clear()
            _, after = await read(MERCHANT, True, wanted, None, 50)
            if after is not None:
                await read(MERCHANT, True, wanted, after, 50)
            asked = list(sent)
            assert len(asked) >= 2
            assert await scans(full, asked) == [], words(wanted)


async def test_no_search_reads_a_table_through(full: Database) -> None:
    for text in [*await held(full), "dsp_1", "dlv_1", "att_1", "exc_1"]:
        with recording(full) as sent:
            await find(full, MERCHANT, True, text, 20)
        assert await scans(full, sent) == [], text


@pytest.mark.parametrize("by", reports.DIMENSIONS)
async def test_no_summary_reads_a_table_through(full: Database, by: reports.Axis) -> None:
    asked = reports.period("2025-06-01", "2025-06-08", "Europe/Berlin", ("day",))
    with recording(full) as sent:
        assert await Reports(full).summary(MERCHANT, True, asked, by, ("day", "provider"))
    assert await scans(full, sent) == []


async def test_what_has_no_index_would_be_noticed(full: Database) -> None:
    with recording(full) as sent:
        async with full.read() as connection:
            await connection.exec_driver_sql("SELECT id FROM orders WHERE success_url = 'x'")
            await connection.exec_driver_sql("SELECT id FROM refunds WHERE reason = 'x'")
    assert await scans(full, sent) == ["orders", "orders", "refunds"]


@pytest.mark.parametrize("kind", LISTS, ids=lambda kind: TABLES[kind].name)
async def test_no_export_reads_a_table_through(
    full: Database, kind: type[Wanted], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With batches that are as small beside the table as they are beside a large one."""
    monkeypatch.setattr("storage.flat.BATCH", 50)
    name: Any = TABLES[kind].name
    with recording(full) as sent:
        batches = Flat(full).batches(name, MERCHANT, True, kind())
        assert [len(await anext(batches)) for _ in range(2)] == [50, 50]
    assert len(sent) == 2
    assert await scans(full, sent) == []
