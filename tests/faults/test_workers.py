"""A worker that dies or falls asleep with work in its hands: another one does it, once."""

import asyncio
import signal

import pytest

from tests.faults.process import Point, Running, start
from tests.faults.stage import (
    PROVIDERS,
    Gateway,
    House,
    Sandbox,
    build_house,
    client,
    open_gateway,
)

pytestmark = pytest.mark.parametrize("provider", PROVIDERS)


@pytest.fixture
async def house(database_url: str, sandbox: Sandbox) -> House:
    """On both kinds of database, with a lease of a second."""
    return await build_house(database_url, sandbox, lease_seconds=1)


async def webhooks_applied(gateway: Gateway, order: dict[str, object]) -> int:
    """How many webhooks have been applied to an order."""
    return len([e for e in await gateway.timeline(order) if e["kind"] == "webhook"])


async def test_killed(house: House, sandbox: Sandbox, provider: str) -> None:
    """Its events are leased for a while, then reclaimed."""
    async with open_gateway(house, sandbox) as gateway:
        order = await gateway.create(provider)
        await sandbox.buyer(order)
        await sandbox.delivered()
        async with start(house, dies=Point("after claim"), works=True) as worker:
            assert await worker.ended() == -signal.SIGKILL
        await gateway.later(seconds=2)
        order = await gateway.order(order)
        assert (order["status"], order["attention"]) == ("paid", [])
        await sandbox.agrees(order)


async def test_asleep_with_an_event(house: House, sandbox: Sandbox, provider: str) -> None:
    """It wakes after its lease has passed to another: what it does then changes nothing."""
    async with open_gateway(house, sandbox) as gateway:
        order = await gateway.create(provider)
        await sandbox.buyer(order)
        await sandbox.delivered()
        asleep = Point("after claim", number=signal.SIGSTOP)
        async with start(house, dies=asleep, works=True) as worker:
            await worker.stopped()
            await gateway.later(seconds=2)
            before = await gateway.order(order)
            assert before["status"] == "paid"
            applied = await webhooks_applied(gateway, order)
            worker.send(signal.SIGCONT)
            await has_worked(worker, house)
            assert await gateway.order(order) == before
            assert await webhooks_applied(gateway, order) == applied
            await sandbox.agrees(before)


async def test_asleep_with_a_refund_to_resume(
    house: House, sandbox: Sandbox, provider: str
) -> None:
    """Both send it under one key: one refund."""
    async with open_gateway(house, sandbox) as gateway:
        order = await gateway.paid(provider)
        async with start(house, dies=Point("after reserve", "refund")) as dying:
            async with client(dying.url, authorization=f"Bearer {house.key}") as http:
                await asyncio.gather(
                    http.post(
                        f"/v1/orders/{order['id']}/refunds",
                        json={"amount": 1000},
                        headers={"Idempotency-Key": "refund"},
                    ),
                    return_exceptions=True,
                )
            await dying.ended()
        asleep = Point("after claim", number=signal.SIGSTOP)
        async with start(house, dies=asleep, works=True) as worker:
            await worker.stopped()
            await gateway.later(seconds=4)
            order = await gateway.order(order)
            assert [refund["status"] for refund in order["refunds"]] == ["succeeded"]
            worker.send(signal.SIGCONT)
            await has_worked(worker, house)
            await gateway.work()
            assert [r["status"] for r in (await gateway.order(order))["refunds"]] == ["succeeded"]
            await sandbox.agrees(await gateway.order(order))
            again = await gateway.refund(order, 1000)
            assert again.status_code == 201
            await sandbox.agrees(await gateway.order(order))


async def has_worked(worker: Running, house: House) -> None:
    """Wait until a worker process has done what it had claimed."""
    async with client(worker.url) as http:
        for _ in range(600):
            text = (await http.get("/metrics")).text
            done = [line for line in text.splitlines() if line.startswith("gateway_work_")]
            if any(float(line.split()[-1]) > 0 for line in done):
                return
            await asyncio.sleep(0.02)
    raise AssertionError("it does nothing")
