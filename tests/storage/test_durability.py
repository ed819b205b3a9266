"""What was acknowledged is there: after kill -9 of us, and after PostgreSQL itself has crashed."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy import select

from gateway.errors import StoreUnavailable
from storage import tables as t
from storage.migrate import upgrade
from tests.own_postgres import OwnPostgres, own_postgres
from tests.storage.conftest import MERCHANT, T0, add_merchant, event, opened, order, started

_CHILD = """
import asyncio, sys
from tests.storage.conftest import event, open_store

async def main():
    store = open_store(sys.argv[1])
    async def one(number):
        await store.store_event(event(number))
        print(f"ev_{number:05}", flush=True)
    number = 0
    while True:
        await asyncio.gather(*(one(number + n) for n in range(8)))
        number += 8

asyncio.run(main())
"""


def test_sqlite_has_every_acknowledged_event_after_kill_9(sqlite_url: str) -> None:
    child = subprocess.Popen([sys.executable, "-c", _CHILD, sqlite_url], stdout=subprocess.PIPE)
    assert child.stdout is not None
    acknowledged = [child.stdout.readline().decode().strip() for _ in range(100)]
    child.send_signal(signal.SIGKILL)
    acknowledged += child.stdout.read().decode().split()
    child.stdout.close()
    assert child.wait() == -signal.SIGKILL
    with closing(sqlite3.connect(sqlite_url.partition("///")[2])) as database:
        (check,) = database.execute("PRAGMA integrity_check").fetchone()
        stored = {row[0] for row in database.execute("SELECT event_id FROM inbox")}
    assert check == "ok"
    assert len(acknowledged) >= 100
    assert set(acknowledged) <= stored


async def test_sqlite_waits_for_the_disk(sqlite_url: str) -> None:
    async with opened(sqlite_url) as store, store.database.write() as connection:
        pragmas = {
            name: (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


@pytest.fixture
def server() -> Iterator[OwnPostgres]:
    """A PostgreSQL that this test may kill."""
    with own_postgres() as one:
        yield one


async def test_postgresql_has_every_acknowledged_event_after_a_crash(server: OwnPostgres) -> None:
    url = server.server.database_url("postgres")
    await upgrade(url)
    acknowledged: list[str] = []
    plenty = asyncio.Event()
    async with opened(url) as store:
        await add_merchant(store)

        async def deliver(first: int) -> None:
            for number in range(first, 100_000, 50):
                await store.store_event(event(number))
                acknowledged.append(f"ev_{number:05}")
                if len(acknowledged) == 500:
                    plenty.set()

        async def be_cut_off() -> None:
            async with store.transaction() as tx:
                await tx.add_order(order(2))
                server.kill()
                await tx.add_facts(order(2), [started()], T0)

        load = [asyncio.create_task(deliver(first)) for first in range(50)]
        await plenty.wait()

        async with store.transaction() as tx:
            await tx.add_order(order(1))
        with pytest.raises(StoreUnavailable):
            await be_cut_off()
        outcomes = await asyncio.gather(*load, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {StoreUnavailable}

        server.start()
        async with store.database.read() as connection:
            rows = await connection.execute(select(t.inbox.c.event_id))
            stored = {row.event_id for row in rows}
            orders = (await connection.execute(select(t.orders.c.id))).scalars().all()
        assert set(acknowledged) <= stored
        assert len(stored) - len(acknowledged) <= 50, "only what was under way may be there too"
        assert orders == [order(1).id], "nothing of the interrupted transaction"
        assert await store.store_event(event(100_001)) is True
        async with store.transaction() as tx:
            assert await tx.lock_order(MERCHANT, order(1).id) is not None
