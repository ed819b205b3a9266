"""What the database is like, and how much waits in it: the facts behind `gateway doctor`."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, and_, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables as t
from storage.engine import Database


class Server(msgspec.Struct, frozen=True):
    """A PostgreSQL server: `settings` by name, and its own time.

    `read_only`: it is a replica. `connections`: how many are open, of all clients.
    """

    version: int
    settings: dict[str, str]
    read_only: bool
    connections: int
    now: datetime


class ApiKey(msgspec.Struct, frozen=True):
    """A key that is not revoked."""

    id: str
    livemode: bool


class Endpoint(msgspec.Struct, frozen=True):
    """A merchant's webhook endpoint that is not deleted; `secret` is sealed."""

    id: str
    status: str
    reason: str
    failing_since: datetime | None
    secret: bytes


class Waiting(msgspec.Struct, frozen=True):
    """How many of something there are, and since when the oldest waits."""

    count: int = 0
    oldest: datetime | None = None


class Work(msgspec.Struct, frozen=True):
    """What workers still have to do, and what they could not."""

    inbox: Waiting
    inbox_dead: int
    inbox_orphans: int
    jobs: Waiting
    jobs_dead: int
    in_doubt: Waiting
    deliveries: Waiting
    attention: dict[str, int]


class Condition:
    """Reads; each is one short transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def server(self) -> Server:
        """The PostgreSQL server."""
        names = ("fsync", "full_page_writes", "synchronous_commit", "max_connections")
        encoding = "server_encoding"
        async with self._database.read() as connection:
            settings = {
                name: str(await connection.scalar(text(f"SHOW {name}")))
                for name in (*names, encoding)
            }
            row = (
                await connection.execute(
                    text(
                        "SELECT current_setting('server_version_num')::int AS version,"
                        " pg_is_in_recovery() AS read_only,"
                        " (SELECT sum(numbackends)::int FROM pg_stat_database) AS connections,"
                        " clock_timestamp() AS now"
                    )
                )
            ).one()
        return Server(row.version, settings, row.read_only, row.connections or 0, row.now)

    async def last_webhooks(self) -> dict[str, datetime]:
        """When each provider delivered last (what a sweep found in its list does not count)."""
        c = t.inbox.c
        query = (
            select(c.provider, func.max(c.received_at).label("last"))
            .where(c.deliveries > 0)
            .group_by(c.provider)
        )
        async with self._database.read() as connection:
            return {row.provider: row.last for row in await connection.execute(query)}

    async def last_payments(self) -> dict[str, datetime]:
        """When a payment was last begun at each provider."""
        c = t.payments.c
        query = select(c.provider, func.max(c.created_at).label("last")).group_by(c.provider)
        async with self._database.read() as connection:
            return {row.provider: row.last for row in await connection.execute(query)}

    async def keys(self, now: datetime) -> Sequence[ApiKey]:
        """The API keys that are good now."""
        c = t.api_keys.c
        query = select(c.id, c.livemode).where(c.revoked_at.is_(None) | (c.revoked_at > now))
        async with self._database.read() as connection:
            return [ApiKey(*row) for row in await connection.execute(query)]

    async def endpoints(self) -> Sequence[Endpoint]:
        """The merchants' webhook endpoints."""
        c = t.webhook_endpoints.c
        query = select(c.id, c.status, c.disabled_reason, c.failing_since, c.secret).where(
            c.status != "deleted"
        )
        async with self._database.read() as connection:
            return [Endpoint(*row) for row in await connection.execute(query.order_by(c.id))]

    async def work(self, now: datetime) -> Work:
        """What waits at `now`."""
        i, j, o, d, a = (
            table.c for table in (t.inbox, t.jobs, t.operations, t.deliveries, t.attention)
        )
        e = t.webhook_endpoints.c
        sent = and_(d.merchant_id == e.merchant_id, d.endpoint_id == e.id, e.status == "enabled")
        due = self._database.moment(now)
        async with self._database.read() as connection:
            open_items = await connection.execute(
                select(a.kind, func.count()).where(a.resolved_at.is_(None)).group_by(a.kind)
            )
            return Work(
                inbox=await _waiting(connection, i.received_at, i.status == "received"),
                inbox_dead=(await _waiting(connection, i.received_at, i.status == "dead")).count,
                inbox_orphans=(
                    await _waiting(connection, i.received_at, i.status == "orphan")
                ).count,
                jobs=await _waiting(connection, j.run_at, j.status == "waiting", j.run_at <= due),
                jobs_dead=(await _waiting(connection, j.run_at, j.status == "dead")).count,
                in_doubt=await _waiting(connection, o.created_at, ~o.settled),
                deliveries=await _waiting(connection, d.created_at, d.status == "pending", sent),
                attention={row[0]: row[1] for row in open_items},
            )


async def _waiting(
    connection: AsyncConnection, since: Any, *conditions: ColumnElement[bool]
) -> Waiting:
    row = (await connection.execute(select(func.count(), func.min(since)).where(*conditions))).one()
    return Waiting(*row)


#: The SQLite that Python was built with: it must know RETURNING.
SQLITE_VERSION = sqlite3.sqlite_version_info
