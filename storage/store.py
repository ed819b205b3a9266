"""gateway.ports.Store: transactions, claimed work, and the inbox with its group commit.

By which clock is work due, and when does a lease end? On SQLite by our own: there is one machine.
On PostgreSQL by the database's, since the clocks of many machines differ: one that is ten minutes
fast would take work from under those who hold it, and leave its own lying for ten minutes. The
domain says instants, by the clock it was given; what is stored is the database's time plus their
distance from this process's now (`Database.moment`), and what is compared is the database's time.
Instants that mean something by themselves (created_at, expires_at, received_at) are stored as told.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Table, select, tuple_, update

from gateway.ids import Ids
from gateway.records import Job, ReceivedEvent
from storage import tables as t
from storage.engine import Database
from storage.group_commit import GroupCommit
from storage.inbox import received_event
from storage.unit_of_work import SqlTransaction


class SqlStore:
    """The store of one process. `wake` is called after commits that left work to do at once."""

    def __init__(
        self, database: Database, ids: Ids, wake: Callable[[], None] = lambda: None
    ) -> None:
        self.database = database
        self._ids = ids
        self._wake = wake
        self._inbox: GroupCommit[ReceivedEvent, bool] = GroupCommit(
            self._write_events, lambda event: (event.account, event.provider, event.event_id)
        )

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[SqlTransaction]:
        """Commits on a clean exit, rolls back on an exception. Raises StoreUnavailable."""
        async with self.database.write() as connection:
            transaction = SqlTransaction(self.database, connection, self._ids)
            yield transaction
        if transaction.left_work:
            self._wake()

    async def close(self) -> None:
        """Finish queued writes and close all connections."""
        await self._inbox.close()
        await self.database.close()

    # --- claiming ---------------------------------------------------------------------------------

    async def claim_jobs(self, now: datetime, lease_until: datetime, limit: int) -> list[Job]:
        """Lease jobs that are due. A lease is `run_at` in the future, and a new fence."""
        waiting = t.jobs.c.status == "waiting"
        rows = await self._claim(t.jobs, waiting, now, lease_until, limit)
        return [
            Job(
                id=row.id,
                merchant_id=row.merchant_id,
                kind=row.kind,
                subject=row.subject,
                run_at=row.run_at,
                attempts=row.attempts,
                fence=row.fence,
            )
            for row in rows
        ]

    async def claim_events(
        self, now: datetime, lease_until: datetime, limit: int
    ) -> list[ReceivedEvent]:
        """Lease received events that are due."""
        received = t.inbox.c.status == "received"
        rows = await self._claim(t.inbox, received, now, lease_until, limit)
        return [received_event(row) for row in sorted(rows, key=lambda row: row.received_at)]

    async def _claim(
        self,
        table: Table,
        waiting: ColumnElement[bool],
        now: datetime,
        lease_until: datetime,
        limit: int,
    ) -> Sequence[Row[Any]]:
        c, keys = table.c, list(table.primary_key)
        is_due = (waiting, c.run_at <= self.database.moment(now))
        due = (  # a CTE, since a subquery may be run again for each row and then exceeds its limit
            select(*keys)
            .where(*is_due)
            .order_by(c.run_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte("due")
        )
        async with self.database.read() as connection:  # an idle worker takes no write lock
            if (await connection.execute(select(*keys).where(*is_due).limit(1))).first() is None:
                return []
        async with self.database.write() as connection:
            claimed = await connection.execute(
                update(table)
                .where(tuple_(*keys).in_(select(due)))
                .values(
                    run_at=self.database.moment(lease_until),
                    fence=c.fence + 1,
                    attempts=c.attempts + 1,
                )
                .returning(table)
            )
            rows: Sequence[Row[Any]] = claimed.all()
            return rows

    # --- the inbox --------------------------------------------------------------------------------

    async def store_event(self, event: ReceivedEvent) -> bool:
        """Store a verified event durably; False when it was there already."""
        fresh = await self._inbox.put(event)
        self._wake()
        return fresh

    async def _write_events(self, events: Sequence[ReceivedEvent]) -> Sequence[bool]:
        """One transaction for a group. A repeated delivery is counted on the first one's row."""
        groups: dict[tuple[str, str, str], list[ReceivedEvent]] = {}
        for event in events:
            groups.setdefault((event.account, event.provider, event.event_id), []).append(event)
        insert = self.database.insert(t.inbox).values(
            [
                {
                    "account": same[0].account,
                    "provider": same[0].provider,
                    "event_id": same[0].event_id,
                    "merchant_id": "",
                    "type": same[0].type,
                    "body": same[0].body,
                    "received_at": same[0].received_at,
                    "deliveries": len(same),
                    "status": "received",
                    "rule": "",
                    "run_at": self.database.moment(same[0].received_at),
                    "attempts": 0,
                    "fence": 0,
                }
                for same in groups.values()
            ]
        )
        c = t.inbox.c
        upsert = insert.on_conflict_do_update(
            index_elements=["account", "provider", "event_id"],
            set_={"deliveries": c.deliveries + insert.excluded.deliveries},
        ).returning(c.account, c.provider, c.event_id, c.deliveries)
        async with self.database.write() as connection:
            rows = await connection.execute(upsert)
            counts = {(row.account, row.provider, row.event_id): row.deliveries for row in rows}
        fresh = {identity for identity, same in groups.items() if counts[identity] == len(same)}
        results = []
        for event in events:
            identity = (event.account, event.provider, event.event_id)
            results.append(identity in fresh)
            fresh.discard(identity)
        return results
