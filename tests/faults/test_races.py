"""Many at once, in one process on SQLite and in two on one PostgreSQL: one effect each."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx
import pytest

from tests.faults.process import start
from tests.faults.stage import (
    CALLED,
    PROVIDERS,
    Gateway,
    Merchant,
    Sandbox,
    build_house,
    client,
    open_gateway,
)

pytestmark = pytest.mark.parametrize("provider", PROVIDERS)


@dataclass
class Scene:
    """A gateway that watches and works, and the doors that requests come in by."""

    gateway: Gateway
    doors: list[Merchant]

    def door(self, number: int) -> Merchant:
        """The doors in turn."""
        return self.doors[number % len(self.doors)]


@pytest.fixture(params=["one process", "two processes"])
async def scene(request: pytest.FixtureRequest, sandbox: Sandbox) -> AsyncIterator[Scene]:
    """SQLite and one process, or PostgreSQL and two further ones."""
    several = request.param == "two processes"
    kind = "postgresql_url" if several else "sqlite_url"
    house = await build_house(request.getfixturevalue(kind), sandbox)
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(open_gateway(house, sandbox))
        doors: list[Merchant] = [gateway]
        if several:
            doors = []
            for _ in range(2):
                running = await stack.enter_async_context(start(house))
                http = client(running.url, authorization=f"Bearer {house.key}")
                doors.append(Merchant(await stack.enter_async_context(http)))
        yield Scene(gateway, doors)


async def test_refunds_above_the_total(scene: Scene, sandbox: Sandbox, provider: str) -> None:
    """Twenty of 700 out of 5400: seven go through, the rest is refused, the books agree."""
    order = await scene.gateway.paid(provider)
    answers = await asyncio.gather(
        *(scene.door(n).refund(order, 700, key=f"refund {n}") for n in range(20))
    )
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [201] * 7 + [422] * 13, [a.text for a in answers if a.status_code > 499]
    await scene.gateway.work()
    order = await scene.gateway.order(order)
    assert order["amount_refunded"] == 4900
    assert order["attention"] == []
    await sandbox.agrees(order)


async def test_full_refunds(scene: Scene, sandbox: Sandbox, provider: str) -> None:
    """Twenty for all that is left: one gets it."""
    order = await scene.gateway.paid(provider)
    answers = await asyncio.gather(
        *(scene.door(n).refund(order, key=f"refund {n}") for n in range(20))
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
    await scene.gateway.work()
    order = await scene.gateway.order(order)
    assert (order["status"], order["amount_refunded"]) == ("refunded", 5400)
    await sandbox.agrees(order)


async def test_confirm(scene: Scene, sandbox: Sandbox, provider: str) -> None:
    """Twenty ask at the moment in which the buyer is done: one capture."""
    order = await scene.gateway.create(provider)
    await sandbox.webhooks("drop")
    await sandbox.buyer(order)
    answers = await asyncio.gather(*(scene.door(n).confirm(order) for n in range(20)))
    assert {answer.status_code for answer in answers} <= {200, 503}  # 503: another one is at it
    await scene.gateway.later(minutes=2)
    order = await scene.gateway.order(order)
    assert (order["status"], order["attention"]) == ("paid", [])
    await sandbox.agrees(order)


@pytest.mark.parametrize("verb", ["create", "refund"])
async def test_the_same_key(scene: Scene, sandbox: Sandbox, provider: str, verb: str) -> None:
    """Ten with one Idempotency-Key while the provider is slow: one runs, the others are told so."""
    order = await scene.gateway.paid(provider, key="earlier")

    async def act(merchant: Merchant) -> httpx.Response:
        if verb == "create":
            return await merchant.ask_for_order(provider)
        return await merchant.refund(order, 1000)

    operation = CALLED[provider, verb]
    before = len(await sandbox.calls(provider, operation))
    await sandbox.control("faults", provider=provider, operation=operation, fault="slow", seconds=3)
    answers = await asyncio.gather(*(act(scene.door(n)) for n in range(10)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    codes = {a.json()["code"] for a in answers if a.status_code == 409}
    assert codes == {"idempotency_in_flight"}
    first = next(answer for answer in answers if answer.status_code == 201)
    again = await asyncio.gather(*(act(scene.door(n)) for n in range(4)))
    assert {answer.content for answer in again} == {first.content}
    assert len(await sandbox.calls(provider, operation)) == before + 1
    await scene.gateway.work()
    orders = (await scene.gateway.http.get("/v1/orders")).json()["data"]
    assert len(orders) == (2 if verb == "create" else 1)
    await sandbox.agrees(*orders)


@pytest.mark.parametrize("verb", ["cancel", "payments"])
@pytest.mark.parametrize("fault", ["slow", "reset"])
async def test_closing_while_the_money_is_being_taken(
    scene: Scene, sandbox: Sandbox, provider: str, verb: str, fault: str
) -> None:
    """Never told canceled (or given a second page) and charged all the same."""
    order = await scene.gateway.create(provider)
    await sandbox.webhooks("drop")
    await sandbox.buyer(order)
    takes = {"stripe": "retrieve_session", "paypal": "capture_order"}[provider]
    await sandbox.control(
        "faults", provider=provider, operation=takes, fault=fault, times=1, seconds=0.6
    )
    confirming = asyncio.create_task(scene.door(0).confirm(order))
    async with asyncio.timeout(10):
        while not await sandbox.calls(provider, takes):  # noqa: ASYNC110 -- it is to be there
            await asyncio.sleep(0.01)
    body = {} if verb == "cancel" else {"provider": provider}
    closed = await scene.door(1).post(f"/v1/orders/{order['id']}/{verb}", "close", body)
    await confirming
    assert closed.status_code == 409, closed.text
    assert closed.json()["code"] in ("order_already_paid", "payment_in_doubt")
    await scene.gateway.later(minutes=10)
    order = await scene.gateway.order(order)
    assert (order["status"], order["attention"], len(order["payments"])) == ("paid", [], 1)
    await sandbox.agrees(order)
