"""The delivery log, and what a merchant may ask of it: resend one, recover a range, test."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row, and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.endpoints import (
    Attempt,
    DeliveryDetail,
    DeliveryResource,
    SentRequest,
    wants,
)
from gateway.errors import Conflict, NotFound
from gateway.ids import Ids
from gateway.ports import Clock
from storage import tables as t
from storage.deliveries import add_endpoint_event
from storage.endpoints import endpoint_resource
from storage.engine import Database
from storage.feed import BATCH, TEST_EVENT, delivery_row, insert_deliveries

_decode_request = msgspec.json.Decoder(SentRequest).decode
#: What `resend` and `recover` do to a delivery: it starts anew, under the same event id.
_AGAIN: dict[str, Any] = {"status": "pending", "attempts": 0}
#: Deliveries as they are shown: with the time before which nothing is sent to their endpoint.
_SHOWN = select(t.deliveries, t.webhook_endpoints.c.open_until).select_from(
    t.deliveries.join(t.webhook_endpoints)
)


class DeliveryLog:
    """The deliveries of every merchant; each call names the merchant and the mode."""

    def __init__(self, database: Database, ids: Ids, clock: Clock) -> None:
        self._database = database
        self._ids = ids
        self._clock = clock

    async def page(
        self,
        merchant_id: str,
        livemode: bool,
        after: str | None,
        limit: int,
        *,
        endpoint_id: str | None = None,
        status: str | None = None,
        event: str | None = None,
    ) -> tuple[list[DeliveryResource], str | None]:
        """A page of deliveries, newest first, and the id after which the next one starts.

        `event` is an event's id or a type.
        """
        c = t.deliveries.c
        query = (
            _SHOWN.where(c.merchant_id == merchant_id, c.livemode == livemode)
            .order_by(c.id.desc())
            .limit(limit + 1)
        )
        if after is not None:
            query = query.where(c.id < after)
        for column, value in ((c.endpoint_id, endpoint_id), (c.status, status)):
            if value is not None:
                query = query.where(column == value)
        if event is not None:
            query = query.where((c.event_id if event.startswith("evt_") else c.event_type) == event)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        shown = [DeliveryResource(**_fields(row)) for row in rows[:limit]]
        return shown, shown[-1].id if len(rows) > limit else None

    async def get(self, merchant_id: str, livemode: bool, delivery_id: str) -> DeliveryDetail:
        """One delivery with its tries. Raises NotFound."""
        async with self._database.read() as connection:
            return await _detail(connection, merchant_id, livemode, delivery_id)

    async def resend(self, merchant_id: str, livemode: bool, delivery_id: str) -> DeliveryDetail:
        """Send it again, whatever became of it, as soon as its endpoint's circuit lets it through.

        Raises NotFound, Conflict for a disabled endpoint.
        """
        now, c = self._clock.now(), t.deliveries.c
        moment = self._database.moment(now)
        async with self._database.write() as connection:
            row = await _find(connection, merchant_id, livemode, delivery_id)
            await _enabled(connection, merchant_id, livemode, row.endpoint_id)
            await connection.execute(
                update(t.deliveries)
                .where(
                    c.merchant_id == merchant_id,
                    c.id == delivery_id,
                    or_(
                        c.fence % 2 == 0, c.run_at <= moment
                    ),  # one under way is on its way already
                )
                .values(**_AGAIN, run_at=moment)
            )
            return await _detail(connection, merchant_id, livemode, delivery_id)

    async def resend_event(
        self, merchant_id: str, livemode: bool, event_id: str
    ) -> list[DeliveryResource]:
        """Send an event again to every enabled endpoint that asks for it, received before or not.

        Raises NotFound.
        """
        e, d, now = t.webhook_endpoints.c, t.deliveries.c, self._clock.now()
        own = (d.merchant_id == merchant_id) & (d.event_id == event_id)
        async with self._database.write() as connection:
            event = await _event(connection, merchant_id, livemode, event_id)
            enabled = select(t.webhook_endpoints).where(
                e.merchant_id == merchant_id, e.livemode == livemode, e.status == "enabled"
            )
            rows = await connection.execute(enabled.order_by(e.id).with_for_update(key_share=True))
            endpoints = [row.id for row in rows if wants(row.events, event.type)]
            known = set(await connection.scalars(select(d.endpoint_id).where(own)))
            idle = or_(d.fence % 2 == 0, d.run_at <= self._database.moment(now))
            await connection.execute(
                update(t.deliveries)
                .where(own, d.endpoint_id.in_(endpoints), idle)
                .values(**_AGAIN, run_at=self._database.moment(now))
            )
            new = [
                delivery_row(self._ids, one, event, now) for one in endpoints if one not in known
            ]
            await insert_deliveries(connection, self._database, new, now)
            sent = _SHOWN.where(own, d.endpoint_id.in_(endpoints)).order_by(d.id)
            return [DeliveryResource(**_fields(row)) for row in await connection.execute(sent)]

    async def test(self, merchant_id: str, livemode: bool, endpoint_id: str) -> DeliveryDetail:
        """An `endpoint.test` event for this endpoint alone. Raises NotFound, Conflict."""
        now = self._clock.now()
        async with self._database.write() as connection:
            endpoint = await _enabled(connection, merchant_id, livemode, endpoint_id)
            event = await add_endpoint_event(
                connection,
                self._ids,
                merchant_id,
                TEST_EVENT,
                endpoint_resource(endpoint, now),
                now,
            )
            row = delivery_row(self._ids, endpoint_id, event, now)
            await insert_deliveries(connection, self._database, [row], now)
            return await _detail(connection, merchant_id, livemode, row["id"])

    async def recover(
        self, merchant_id: str, livemode: bool, endpoint_id: str, since: datetime
    ) -> int:
        """Send what the endpoint asked for and did not receive since then. Returns how much.

        What was delivered, and what waits anyway, is left alone. In batches, so that a long outage
        needs no long transaction. Raises NotFound, Conflict.
        """
        recovered, place = 0, 0
        while True:
            async with self._database.write() as connection:
                endpoint = await _enabled(connection, merchant_id, livemode, endpoint_id)
                rows = await _not_delivered(connection, endpoint, since, place)
                wanted = [row for row in rows if wants(endpoint.events, row.type)]
                await self._send_again(connection, endpoint, wanted)
            recovered += len(wanted)
            if len(rows) < BATCH:
                return recovered
            place = rows[-1].position

    async def _send_again(
        self, connection: AsyncConnection, endpoint: Row[Any], events: list[Row[Any]]
    ) -> None:
        c, now = t.deliveries.c, self._clock.now()
        known = [event.delivery_id for event in events if event.delivery_id is not None]
        if known:
            await connection.execute(
                update(t.deliveries)
                .where(c.merchant_id == endpoint.merchant_id, c.id.in_(known))
                .values(**_AGAIN, run_at=self._database.moment(now))
            )
        new = [
            delivery_row(self._ids, endpoint.id, event, now)
            for event in events
            if event.delivery_id is None
        ]
        await insert_deliveries(connection, self._database, new, now)


async def _not_delivered(
    connection: AsyncConnection, endpoint: Row[Any], since: datetime, place: int
) -> Sequence[Row[Any]]:
    """A batch of events since then, with what deliveries they have, in the feed's order."""
    e, d = t.events.c, t.deliveries.c
    query = (
        select(
            e.merchant_id, e.livemode, e.id, e.type, e.order_id, e.sequence, e.position,
            d.id.label("delivery_id"),
        )
        .outerjoin_from(
            t.events,
            t.deliveries,
            and_(
                d.merchant_id == e.merchant_id,
                d.event_id == e.id,
                d.endpoint_id == endpoint.id,
            ),
        )
        .where(
            e.merchant_id == endpoint.merchant_id,
            e.livemode == endpoint.livemode,
            e.position > place,  # those without a place will be delivered with it
            e.created_at >= since,
            e.type != TEST_EVENT,
            or_(d.id.is_(None), d.status.in_(("failed", "canceled"))),
        )
        .order_by(e.position)
        .limit(BATCH)
    )  # fmt: skip
    rows: Sequence[Any] = (await connection.execute(query)).all()
    return rows


