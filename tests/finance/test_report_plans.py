"""What PostgreSQL does for a report: it adds up an index, and reads no order and no whole table."""

from collections.abc import AsyncIterator, Coroutine, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import event

from gateway import reports
from gateway.reports import Axis
from storage.conversion import Conversions
from storage.engine import Database
from storage.reports import Reports
from tests.finance import report_rows as rows
from tests.postgres import Server

SINCE, UNTIL = datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
GROUPED = reports.period("2025-05-01", "2025-05-08", "Europe/Berlin", ("day",))


@pytest.fixture(scope="module")
def many_url(postgres_server: Server, postgres_template: str) -> Iterator[str]:
    """A database for all tests of this module."""
    with postgres_server.database(postgres_template) as name:
        yield postgres_server.database_url(name)


@pytest.fixture(scope="module")
async def database(many_url: str) -> AsyncIterator[Database]:
    """With some thousand orders, and what PostgreSQL has to know of them for its plans."""
    opened = Database(many_url)
    made = rows.orders(3000, SINCE, UNTIL, seed=1)
    await rows.store(opened, made, rows.attempts(made, 2), rows.lines(made, 3))
    async with opened.connection() as connection:
        alone = await connection.execution_options(isolation_level="AUTOCOMMIT")
        # A commit that is written at once brings out those before it: only then does VACUUM count
        # their rows among those that everybody sees.
        for statement in ("SET synchronous_commit = on", "ANALYZE", "VACUUM"):
            await alone.exec_driver_sql(statement)
    yield opened
    await opened.close()


async def plans(database: Database, ask: Coroutine[Any, Any, object]) -> list[str]:
    """How the queries that `ask` makes are carried out."""
    made: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        made.append((statement, parameters))

    engine = database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    await ask
    event.remove(engine, "before_cursor_execute", note)
    async with database.read() as connection:
        return [
            "\n".join(
                line for (line,) in await connection.exec_driver_sql(f"EXPLAIN {query}", parameters)
            )
            for query, parameters in made
            if query.startswith("SELECT")
        ]


@pytest.mark.parametrize("asked", [GROUPED, GROUPED.undivided])
async def test_orders_are_summed_in_an_index(database: Database, asked: reports.Period) -> None:
    indexes: dict[Axis, str] = {"paid": "ix_orders_paid", "created": "ix_orders_created"}
    for by, index in indexes.items():
        read = Reports(database).summary(rows.MERCHANT, False, asked, by, ("provider", "status"))
        (plan,) = await plans(database, read)
        assert f"Index Only Scan using {index}" in plan
        assert "Seq Scan" not in plan
        assert plan.count("Scan") == 1, plan


@pytest.mark.parametrize("asked", [GROUPED, GROUPED.undivided])
async def test_movements_are_found_by_their_time(database: Database, asked: reports.Period) -> None:
    read = Reports(database).summary(rows.MERCHANT, False, asked, "occurred", ("provider",))
    (plan,) = await plans(database, read)
    assert "ix_balance_transactions_occurred" in plan
    assert "Seq Scan" not in plan


async def test_conversion_reads_no_order_that_it_need_not(database: Database) -> None:
    counted = Conversions(database)
    (plan,) = await plans(database, counted.orders(rows.MERCHANT, False, GROUPED))
    assert "Index Only Scan using ix_orders_created" in plan
    read = counted.conversion(rows.MERCHANT, False, GROUPED, ("day", "provider"))
    times, times_by_day, orders, attempts = await plans(database, read)
    for plan in (times, times_by_day, orders, attempts):
        assert "Index Only Scan using ix_orders_created" in plan
        assert "Seq Scan on orders" not in plan
