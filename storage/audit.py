"""The audit log: what people did in the dashboard, who, when, and how it ended."""

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row, select, update

from gateway.ids import Ids
from gateway.ports import Clock
from storage import tables as t
from storage.engine import Database


class AuditEntry(msgspec.Struct, frozen=True):
    """One thing that somebody did. An empty `outcome`: it was begun, and we ended before it did."""

    id: str
    livemode: bool
    at: datetime
    actor: str
    actor_name: str
    action: str
    subject: str
    detail: str
    outcome: str


class AuditLog:
    """Entries are added, given their outcome once, and never changed after that."""

    def __init__(self, database: Database, ids: Ids, clock: Clock) -> None:
        self._database = database
        self._ids = ids
        self._clock = clock

    async def begin(
        self,
        merchant_id: str,
        livemode: bool,
        actor: str,
        actor_name: str,
        action: str,
        subject: str = "",
        detail: str = "",
        outcome: str = "",
    ) -> str:
        """Note what is about to be done, or was; the entry's id."""
        entry_id = self._ids.new("aud")
        async with self._database.write() as connection:
            await connection.execute(
                t.audit_log.insert().values(
                    merchant_id=merchant_id,
                    id=entry_id,
                    livemode=livemode,
                    at=self._clock.now(),
                    actor=actor,
                    actor_name=actor_name[:320],
                    action=action,
                    subject=subject[:255],
                    detail=detail[:2000],
                    outcome=outcome,
                )
            )
        return entry_id

    async def end(self, merchant_id: str, entry_id: str, outcome: str) -> None:
        """How it ended; only the first word on it counts."""
        c = t.audit_log.c
        async with self._database.write() as connection:
            await connection.execute(
                update(t.audit_log)
                .where(c.merchant_id == merchant_id, c.id == entry_id, c.outcome == "")
                .values(outcome=outcome[:2000])
            )

    async def page(
        self, merchant_id: str, livemode: bool, after: str | None, limit: int
    ) -> tuple[list[AuditEntry], str | None]:
        """A page of entries, newest first, and the id after which the next one starts."""
        c = t.audit_log.c
        query = (
            select(t.audit_log)
            .where(c.merchant_id == merchant_id, c.livemode == livemode)
            .order_by(c.id.desc())
            .limit(limit + 1)
        )
        if after is not None:
            query = query.where(c.id < after)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        shown = [_entry(row) for row in rows[:limit]]
        return shown, shown[-1].id if len(rows) > limit else None


def _entry(row: Row[Any]) -> AuditEntry:
    return AuditEntry(
        id=row.id,
        livemode=row.livemode,
        at=row.at,
        actor=row.actor,
        actor_name=row.actor_name,
        action=row.action,
        subject=row.subject,
        detail=row.detail,
        outcome=row.outcome,
    )
