"""Jobs and received events: claimed by one worker at a time, finished by who still holds them."""

import asyncio
from datetime import timedelta

from sqlalchemy import select

from gateway.records import Job, JobKind
from storage import tables as t
from storage.store import SqlStore
from tests.storage.conftest import MERCHANT, T0, event

LEASE = T0 + timedelta(seconds=40)
KIND: JobKind = "confirm_payment"


async def _enqueue(store: SqlStore, subject: str, *, seconds: int = 0) -> None:
    async with store.transaction() as tx:
        await tx.enqueue(MERCHANT, KIND, subject, T0 + timedelta(seconds=seconds))


async def _claim_one(store: SqlStore, *, seconds: int = 0) -> Job:
    now = T0 + timedelta(seconds=seconds)
    (job,) = await store.claim_jobs(now, now + timedelta(seconds=40), 10)
    return job


async def test_what_is_due_is_claimed_oldest_first(store: SqlStore) -> None:
    for number in (3, 1, 2):
        await _enqueue(store, f"pay_{number}", seconds=number)
    assert await store.claim_jobs(T0, LEASE, 10) == []
    now = T0 + timedelta(seconds=3)
    (first,) = await store.claim_jobs(now, now + timedelta(seconds=40), 1)
    assert (first.subject, first.attempts, first.fence) == ("pay_1", 1, 1)
    rest = await store.claim_jobs(now, now + timedelta(seconds=40), 10)
    assert {job.subject for job in rest} == {"pay_2", "pay_3"}
    assert await store.claim_jobs(now, LEASE, 10) == []


async def test_two_workers_never_get_the_same_job(store: SqlStore, second: SqlStore) -> None:
    for number in range(60):
        await _enqueue(store, f"pay_{number}")

    async def drain(worker: SqlStore) -> list[str]:
        mine: list[str] = []
        while claimed := await worker.claim_jobs(T0, LEASE, 4):
            assert len(claimed) <= 4
            mine += [job.subject for job in claimed]
        return mine

    shares = await asyncio.gather(*(drain(worker) for worker in (store, second) * 3))
    taken = [subject for share in shares for subject in share]
    # A worker that finds everything locked by others may stop early; the rest is still there.
    taken += await drain(store)
    assert len(taken) == len(set(taken)) == 60


async def test_two_workers_never_get_the_same_event(store: SqlStore, second: SqlStore) -> None:
    await asyncio.gather(*(store.store_event(event(number)) for number in range(60)))

    async def drain(worker: SqlStore) -> list[str]:
        mine: list[str] = []
        now = T0 + timedelta(seconds=1)
        while claimed := await worker.claim_events(now, LEASE, 7):
            ids = [one.event_id for one in claimed]
            assert ids == sorted(ids), "oldest first"
            mine += ids
        return mine

    shares = await asyncio.gather(drain(store), drain(second), drain(store), drain(second))
    taken = [subject for share in shares for subject in share] + await drain(second)
    assert len(taken) == len(set(taken)) == 60


async def test_a_lost_lease_is_fenced_off(store: SqlStore, second: SqlStore) -> None:
    await _enqueue(store, "pay_1")
    slow = await _claim_one(store)
    assert await second.claim_jobs(T0 + timedelta(seconds=39), LEASE, 1) == []
    fast = await _claim_one(second, seconds=41)
    assert (fast.fence, fast.attempts) == (slow.fence + 1, 2)
    async with store.transaction() as tx:
        assert await tx.finish_job(slow) is False
        assert await tx.retry_job(slow, T0, "late") is False
        assert await tx.bury_job(slow, "late") is False
    async with second.transaction() as tx:
        assert await tx.finish_job(fast) is True
        assert await tx.finish_job(fast) is False
    assert await store.claim_jobs(T0 + timedelta(days=1), LEASE, 1) == []


async def test_a_job_is_put_back_or_buried(store: SqlStore) -> None:
    await _enqueue(store, "pay_1")
    job = await _claim_one(store)
    async with store.transaction() as tx:
        assert await tx.retry_job(job, T0 + timedelta(seconds=5), "not yet")
    assert await store.claim_jobs(T0 + timedelta(seconds=4), LEASE, 1) == []
    job = await _claim_one(store, seconds=5)
    assert job.attempts == 2
    async with store.transaction() as tx:
        assert await tx.bury_job(job, "hopeless")
    assert await store.claim_jobs(T0 + timedelta(days=1), LEASE, 1) == []
    async with store.database.read() as connection:
        row = (await connection.execute(select(t.jobs))).one()
    assert (row.status, row.error) == ("dead", "hopeless")

    await _enqueue(store, "pay_1")  # asked for anew: it lives again, with all its tries
    job = await _claim_one(store)
    assert job.attempts == 1


async def test_there_is_one_job_per_subject_and_the_earlier_time_wins(store: SqlStore) -> None:
    await _enqueue(store, "pay_1", seconds=60)
    await _enqueue(store, "pay_1", seconds=90)
    assert await store.claim_jobs(T0 + timedelta(seconds=59), LEASE, 1) == []
    await _enqueue(store, "pay_1", seconds=5)
    assert (await _claim_one(store, seconds=5)).subject == "pay_1"
    async with store.transaction() as tx:
        await tx.drop_job(MERCHANT, KIND, "pay_1")
    assert await store.claim_jobs(T0 + timedelta(days=1), LEASE, 1) == []


async def test_a_job_asked_for_while_it_runs_is_done_again(store: SqlStore) -> None:
    """The running one may have looked before the reason came up: its finish must not swallow it."""
    await _enqueue(store, "pay_1")
    running = await _claim_one(store)
    await _enqueue(store, "pay_1", seconds=1)
    async with store.transaction() as tx:
        assert await tx.finish_job(running) is False
    assert (await _claim_one(store, seconds=1)).subject == "pay_1"


async def test_a_rolled_back_transaction_leaves_no_job(store: SqlStore) -> None:
    try:
        async with store.transaction() as tx:
            await tx.enqueue(MERCHANT, KIND, "pay_1", T0)
            raise LookupError
    except LookupError:
        pass
    assert await store.claim_jobs(T0, LEASE, 1) == []


async def test_an_event_is_finished_by_who_holds_it(store: SqlStore, second: SqlStore) -> None:
    await store.store_event(event(body=b'{"a":1}'))
    now = T0 + timedelta(seconds=1)
    (slow,) = await store.claim_events(now, LEASE, 1)
    assert (slow.body, slow.attempts, slow.fence, slow.deliveries) == (b'{"a":1}', 1, 1, 1)
    later = LEASE + timedelta(seconds=1)
    (fast,) = await second.claim_events(later, later + timedelta(seconds=40), 1)
    async with store.transaction() as tx:
        assert await tx.finish_event(slow, "applied", "late") is False
        assert await tx.retry_event(slow, T0, "late") is False
    async with second.transaction() as tx:
        assert await tx.retry_event(fast, later + timedelta(seconds=9), "no payment yet")
    at = later + timedelta(seconds=9)
    (again,) = await second.claim_events(at, at + timedelta(seconds=40), 1)
    async with second.transaction() as tx:
        assert await tx.finish_event(again, "applied", "done", merchant_id=MERCHANT)
    async with store.database.read() as connection:
        row = (await connection.execute(select(t.inbox))).one()
    assert (row.status, row.rule, row.merchant_id, row.attempts) == ("applied", "done", MERCHANT, 3)
    assert await store.claim_events(at + timedelta(days=1), LEASE, 1) == []
