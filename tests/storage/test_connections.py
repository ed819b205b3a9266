"""How PostgreSQL bounds what one process can do to the others, and how processes are woken."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import text

from gateway.errors import StoreUnavailable
from storage.engine import Database, Options
from storage.wakeup import CHANNEL, Wakeup


@asynccontextmanager
async def database(url: str, **options: Any) -> AsyncIterator[Database]:
    """A process's database."""
    opened = Database(url, Options(**options))
    try:
        yield opened
    finally:
        await opened.close()


async def scalar(opened: Database, statement: str) -> Any:
    """The first value of a statement, if it has any, in a transaction of its own."""
    async with opened.write() as connection:
        result = await connection.execute(text(statement))
        return result.scalar() if result.returns_rows else None


async def test_the_server_knows_the_bounds(postgresql_url: str) -> None:
    async with database(
        postgresql_url,
        statement_timeout=7,
        lock_timeout=3,
        idle_transaction_timeout=9,
        application_name="gateway api",
    ) as opened:
        assert await scalar(opened, "SHOW statement_timeout") == "7s"
        assert await scalar(opened, "SHOW lock_timeout") == "3s"
        assert await scalar(opened, "SHOW idle_in_transaction_session_timeout") == "9s"
        assert await scalar(opened, "SHOW application_name") == "gateway api"


async def test_a_connection_that_was_read_on_is_written_on(postgresql_url: str) -> None:
    """Whoever waits for a lock has to see what was written meanwhile."""
    async with database(postgresql_url, pool_size=1) as opened:
        async with opened.read() as connection:
            assert await connection.scalar(text("SHOW transaction_isolation")) == "repeatable read"
            assert await connection.scalar(text("SHOW transaction_read_only")) == "on"
        assert await scalar(opened, "SHOW transaction_isolation") == "read committed"
        assert await scalar(opened, "SHOW transaction_read_only") == "off"


async def test_a_statement_that_takes_too_long_is_an_outage(postgresql_url: str) -> None:
    async with database(postgresql_url, statement_timeout=1) as opened:
        with pytest.raises(StoreUnavailable):
            await scalar(opened, "SELECT pg_sleep(20)")
        assert await scalar(opened, "SELECT 1") == 1


async def test_a_lock_that_is_not_to_be_had_is_an_outage(postgresql_url: str) -> None:
    async with database(postgresql_url, lock_timeout=1) as opened, opened.write() as holder:
        await holder.execute(text("LOCK TABLE orders"))
        with pytest.raises(StoreUnavailable):
            await scalar(opened, "SELECT count(*) FROM orders")


async def test_an_idle_transaction_is_ended_and_its_locks_with_it(postgresql_url: str) -> None:
    async with database(postgresql_url, idle_transaction_timeout=1) as opened:
        with pytest.raises(StoreUnavailable):
            await _fall_asleep(opened)
        assert await scalar(opened, "SELECT count(*) FROM orders") == 0


async def _fall_asleep(opened: Database) -> None:
    async with opened.write() as holder:
        await holder.execute(text("LOCK TABLE orders"))
        await asyncio.sleep(1.2)


async def test_a_deadlock_ends_for_one_of_the_two(postgresql_url: str) -> None:
    async def lock(first: int, second: int, met: asyncio.Barrier) -> bool:
        try:
            async with opened.write() as connection:
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({first})"))
                await met.wait()
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({second})"))
        except StoreUnavailable:
            return False
        return True

    async with database(postgresql_url) as opened:
        met = asyncio.Barrier(2)
        done = await asyncio.gather(lock(1, 2, met), lock(2, 1, met))
    assert sorted(done) == [False, True]


@pytest.mark.parametrize("prepared", [0, 200])
async def test_statements_with_and_without_being_kept(postgresql_url: str, prepared: int) -> None:
    async with database(postgresql_url, prepared_statements=prepared, pool_size=1) as opened:
        for _ in range(3):
            async with opened.write() as connection:
                found = await connection.scalar(text("SELECT :value + 1"), {"value": 41})
                assert found == 42
        kept = await scalar(opened, "SELECT count(*) FROM pg_prepared_statements")
    assert (kept > 0) == (prepared > 0)


async def test_a_table_that_changes_under_a_prepared_statement(postgresql_url: str) -> None:
    async with database(postgresql_url, pool_size=1) as opened, database(postgresql_url) as other:
        await scalar(other, "CREATE TABLE changing (a int)")
        await scalar(opened, "SELECT * FROM changing")
        await scalar(other, "ALTER TABLE changing ALTER a TYPE text")
        with pytest.raises(StoreUnavailable):  # try again, and …
            await scalar(opened, "SELECT * FROM changing")
        assert await scalar(opened, "SELECT * FROM changing") is None


# --- waking ---------------------------------------------------------------------------------------


async def test_telling_wakes_the_other_processes(postgresql_url: str) -> None:
    async with database(postgresql_url) as here, database(postgresql_url) as there:
        woken, own = asyncio.Event(), asyncio.Event()
        ours, theirs = Wakeup(here, own.set), Wakeup(there, woken.set)
        async with ours.running(), theirs.running():
            both = asyncio.gather(ours.listening.wait(), theirs.listening.wait())
            await asyncio.wait_for(both, 5)
            await asyncio.sleep(0.1)  # what both told when they came
            woken.clear()
            own.clear()
            ours.tell()
            await asyncio.wait_for(woken.wait(), 5)
            assert not own.is_set()


async def test_who_listens_again_looks_for_what_was_missed(postgresql_url: str) -> None:
    async with database(postgresql_url, application_name="listener") as opened:
        woken = asyncio.Event()
        wakeup = Wakeup(opened, woken.set)
        async with wakeup.running(), database(postgresql_url) as other:
            await asyncio.wait_for(woken.wait(), 5)
            woken.clear()
            await scalar(
                other,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'listener'",
            )
            await asyncio.wait_for(woken.wait(), 5)
            await asyncio.wait_for(wakeup.listening.wait(), 5)
            woken.clear()
            await scalar(other, f"NOTIFY {CHANNEL}")
            await asyncio.wait_for(woken.wait(), 5)


async def test_listening_takes_no_connection_from_the_pool(postgresql_url: str) -> None:
    async with database(postgresql_url, pool_size=1) as opened:
        wakeup = Wakeup(opened, lambda: None)
        async with wakeup.running():
            await asyncio.wait_for(wakeup.listening.wait(), 5)
            assert await asyncio.wait_for(scalar(opened, "SELECT 1"), 5) == 1
            mine = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            assert await scalar(opened, mine) == 2
        assert await scalar(opened, mine) == 1
