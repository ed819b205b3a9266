"""The inbox as a replay reads it (gateway/replay.py)."""

from collections.abc import AsyncIterator
from datetime import datetime

import msgspec
from sqlalchemy import select, tuple_, update

from gateway.ids import Ids
from gateway.provider import ProviderEvent
from gateway.records import ReceivedEvent
from gateway.replay import Selection, StoredEvent
from gateway.verify import StoredOrder
from storage import tables as t
from storage.engine import Database
from storage.inbox import received_event
from storage.ledger import SqlLedger
from storage.unit_of_work import SqlTransaction

_BATCH = 100


class SqlReplays:
    """gateway.replay.Events."""

    def __init__(self, database: Database, ids: Ids) -> None:
        self._database = database
        self._ids = ids
        self._ledger = SqlLedger(database)

    async def events(self, wanted: Selection) -> AsyncIterator[StoredEvent]:
        """The selected events as they were received. Their keys are held in memory, not bodies."""
        c = t.inbox.c
        query = select(c.account, c.provider, c.event_id).order_by(c.received_at, c.event_id)
        if wanted.event_id is not None:
            query = query.where(c.event_id == wanted.event_id)
        if wanted.provider is not None:
            query = query.where(c.provider == wanted.provider)
        if wanted.since is not None:
            query = query.where(c.received_at >= wanted.since)
        if wanted.until is not None:
            query = query.where(c.received_at < wanted.until)
        async with self._database.read() as connection:
            keys = [tuple(row) for row in await connection.execute(query)]
        for start in range(0, len(keys), _BATCH):
            for stored in await self._batch(keys[start : start + _BATCH]):
                yield stored

    async def _batch(self, keys: list[tuple[str, ...]]) -> list[StoredEvent]:
        c = t.inbox.c
        query = select(t.inbox).where(tuple_(c.account, c.provider, c.event_id).in_(keys))
        async with self._database.read() as connection:
            rows = await connection.execute(query.order_by(c.received_at, c.event_id))
            return [StoredEvent(received_event(row), row.status) for row in rows]

    async def order_of(self, provider: str, event: ProviderEvent) -> tuple[StoredOrder, str] | None:
        """The order that an event is about, and the payment's id."""
        async with self._database.read() as connection:
            tx = SqlTransaction(self._database, connection, self._ids)
            found = await tx.find_payment(provider, event.payment_id, event.provider_ids)
        if found is None:
            return None
        merchant_id, order_id, payment_id = found
        order = await self._ledger.snapshot(merchant_id, order_id)
        return None if order is None else (order, payment_id)

    async def claim(self, event: StoredEvent, lease_until: datetime) -> ReceivedEvent | None:
        """Lease it as a worker does: should this process die, one takes it up."""
        c, received = t.inbox.c, event.received
        change = (
            update(t.inbox)
            .where(
                c.account == received.account,
                c.provider == received.provider,
                c.event_id == received.event_id,
                c.fence == received.fence,
                c.status == event.status,
            )
            .values(
                status="received",
                run_at=self._database.moment(lease_until),
                fence=c.fence + 1,
                attempts=c.attempts + 1,
            )
            .returning(c.fence, c.attempts)
        )
        async with self._database.write() as connection:
            row = (await connection.execute(change)).first()
        if row is None:
            return None
        return msgspec.structs.replace(received, attempts=row.attempts, fence=row.fence)
