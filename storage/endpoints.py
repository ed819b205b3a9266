"""Webhook endpoints: where merchants are told, and the secrets that sign what they are told."""

import base64
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.deliveries import Health
from gateway.endpoints import EndpointResource
from gateway.errors import Conflict, NotFound
from gateway.ids import Ids
from gateway.ports import Clock
from storage import tables as t
from storage.engine import Database
from storage.sealing import Sealer

#: For so long after it was replaced a secret signs beside the newest; at most so many do.
OVERLAP = timedelta(hours=24)
MOST_REPLACED = 4
#: Endpoints of one merchant in one mode: each event goes to all of them.
MOST_ENDPOINTS = 50
_SECRET_BYTES = 32


class Endpoints:
    """The endpoints of every merchant; each call names the merchant and the mode.

    `randomness` (n → n random bytes) makes the secrets.
    """

    def __init__(
        self,
        database: Database,
        ids: Ids,
        clock: Clock,
        sealer: Sealer,
        randomness: Callable[[int], bytes],
    ) -> None:
        self._database = database
        self._ids = ids
        self._clock = clock
        self._sealer = sealer
        self._randomness = randomness

    async def add(
        self, merchant_id: str, livemode: bool, url: str, events: Sequence[str], description: str
    ) -> tuple[EndpointResource, str]:
        """A new endpoint and its secret. Raises Conflict when there are too many."""
        secret, now = self._new_secret(), self._clock.now()
        endpoint_id = self._ids.new("whe")
        async with self._database.write() as connection:
            count = await connection.scalar(
                select(func.count())
                .select_from(t.webhook_endpoints)
                .where(*_of(merchant_id, livemode))
            )
            if (count or 0) >= MOST_ENDPOINTS:
                raise Conflict(f"there are {count} webhook endpoints already; delete one first")
            await connection.execute(
                t.webhook_endpoints.insert().values(
                    merchant_id=merchant_id,
                    id=endpoint_id,
                    livemode=livemode,
                    url=url,
                    events=" ".join(events),
                    description=description,
                    secret=self._sealer.seal(secret),
                    status="enabled",
                    disabled_reason="",
                    consecutive_failures=0,
                    created_at=now,
                    updated_at=now,
                )
            )
            row = await locked_endpoint(connection, merchant_id, endpoint_id)
            return endpoint_resource(row, now), secret

    async def get(self, merchant_id: str, livemode: bool, endpoint_id: str) -> EndpointResource:
        """One endpoint. Raises NotFound."""
        async with self._database.read() as connection:
            row = await _find(connection, merchant_id, livemode, endpoint_id)
        return endpoint_resource(row, self._clock.now())

    async def page(
        self, merchant_id: str, livemode: bool, after: str | None, limit: int
    ) -> tuple[list[EndpointResource], str | None]:
        """A page of endpoints, newest first, and the id after which the next one starts."""
        c = t.webhook_endpoints.c
        query = (
            select(t.webhook_endpoints)
            .where(*_of(merchant_id, livemode))
            .order_by(c.id.desc())
            .limit(limit + 1)
        )
        if after is not None:
            query = query.where(c.id < after)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        now = self._clock.now()
        shown = [endpoint_resource(row, now) for row in rows[:limit]]
        return shown, shown[-1].id if len(rows) > limit else None

    async def change(
        self, merchant_id: str, livemode: bool, endpoint_id: str, values: Mapping[str, Any]
    ) -> EndpointResource:
        """Change url, events (joined), description or status. Raises NotFound.

        Disabling cancels what waits for the endpoint; enabling starts with a clean record. A new
        address starts with one too.
        """
        now = self._clock.now()
        values = dict(values)
        async with self._database.write() as connection:
            row = await _find(connection, merchant_id, livemode, endpoint_id, lock=True)
            if values.get("status") == "enabled" or "url" in values:
                values |= health_columns(Health())
            if values.get("status") == "enabled":
                values["disabled_reason"] = ""
            elif values.get("status") == "disabled" and row.status != "disabled":
                values["disabled_reason"] = "disabled by the merchant"
                await cancel_pending(connection, merchant_id, endpoint_id)
            await update_endpoint(
                connection, merchant_id, endpoint_id, values | {"updated_at": now}
            )
            row = await _find(connection, merchant_id, livemode, endpoint_id)
            return endpoint_resource(row, now)

    async def delete(self, merchant_id: str, livemode: bool, endpoint_id: str) -> EndpointResource:
        """Nothing is sent to it any more; its deliveries stay readable. Raises NotFound."""
        now = self._clock.now()
        async with self._database.write() as connection:
            row = await _find(connection, merchant_id, livemode, endpoint_id, lock=True)
            await cancel_pending(connection, merchant_id, endpoint_id)
            values = {
                "status": "deleted",
                "secret": b"",
                "previous_secret": None,
                "updated_at": now,
            }
            await update_endpoint(connection, merchant_id, endpoint_id, values)
            return endpoint_resource(row, now)

    async def rotate(
        self, merchant_id: str, livemode: bool, endpoint_id: str
    ) -> tuple[EndpointResource, str]:
        """A new secret; each one before signs beside it until its `OVERLAP` is over.

        Whoever asks again, since the answer was lost, silences none. Raises NotFound, and Conflict
        where too many sign already.
        """
        secret, now = self._new_secret(), self._clock.now()
        async with self._database.write() as connection:
            row = await _find(connection, merchant_id, livemode, endpoint_id, lock=True)
            replaced = _replaced(row, now)
            if len(replaced) >= MOST_REPLACED:
                raise Conflict(
                    f"{len(replaced)} of its secrets were replaced within 24 hours, and all still "
                    f"sign; rotate again after {replaced[-1][1]:%Y-%m-%dT%H:%M:%SZ}"
                )
            earlier = (b"%b@%d" % (sealed, until.timestamp()) for sealed, until in replaced)
            values = {
                "secret": self._sealer.seal(secret),
                "previous_secret": b" ".join((row.secret, *earlier)),
                "previous_until": now + OVERLAP,
                "updated_at": now,
            }
            await update_endpoint(connection, merchant_id, endpoint_id, values)
            row = await _find(connection, merchant_id, livemode, endpoint_id)
            return endpoint_resource(row, now), secret

    def signing_secrets(self, row: Row[Any], now: datetime) -> tuple[str, ...]:
        """The secrets that sign now, the newest first; none when GATEWAY_SECRET_KEY was changed."""
        sealed = (row.secret, *(secret for secret, _ in _replaced(row, now)))
        opened = (self._sealer.unseal(secret) for secret in sealed)
        return tuple(secret for secret in opened if secret is not None)

    def _new_secret(self) -> str:
        return "whsec_" + base64.b64encode(self._randomness(_SECRET_BYTES)).decode()


