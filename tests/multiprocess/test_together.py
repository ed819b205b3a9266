"""Two APIs and two workers share one database, and nothing happens twice."""

import asyncio
import signal
import time
from datetime import timedelta
from typing import Any

import pytest

from tests.faults.stage import House, Merchant, Sandbox, build_house, listen
from tests.multiprocess.conftest import looking
from tests.multiprocess.town import Town, happens, town, until_answered


async def until(merchant: Merchant, order: dict[str, Any], status: str) -> dict[str, Any]:
    """Wait until the order is in that state, without asking the provider."""
    async with asyncio.timeout(30):
        while True:
            now = await merchant.order(order)
            if now["status"] == status:
                return now
            await asyncio.sleep(0.02)


async def paid(town: Town, sandbox: Sandbox, key: str, provider: str = "stripe") -> dict[str, Any]:
    order = await town.merchants[0].create(provider, key)
    await sandbox.buyer(order)
    return await until(town.merchants[1], order, "paid")


async def test_one_key_on_both_at_once(house: House, sandbox: Sandbox) -> None:
    async with town(house, workers=0) as opened:
        one, other = opened.merchants
        answers = [
            await asyncio.gather(
                one.ask_for_order("stripe", key), other.ask_for_order("stripe", key)
            )
            for key in map(str, range(10))
        ]
        for key, pair in enumerate(answers):
            assert {answer.status_code for answer in pair} in ({201}, {201, 409})
            if any(answer.status_code == 409 for answer in pair):
                refused = next(answer for answer in pair if answer.status_code == 409)
                assert refused.json()["code"] == "idempotency_in_flight"
            first = next(answer for answer in pair if answer.status_code == 201)
            for merchant in opened.merchants:
                again = await merchant.ask_for_order("stripe", str(key))
                assert again.content == first.content
                assert again.headers["idempotent-replayed"] == "true"
    assert len(await sandbox.calls("stripe", "create_session")) == 10


async def test_refunds_through_both_never_exceed_the_payment(
    house: House, sandbox: Sandbox
) -> None:
    async with town(house) as opened:
        await listen(sandbox, opened.apis[0].url)
        order = await paid(opened, sandbox, "order")
        refunds = await asyncio.gather(
            *(
                until_answered(opened.merchants[n % 2].refund, order, 1000, key=f"refund {n}")
                for n in range(20)
            )
        )
        statuses = sorted(answer.status_code for answer in refunds)
        assert statuses == [201] * 5 + [422] * 15
        order = await opened.merchants[0].order(order)
        assert order["amount_refunded"] == 5000
        await sandbox.agrees(order)
        await listen(sandbox, "")


async def test_an_api_wakes_a_worker_that_would_not_look(house: House, sandbox: Sandbox) -> None:
    async with town(house, apis=2, workers=1, poll=60) as opened:
        await listen(sandbox, opened.apis[0].url)
        started = time.monotonic()
        for number in range(3):
            await paid(opened, sandbox, f"order {number}")
        assert time.monotonic() - started < 50
        await listen(sandbox, "")


@pytest.mark.parametrize("provider", ["stripe", "paypal"])
async def test_clocks_that_are_ten_minutes_wrong(
    postgresql_url: str, sandbox: Sandbox, provider: str
) -> None:
    """Nobody takes a lease that is another's, and nobody waits ten minutes for what is due."""
    house = await build_house(postgresql_url, sandbox, lease_seconds=30)
    fast, slow = timedelta(minutes=10), timedelta(minutes=-10)
    async with town(house, ahead=(fast, slow, fast, slow)) as opened:
        operation = {"stripe": "create_session", "paypal": "create_order"}[provider]
        await sandbox.control(
            "faults", provider=provider, operation=operation, fault="slow", times=1, seconds=4
        )
        one, other = opened.merchants
        first = asyncio.create_task(one.ask_for_order(provider, "order"))
        await happens(lambda: sandbox.calls(provider, operation))
        second = await other.ask_for_order(provider, "order")
        assert (second.status_code, second.json()["code"]) == (409, "idempotency_in_flight")
        order = (await first).json()
        await sandbox.buyer(order)
        async with asyncio.timeout(30):
            while order["status"] != "paid":
                order = (await until_answered(other.confirm, order)).json()
        refund = await until_answered(one.refund, order)
        assert refund.status_code == 201
        assert len(await sandbox.calls(provider, operation)) == 1
        await sandbox.agrees(await other.order(order))


async def test_what_was_claimed_while_fast_is_due_for_the_right(
    house: House, sandbox: Sandbox
) -> None:
    """An API ten minutes fast dies in a call; a worker with the right time takes it up at once."""
    async with town(house, ahead=(timedelta(minutes=10),)) as opened:
        await sandbox.fault("stripe", "create_session", "slow")
        dying = asyncio.create_task(opened.merchants[0].ask_for_order("stripe", "order"))
        await happens(lambda: sandbox.calls("stripe", "create_session"))
        opened.apis[0].send(signal.SIGKILL)
        await asyncio.gather(dying, return_exceptions=True)
        answer = await until_answered(opened.merchants[1].ask_for_order, "stripe", "order")
        assert answer.status_code == 201
        async with looking(house.environment["DATABASE_URL"]) as look:
            assert await look.column("SELECT count(*) FROM orders") == [1]
            assert await look.column("SELECT settled FROM operations") == [True]
