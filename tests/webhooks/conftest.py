"""A gateway whose clock can be moved, and receivers for what it sends."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest

from api.delivering import Deliverer
from api.settings import Settings
from api.wiring import Services, open_services
from gateway.records import MerchantEvent
from tests.application import application
from tests.webhooks.receiver import Receiver, receiving

SECRET = "a secret of this test's gateway, long enough"


class Clock:
    """The machine's time, and however far it was moved."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        """The present, UTC."""
        return datetime.now(UTC) + self.ahead

    def advance(self, **by: float) -> None:
        """Move on by a timedelta's arguments."""
        self.ahead += timedelta(**by)


@dataclass
class Gateway:
    """One process of the gateway."""

    services: Services
    app: Any
    http: httpx.AsyncClient
    clock: Clock
    merchant: str

    async def tell(self, kind: str, order: str | None = None, *, livemode: bool = False) -> str:
        """An event of an order (a new one if none is named); returns its id."""
        ids, now = self.services.ctx.ids, self.clock.now()
        event = MerchantEvent(
            id=ids.new("evt"),
            merchant_id=self.merchant,
            livemode=livemode,
            type=kind,
            order_id=order or ids.new("ord"),
            created_at=now,
            data=msgspec.Raw(b'{"object":"order","id":"ord_1","amount":1800}'),
        )
        async with self.services.store.transaction() as tx:
            await tx.add_events([event])
        return event.id

    async def deliver(self) -> None:
        """Do all deliveries that are due now, and what comes of them."""
        deliverer = Deliverer(self.services)
        while await deliverer.start_due():
            await deliverer.finish()

    async def endpoint(self, url: str, *events: str) -> dict[str, Any]:
        """A new endpoint, with its secret."""
        body = {"url": url, "events": list(events) or ["*"]}
        made: dict[str, Any] = await self.post("/v1/webhook_endpoints", body, 201)
        return made

    async def post(self, path: str, body: Any = None, status: int = 200) -> Any:
        """POST; asserts the status."""
        answer = await self.http.post(path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def get(self, path: str, **query: Any) -> Any:
        """GET; asserts 200."""
        answer = await self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def deliveries(self, **query: Any) -> list[dict[str, Any]]:
        """The delivery log, newest first."""
        found: list[dict[str, Any]] = (await self.get("/v1/deliveries", **query))["data"]
        return found

    async def client(
        self, *scopes: str, livemode: bool = False, name: str = ""
    ) -> httpx.AsyncClient:
        """Another key's client: of a new merchant when `name` is given, restricted by `scopes`."""
        merchant = await self.services.keys.merchant(name) if name else self.merchant
        kind: Any = "restricted" if scopes else "secret"
        key = await self.services.keys.create(merchant, kind, livemode=livemode, scopes=scopes)
        return client(self.app, key)


def client(app: Any, key: str) -> httpx.AsyncClient:
    """Speaks ASGI with the application."""
    transport = httpx.ASGITransport(app=app)
    headers = {"authorization": f"Bearer {key}"}
    return httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers)


Start = Callable[..., Awaitable[Gateway]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts gateways on a database; more than one share it as processes would."""
    async with AsyncExitStack() as stack:

        async def run(
            url: str, clock: Clock | None = None, *, loopback: bool = True, lease: int = 40
        ) -> Gateway:
            clock = clock or Clock()
            settings = Settings(
                database_url=url,
                secret_key=SECRET,
                public_url="http://127.0.0.1:8000",
                providers=(),
                lease_seconds=lease,
                allow_loopback_webhooks=loopback,
            )
            services = await stack.enter_async_context(open_services(settings, clock=clock))
            merchant = await services.keys.merchant("Shop")
            key = await services.keys.create(merchant, "secret", livemode=False)
            app = stack.enter_context(application(services))
            http = await stack.enter_async_context(client(app, key))
            return Gateway(services, app, http, clock, merchant)

        yield run


@pytest.fixture
async def gateway(start: Start, database_url: str) -> Gateway:
    """A gateway, on either database in turn; endpoints on this machine are allowed."""
    return await start(database_url)


@pytest.fixture
async def lone(start: Start, store_url: str) -> Gateway:
    """A gateway on SQLite, for what has nothing to do with the database."""
    return await start(store_url)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A merchant's server."""
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def other() -> AsyncIterator[Receiver]:
    """Another one."""
    async with receiving() as receiver:
        yield receiver


def ids(received: Sequence[Any]) -> list[str]:
    """The ids of what was received, in order."""
    return [item.id for item in received]
