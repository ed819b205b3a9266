"""The stage of a story: the stand-in providers over HTTP, and gateways on one database.

`Sandbox` is what the provider and the buyer do. `Gateway` is the whole application in this event
loop, served over HTTP, with a clock that can be moved and a worker that works when it is told to.
`Sandbox.agrees` ends every story: our books and the provider's are the same.
"""

import asyncio
import dataclasses
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from api import serving
from api.security import Keys
from api.settings import load
from api.wiring import Services, SystemClock, open_services
from gateway.ids import Ids
from gateway.jobs import run_due
from storage.engine import Database
from tests.application import application

PROVIDERS = ("stripe", "paypal")
SERVER_SECRET = "a secret of the tests, long enough to be one"
#: What moves no money in the sandbox's ledger.
_NO_MONEY = frozenset(
    ("authorized", "canceled", "cancelled", "created", "declined", "denied", "failed", "voided")
)
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # building the real one costs 20 ms a client


class MovableClock:
    """The machine's time and however far a story has moved on."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        """The story's present, UTC."""
        return datetime.now(UTC) + self.ahead


def client(url: str, **headers: str) -> httpx.AsyncClient:
    """A client of one server of the stage."""
    limits = httpx.Limits(max_connections=64)
    return httpx.AsyncClient(
        base_url=url, headers=headers, timeout=30, verify=_NO_TLS, limits=limits
    )


