"""kill -9 at each point of an order that falls over: one page, and one answer for the merchant.

The first provider is busy for as long as a request tries, so the order goes to the second one. The
end of the first attempt and the beginning of the second are one commit: "between" is after it.
"""

from datetime import timedelta
from typing import Any, Literal

import httpx
import pytest

from tests.faults.process import Point, start
from tests.faults.stage import (
    CALLED,
    Gateway,
    House,
    Merchant,
    Sandbox,
    build_house,
    client,
    open_gateway,
)
from tests.routing.providers.conftest import attempts, pages, prefer

Crash = Literal["at first", "first reserved", "first called", "between", "second called", "settled"]
POINTS: dict[Crash, Point] = {
    "at first": Point("before reserve", "create"),
    "first reserved": Point("after reserve", "create"),
    "first called": Point("before reserve", "create", nth=2),
    "between": Point("after reserve", "create", nth=2),
    "second called": Point("before settle", "create"),
    "settled": Point("after settle", "create"),
}
OTHER = {"stripe": "paypal", "paypal": "stripe"}
TRIES = 3
LEASE = 10


@pytest.fixture
async def house(sqlite_url: str, sandbox: Sandbox) -> House:
    """A merchant whose requests have time enough to fall over."""
    return await build_house(sqlite_url, sandbox, lease_seconds=LEASE)


async def crash(house: House, crash: Crash, first: str) -> None:
    """Have a gateway process take the order, and die of it."""
    async with start(house, dies=POINTS[crash]) as running:
        async with client(running.url, authorization=f"Bearer {house.key}") as http:
            merchant = Merchant(http)
            await prefer(merchant, first)
            with pytest.raises(httpx.TransportError):
                await merchant.ask_for_order("auto")
        assert await running.ended() == -9


async def repeat(gateway: Gateway) -> dict[str, Any]:
    """The merchant repeats the request until there is an answer; it stays the same."""
    answer = await gateway.ask_for_order("auto")
    if answer.status_code == 503:  # nothing was done: the same key may be used again
        answer = await gateway.ask_for_order("auto")
    assert answer.status_code == 201, answer.text
    again = await gateway.ask_for_order("auto")
    assert again.content == answer.content
    assert again.headers["Idempotent-Replayed"] == "true"
    order: dict[str, Any] = answer.json()
    return order


@pytest.mark.parametrize(
    ("point", "who", "first"),
    [
        *[(point, "merchant", "stripe") for point in POINTS],
        *[(point, "worker", "stripe") for point in POINTS if point not in ("at first", "settled")],
        ("between", "merchant", "paypal"),
    ],
)
async def test_one_page_is_open(
    house: House, sandbox: Sandbox, point: Crash, who: str, first: str
) -> None:
    await sandbox.fault(first, CALLED[first, "create"], "http_429", TRIES)
    await crash(house, point, first)
    async with open_gateway(house, sandbox) as gateway:
        gateway.clock.ahead += timedelta(seconds=LEASE + 1)
        if who == "worker":
            await gateway.work()
        order = await repeat(gateway)
        listed = (await gateway.http.get("/v1/orders")).json()["data"]
        assert [one["id"] for one in listed] == [order["id"]]
        await gateway.later(minutes=30)
        order = await gateway.order(order)
        if point in ("at first", "between", "second called", "settled"):
            assert attempts(order) == [(first, "failed"), (OTHER[first], "open")]
        else:  # the call that died may have been heard: it is repeated, until it is answered
            assert attempts(order) == [(first, "open")]
        assert await pages(sandbox) == 1
        await sandbox.buyer(order)
        await gateway.work()
        order = await gateway.order(order)
        assert (order["status"], order["attention"]) == ("paid", [])
        await sandbox.agrees(order)


@pytest.mark.parametrize("point", ["between", "second called"])
async def test_on_postgresql(postgresql_url: str, sandbox: Sandbox, point: Crash) -> None:
    house = await build_house(postgresql_url, sandbox, lease_seconds=LEASE)
    await test_one_page_is_open(house, sandbox, point, "merchant", "stripe")
