"""The part of a transaction that concerns work: jobs, received events, idempotency keys."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import CursorResult, Executable, Table, case, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.ids import Ids
from gateway.records import Answer, ClaimedKey, Job, JobKind, KeyClaim, ReceivedEvent
from storage import tables as t
from storage.engine import Database

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class WorkTransaction:
    """One transaction on one connection."""

    def __init__(self, database: Database, connection: AsyncConnection, ids: Ids) -> None:
        self._database = database
        self._connection = connection
        self._ids = ids
        #: Something was written that a worker should see to at once.
        self.left_work = False

    async def _execute(self, statement: Executable) -> CursorResult[Any]:
        return await self._connection.execute(statement)

    def _insert(self, table: Table) -> Any:
        return self._database.insert(table)

    def _moment(self, instant: datetime) -> Any:
        """As leases and due times are told: see storage/store.py."""
        return self._database.moment(instant)

    async def _insert_all(self, table: Table, rows: Sequence[dict[str, Any]]) -> None:
        if rows:
            await self._connection.execute(table.insert(), list(rows))

    async def _upsert(self, table: Table, rows: Sequence[dict[str, Any]]) -> None:
        """Insert rows, or write their values over those with the same primary key."""
        if not rows:
            return
        insert = self._insert(table).values(list(rows))
        keys = [column.name for column in table.primary_key]
        changed = {name: insert.excluded[name] for name in rows[0] if name not in keys}
        await self._execute(insert.on_conflict_do_update(index_elements=keys, set_=changed))

    # --- jobs -------------------------------------------------------------------------------------

    async def enqueue(
        self, merchant_id: str, kind: JobKind, subject: str, run_at: datetime
    ) -> None:
        """Have a job done at `run_at`; one that waits already moves to the earlier time.

        One that is being done at this moment gets a new fence: its worker may have looked before
        the reason to look again came up, so it must not finish the job. A dead one starts anew.
        """
        self.left_work = self.left_work or self._database.is_due(run_at)
        insert = self._insert(t.jobs).values(
            merchant_id=merchant_id,
            kind=kind,
            subject=subject,
            id=self._ids.new("job"),
            status="waiting",
            run_at=self._moment(run_at),
            attempts=0,
            fence=0,
            error="",
        )
        await self._execute(
            insert.on_conflict_do_update(
                index_elements=["merchant_id", "kind", "subject"],
                set_={
                    "run_at": insert.excluded.run_at,
                    "status": "waiting",
                    "fence": t.jobs.c.fence + 1,
                    "attempts": case((t.jobs.c.status == "dead", 0), else_=t.jobs.c.attempts),
                },
                where=(t.jobs.c.run_at > insert.excluded.run_at) | (t.jobs.c.status == "dead"),
            )
        )

    async def drop_job(self, merchant_id: str, kind: JobKind, subject: str) -> None:
        """The job is no longer needed."""
        c = t.jobs.c
        await self._execute(
            delete(t.jobs).where(c.merchant_id == merchant_id, c.kind == kind, c.subject == subject)
        )

    async def finish_job(self, job: Job) -> bool:
        """Delete a claimed job. False when its lease was lost, or it was asked for again."""
        result = await self._execute(delete(t.jobs).where(*_held(job)))
        return result.rowcount == 1

    async def retry_job(self, job: Job, run_at: datetime, error: str) -> bool:
        """Put a claimed job back for `run_at`."""
        at = self._moment(run_at)
        change = update(t.jobs).where(*_held(job)).values(run_at=at, error=error)
        return (await self._execute(change)).rowcount == 1

    async def release_job(self, job: Job, now: datetime) -> bool:
        """Put a claimed job back, as if it had never been claimed: it was not started."""
        change = (
            update(t.jobs)
            .where(*_held(job))
            .values(run_at=self._moment(now), attempts=t.jobs.c.attempts - 1)
        )
        self.left_work = True
        return (await self._execute(change)).rowcount == 1

    async def bury_job(self, job: Job, error: str) -> bool:
        """Keep the job as a dead letter."""
        change = update(t.jobs).where(*_held(job)).values(status="dead", error=error)
        return (await self._execute(change)).rowcount == 1

    # --- received events --------------------------------------------------------------------------

    async def finish_event(
        self, event: ReceivedEvent, status: str, rule: str, *, merchant_id: str = ""
    ) -> bool:
        """Note what became of a claimed event."""
        change = (
            update(t.inbox)
            .where(*_claimed(event))
            .values(status=status, rule=rule, merchant_id=merchant_id)
        )
        return (await self._execute(change)).rowcount == 1

    async def retry_event(self, event: ReceivedEvent, run_at: datetime, error: str) -> bool:
        """Put a claimed event back for `run_at`."""
        at = self._moment(run_at)
        change = update(t.inbox).where(*_claimed(event)).values(run_at=at, rule=error)
        return (await self._execute(change)).rowcount == 1

    async def release_event(self, event: ReceivedEvent, now: datetime) -> bool:
        """Put a claimed event back, as if it had never been claimed: it was not started."""
        change = (
            update(t.inbox)
            .where(*_claimed(event))
            .values(run_at=self._moment(now), attempts=t.inbox.c.attempts - 1)
        )
        self.left_work = True
        return (await self._execute(change)).rowcount == 1

    # --- idempotency keys -------------------------------------------------------------------------

    async def claim_key(self, claim: KeyClaim, now: datetime, lease_until: datetime) -> ClaimedKey:
        """Take the key, or learn why not. The row stays locked until this transaction ends."""
        insert = self._insert(t.idempotency_keys).values(
            merchant_id=claim.merchant_id,
            livemode=claim.livemode,
            key=claim.key,
            fingerprint=claim.fingerprint,
            lease_until=self._moment(lease_until),
            created_at=now,
        )
        if (await self._execute(insert.on_conflict_do_nothing())).rowcount == 1:
            return ClaimedKey("new")
        running = t.idempotency_keys.c.lease_until > self._moment(now)
        query = (
            select(t.idempotency_keys, running.label("running"))
            .where(*_key(claim))
            .with_for_update()
        )
        row = (await self._execute(query)).one()
        if row.fingerprint != claim.fingerprint:
            return ClaimedKey("mismatch")
        if row.answer_status is not None:
            return ClaimedKey("done", answer=Answer(row.answer_status, row.answer_body))
        if row.running:
            return ClaimedKey("in_flight")
        await self._update_key(claim, lease_until=self._moment(lease_until))
        return ClaimedKey("resumed", resource_id=row.resource_id)

    async def bind_key(self, claim: KeyClaim, resource_id: str) -> None:
        """Note what the request has reserved."""
        await self._update_key(claim, resource_id=resource_id)

    async def answer_key(self, claim: KeyClaim, answer: Answer) -> Answer:
        """Store the answer that every repetition gets. Returns it, or the one that was first."""
        c = t.idempotency_keys.c
        stored = await self._execute(
            update(t.idempotency_keys)
            .where(*_key(claim), c.answer_status.is_(None))
            .values(answer_status=answer.status, answer_body=answer.body)
        )
        if stored.rowcount == 0:
            query = select(c.answer_status, c.answer_body).where(*_key(claim))
            if (first := (await self._execute(query)).first()) is not None:
                return Answer(first.answer_status, first.answer_body)
        return answer

    async def release_key(self, claim: KeyClaim) -> None:
        """End the lease now: the next request with this key carries on."""
        await self._update_key(claim, lease_until=_LONG_AGO)

    async def _update_key(self, claim: KeyClaim, **values: Any) -> None:
        await self._execute(update(t.idempotency_keys).where(*_key(claim)).values(**values))


def _held(job: Job) -> tuple[Any, ...]:
    c = t.jobs.c
    return (
        c.merchant_id == job.merchant_id,
        c.kind == job.kind,
        c.subject == job.subject,
        c.fence == job.fence,
    )


def _claimed(event: ReceivedEvent) -> tuple[Any, ...]:
    c = t.inbox.c
    return (
        c.account == event.account,
        c.provider == event.provider,
        c.event_id == event.event_id,
        c.fence == event.fence,
    )


def _key(claim: KeyClaim) -> tuple[Any, ...]:
    c = t.idempotency_keys.c
    return (
        c.merchant_id == claim.merchant_id,
        c.livemode == claim.livemode,
        c.key == claim.key,
    )
