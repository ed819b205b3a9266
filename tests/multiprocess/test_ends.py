"""Processes end: asked to, killed, asleep past their lease. And the database under them."""

import asyncio
import hashlib
import hmac
import json
import random
import signal
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from api.wiring import SystemClock
from gateway.ids import Ids
from storage.engine import Database
from storage.migrate import upgrade
from storage.store import SqlStore
from tests.faults.stage import House, Sandbox, build_house, client, listen
from tests.multiprocess.conftest import looking
from tests.multiprocess.test_together import until
from tests.multiprocess.town import happens, town, until_answered
from tests.postgres import Mortal, launch_mortal


async def test_a_request_under_way_is_answered_before_the_end(
    house: House, sandbox: Sandbox
) -> None:
    async with town(house, apis=1, workers=0) as opened:
        await sandbox.control(
            "faults", provider="stripe", operation="create_session", fault="slow", seconds=0.7,
            times=1,
        )  # fmt: skip
        asked = asyncio.create_task(opened.merchants[0].ask_for_order("stripe"))
        await happens(lambda: sandbox.calls("stripe", "create_session"))
        opened.apis[0].send(signal.SIGTERM)
        assert (await asked).status_code == 201
        assert await opened.apis[0].ended() == 0


async def test_a_worker_gives_back_what_it_has_not_started(house: House, sandbox: Sandbox) -> None:
    async with town(house, apis=1, workers=0) as opened:
        merchant = opened.merchants[0]
        orders = [await merchant.create("stripe", f"order {n}") for n in range(20)]
        await sandbox.control(
            "faults", provider="stripe", operation="retrieve_session", fault="slow", seconds=0.5,
            times=20,
        )  # fmt: skip
        await _check_all(house, orders)
        async with looking(house.environment["DATABASE_URL"]) as look:
            async with town(house, apis=0, workers=1) as shift:
                await happens(lambda: sandbox.calls("stripe", "retrieve_session"))
                asked = time.monotonic()
                shift.workers[0].send(signal.SIGTERM)
                assert await shift.workers[0].ended() == 0
                assert time.monotonic() - asked < 3
            called = len(await sandbox.calls("stripe", "retrieve_session"))
            assert 1 <= called <= 8
            back = "SELECT attempts FROM jobs WHERE kind = 'confirm_payment' AND run_at <= now()"
            assert await look.column(back) == [0] * (20 - called)


async def _check_all(house: House, orders: list[dict[str, Any]]) -> None:
    """Have a worker ask the provider about each of them."""
    clock = SystemClock()
    database = Database(house.environment["DATABASE_URL"], clock=clock)
    store = SqlStore(database, Ids(clock, random.Random(1).randbytes))
    async with looking(house.environment["DATABASE_URL"]) as look:
        (merchant_id,) = await look.column("SELECT id FROM merchants")
    async with store.transaction() as tx:
        for order in orders:
            payment = order["payments"][0]["id"]
            await tx.enqueue(str(merchant_id), "confirm_payment", payment, clock.now())
    await store.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
async def test_claimed_work_is_taken_up_after_its_lease(
    house: House, sandbox: Sandbox, number: int
) -> None:
    """From one that died with it; and one that only slept finds it gone and does nothing."""
    async with (
        town(house, apis=1, workers=0) as opened,
        town(house, apis=0, workers=1, claiming=number) as night,
    ):
        merchant, sleeper = opened.merchants[0], night.workers[0]
        await listen(sandbox, opened.apis[0].url)
        order = await merchant.create("stripe")
        await sandbox.buyer(order)
        if number == signal.SIGSTOP:
            await sleeper.stopped()
        else:
            assert await sleeper.ended() == -signal.SIGKILL
        assert (await merchant.order(order))["status"] == "open"
        async with town(house, apis=0, workers=2):
            order = await until(merchant, order, "paid")
            if number == signal.SIGSTOP:
                sleeper.send(signal.SIGCONT)
                await asyncio.sleep(0.5)  # time to do what it must not
            await listen(sandbox, "")
            timeline = await merchant.timeline(order)
            applied = [line["data"]["event"] for line in timeline if line["kind"] == "webhook"]
            assert len(set(applied)) == len(applied) >= 1
            await sandbox.agrees(await merchant.order(order))


