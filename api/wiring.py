"""The composition root: the one place where the parts are put together."""

import asyncio
import hashlib
import hmac
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from api.metrics import Metrics
from api.security import Keys
from api.settings import Settings, check_public_url
from gateway.context import Context
from gateway.ids import Ids
from gateway.ports import Clock
from gateway.registry import open_providers
from storage.catalogue import Catalogue
from storage.engine import Database
from storage.queries import Queries
from storage.store import SqlStore


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present, UTC."""
        return datetime.now(UTC)


@dataclass(frozen=True)
class Services:
    """What the outward parts work with. Handlers are injected this, never a session."""

    settings: Settings
    ctx: Context
    store: SqlStore
    queries: Queries
    catalogue: Catalogue
    keys: Keys
    metrics: Metrics
    work: asyncio.Event


@asynccontextmanager
async def open_services(
    settings: Settings, *, clock: Clock | None = None
) -> AsyncIterator[Services]:
    """Open the database and the providers; close them on exit. Raises SettingsError."""
    clock = clock or SystemClock()
    ids = Ids(clock, os.urandom)
    metrics = Metrics()
    work = asyncio.Event()
    secret = settings.secret_key.encode()

    def client_token(order_id: str) -> str:
        digest = hmac.digest(secret, b"client_token:" + order_id.encode(), hashlib.sha256)
        return f"ct_{digest.hex()[:40]}"

    database = Database(settings.database_url, pool_size=settings.pool_size)
    store = SqlStore(database, ids)
    try:
        async with open_providers(settings.providers, metrics.provider_call) as providers:
            check_public_url(settings, [provider.mode for provider in providers.values()])
            ctx = Context(
                store=store,
                clock=clock,
                ids=ids,
                providers=providers,
                public_url=settings.public_url,
                client_token=client_token,
                lease=timedelta(seconds=settings.lease_seconds),
                wake=work.set,
            )
            yield Services(
                settings=settings,
                ctx=ctx,
                store=store,
                queries=Queries(database, client_token),
                catalogue=Catalogue(database, ids, clock),
                keys=Keys(database, ids, clock, settings.secret_key),
                metrics=metrics,
                work=work,
            )
    finally:
        await store.close()
