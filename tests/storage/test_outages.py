"""A database that is locked, full, slow or gone is StoreUnavailable; nothing is half-written."""

import asyncio
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError

from gateway.errors import StoreUnavailable
from storage import engine
from storage import tables as t
from storage.engine import Database, Options, is_outage
from tests.postgres import Server
from tests.storage.conftest import T0, add_merchant, event, opened, order, started


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits are short here."""
    monkeypatch.setattr(engine, "_BUSY_MILLISECONDS", 50)
    monkeypatch.setattr(engine, "_PATIENCE_SECONDS", 0.1)


@pytest.mark.usefixtures("impatient")
async def test_a_locked_sqlite_refuses_writes_serves_reads_and_recovers(sqlite_url: str) -> None:
    async with opened(sqlite_url) as store:
        await add_merchant(store)
        with closing(sqlite3.connect(sqlite_url.partition("///")[2])) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable):
                async with store.transaction() as tx:
                    await tx.add_order(order())
            with pytest.raises(StoreUnavailable):
                await store.store_event(event())
            async with store.database.read() as connection:
                assert await connection.scalar(select(func.count()).select_from(t.merchants)) == 1
            other.rollback()
        assert await store.store_event(event()) is True
        async with store.transaction() as tx:
            await tx.add_order(order())


@pytest.mark.usefixtures("impatient")
async def test_nobody_waits_for_ever_behind_a_stuck_writer(sqlite_url: str) -> None:
    async with opened(sqlite_url) as store:
        async with store.database.write():
            with pytest.raises(StoreUnavailable):
                await store.store_event(event())
        assert await store.store_event(event()) is True


async def test_a_full_disk_takes_nothing_half(sqlite_url: str) -> None:
    pages: list[int] = []

    def limit(connection: Any, _: object) -> None:
        """SQLite's own way to be full: as many pages as the file has, and a few."""
        if pages:
            connection.execute(f"PRAGMA max_page_count={pages[0]}").close()

    async with opened(sqlite_url) as store:
        await add_merchant(store)
        sqlalchemy_event.listen(store.database.engine.sync_engine, "connect", limit)
        async with store.database.read() as connection:
            used = (await connection.exec_driver_sql("PRAGMA page_count")).scalar()
        await store.database.engine.dispose()
        assert isinstance(used, int)
        pages.append(used + 4)
        acknowledged: list[str] = []

        async def fill() -> None:
            for number in range(100):
                await store.store_event(event(number, body=b"x" * 3000))
                acknowledged.append(f"ev_{number:05}")

        async def add_much() -> None:
            async with store.transaction() as tx:
                await tx.add_order(order())
                await tx.add_facts(order(), [started(f"pay_{n}") for n in range(200)], T0)

        for act in (fill, add_much):
            with pytest.raises(StoreUnavailable):
                await act()
        async with store.database.read() as connection:
            stored = (await connection.execute(select(t.inbox.c.event_id))).scalars().all()
            assert await connection.scalar(select(func.count()).select_from(t.orders)) == 0
        assert sorted(stored) == acknowledged

        pages.clear()  # there is room again
        await store.database.engine.dispose()
        async with store.transaction() as tx:
            await tx.add_order(order())
        assert await store.store_event(event(200, body=b"x" * 3000)) is True


async def _unusable(url: str) -> None:
    async with opened(url) as store:
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                async with store.database.read() as connection:
                    await connection.execute(select(1))
            with pytest.raises(StoreUnavailable):
                await store.store_event(event())


async def test_a_sqlite_file_that_cannot_be_opened(tmp_path: Any) -> None:
    await _unusable(f"sqlite+aiosqlite:///{tmp_path}/nowhere/gateway.db")
    async with asyncio.timeout(10):  # aiosqlite's threads still report to this test's loop
        while any(  # noqa: ASYNC110 -- threads tell no loop that they end
            "_connection_worker" in thread.name for thread in threading.enumerate()
        ):
            await asyncio.sleep(0.01)


async def test_a_postgresql_that_is_not_there(postgres_server: Server) -> None:
    url = postgres_server.database_url("postgres")
    await _unusable("postgresql+asyncpg://gateway:x@127.0.0.1:1/gateway")
    await _unusable(postgres_server.database_url("no_such_database"))
    user, at, address = url.rpartition("@")
    await _unusable(f"{user}wrong{at}{address}")


@pytest.mark.usefixtures("impatient")
async def test_no_free_connection_is_an_outage_too(postgresql_url: str) -> None:
    database = Database(postgresql_url, Options(pool_size=1))
    async with database.read():
        with pytest.raises(StoreUnavailable):
            async with database.read():
                raise AssertionError("there is only one connection")
    async with database.read() as connection:
        assert await connection.scalar(select(1)) == 1
    await database.close()


async def test_a_terminated_connection_is_an_outage_and_the_next_one_works(
    postgresql_url: str,
) -> None:
    async with opened(postgresql_url) as store:
        await add_merchant(store)

        async def be_terminated() -> None:
            async with store.transaction() as tx:
                await tx.add_order(order())
                async with store.database.read() as other:
                    await other.exec_driver_sql(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE pid <> pg_backend_pid() AND datname = current_database()"
                    )
                await tx.add_facts(order(), [started()], T0)

        with pytest.raises(StoreUnavailable):
            await be_terminated()
        async with store.transaction() as tx:
            await tx.add_order(order())


async def test_a_deadlock_is_one_callers_outage(postgresql_url: str) -> None:
    async with opened(postgresql_url) as store:
        await add_merchant(store)
        for number in (1, 2):
            async with store.transaction() as tx:
                await tx.add_order(order(number))
        both = asyncio.Barrier(2)

        async def lock(first: int, then: int) -> str:
            try:
                async with store.transaction() as tx:
                    await tx.lock_order("mer_1", order(first).id)
                    await both.wait()
                    await tx.lock_order("mer_1", order(then).id)
            except StoreUnavailable:
                return "unavailable"
            return "done"

        assert sorted(await asyncio.gather(lock(1, 2), lock(2, 1))) == ["done", "unavailable"]


async def test_a_mistake_of_ours_is_not_an_outage(database_url: str) -> None:
    async with opened(database_url) as store:
        await add_merchant(store)
        with pytest.raises(IntegrityError) as caught:
            await add_merchant(store)
        assert not is_outage(caught.value)
    assert not is_outage(ValueError("the disk is full of locked databases"))


@pytest.mark.usefixtures("impatient")
async def test_a_database_that_another_process_is_just_opening(tmp_path: Path) -> None:
    """Nobody can switch it to WAL while somebody writes; the next one can."""
    url = f"sqlite:///{tmp_path / 'new.db'}"
    with closing(sqlite3.connect(tmp_path / "new.db", isolation_level=None)) as other:
        other.execute("CREATE TABLE things (id INTEGER)")
        other.execute("BEGIN IMMEDIATE")
        database = Database(url)
        async with database.read() as connection:
            assert await connection.scalar(text("SELECT count(*) FROM things")) == 0
        await database.close()
        other.execute("COMMIT")
    database = Database(url)
    async with database.read() as connection:
        assert await connection.scalar(text("PRAGMA journal_mode")) == "wal"
    await database.close()