async def test_what_was_acknowledged_is_there_after_a_kill(house: House, sandbox: Sandbox) -> None:
    acknowledged: set[str] = set()
    few = asyncio.Semaphore(16)
    secret = sandbox.environment["STRIPE_WEBHOOK_SECRET"]

    async def deliver(http: httpx.AsyncClient, number: int) -> None:
        event_id = f"evt_{number}"
        body = json.dumps(
            {"id": event_id, "object": "event", "type": "plan.created", "created": 1, "data":
             {"object": {}}, "livemode": False, "api_version": None, "pending_webhooks": 1,
             "request": None}
        ).encode()  # fmt: skip
        at = str(int(time.time()))
        digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        headers = {"stripe-signature": f"t={at},v1={digest}"}
        async with few:
            answer = await http.post("/webhooks/stripe", content=body, headers=headers)
        assert answer.status_code == 200, answer.text
        acknowledged.add(event_id)

    async def some() -> bool:
        return len(acknowledged) >= 100

    async with town(house) as opened, client(opened.apis[0].url) as http:
        tasks = [asyncio.create_task(deliver(http, number)) for number in range(400)]
        await happens(some)
        opened.apis[0].send(signal.SIGKILL)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert not [error for error in results if isinstance(error, AssertionError)]
        async with looking(house.environment["DATABASE_URL"]) as look:
            stored = set(await look.column("SELECT event_id FROM inbox"))
    assert 100 <= len(acknowledged) < 400
    assert acknowledged <= stored


# --- the database ends ----------------------------------------------------------------------------


@pytest.fixture
async def mortal() -> AsyncIterator[Mortal]:
    """A PostgreSQL to be killed."""
    with launch_mortal() as server:
        yield server


async def test_postgresql_is_killed_during_commits(mortal: Mortal, sandbox: Sandbox) -> None:
    url = mortal.server.database_url("postgres")
    await upgrade(url)
    house = await build_house(url, sandbox, lease_seconds=2)
    done: list[dict[str, Any]] = []
    chance = random.Random(32)
    async with town(house) as opened:
        await listen(sandbox, opened.apis[0].url)

        async def shop(number: int) -> None:
            merchant = opened.merchants[number % 2]
            provider = ("stripe", "paypal")[number // 2 % 2]
            answer = await until_answered(merchant.ask_for_order, provider, f"order {number}")
            assert answer.status_code == 201, answer.text
            order = answer.json()
            await sandbox.buyer(order)
            async with asyncio.timeout(60):
                while order["status"] != "paid":
                    order = (await until_answered(merchant.confirm, order)).json()
                    await asyncio.sleep(0.05)
            refund = await until_answered(merchant.refund, order, 1000, key=f"refund {number}")
            assert refund.status_code == 201, refund.text
            done.append(order)

        shoppers = [asyncio.create_task(shop(number)) for number in range(24)]
        for _ in range(2):
            await asyncio.sleep(0.4 + chance.random())
            await asyncio.to_thread(mortal.kill)
            await asyncio.sleep(0.3)
            await asyncio.to_thread(mortal.start)
        await asyncio.gather(*shoppers)
        await listen(sandbox, "")
        async with looking(url) as look:
            assert await look.column("SELECT count(*) FROM orders") == [24]
            # What was left in doubt is settled by its key.
            await happens(
                lambda: look.column(
                    "SELECT true WHERE NOT EXISTS (SELECT FROM operations WHERE NOT settled)"
                )
            )
        orders = [await opened.merchants[0].order(order) for order in done]
        assert [order["amount_refunded"] for order in orders] == [1000] * 24
        await sandbox.agrees(*orders)
