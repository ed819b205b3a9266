"""The inbox beyond the webhooks' own path: events found in a provider's list, and orphans."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, select, tuple_, update

from gateway.records import ReceivedEvent
from storage import tables as t
from storage.work import WorkTransaction


def received_event(row: Row[Any]) -> ReceivedEvent:
    """A ReceivedEvent from its row."""
    return ReceivedEvent(
        provider=row.provider,
        account=row.account,
        event_id=row.event_id,
        type=row.type,
        body=row.body,
        received_at=row.received_at,
        attempts=row.attempts,
        fence=row.fence,
        deliveries=row.deliveries,
    )


class InboxTransaction(WorkTransaction):
    """The part of a transaction that concerns events found later, and those of nobody yet."""

    async def import_events(self, events: Sequence[ReceivedEvent]) -> int:
        """Store events that were found in the provider's list; those that are there are left
        alone. Returns how many were missing."""
        if not events:
            return 0
        unique = {(e.account, e.provider, e.event_id): e for e in events}
        insert = self._insert(t.inbox).values(
            [
                {
                    "account": event.account,
                    "provider": event.provider,
                    "event_id": event.event_id,
                    "merchant_id": "",
                    "type": event.type,
                    "body": event.body,
                    "received_at": event.received_at,
                    "deliveries": event.deliveries,
                    "status": "received",
                    "rule": "",
                    "run_at": self._moment(event.received_at),
                    "attempts": 0,
                    "fence": 0,
                }
                for _, event in sorted(unique.items())
            ]
        )
        new = insert.on_conflict_do_nothing().returning(t.inbox.c.event_id)
        found = len((await self._execute(new)).all())
        self.left_work = self.left_work or found > 0
        return found

    async def keep_orphan(self, event: ReceivedEvent, provider_ids: Sequence[str]) -> None:
        """Remember by which ids an event's payment would be known, should we learn of them."""
        rows = [
            {
                "provider": event.provider,
                "provider_id": provider_id,
                "account": event.account,
                "event_id": event.event_id,
            }
            for provider_id in sorted(set(provider_ids))
        ]
        if rows:
            insert = self._insert(t.orphan_ids).values(rows)
            await self._execute(insert.on_conflict_do_nothing())

    async def release_orphans(self, at: datetime, limit: int) -> int:
        """Try those orphans again whose payment has become known since. Returns how many.

        Their tries are not counted anew: one is enough to tell.
        """
        c, ids, inbox = t.orphan_ids.c, t.provider_ids.c, t.inbox.c
        known = (c.provider_id == ids.provider_id) & (c.provider == ids.provider)
        found = await self._execute(
            select(c.account, c.provider, c.event_id)
            .join(t.provider_ids, known)
            .distinct()
            .limit(limit)
        )
        events = [tuple(row) for row in found]
        if events:
            await self._execute(
                update(t.inbox)
                .where(
                    tuple_(inbox.account, inbox.provider, inbox.event_id).in_(events),
                    inbox.status == "orphan",
                )
                .values(status="received", run_at=self._moment(at))
            )
            self.left_work = True
            await self._execute(
                delete(t.orphan_ids).where(tuple_(c.account, c.provider, c.event_id).in_(events))
            )
        return len(events)

    # --- how far a provider's list has been read --------------------------------------------------

    async def cursor(self, account: str, provider: str, name: str) -> str | None:
        """Where the last reading ended."""
        c = t.cursors.c
        value: str | None = await self._connection.scalar(
            select(c.value).where(c.account == account, c.provider == provider, c.name == name)
        )
        return value

    async def save_cursor(
        self, account: str, provider: str, name: str, value: str, at: datetime
    ) -> None:
        """Note how far the reading has come; it never goes back (values sort as text)."""
        insert = self._insert(t.cursors).values(
            account=account, provider=provider, name=name, value=value, updated_at=at
        )
        await self._execute(
            insert.on_conflict_do_update(
                index_elements=["account", "provider", "name"],
                set_={"value": insert.excluded.value, "updated_at": at},
                where=t.cursors.c.value < insert.excluded.value,
            )
        )
