"""The merchant's event feed: every event once, in one order, without gaps for whoever follows it.

Events are written by many transactions at once, which commit in another order than they began in:
a reader who remembers the last number it saw would miss one that commits later under a smaller one.
So an event has no place in the feed when it is written. The *placer* gives places afterwards, to
committed events only, one transaction at a time; it commits places in rising order, and a reader
that has seen place n has seen all before it. The same transaction inserts the deliveries.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row, bindparam, func, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.endpoints import wants
from gateway.errors import NotFound
from gateway.ids import Ids
from gateway.ports import Clock
from storage import tables as t
from storage.engine import Database

#: Events placed in one transaction.
BATCH = 500
#: The advisory lock that placers queue at on PostgreSQL (on SQLite they queue at its write lock).
_PLACER_LOCK = 0x6576_656E_7473  # "events"
#: Sent to the endpoint that it tests, which has its delivery already, and to no other.
TEST_EVENT = "endpoint.test"


class StoredEvent(msgspec.Struct, frozen=True):
    """An event of the feed; `data` is JSON."""

    id: str
    livemode: bool
    type: str
    order_id: str
    created_at: datetime
    sequence: int
    data: bytes


class Feed:
    """The feeds of all merchants."""

    def __init__(self, database: Database, ids: Ids, clock: Clock) -> None:
        self._database = database
        self._ids = ids
        self._clock = clock

    # --- placing ----------------------------------------------------------------------------------

    async def place(self) -> int:
        """Give places to a batch of events, and insert their deliveries. Returns how many."""
        c = t.events.c
        unplaced = select(c.id).where(c.position.is_(None)).limit(1)
        async with self._database.read() as connection:  # mostly there is nothing to do
            if (await connection.execute(unplaced)).first() is None:
                return 0
        async with self._database.write() as connection:
            if not self._database.is_sqlite:
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({_PLACER_LOCK})"))
            # On PostgreSQL this statement's snapshot is taken now, with the lock held.
            rows = in_feed_order(await _unplaced(connection))
            for (merchant_id, livemode), events in _by_feed(rows).items():
                await self._place(connection, merchant_id, livemode, events)
        return len(rows)

    async def _place(
        self,
        connection: AsyncConnection,
        merchant_id: str,
        livemode: bool,
        events: Sequence[Row[Any]],
    ) -> None:
        c = t.events.c
        last = await connection.scalar(
            select(func.max(c.position)).where(c.merchant_id == merchant_id, c.livemode == livemode)
        )
        await connection.execute(
            update(t.events)
            .where(c.merchant_id == merchant_id, c.id == bindparam("event_id"))
            .values(position=bindparam("place")),
            [
                {"event_id": event.id, "place": place}
                for place, event in enumerate(events, (last or 0) + 1)
            ],
        )
        e = t.webhook_endpoints.c
        endpoints = await connection.execute(
            # The lock keeps an endpoint from being disabled before its deliveries are there to be
            # canceled with it.
            select(e.id, e.events)
            .where(e.merchant_id == merchant_id, e.livemode == livemode, e.status == "enabled")
            .order_by(e.id)
            .with_for_update(read=True)
        )
        now, wanted = self._clock.now(), endpoints.all()
        rows = [
            delivery_row(self._ids, endpoint.id, event, now)
            for event in events
            for endpoint in wanted
            if event.type != TEST_EVENT and wants(endpoint.events, event.type)
        ]
        await insert_deliveries(connection, self._database, rows, now)

    # --- reading ----------------------------------------------------------------------------------

    async def page(
        self,
        merchant_id: str,
        livemode: bool,
        after: int,
        limit: int,
        *,
        types: Sequence[str] = (),
        order_id: str | None = None,
    ) -> tuple[list[StoredEvent], int]:
        """Events after the place `after`, oldest first, and the place to go on from."""
        await self.place()
        c = t.events.c
        own = (c.merchant_id == merchant_id) & (c.livemode == livemode)
        async with self._database.read() as connection:
            # What is placed after this statement belongs to the next page, filtered or not.
            head = await connection.scalar(select(func.max(c.position)).where(own)) or 0
            query = (
                select(t.events)
                .where(own, c.position > after, c.position <= head)
                .order_by(c.position)
                .limit(limit)
            )
            if types:
                query = query.where(c.type.in_(types))
            if order_id is not None:
                query = query.where(c.order_id == order_id)
            rows = (await connection.execute(query)).all()
        full = len(rows) == limit
        return [_stored(row) for row in rows], rows[-1].position if full else max(after, head)

    async def event(self, merchant_id: str, livemode: bool, event_id: str) -> StoredEvent:
        """One event. Raises NotFound."""
        c = t.events.c
        query = select(t.events).where(
            c.merchant_id == merchant_id, c.livemode == livemode, c.id == event_id
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        if row is None:
            raise NotFound(f"there is no event {event_id}")
        return _stored(row)


async def insert_deliveries(
    connection: AsyncConnection,
    database: Database,
    rows: Sequence[dict[str, Any]],
    now: datetime,
) -> None:
    """Insert deliveries (`delivery_row`), due at once."""
    if rows:
        insert = t.deliveries.insert().values(run_at=database.moment(now))
        await connection.execute(insert, list(rows))


def delivery_row(ids: Ids, endpoint_id: str, event: Row[Any], now: datetime) -> dict[str, Any]:
    """A new delivery of `event`."""
    return {
        "merchant_id": event.merchant_id,
        "id": ids.new("dlv"),
        "livemode": event.livemode,
        "endpoint_id": endpoint_id,
        "event_id": event.id,
        "event_type": event.type,
        "order_id": event.order_id,
        "sequence": event.sequence,
        "status": "pending",
        "attempts": 0,
        "fence": 0,
        "error": "",
        "created_at": now,
    }


def in_feed_order(events: Sequence[Row[Any]]) -> list[Row[Any]]:
    """By id, that is by time; but within an order always by its sequence.

    The ids of two processes whose clocks differ may contradict the sequence. The places that an
    order's events have by their ids are then dealt out among them anew.
    """
    by_id = sorted(events, key=lambda event: event.id)
    orders: defaultdict[tuple[str, str], list[Row[Any]]] = defaultdict(list)
    for event in by_id:
        orders[event.merchant_id, event.order_id].append(event)
    turns = {
        key: iter(sorted(own, key=lambda event: event.sequence)) for key, own in orders.items()
    }
    return [next(turns[event.merchant_id, event.order_id]) for event in by_id]


async def _unplaced(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """A batch of events without a place, and with each all other ones of its order."""
    c = t.events.c
    batch = (
        select(c.merchant_id, c.order_id).where(c.position.is_(None)).order_by(c.id).limit(BATCH)
    ).subquery()
    rows = await connection.execute(
        select(c.merchant_id, c.livemode, c.id, c.type, c.order_id, c.sequence).where(
            c.position.is_(None),
            tuple_(c.merchant_id, c.order_id).in_(select(batch.c.merchant_id, batch.c.order_id)),
        )
    )
    unplaced: Sequence[Any] = rows.all()
    return unplaced


def _by_feed(events: Sequence[Row[Any]]) -> dict[tuple[str, bool], list[Row[Any]]]:
    feeds: defaultdict[tuple[str, bool], list[Row[Any]]] = defaultdict(list)
    for event in events:
        feeds[event.merchant_id, event.livemode].append(event)
    return feeds


def _stored(row: Row[Any]) -> StoredEvent:
    return StoredEvent(
        id=row.id,
        livemode=row.livemode,
        type=row.type,
        order_id=row.order_id,
        created_at=row.created_at,
        sequence=row.sequence,
        data=row.data,
    )
