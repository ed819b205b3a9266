"""The composition root: the one place where the parts are put together."""

import asyncio
import hashlib
import hmac
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from api.exporting.answers import DirectExports
from api.metrics import Metrics
from api.outbound import Outbound, open_outbound
from api.security import Keys
from api.settings import Settings, check_public_url
from api.telemetry import telemetry
from gateway.context import Context
from gateway.ids import Ids
from gateway.ports import Clock
from gateway.registry import open_providers
from storage.attention import AttentionQueries
from storage.balances import Balances
from storage.book_queries import Books
from storage.catalogue import Catalogue
from storage.condition import Condition
from storage.conversion import Conversions
from storage.deliveries import Deliveries
from storage.delivery_log import DeliveryLog
from storage.endpoints import Endpoints
from storage.engine import Database
from storage.exports import Exports
from storage.feed import Feed
from storage.occupancy import occupied
from storage.queries import Queries
from storage.reports import Reports
from storage.routing import RoutingPolicies
from storage.sealing import Sealer
from storage.settlement_queries import SettlementQueries
from storage.store import SqlStore
from storage.trial_balance import TrialBalances
from storage.wakeup import Wakeup


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
    routing: RoutingPolicies
    keys: Keys
    metrics: Metrics
    work: asyncio.Event
    feed: Feed
    endpoints: Endpoints
    deliveries: Deliveries
    delivery_log: DeliveryLog
    outbound: Outbound
    outgoing: asyncio.Event
    attention: AttentionQueries
    settlement: SettlementQueries
    books: Books
    trial_balances: TrialBalances
    condition: Condition
    exports: Exports
    direct_exports: DirectExports
    reports: Reports
    conversions: Conversions
    balances: Balances


@asynccontextmanager
async def open_services(
    settings: Settings, *, clock: Clock | None = None, moved: bool | None = None
) -> AsyncIterator[Services]:
    """Open the database and the providers; close them on exit. Raises SettingsError.

    On PostgreSQL, leases and due times go by the database's clock, unless `clock` is one that is
    `moved` to see what time will bring; one that is given counts as such if nothing is said.
    """
    if moved is None:
        moved = clock is not None
    clock = clock or SystemClock()
    ids = Ids(clock, os.urandom)
    metrics = Metrics()
    work, outgoing = asyncio.Event(), asyncio.Event()
    secret = settings.secret_key.encode()

    def look() -> None:
        work.set()
        outgoing.set()

    def wake() -> None:
        look()
        wakeup.tell()

    def client_token(order_id: str) -> str:
        digest = hmac.digest(secret, b"client_token:" + order_id.encode(), hashlib.sha256)
        return f"ct_{digest.hex()[:40]}"

    database = Database(settings.database_url, settings.connections, clock=None if moved else clock)
    wakeup = Wakeup(database, look)
    store = SqlStore(database, ids, wake)
    sealer = Sealer(settings.secret_key, "webhook_secrets")
    endpoints = Endpoints(database, ids, clock, sealer, os.urandom)
    try:
        async with (
            occupied(database.url),
            telemetry(settings.otlp_endpoint),
            open_providers(settings.providers, metrics.provider_call) as providers,
            open_outbound(loopback=settings.allow_loopback_webhooks) as outbound,
            wakeup.running(),
        ):
            check_public_url(settings, [provider.mode for provider in providers.values()])
            ctx = Context(
                store=store,
                clock=clock,
                ids=ids,
                providers=providers,
                public_url=settings.public_url,
                client_token=client_token,
                lease=timedelta(seconds=settings.lease_seconds),
                wake=wake,
                swept=metrics.swept,
                applied=metrics.applied,
            )
            yield Services(
                settings=settings,
                ctx=ctx,
                store=store,
                queries=Queries(database, client_token),
                catalogue=Catalogue(database, ids, clock),
                routing=RoutingPolicies(database, clock),
                keys=Keys(database, ids, clock, settings.secret_key),
                metrics=metrics,
                work=work,
                feed=Feed(database, ids, clock),
                endpoints=endpoints,
                deliveries=Deliveries(database, ids, clock, endpoints, os.urandom),
                delivery_log=DeliveryLog(database, ids, clock),
                outbound=outbound,
                outgoing=outgoing,
                attention=AttentionQueries(database),
                settlement=SettlementQueries(database),
                books=Books(database),
                trial_balances=TrialBalances(database),
                condition=Condition(database),
                exports=Exports(database, ids, clock),
                direct_exports=DirectExports(database, clock, metrics),
                reports=Reports(database),
                conversions=Conversions(database),
                balances=Balances(database),
            )
    finally:
        await store.close()
