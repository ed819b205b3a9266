"""Migrations while the gateways work: one runner, no long locks, the old version beside the new."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, Table, select, text

from storage import migrate
from storage import tables as t
from storage.engine import Database, Options
from storage.migrate import pending, upgrade
from tests.postgres import Server
from tests.storage.rows import rows

FIRST = "0001"


@pytest.fixture
def empty_url(postgres_server: Server) -> Iterator[str]:
    """An empty PostgreSQL database."""
    with postgres_server.database() as name:
        yield postgres_server.database_url(name)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for locks for a second, and a moment between two tries."""
    monkeypatch.setattr(migrate, "_OPTIONS", Options(statement_timeout=0, lock_timeout=1))
    monkeypatch.setattr(migrate, "_PAUSE_SECONDS", 0.05)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """A database, closed on leaving."""
    database = Database(url)
    try:
        yield database
    finally:
        await database.close()


async def version(database: Database) -> str | None:
    async with database.read() as connection:
        found: str | None = await connection.scalar(text("SELECT version_num FROM alembic_version"))
        return found


def _differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, t.metadata))


def _reflected(connection: Connection) -> MetaData:
    found = MetaData()
    found.reflect(connection)
    return found


async def old_tables(database: Database) -> list[tuple[Table, set[str]]]:
    """The tables that there are now, parents first, each with the columns that it has now.

    What a process of the version that wrote this schema knows and writes.
    """
    async with database.read() as connection:
        found = await connection.run_sync(_reflected)
    return [
        (t.metadata.tables[table.name], set(table.columns.keys()))
        for table in found.sorted_tables
        if table.name in t.metadata.tables
    ]


async def write(database: Database, old: list[tuple[Table, set[str]]], numbers: range) -> None:
    async with database.write() as connection:
        for table, columns in old:
            await connection.execute(table.insert(), rows(table, numbers, columns))


def traffic(old: list[tuple[Table, set[str]]]) -> list[tuple[Table, set[str]]]:
    """Of these tables, those that every order writes to."""
    return [(table, columns) for table, columns in old if table.name in ("orders", "events")]


async def test_the_migrations_make_the_tables(empty_database_url: str) -> None:
    await upgrade(empty_database_url)
    assert await pending(empty_database_url) == []
    async with opened(empty_database_url) as database, database.read() as connection:
        assert await connection.run_sync(_differences) == []


async def test_from_several_places_at_once(empty_database_url: str) -> None:
    await asyncio.gather(*(upgrade(empty_database_url) for _ in range(3)))
    assert await pending(empty_database_url) == []


async def test_the_old_version_works_on_beside_the_new(empty_database_url: str) -> None:
    await upgrade(empty_database_url, FIRST)
    async with opened(empty_database_url) as database:
        old = await old_tables(database)
        await write(database, old, range(10))
        await upgrade(empty_database_url)
        await write(
            database,
            [(table, columns) for table, columns in old if table.name != "merchants"],
            range(10, 20),
        )
        async with database.read() as connection:
            for table, columns in old:
                found = await connection.execute(select(*(table.c[name] for name in columns)))
                assert len(found.all()) == (3 if table.name == "merchants" else 20)


async def test_writers_go_on_during_a_migration(empty_url: str) -> None:
    await upgrade(empty_url, FIRST)
    async with opened(empty_url) as database:
        old = await old_tables(database)
        await write(database, old, range(3))
        migrating = asyncio.create_task(upgrade(empty_url))
        number, slowest = 3, 0.0
        loop = asyncio.get_running_loop()
        while not migrating.done():
            before = loop.time()
            await write(database, traffic(old), range(number, number + 1))
            slowest, number = max(slowest, loop.time() - before), number + 1
        await migrating
        assert number > 5
        assert slowest < 1.5  # lock_timeout, and a little
    assert await pending(empty_url) == []


async def test_it_waits_for_a_long_transaction_without_blocking_others(empty_url: str) -> None:
    await upgrade(empty_url, FIRST)
    async with opened(empty_url) as database:
        old = await old_tables(database)
        await write(database, old, range(3))
        async with database.write() as busy:
            await busy.execute(text("UPDATE events SET type = 'x' WHERE id = 'x_1'"))
            migrating = asyncio.create_task(upgrade(empty_url))
            await asyncio.sleep(1.3)  # it has given up at least once
            assert not migrating.done()
            assert await version(database) == FIRST
            await asyncio.wait_for(write(database, traffic(old), range(10, 11)), 3)
        await asyncio.wait_for(migrating, 20)
    assert await pending(empty_url) == []


async def test_an_interrupted_index_is_built_again(empty_url: str) -> None:
    await upgrade(empty_url, "0002")
    async with opened(empty_url) as database:
        async with database.write() as connection:
            await connection.execute(text("CREATE INDEX ix_events_unplaced ON events (type)"))
            await connection.execute(
                text(
                    "UPDATE pg_index SET indisvalid = false "
                    "WHERE indexrelid = 'ix_events_unplaced'::regclass"
                )
            )
        await upgrade(empty_url)
        async with database.read() as connection:
            assert await connection.run_sync(_differences) == []
            invalid = text("SELECT count(*) FROM pg_index WHERE NOT indisvalid")
            assert await connection.scalar(invalid) == 0


async def test_a_newer_schema_lacks_nothing(database_url: str) -> None:
    async with opened(database_url) as database, database.write() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert await pending(database_url) == []
