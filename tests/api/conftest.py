"""A gateway with scripted providers: `gateway` speaks ASGI in this process, on both databases."""

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.security import Kind
from api.settings import Settings
from api.wiring import Services, open_services
from gateway.jobs import run_due
from gateway.registry import ConfiguredProvider
from tests.api.fake import FakePlugin, FakeProvider
from tests.application import application

SECRET = "a secret of this test's gateway, long enough"
PUBLIC_URL = "https://pay.example.com"


class Clock:
    """Moves by a millisecond whenever it is read, and by more when it is told."""

    def __init__(self) -> None:
        self._now = datetime(2026, 1, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        """The present, UTC."""
        self._now += timedelta(milliseconds=1)
        return self._now

    def advance(self, **by: float) -> None:
        """Move on by a timedelta's arguments."""
        self._now += timedelta(**by)


@dataclass
class Gateway:
    """The service under test, and its surroundings."""

    services: Services
    http: httpx.AsyncClient
    fake: FakeProvider
    other: FakeProvider
    live: FakeProvider
    clock: Clock
    merchant: str
    secret: str
    _numbers: Any = field(default_factory=itertools.count)

    async def key(
        self,
        kind: Kind = "secret",
        *,
        scopes: tuple[str, ...] = (),
        livemode: bool = False,
        merchant: str | None = None,
    ) -> str:
        """A new API key."""
        return await self.services.keys.create(
            merchant or self.merchant, kind, scopes=scopes, livemode=livemode
        )

    def fresh(self) -> str:
        """A fresh Idempotency-Key."""
        return f"key-{next(self._numbers)}"

    async def get(self, path: str, *, key: str | None = None, **params: Any) -> httpx.Response:
        """GET with an API key."""
        return await self.http.get(path, headers=self._bearer(key), params=params or None)

    async def post(
        self,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        idempotency: str | None = None,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """POST with an API key and an Idempotency-Key, a fresh one unless it is given."""
        sent = self._bearer(key) | {"Idempotency-Key": idempotency or self.fresh()}
        if content is not None:
            sent["Content-Type"] = "application/json"
            return await self.http.post(path, headers=sent | (headers or {}), content=content)
        return await self.http.post(path, headers=sent | (headers or {}), json=body)

    def _bearer(self, key: str | None) -> dict[str, str]:
        return {"Authorization": f"Bearer {key or self.secret}"}

    async def order(self, *, key: str | None = None, **fields: Any) -> dict[str, Any]:
        """Create an order of 5400 USD at `fake`, with other fields as given."""
        answer = await self.post("/v1/orders", order_body(**fields), key=key)
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        return created

    async def paid(self, **fields: Any) -> dict[str, Any]:
        """An order that has been paid and confirmed."""
        created = await self.order(**fields)
        provider = self.fake if created["provider"] == "fake" else self.other
        provider.buyer_pays(page_of(created))
        answer = await self.post(f"/v1/orders/{created['id']}/confirm")
        assert answer.status_code == 200, answer.text
        order: dict[str, Any] = answer.json()
        return order

    async def read(self, order: dict[str, Any]) -> dict[str, Any]:
        """The order as it is now."""
        answer = await self.get(f"/v1/orders/{order['id']}")
        assert answer.status_code == 200, answer.text
        read: dict[str, Any] = answer.json()
        return read

    async def work(self) -> None:
        """What a worker would do now, until nothing is due."""
        while await run_due(self.services.ctx):
            pass


def order_body(**fields: Any) -> dict[str, Any]:
    """A body for POST /v1/orders: 5400 USD at `fake`, ad hoc, unless `fields` say otherwise."""
    return {
        "provider": "fake",
        "currency": "USD",
        "items": [{"name": "Chair", "unit_amount": 2700, "quantity": 2}],
        "success_url": "https://shop.example/ok",
        "cancel_url": "https://shop.example/cart",
    } | fields


def page_of(order: dict[str, Any]) -> str:
    """The id of the hosted page of the order's latest payment."""
    page: str = order["payments"][-1]["provider_order_id"]
    return page


def code_of(answer: httpx.Response) -> tuple[int, str]:
    """The status and the code of a problem."""
    return answer.status_code, answer.json().get("code", "")


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what another task brings about; ten seconds at most."""
    async with asyncio.timeout(10):
        while not await condition():  # noqa: ASYNC110 -- it is a database that changes
            await asyncio.sleep(0.01)


@asynccontextmanager
async def open_gateway(database_url: str) -> AsyncIterator[Gateway]:
    """A gateway over a migrated database, with three providers: two for tests and one live."""
    fake, other, live = FakeProvider("fake"), FakeProvider("other"), FakeProvider("reallive")
    plugins = [
        FakePlugin(fake),
        FakePlugin(other, currencies=frozenset({"EUR", "USD"}), manual_capture=False),
        FakePlugin(live, mode="live"),
    ]
    settings = Settings(
        database_url=database_url,
        secret_key=SECRET,
        public_url=PUBLIC_URL,
        providers=tuple(ConfiguredProvider(plugin, settings=True) for plugin in plugins),
    )
    clock = Clock()
    async with AsyncExitStack() as stack:
        services = await stack.enter_async_context(open_services(settings, clock=clock))
        app: Any = stack.enter_context(application(services))  # ASGI is typed otherwise there
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        http = await stack.enter_async_context(
            httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL)
        )
        merchant = await services.keys.merchant("Ada's shop")
        secret = await services.keys.create(merchant, "secret", livemode=False)
        yield Gateway(services, http, fake, other, live, clock, merchant, secret)


@pytest.fixture
async def gateway(database_url: str) -> AsyncIterator[Gateway]:
    """On SQLite and on PostgreSQL."""
    async with open_gateway(database_url) as opened:
        yield opened


@pytest.fixture(scope="module")
async def refusing(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Gateway]:
    """One for all tests of a module that only see it refuse."""
    path = shutil.copyfile(sqlite_template, tmp_path_factory.mktemp("refusing") / "gateway.db")
    async with open_gateway(f"sqlite+aiosqlite:///{path}") as opened:
        yield opened


@pytest.fixture
async def one_gateway(store_url: str) -> AsyncIterator[Gateway]:
    """On one kind of database: for what the database has no part in."""
    async with open_gateway(store_url) as opened:
        yield opened
