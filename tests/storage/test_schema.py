"""Migrations make exactly the tables that the code uses; times and texts come back as they went."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, Dialect, column, inspect, literal, select, table
from sqlalchemy.dialects import postgresql, sqlite

from gateway.errors import SettingsError
from storage import tables as t
from storage.engine import Database, normal_url
from storage.migrate import pending, upgrade
from storage.store import SqlStore
from storage.types import UtcDateTime
from tests.storage.conftest import T0

SQLITE: Dialect = sqlite.dialect()
POSTGRESQL: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, t.metadata))


def _structure(connection: Connection) -> dict[str, tuple[set[str | None], list[str]]]:
    """Of each table the names of its indexes and its primary key's columns."""
    inspector = inspect(connection)
    return {
        name: (
            {index["name"] for index in inspector.get_indexes(name)},
            inspector.get_pk_constraint(name)["constrained_columns"],
        )
        for name in inspector.get_table_names()
    }


async def test_migrations_and_tables_agree(database_url: str) -> None:
    database = Database(database_url)
    async with database.read() as connection:
        assert await connection.run_sync(_differences) == []
        made = await connection.run_sync(_structure)
    for name, defined in t.metadata.tables.items():
        indexes, keys = made.pop(name)
        assert {index.name for index in defined.indexes} <= indexes, name
        assert keys == [column.name for column in defined.primary_key], name
    assert list(made) == ["alembic_version"]
    await database.close()


async def test_a_missing_column_would_be_noticed(database_url: str) -> None:
    database = Database(database_url)
    async with database.write() as connection:
        await connection.exec_driver_sql("ALTER TABLE timeline DROP COLUMN rule")
        await connection.exec_driver_sql("DROP INDEX ix_jobs_due")
    async with database.read() as connection:
        assert len(await connection.run_sync(_differences)) == 2
    await database.close()


async def test_upgrading_is_idempotent_and_pending_tells(empty_database_url: str) -> None:
    missing = await pending(empty_database_url)
    assert missing[0].startswith("0001")
    await upgrade(empty_database_url)
    assert await pending(empty_database_url) == []
    await upgrade(empty_database_url)
    assert await pending(empty_database_url) == []


async def test_several_may_upgrade_at_once(empty_database_url: str) -> None:
    await asyncio.gather(*(upgrade(empty_database_url) for _ in range(4)))
    assert await pending(empty_database_url) == []


async def test_a_database_of_a_newer_version_lacks_nothing(database_url: str) -> None:
    database = Database(database_url)
    async with database.write() as connection:
        await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999_later'")
    assert await pending(database_url) == []
    await database.close()


async def test_every_table_starts_with_its_merchant() -> None:
    """But for what belongs to a provider's account, before it is known whose it is."""
    others = {
        "merchants": "id",
        "provider_records": "account",
        "provider_payouts": "account",
        "inbox": "account",
        "orphan_ids": "provider",
        "cursors": "account",
    }
    for name, defined in t.metadata.tables.items():
        first = next(iter(defined.primary_key)).name
        assert first == others.get(name, "merchant_id"), name


@pytest.mark.parametrize(
    "moment",
    [
        T0,
        T0 + timedelta(microseconds=999_999),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC),
        datetime(1, 1, 2, tzinfo=UTC),
        datetime(9999, 12, 30, tzinfo=UTC),
        datetime(2026, 7, 1, 2, 30, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    ],
)
async def test_a_moment_comes_back_aware_and_exact(store: SqlStore, moment: datetime) -> None:
    values = {"id": "mer_2", "name": "Bob", "created_at": moment}
    async with store.database.write() as connection:
        await connection.execute(t.merchants.insert().values(values))
        stored = await connection.scalar(
            select(t.merchants.c.created_at).where(t.merchants.c.created_at == moment)
        )
    assert stored == moment
    assert stored is not None
    assert stored.utcoffset() == timedelta(0)


_moments = st.tuples(
    st.integers(-(10**16), 2 * 10**17),  # microseconds from 1970: the years 1653 to 8307
    st.integers(-14 * 60, 14 * 60),
).map(
    lambda drawn: (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=drawn[0])).astimezone(
        timezone(timedelta(minutes=drawn[1]))
    )
)


@given(_moments, _moments)
def test_moments_sort_in_sqlite_as_they_do_in_time(first: datetime, second: datetime) -> None:
    kind, dialect = UtcDateTime(), SQLITE
    one, other = kind.process_bind_param(first, dialect), kind.process_bind_param(second, dialect)
    assert (one < other) == (first < second)
    assert kind.process_result_value(one, dialect) == first
    assert kind.process_bind_param(first, POSTGRESQL) == first


@pytest.mark.parametrize("dialect", [SQLITE, POSTGRESQL])
def test_a_naive_moment_is_a_bug(dialect: Dialect) -> None:
    with pytest.raises(ValueError, match="naive"):
        UtcDateTime().process_bind_param(T0.replace(tzinfo=None), dialect)
    assert UtcDateTime().process_bind_param(None, dialect) is None
    assert UtcDateTime().process_result_value(None, dialect) is None


async def test_an_error_never_quotes_its_parameters(store: SqlStore) -> None:
    """What is bound is personal data, and errors are logged."""
    nowhere = table("nowhere", column("email"))
    query = select(nowhere).where(nowhere.c.email == literal("ada@example.com"))
    with pytest.raises(Exception) as caught:  # noqa: PT011 -- SQLite's and PostgreSQL's differ
        async with store.database.read() as connection:
            await connection.execute(query)
    chain: BaseException | None = caught.value
    while chain is not None:
        assert "ada@example.com" not in str(chain)
        chain = chain.__cause__


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("sqlite:///x.db", "sqlite+aiosqlite:///x.db"),
        ("postgresql://u:p%40@h:1/d", "postgresql+asyncpg://u:p%40@h:1/d"),
        ("postgresql+psycopg2://h/d", "postgresql+asyncpg://h/d"),
    ],
)
def test_a_url_gets_its_driver(given: str, expected: str) -> None:
    assert normal_url(given) == expected


@pytest.mark.parametrize(
    "url", ["mysql://u:topsecret@h/d", "topsecret", "", "postgresql://u:x@h:topsecret/d"]
)
def test_another_database_is_refused_in_one_line_without_the_url(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        normal_url(url)
    assert "DATABASE_URL" in caught.value.detail
    assert "\n" not in caught.value.detail
    assert "topsecret" not in caught.value.detail
