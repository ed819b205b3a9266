"""Deliveries to merchants as work: claimed with a lease, tried, settled.

`fence` is odd while a delivery is under way, so one can tell a lease from a retry's time. Whoever
changes an endpoint's deliveries locks the endpoint first: that is also what keeps two processes
from sending it more at once than they should.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, and_, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.deliveries import ORDERED_TRIES, Reply, Verdict, judge, slots
from gateway.endpoints import SentRequest, event_body
from gateway.ids import Ids
from gateway.ports import Clock
from storage import tables as t
from storage.endpoints import (
    Endpoints,
    cancel_pending,
    endpoint_resource,
    health,
    health_columns,
    locked_endpoint,
    update_endpoint,
)
from storage.engine import Database

#: Endpoints looked at in one claim.
_ENDPOINTS = 32


class Claimed(msgspec.Struct, frozen=True):
    """A delivery that this process may try now. `probe`: alone, to see if its endpoint is back.

    `secrets` sign it, all of them; there are none when GATEWAY_SECRET_KEY has been changed.
    """

    merchant_id: str
    id: str
    endpoint_id: str
    livemode: bool
    url: str
    secrets: tuple[str, ...]
    event_id: str
    body: bytes
    fence: int
    probe: bool

    def __repr__(self) -> str:
        return f"Claimed({self.id!r})"


class Deliveries:
    """The deliveries that are due, of all merchants. `randomness` makes the jitter of retries."""

    def __init__(
        self,
        database: Database,
        ids: Ids,
        clock: Clock,
        endpoints: Endpoints,
        randomness: Callable[[int], bytes],
    ) -> None:
        self._database = database
        self._ids = ids
        self._clock = clock
        self._endpoints = endpoints
        self._randomness = randomness

    # --- claiming ---------------------------------------------------------------------------------

    async def claim(
        self, now: datetime, lease_until: datetime, free: int, busy: Mapping[str, int] | None = None
    ) -> list[Claimed]:
        """Lease what is due: up to `free`, some of each endpoint whose circuit lets it through.

        `busy`: how many this process has under way to which endpoint. Those with all they may
        have are not looked at, lest there is no time for the others.
        """
        d, e = t.deliveries.c, t.webhook_endpoints.c
        moment = self._database.moment(now)
        due = and_(d.status == "pending", d.run_at <= moment)
        async with self._database.read() as connection:  # an idle worker takes no lock
            if (await connection.execute(select(d.id).where(due).limit(1))).first() is None:
                return []
        full = [endpoint for endpoint, count in (busy or {}).items() if count >= slots(free)]
        ready = (
            select(t.webhook_endpoints)
            .where(
                e.status == "enabled",
                e.id.not_in(full),
                or_(e.open_until.is_(None), e.open_until <= now),
                exists().where(d.merchant_id == e.merchant_id, d.endpoint_id == e.id, due),
            )
            .order_by(func.random())  # nobody is always the last
            .limit(_ENDPOINTS)
            .with_for_update(skip_locked=True, key_share=True)
        )
        claimed: list[Claimed] = []
        async with self._database.write() as connection:
            for endpoint in (await connection.execute(ready)).all():
                room = free - len(claimed)
                claimed += await self._claim_of(connection, endpoint, now, lease_until, room)
        return claimed

    async def _claim_of(
        self,
        connection: AsyncConnection,
        endpoint: Row[Any],
        now: datetime,
        lease_until: datetime,
        room: int,
    ) -> list[Claimed]:
        c, probe = t.deliveries.c, health(endpoint).tripped
        moment = self._database.moment(now)
        waiting = _waiting(endpoint.merchant_id, endpoint.id)
        under_way = await connection.scalar(
            select(func.count()).select_from(t.deliveries).where(waiting, _under_way(moment))
        )
        room = min(room, (1 if probe else slots(room)) - (under_way or 0))
        if room <= 0:
            return []
        due = (
            select(c.id)
            .where(waiting, c.run_at <= moment, ~_held_back())
            .order_by(c.run_at, c.id)
            .limit(room)
        )
        ids = (await connection.scalars(due)).all()
        rows = await connection.execute(
            update(t.deliveries)
            .where(c.merchant_id == endpoint.merchant_id, c.id.in_(ids))
            .values(run_at=self._database.moment(lease_until), fence=c.fence + 1 + c.fence % 2)
            .returning(c.id, c.event_id, c.fence)
        )
        taken = rows.all()
        if probe and taken:
            values = {"open_until": lease_until}
            await update_endpoint(connection, endpoint.merchant_id, endpoint.id, values)
        bodies = await _bodies(connection, endpoint.merchant_id, [row.event_id for row in taken])
        secrets = self._endpoints.signing_secrets(endpoint, now)
        return [
            Claimed(
                merchant_id=endpoint.merchant_id,
                id=row.id,
                endpoint_id=endpoint.id,
                livemode=endpoint.livemode,
                url=endpoint.url,
                secrets=secrets,
                event_id=row.event_id,
                body=bodies[row.event_id],
                fence=row.fence,
                probe=probe,
            )
            for row in taken
        ]

    # --- settling ---------------------------------------------------------------------------------

    async def settle(
        self, claimed: Claimed, started: datetime, sent: SentRequest, reply: Reply
    ) -> Verdict:
        """Log the try and act on it, in one transaction.

        A receipt counts even when the lease was lost meanwhile; a failure then changes nothing.
        """
        now = self._clock.now()
        async with self._database.write() as connection:
            endpoint = await locked_endpoint(connection, claimed.merchant_id, claimed.endpoint_id)
            c = t.deliveries.c
            own = and_(c.merchant_id == claimed.merchant_id, c.id == claimed.id)
            delivery = (await connection.execute(select(t.deliveries).where(own))).one()
            await _log(connection, claimed, started, sent, reply)
            verdict = judge(
                reply,
                delivery.attempts + 1,
                health(endpoint),
                now,
                probe=claimed.probe,
                randomness=self._randomness,
            )
            if delivery.fence != claimed.fence and not reply.ok:
                return verdict
            pending = delivery.status == "pending"
            await connection.execute(
                update(t.deliveries)
                .where(own)
                .values(
                    status=verdict.status if pending or reply.ok else delivery.status,
                    run_at=self._database.moment(verdict.run_at),
                    attempts=delivery.attempts + 1,
                    fence=delivery.fence + delivery.fence % 2,
                    response_status=reply.status,
                    error=reply.error,
                    delivered_at=now if reply.ok else delivery.delivered_at,
                )
            )
            await self._react(connection, endpoint, verdict, now)
        return verdict

    async def _react(
        self, connection: AsyncConnection, endpoint: Row[Any], verdict: Verdict, now: datetime
    ) -> None:
        """What a try means for its endpoint."""
        own = endpoint.merchant_id, endpoint.id
        if verdict.health != health(endpoint):
            await update_endpoint(connection, *own, health_columns(verdict.health))
        if verdict.recovered:
            c, moment = t.deliveries.c, self._database.moment(now)
            await connection.execute(
                update(t.deliveries)
                .where(_waiting(*own), c.run_at > moment, c.fence % 2 == 0)
                .values(run_at=moment)
            )
        if verdict.disable and endpoint.status == "enabled":
            values = {
                "status": "disabled",
                "disabled_reason": verdict.disable,
                "updated_at": now,
            }
            await update_endpoint(connection, *own, values)
            await cancel_pending(connection, *own)
            disabled = endpoint_resource(await locked_endpoint(connection, *own), now)
            await add_endpoint_event(
                connection, self._ids, endpoint.merchant_id, "endpoint.disabled", disabled, now
            )


async def add_endpoint_event(
    connection: AsyncConnection, ids: Ids, merchant_id: str, kind: str, data: Any, now: datetime
) -> Row[Any]:
    """An event about an endpoint (an EndpointResource), and no order."""
    rows = await connection.execute(
        t.events.insert()
        .values(
            merchant_id=merchant_id,
            id=ids.new("evt"),
            livemode=data.livemode,
            type=kind,
            order_id="",
            sequence=0,
            created_at=now,
            data=msgspec.json.encode(data),
        )
        .returning(t.events)
    )
    row: Row[Any] = rows.one()
    return row


def _waiting(merchant_id: str, endpoint_id: str) -> ColumnElement[bool]:
    c = t.deliveries.c
    return and_(c.merchant_id == merchant_id, c.endpoint_id == endpoint_id, c.status == "pending")


def _under_way(moment: Any) -> ColumnElement[bool]:
    c = t.deliveries.c
    return and_(c.fence % 2 == 1, c.run_at > moment)


def _held_back() -> ColumnElement[bool]:
    """An earlier event of the same order has not arrived yet, and has had few tries."""
    c, earlier = t.deliveries.c, t.deliveries.alias("earlier")
    return and_(
        c.order_id != "",
        exists().where(
            earlier.c.merchant_id == c.merchant_id,
            earlier.c.endpoint_id == c.endpoint_id,
            earlier.c.order_id == c.order_id,
            earlier.c.sequence < c.sequence,
            earlier.c.status == "pending",
            earlier.c.attempts < ORDERED_TRIES,
        ),
    )


async def _bodies(
    connection: AsyncConnection, merchant_id: str, event_ids: Sequence[str]
) -> dict[str, bytes]:
    c = t.events.c
    rows = await connection.execute(
        select(c.id, c.type, c.created_at, c.sequence, c.data).where(
            c.merchant_id == merchant_id, c.id.in_(event_ids)
        )
    )
    return {row.id: event_body(row.type, row.created_at, row.sequence, row.data) for row in rows}


async def _log(
    connection: AsyncConnection,
    claimed: Claimed,
    started: datetime,
    sent: SentRequest,
    reply: Reply,
) -> None:
    c = t.delivery_attempts.c
    last = await connection.scalar(
        select(func.max(c.number)).where(
            c.merchant_id == claimed.merchant_id, c.delivery_id == claimed.id
        )
    )
    await connection.execute(
        t.delivery_attempts.insert().values(
            merchant_id=claimed.merchant_id,
            delivery_id=claimed.id,
            number=(last or 0) + 1,
            at=started,
            request=msgspec.json.encode(sent),
            response_status=reply.status,
            response=reply.body,
            error=reply.error,
            milliseconds=reply.milliseconds,
        )
    )