def endpoint_resource(row: Row[Any], now: datetime) -> EndpointResource:
    """The endpoint as the API shows it."""
    return EndpointResource(
        object="webhook_endpoint",
        id=row.id,
        livemode=row.livemode,
        url=row.url,
        events=row.events.split(),
        description=row.description,
        status=row.status,
        disabled_reason=row.disabled_reason or None,
        circuit=health(row).circuit(now),
        failing_since=row.failing_since,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def health(row: Row[Any]) -> Health:
    """The endpoint's record of late."""
    return Health(row.consecutive_failures, row.failing_since, row.open_until)


def health_columns(record: Health) -> dict[str, Any]:
    """The same as columns."""
    return {
        "consecutive_failures": record.failures,
        "failing_since": record.failing_since,
        "open_until": record.open_until,
    }


async def locked_endpoint(
    connection: AsyncConnection, merchant_id: str, endpoint_id: str
) -> Row[Any]:
    """The endpoint's row, locked: whoever changes its deliveries takes this lock first."""
    c = t.webhook_endpoints.c
    query = select(t.webhook_endpoints).where(c.merchant_id == merchant_id, c.id == endpoint_id)
    return (await connection.execute(query.with_for_update(key_share=True))).one()


async def update_endpoint(
    connection: AsyncConnection, merchant_id: str, endpoint_id: str, values: Mapping[str, Any]
) -> None:
    """Write columns of an endpoint."""
    c = t.webhook_endpoints.c
    await connection.execute(
        update(t.webhook_endpoints)
        .where(c.merchant_id == merchant_id, c.id == endpoint_id)
        .values(**values)
    )


async def cancel_pending(connection: AsyncConnection, merchant_id: str, endpoint_id: str) -> None:
    """Give up what waits for an endpoint that was disabled or deleted; `recover` can fetch it."""
    c = t.deliveries.c
    await connection.execute(
        update(t.deliveries)
        .where(c.merchant_id == merchant_id, c.endpoint_id == endpoint_id, c.status == "pending")
        .values(status="canceled")
    )


def _replaced(row: Row[Any], now: datetime) -> list[tuple[bytes, datetime]]:
    """The sealed secrets that sign beside the newest, the latest first, each with its end.

    `previous_until` is the latest one's end; the others have theirs written beside them.
    """
    found = []
    for entry in (row.previous_secret or b"").split():
        sealed, _, seconds = entry.partition(b"@")
        until = datetime.fromtimestamp(int(seconds), UTC) if seconds else row.previous_until
        found.append((sealed, until))
    return [(sealed, until) for sealed, until in found if now < until]


def _of(merchant_id: str, livemode: bool) -> tuple[Any, ...]:
    c = t.webhook_endpoints.c
    return c.merchant_id == merchant_id, c.livemode == livemode, c.status != "deleted"


async def _find(
    connection: AsyncConnection,
    merchant_id: str,
    livemode: bool,
    endpoint_id: str,
    *,
    lock: bool = False,
) -> Row[Any]:
    c = t.webhook_endpoints.c
    query = select(t.webhook_endpoints).where(*_of(merchant_id, livemode), c.id == endpoint_id)
    if lock:
        query = query.with_for_update(key_share=True)
    row = (await connection.execute(query)).first()
    if row is None:
        raise NotFound(f"there is no webhook endpoint {endpoint_id}")
    return row