@dataclass
class Sandbox:
    """The providers' side of a story, by control calls."""

    url: str
    http: httpx.AsyncClient
    environment: Mapping[str, str]

    async def control(self, call: str, **body: Any) -> Any:
        """`POST /_control/{call}`."""
        answer = await self.http.post(f"/_control/{call}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def look(self, view: str) -> Any:
        """`GET /_control/{view}`."""
        return (await self.http.get(f"/_control/{view}")).raise_for_status().json()

    async def buyer(self, order: dict[str, Any], action: str = "pay", attempt: int = -1) -> None:
        """Have the buyer act on an order's latest attempt (or another one)."""
        payment = order["payments"][attempt]
        assert payment["provider_order_id"], order
        await self.control(
            "buyer", provider=payment["provider"], id=payment["provider_order_id"], action=action
        )

    async def fault(self, provider: str, operation: str, fault: str, times: int = 1) -> None:
        """Queue a fault; operations by the names of `operations`."""
        await self.control(
            "faults", provider=provider, operation=operation, fault=fault, times=times
        )

    async def calls(self, provider: str, operation: str) -> list[dict[str, Any]]:
        """The calls of one operation that reached the provider, oldest first."""
        found = (await self.look("calls"))["data"]
        return [c for c in found if (c["provider"], c["operation"]) == (provider, operation)]

    async def webhooks(self, mode: str) -> None:
        """Deliver `normal`, `hold`, `drop`, … from now on."""
        await self.control("webhooks", mode=mode)

    async def delivered(self) -> None:
        """Wait until no webhook is under way."""
        for _ in range(600):
            if not (await self.look("webhooks"))["pending"]:
                return
            await asyncio.sleep(0.005)
        raise AssertionError("webhooks are still under way after three seconds")

    async def ledger(self, kind: str) -> list[dict[str, Any]]:
        """The money that has moved at the providers: rows of one kind, oldest first."""
        rows = (await self.look("ledger"))["data"]
        return [r for r in rows if r["kind"] == kind and r["status"].lower() not in _NO_MONEY]

    async def agrees(self, *orders: dict[str, Any]) -> None:
        """Assert that these orders, which are all there are, and the providers' books agree.

        By number and by sum: what each provider took for each payment and gave back of it.
        """
        charges = [c for c in await self.ledger("charge") if c["status"].lower() != "pending"]
        refunds = await self.ledger("refund")
        payments = {p["id"]: p for order in orders for p in order["payments"]}
        assert {charge["order_ref"] for charge in charges} <= payments.keys()
        for payment in payments.values():
            its = [charge for charge in charges if charge["order_ref"] == payment["id"]]
            assert len(its) <= 1, f"{payment['id']} was charged {len(its)} times: {its}"
            assert sum(c["amount"] for c in its) == payment["amount_captured"], (its, payment)
        ours = [r for o in orders for r in o["refunds"] if r["status"] in ("pending", "succeeded")]
        assert sorted((r["id"], -r["amount"]) for r in refunds) == sorted(
            (r["provider_refund_id"], r["amount"]) for r in ours
        )


#: The sandbox's names of what the gateway's verbs call.
CALLED = {
    ("stripe", "create"): "create_session",
    ("stripe", "confirm"): "retrieve_session",
    ("stripe", "refund"): "refund",
    ("stripe", "find_refunds"): "list_refunds",
    ("paypal", "create"): "create_order",
    ("paypal", "confirm"): "capture_order",
    ("paypal", "refund"): "refund",
    ("paypal", "find_refunds"): "get_order",
}


@dataclass
class House:
    """One database and the merchant on it: what a gateway is started with, here or elsewhere."""

    environment: dict[str, str]
    key: str


async def build_house(
    database_url: str, sandbox: Sandbox, *, lease_seconds: int = 40, **more: str
) -> House:
    """Settings for the sandbox, and a merchant with a secret key in the database."""
    environment = {
        **sandbox.environment,
        "DATABASE_URL": database_url,
        "GATEWAY_SECRET_KEY": SERVER_SECRET,
        "GATEWAY_LEASE_SECONDS": str(lease_seconds),
        **more,
    }
    database, clock = Database(database_url), SystemClock()
    try:
        keys = Keys(database, Ids(clock, os.urandom), clock, SERVER_SECRET)
        merchant = await keys.merchant("Merchant")
        return House(environment, await keys.create(merchant, "secret", livemode=False))
    finally:
        await database.close()


@dataclass
class Merchant:
    """The merchant's side of a story: calls of the API, wherever the gateway runs."""

    http: httpx.AsyncClient

    async def post(
        self, path: str, key: str | None = None, body: dict[str, Any] | None = None
    ) -> httpx.Response:
        """POST to the API under an Idempotency-Key."""
        headers = {"Idempotency-Key": key} if key else {}
        return await self.http.post(path, json=body or {}, headers=headers)

    async def ask_for_order(
        self, provider: str, key: str = "order", **terms: Any
    ) -> httpx.Response:
        """POST /v1/orders: 54.00 USD unless told otherwise."""
        amount = terms.pop("amount", 5400)
        body = {
            "provider": provider,
            "currency": "USD",
            "items": [{"name": "Lamp", "unit_amount": amount, "quantity": 1}],
            "success_url": "https://shop.example/thanks",
            "cancel_url": "https://shop.example/cart",
            **terms,
        }
        return await self.post("/v1/orders", key, body)

    async def create(self, provider: str, key: str = "order", **terms: Any) -> dict[str, Any]:
        """A new order that stands open."""
        answer = await self.ask_for_order(provider, key, **terms)
        assert answer.status_code == 201, answer.text
        order: dict[str, Any] = answer.json()
        return order

    async def order(self, order: dict[str, Any]) -> dict[str, Any]:
        """The order as it is now."""
        answer = await self.http.get(f"/v1/orders/{order['id']}")
        assert answer.status_code == 200, answer.text
        now: dict[str, Any] = answer.json()
        return now

    async def confirm(self, order: dict[str, Any]) -> httpx.Response:
        """POST …/confirm."""
        return await self.post(f"/v1/orders/{order['id']}/confirm")

    async def refund(
        self, order: dict[str, Any], amount: int | None = None, key: str = "refund"
    ) -> httpx.Response:
        """POST …/refunds."""
        body = {} if amount is None else {"amount": amount}
        return await self.post(f"/v1/orders/{order['id']}/refunds", key, body)

    async def timeline(self, order: dict[str, Any]) -> list[dict[str, Any]]:
        """The order's story, oldest first."""
        answer = await self.http.get(f"/v1/orders/{order['id']}/timeline")
        entries: list[dict[str, Any]] = answer.raise_for_status().json()["data"]
        return entries


@dataclass
class Gateway(Merchant):
    """A gateway in this event loop. It works when told to: see `work`."""

    services: Services
    sandbox: Sandbox
    url: str
    clock: MovableClock = field(default_factory=MovableClock)
    listens: bool = True

    async def work(self) -> None:
        """Let all webhooks arrive, then do everything that is due, and what comes of it."""
        for _ in range(100):
            if self.listens:
                await self.sandbox.delivered()
            if not await run_due(self.services.ctx):
                return
        raise AssertionError("the worker does not come to an end")

    async def later(self, **span: float) -> None:
        """Move this gateway's clock (not the sandbox's) and do what is due then."""
        self.clock.ahead += timedelta(**span)
        await self.work()

    async def paid(self, provider: str, key: str = "order", **terms: Any) -> dict[str, Any]:
        """A new order, paid by the buyer, known to be paid by webhook."""
        order = await self.create(provider, key, **terms)
        await self.sandbox.buyer(order)
        await self.work()
        order = await self.order(order)
        assert order["status"] == "paid", order
        return order

    async def deliver(self, provider: str, headers: Mapping[str, str], body: bytes) -> int:
        """Deliver a webhook; the status of the answer."""
        path = f"/webhooks/{provider}"
        answer = await self.http.post(path, content=body, headers=dict(headers))
        return answer.status_code


@asynccontextmanager
async def open_gateway(
    house: House, sandbox: Sandbox, *, clock: MovableClock | None = None, listens: bool = True
) -> AsyncIterator[Gateway]:
    """Open a gateway on the house's database. `listens`: the providers' webhooks come here."""
    clock = clock or MovableClock()
    async with (
        open_services(load(house.environment), clock=clock) as services,
        served(services) as url,
        client(url, authorization=f"Bearer {house.key}") as http,
    ):
        if listens:
            await listen(sandbox, url)
        try:
            yield Gateway(http, services, sandbox, url, clock, listens)
        finally:
            if listens:
                await listen(sandbox, "")


@asynccontextmanager
async def served(services: Services) -> AsyncIterator[str]:
    """Serve the application over these services. Yields its address."""
    with application(services) as app:
        async with serve_app(app) as url:
            yield url


@asynccontextmanager
async def serve_app(app: Any) -> AsyncIterator[str]:
    """Serve an ASGI application on a free port. Yields its address, which can be used at once:
    connections wait until it has started."""
    with serving.listen("127.0.0.1", 0) as listening:
        server = serving.http_server(app, "127.0.0.1", 0)
        task = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


async def listen(sandbox: Sandbox, url: str) -> None:
    """Have the providers deliver to the gateway at `url`; nowhere if empty."""
    for provider in PROVIDERS:
        address = url and f"{url}/webhooks/{provider}"
        await sandbox.control("webhooks", provider=provider, url=address)


def with_store(services: Services, store: Any) -> Services:
    """The same services over another store, for a story in which the store misbehaves."""
    return dataclasses.replace(services, ctx=dataclasses.replace(services.ctx, store=store))


async def at_paypal(sandbox: Sandbox, path: str, key: str) -> dict[str, Any]:
    """POST to PayPal behind the gateway's back, under a PayPal-Request-Id; the answer's object."""
    who = (sandbox.environment["PAYPAL_CLIENT_ID"], sandbox.environment["PAYPAL_CLIENT_SECRET"])
    form = {"grant_type": "client_credentials"}
    told = await sandbox.http.post("/paypal/v1/oauth2/token", data=form, auth=who)
    headers = {
        "authorization": f"Bearer {told.raise_for_status().json()['access_token']}",
        "content-type": "application/json",
        "paypal-request-id": key,
        "prefer": "return=representation",
    }
    answer = await sandbox.http.post(f"/paypal{path}", content=b"{}", headers=headers)
    result: dict[str, Any] = answer.raise_for_status().json()
    return result


async def checkout_id(sandbox: Sandbox, order: dict[str, Any]) -> str:
    """The provider's id of an order's checkout which the gateway itself has not learnt yet."""
    payment = order["payments"][-1]
    if payment["provider"] == "paypal":
        made = await at_paypal(sandbox, "/v2/checkout/orders", f"{payment['id']}-create")
        return str(made["id"])
    headers = {"authorization": f"Bearer {sandbox.environment['STRIPE_SECRET_KEY']}"}
    answer = await sandbox.http.get("/stripe/v1/checkout/sessions", headers=headers)
    sessions = answer.raise_for_status().json()["data"]
    return next(str(s["id"]) for s in sessions if s["client_reference_id"] == payment["id"])
