"""Leases and due times: by the database's clock on PostgreSQL, by ours on SQLite."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from gateway.ids import Ids
from gateway.records import KeyClaim, ReceivedEvent
from storage.engine import Database
from storage.store import SqlStore

LEASE = timedelta(seconds=40)
SKEW = timedelta(minutes=10)
CLAIM = KeyClaim("mer_1", False, "a key", "a fingerprint")


class Clock:
    """The machine's clock, so far ahead."""

    def __init__(self, ahead: timedelta = timedelta()) -> None:
        self.ahead = ahead

    def now(self) -> datetime:
        """The present as this process sees it."""
        return datetime.now(UTC) + self.ahead


class Process:
    """What one process with one clock does with the store."""

    def __init__(self, store: SqlStore, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.woken = 0

    async def enqueue(self, subject: str, delay: timedelta = timedelta()) -> None:
        async with self.store.transaction() as tx:
            run_at = self.clock.now() + delay
            await tx.enqueue("mer_1", "confirm_payment", subject, run_at)

    async def receive(self, event_id: str) -> None:
        now = self.clock.now()
        await self.store.store_event(
            ReceivedEvent("acme", "default", event_id, "x.paid", b"{}", now)
        )

    async def jobs(self, lease: timedelta = LEASE) -> list[str]:
        now = self.clock.now()
        return [job.subject for job in await self.store.claim_jobs(now, now + lease, 10)]

    async def events(self) -> list[str]:
        now = self.clock.now()
        return [event.event_id for event in await self.store.claim_events(now, now + LEASE, 10)]

    async def key(self, lease: timedelta = LEASE) -> str:
        now = self.clock.now()
        async with self.store.transaction() as tx:
            return (await tx.claim_key(CLAIM, now, now + lease)).outcome

    def wake(self) -> None:
        self.woken += 1


@asynccontextmanager
async def process(url: str, clock: Clock, *, moved: bool = False) -> AsyncIterator[Process]:
    """A process on the database; `moved`: its clock is moved by a test, and counts."""
    running: Process
    database = Database(url, clock=None if moved else clock)
    store = SqlStore(database, Ids(clock, os.urandom), lambda: running.wake())
    running = Process(store, clock)
    try:
        yield running
    finally:
        await store.close()


@pytest.mark.parametrize("ahead", [SKEW, -SKEW])
async def test_clocks_ten_minutes_apart_share_work(postgresql_url: str, ahead: timedelta) -> None:
    async with (
        process(postgresql_url, Clock()) as right,
        process(postgresql_url, Clock(ahead)) as wrong,
    ):
        await wrong.enqueue("pay_1")
        await right.enqueue("pay_2")
        await wrong.receive("evt_1")
        assert sorted(await right.jobs()) == ["pay_1", "pay_2"]
        assert await right.events() == ["evt_1"]
        assert (await wrong.jobs(), await wrong.events()) == ([], [])


@pytest.mark.parametrize("ahead", [SKEW, -SKEW])
async def test_a_wrong_clock_takes_no_lease_and_loses_none(
    postgresql_url: str, ahead: timedelta
) -> None:
    async with (
        process(postgresql_url, Clock()) as right,
        process(postgresql_url, Clock(ahead)) as wrong,
    ):
        await right.enqueue("pay_1")
        assert await wrong.jobs(lease=timedelta(milliseconds=1)) == ["pay_1"]
        assert await right.jobs() == ["pay_1"]  # that lease is over, for everybody
        assert await wrong.jobs() == []
        assert await wrong.key() == "new"
        assert await right.key() == "in_flight"


@pytest.mark.parametrize("ahead", [SKEW, -SKEW])
async def test_a_key_is_resumed_when_its_lease_is_over(
    postgresql_url: str, ahead: timedelta
) -> None:
    async with (
        process(postgresql_url, Clock()) as right,
        process(postgresql_url, Clock(ahead)) as wrong,
    ):
        assert await wrong.key(lease=timedelta(0)) == "new"
        assert await right.key() == "resumed"
        assert await wrong.key() == "in_flight"


async def test_a_released_key_is_free_for_a_slow_clock(database_url: str) -> None:
    async with (
        process(database_url, Clock(SKEW)) as fast,
        process(database_url, Clock()) as slow,
    ):
        assert await fast.key() == "new"
        async with fast.store.transaction() as tx:
            await tx.release_key(CLAIM)
        assert await slow.key() == "resumed"


async def test_a_moved_clock_brings_what_time_will_bring(database_url: str) -> None:
    clock = Clock()
    async with process(database_url, clock, moved=True) as one:
        await one.enqueue("pay_1", delay=timedelta(hours=1))
        assert await one.jobs() == []
        clock.ahead = timedelta(hours=2)
        assert await one.jobs() == ["pay_1"]
        assert await one.jobs() == []
        clock.ahead += LEASE * 2
        assert await one.jobs() == ["pay_1"]


async def test_work_that_was_not_started_goes_back_uncounted(database_url: str) -> None:
    async with process(database_url, Clock()) as one:
        await one.enqueue("pay_1")
        await one.receive("evt_1")
        now = one.clock.now()
        (job,) = await one.store.claim_jobs(now, now + LEASE, 10)
        (event,) = await one.store.claim_events(now, now + LEASE, 10)
        assert (job.attempts, event.attempts) == (1, 1)
        async with one.store.transaction() as tx:
            assert await tx.release_job(job, now)
            assert await tx.release_event(event, now)
        now = one.clock.now()
        (again,) = await one.store.claim_jobs(now, now + LEASE, 10)
        (event_again,) = await one.store.claim_events(now, now + LEASE, 10)
        assert (again.attempts, event_again.attempts) == (1, 1)
        async with one.store.transaction() as tx:
            assert not await tx.release_job(job, now)  # it is another one's by now
            assert not await tx.release_event(event, now)
            assert await tx.finish_job(again)


async def test_only_work_that_is_due_wakes(postgresql_url: str) -> None:
    async with process(postgresql_url, Clock()) as one:
        await one.enqueue("pay_1", delay=LEASE)
        assert one.woken == 0
        await one.enqueue("pay_1")
        assert one.woken == 1
        await one.receive("evt_1")
        assert one.woken == 2


async def test_what_is_rolled_back_wakes_nobody(database_url: str) -> None:
    async with process(database_url, Clock()) as one:
        with pytest.raises(LookupError):
            await _enqueue_and_fail(one)
        assert one.woken == 0
        assert await one.jobs() == []


async def _enqueue_and_fail(one: Process) -> None:
    async with one.store.transaction() as tx:
        await tx.enqueue("mer_1", "confirm_payment", "pay_1", one.clock.now())
        raise LookupError