async def _enabled(
    connection: AsyncConnection, merchant_id: str, livemode: bool, endpoint_id: str
) -> Row[Any]:
    """The endpoint, locked. Raises NotFound, or Conflict when nothing is sent to it."""
    c = t.webhook_endpoints.c
    query = select(t.webhook_endpoints).where(
        c.merchant_id == merchant_id,
        c.livemode == livemode,
        c.id == endpoint_id,
        c.status != "deleted",
    )
    row = (await connection.execute(query.with_for_update(key_share=True))).first()
    if row is None:
        raise NotFound(f"there is no webhook endpoint {endpoint_id}")
    if row.status != "enabled":
        raise Conflict(f"the webhook endpoint {endpoint_id} is disabled; enable it first")
    return row


async def _event(
    connection: AsyncConnection, merchant_id: str, livemode: bool, event_id: str
) -> Row[Any]:
    """An event that has its place in the feed: before, its deliveries are still to come."""
    c = t.events.c
    query = select(t.events).where(
        c.merchant_id == merchant_id,
        c.livemode == livemode,
        c.id == event_id,
        c.type != TEST_EVENT,
        c.position.is_not(None),
    )
    row = (await connection.execute(query)).first()
    if row is None:
        raise NotFound(f"there is no event {event_id} that endpoints could be sent")
    return row


async def _find(
    connection: AsyncConnection, merchant_id: str, livemode: bool, delivery_id: str
) -> Row[Any]:
    c = t.deliveries.c
    query = _SHOWN.where(c.merchant_id == merchant_id, c.livemode == livemode, c.id == delivery_id)
    row = (await connection.execute(query)).first()
    if row is None:
        raise NotFound(f"there is no delivery {delivery_id}")
    return row


async def _detail(
    connection: AsyncConnection, merchant_id: str, livemode: bool, delivery_id: str
) -> DeliveryDetail:
    row = await _find(connection, merchant_id, livemode, delivery_id)
    c = t.delivery_attempts.c
    attempts = await connection.execute(
        select(t.delivery_attempts)
        .where(c.merchant_id == merchant_id, c.delivery_id == delivery_id)
        .order_by(c.number)
    )
    return DeliveryDetail(
        **_fields(row),
        attempts=[
            Attempt(
                number=attempt.number,
                at=attempt.at,
                request=_decode_request(attempt.request),
                response_status=attempt.response_status,
                response_body=attempt.response.decode(errors="replace"),
                error=attempt.error or None,
                milliseconds=attempt.milliseconds,
            )
            for attempt in attempts
        ],
    )


def _fields(row: Row[Any]) -> dict[str, Any]:
    resting = row.status == "pending" and row.fence % 2 == 0
    next_try_at = max(row.run_at, row.open_until or row.run_at)
    return {
        "object": "delivery",
        "id": row.id,
        "livemode": row.livemode,
        "endpoint": row.endpoint_id,
        "event": row.event_id,
        "event_type": row.event_type,
        "order": row.order_id or None,
        "sequence": row.sequence,
        "status": row.status,
        "tries": row.attempts,
        "response_status": row.response_status,
        "error": row.error or None,
        "next_try_at": next_try_at if resting else None,
        "created_at": row.created_at,
        "delivered_at": row.delivered_at,
    }
