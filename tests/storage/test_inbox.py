"""The inbox writes in groups: one row per event, one caller's bad row is nobody else's, bounded."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import select

from gateway.errors import StoreUnavailable
from storage import tables as t
from storage.group_commit import GroupCommit
from storage.store import SqlStore
from tests.storage.conftest import T0, event, opened


async def _rows(store: SqlStore) -> dict[str, int]:
    async with store.database.read() as connection:
        rows = await connection.execute(select(t.inbox.c.event_id, t.inbox.c.deliveries))
        return {row.event_id: row.deliveries for row in rows}


async def test_fifty_at_once_of_one_event_are_one_row(store: SqlStore, second: SqlStore) -> None:
    stores = [store, second] * 25
    fresh = await asyncio.gather(*(one.store_event(event()) for one in stores))
    assert sorted(fresh) == [False] * 49 + [True]
    assert await _rows(store) == {"ev_00001": 50}
    assert await store.store_event(event()) is False
    assert await _rows(store) == {"ev_00001": 51}


async def test_many_events_from_two_processes_are_all_there(
    store: SqlStore, second: SqlStore
) -> None:
    """Each process sorts its groups, so that the two cannot deadlock over the same events."""
    numbers = list(range(300))
    results = await asyncio.gather(
        *(store.store_event(event(number)) for number in numbers),
        *(second.store_event(event(number)) for number in reversed(numbers)),
    )
    assert sum(results) == 300
    assert await _rows(store) == {f"ev_{number:05}": 2 for number in numbers}


async def test_the_first_deliverys_body_stays(store: SqlStore) -> None:
    await store.store_event(event(body=b"first"))
    await store.store_event(event(body=b"second"))
    (stored,) = await store.claim_events(T0 + timedelta(seconds=1), T0, 9)
    assert (stored.body, stored.deliveries) == (b"first", 2)


async def test_a_bad_row_harms_nobody(postgresql_url: str) -> None:
    async with opened(postgresql_url) as store:
        bad = event(event_id="ev_with_\0_in_it")  # PostgreSQL holds no NUL in a text
        events = [event(1), bad, event(2), event(3)]
        results = await asyncio.gather(
            *(store.store_event(one) for one in events), return_exceptions=True
        )
        assert [result is True for result in results] == [True, False, True, True]
        assert isinstance(results[1], Exception)
        assert set(await _rows(store)) == {"ev_00001", "ev_00002", "ev_00003"}


class _Disk:
    """A write that waits until it is let go, and refuses rows named `bad`."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.error: Exception | None = None
        self.open = asyncio.Event()

    async def write(self, rows: Sequence[str]) -> Sequence[str]:
        """Take a group."""
        self.groups.append(list(rows))
        await self.open.wait()
        if self.error:
            raise self.error
        if "bad" in rows:
            raise ValueError("a bad row")
        return [f"{row} written" for row in rows]


async def test_whatever_waits_is_written_together_in_sorted_order() -> None:
    disk = _Disk()
    commit = GroupCommit(disk.write, lambda row: (row,), group=3)
    puts = [asyncio.create_task(commit.put(row)) for row in ("a", "e", "d", "c", "b")]
    await asyncio.sleep(0.01)
    assert not any(put.done() for put in puts), "nobody is answered before the commit"
    disk.open.set()
    assert await asyncio.gather(*puts) == [f"{row} written" for row in "aedcb"]
    assert disk.groups == [["a", "d", "e"], ["b", "c"]]
    await commit.close()


async def test_a_group_that_fails_is_written_row_by_row() -> None:
    disk = _Disk()
    disk.open.set()
    commit = GroupCommit(disk.write, lambda row: (row,))
    results = await asyncio.gather(*map(commit.put, ("a", "bad", "c")), return_exceptions=True)
    assert (results[0], results[2]) == ("a written", "c written")
    assert isinstance(results[1], ValueError)
    assert disk.groups == [["a", "bad", "c"], ["a"], ["bad"], ["c"]]
    await commit.close()


async def test_an_outage_meets_all_alike_and_ends() -> None:
    disk = _Disk()
    disk.open.set()
    disk.error = StoreUnavailable("down")
    commit = GroupCommit(disk.write, lambda row: (row,))
    results = await asyncio.gather(*map(commit.put, "abc"), return_exceptions=True)
    assert all(isinstance(result, StoreUnavailable) for result in results)
    assert len(disk.groups) == 1
    disk.error = None
    assert await commit.put("d") == "d written"
    await commit.close()


async def test_a_full_queue_is_an_outage_at_once() -> None:
    disk = _Disk()
    commit = GroupCommit(disk.write, lambda row: (row,), group=1, queue=2)
    puts = [asyncio.create_task(commit.put("a"))]
    await asyncio.sleep(0.01)  # the writer has taken it
    puts += [asyncio.create_task(commit.put(row)) for row in "bc"]
    await asyncio.sleep(0.01)
    with pytest.raises(StoreUnavailable):
        await commit.put("d")
    disk.open.set()
    assert len(await asyncio.gather(*puts)) == 3
    await commit.close()


async def test_a_caller_that_goes_away_holds_nobody_up() -> None:
    disk = _Disk()
    commit = GroupCommit(disk.write, lambda row: (row,))
    gone = asyncio.create_task(commit.put("a"))
    stays = asyncio.create_task(commit.put("b"))
    await asyncio.sleep(0.01)
    gone.cancel()
    disk.open.set()
    assert await stays == "b written"
    await commit.close()


async def test_closing_writes_what_is_queued() -> None:
    disk = _Disk()
    commit = GroupCommit(disk.write, lambda row: (row,), group=1)
    puts = [asyncio.create_task(commit.put(row)) for row in "abc"]
    await asyncio.sleep(0.01)
    closing = asyncio.create_task(commit.close())
    disk.open.set()
    await closing
    assert [put.result() for put in puts] == ["a written", "b written", "c written"]
