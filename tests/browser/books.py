"""A gateway with books: orders at both stand-ins, paid out and compared; served from a thread."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from api.dashboard.passwords import hash_password
from api.dashboard.people import Desk
from storage.users import Role
from tests.faults.stage import Gateway, Sandbox, build_house, client, open_gateway
from tests.finance.test_settlement_job import move, payment_of, sell, settle

PASSWORD = "correct horse battery staple"
ROLES: tuple[Role, ...] = ("admin", "finance", "support")


class Books(NamedTuple):
    """Where it is served, and what is in it."""

    url: str
    key: str
    order: str
    refunded: str
    payout: str
    difference: str
    line: str
    delivery: str
    product: str


@contextmanager
def open_books(database_url: str, sandbox_url: str) -> Iterator[Books]:
    """Serve until the end; everything that happens in it has happened."""
    filled: list[Books] = []
    ready, stop = threading.Event(), threading.Event()

    async def run() -> None:
        async with client(sandbox_url) as http:
            sandbox = Sandbox(sandbox_url, http, {})
            await sandbox.control("reset")
            sandbox.environment = await sandbox.look("environment")
            house = await build_house(database_url, sandbox)
            async with open_gateway(house, sandbox) as gateway:
                filled.append(await _fill(gateway, house.key))
                ready.set()
                await asyncio.to_thread(stop.wait)

    def serve() -> None:
        try:
            asyncio.run(run())
        finally:
            ready.set()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    ready.wait(120)
    try:
        assert filled, "the stage could not be set"
        yield filled[0]
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


async def _fill(gateway: Gateway, key: str) -> Books:
    sold = [*await sell(gateway, "stripe", 5), *await sell(gateway, "paypal", 5)]
    assert (await gateway.refund(sold[0], 500)).status_code == 201
    for kind, order in (("fee", sold[1]), ("amount", sold[6])):
        provider = order["payments"][0]["provider"]
        await gateway.sandbox.control(
            "discrepancy", provider=provider, id=payment_of(order), kind=kind
        )
    await gateway.sandbox.control("dispute", provider="stripe", id=payment_of(sold[2]))
    await gateway.work()
    await move(gateway, days=3)
    for provider in ("stripe", "paypal"):
        await gateway.sandbox.control("payout", provider=provider)
    await move(gateway, hours=4)
    for provider in ("stripe", "paypal"):
        await settle(gateway, provider)
    await gateway.ask_for_order("stripe", "long", reference="W" * 120, amount=99_999_999)
    await gateway.post("/v1/products", "p", {"name": "Mug", "prices": [_price("EUR", 1250)]})
    hook = {"url": "https://93.184.215.14/hook", "events": ["*"]}
    made = (await gateway.post("/v1/webhook_endpoints", body=hook)).json()
    await gateway.post(f"/v1/webhook_endpoints/{made['id']}/test")
    desk, hashed = Desk(gateway.services), hash_password(PASSWORD)
    caller = await gateway.services.keys.authenticate(f"Bearer {key}")
    for role in ROLES:
        await desk.users.create(
            caller.merchant_id, f"{role}@example.com", role.capitalize(), role, hashed
        )

    async def first(path: str) -> str:
        found = (await gateway.http.get(path)).raise_for_status().json()["data"]
        return str(found[0]["id"])

    return Books(
        url=gateway.url,
        key=key,
        order=sold[2]["id"],
        refunded=sold[0]["id"],
        payout=await first("/v1/payouts"),
        difference=await first("/v1/reconciliation"),
        line=await first("/v1/balance_transactions"),
        delivery=await first("/v1/deliveries"),
        product=await first("/v1/products"),
    )


def _price(currency: str, amount: int) -> dict[str, object]:
    return {"currency": currency, "unit_amount": amount}
