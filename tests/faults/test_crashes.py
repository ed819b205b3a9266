"""kill -9 at each point of create, confirm and refund: one effect, and one answer for the merchant.

Each story is played twice after the crash: the worker is first to take it up, or the merchant, who
repeats the request with the same Idempotency-Key.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.faults.process import Moment, Point, start
from tests.faults.stage import (
    PROVIDERS,
    Gateway,
    House,
    Merchant,
    MovableClock,
    Sandbox,
    build_house,
    client,
    open_gateway,
)

MOMENTS: tuple[Moment, ...] = ("before reserve", "after reserve", "before settle", "after settle")
FIRST = ("worker", "merchant")
Act = Callable[[Merchant], Awaitable[httpx.Response]]

pytestmark = pytest.mark.parametrize("provider", PROVIDERS)
#: Before the reserve and after the settle there is nothing for the worker to take up.
each_end = pytest.mark.parametrize(
    ("moment", "first"),
    [
        (moment, first)
        for moment in MOMENTS
        for first in FIRST
        if first == "merchant" or moment in ("after reserve", "before settle")
    ],
)
in_doubt = pytest.mark.parametrize("moment", ["after reserve", "before settle"])


@pytest.fixture
async def house(store_url: str, sandbox: Sandbox) -> House:
    """A house in which a lease lasts for a second."""
    return await build_house(store_url, sandbox, lease_seconds=1)


async def crash(house: House, verb: str, moment: Moment, act: Act) -> None:
    """Have a gateway process do `act`, and die of it."""
    async with start(house, dies=Point(moment, verb)) as running:
        async with client(running.url, authorization=f"Bearer {house.key}") as http:
            with pytest.raises(httpx.TransportError):
                await act(Merchant(http))
        assert await running.ended() == -9


async def recover(gateway: Gateway, first: str, act: Act) -> httpx.Response:
    """After the lease: the worker's turn and the merchant's repetition, in either order.

    The merchant repeats twice and gets the same answer, which is returned.
    """
    gateway.clock.ahead += timedelta(seconds=2)
    if first == "worker":
        await gateway.work()
    answer = await act(gateway)
    again = await act(gateway)
    await gateway.later(seconds=2)
    last = await act(gateway)
    assert answer.status_code == again.status_code == last.status_code, (answer.text, last.text)
    if "idempotency-key" in answer.request.headers:
        assert answer.content == again.content == last.content
        assert last.headers["Idempotent-Replayed"] == "true"
    return answer


@each_end
async def test_create(
    house: House, sandbox: Sandbox, provider: str, moment: Moment, first: str
) -> None:
    """One checkout at the provider, one order, and it can be paid."""

    async def act(merchant: Merchant) -> httpx.Response:
        return await merchant.ask_for_order(provider)

    await crash(house, "create", moment, act)
    async with open_gateway(house, sandbox) as gateway:
        answer = await recover(gateway, first, act)
        assert answer.status_code == 201
        order: dict[str, Any] = answer.json()
        assert order["status"] == "open"
        assert order["checkout_url"]
        listed = (await gateway.http.get("/v1/orders")).json()["data"]
        assert [one["id"] for one in listed] == [order["id"]]
        assert await checkouts(gateway, provider) == 1
        await sandbox.buyer(order)
        await gateway.work()
        order = await gateway.order(order)
        assert order["status"] == "paid"
        await sandbox.agrees(order)


async def checkouts(gateway: Gateway, provider: str) -> int:
    """How many checkouts the provider has opened."""
    if provider == "paypal":  # which answers 201 for a new order, 200 for a repeated key
        calls = await gateway.sandbox.calls("paypal", "create_order")
        return len([call for call in calls if call["status"] == 201 or call["fault"]])
    key = gateway.sandbox.environment["STRIPE_SECRET_KEY"]
    async with client(gateway.sandbox.url, authorization=f"Bearer {key}") as http:
        answer = await http.get("/stripe/v1/checkout/sessions")
        return len(answer.raise_for_status().json()["data"])


@each_end
async def test_confirm(
    house: House, sandbox: Sandbox, provider: str, moment: Moment, first: str
) -> None:
    """The buyer has paid, no webhook comes: one capture, whoever asks first."""
    clock = MovableClock()
    async with open_gateway(house, sandbox, clock=clock, listens=False) as gateway:
        order = await gateway.create(provider)
    await sandbox.buyer(order)

    async def act(merchant: Merchant) -> httpx.Response:
        return await merchant.confirm(order)

    await crash(house, "confirm", moment, act)
    async with open_gateway(house, sandbox, clock=clock, listens=False) as gateway:
        answer = await recover(gateway, first, act)
        order = await gateway.order(order)
        assert answer.json()["status"] == order["status"] == "paid"
        assert order["fee"] is not None
        assert order["attention"] == []
        await sandbox.agrees(order)
    captures = await sandbox.calls("paypal", "capture_order")
    assert len([c for c in captures if c["status"] == 201]) == (provider == "paypal")


@each_end
async def test_refund(
    house: House, sandbox: Sandbox, provider: str, moment: Moment, first: str
) -> None:
    """One refund of the amount, and the rest can be refunded under another key."""
    async with open_gateway(house, sandbox) as gateway:
        order = await gateway.paid(provider)

    async def act(merchant: Merchant) -> httpx.Response:
        return await merchant.refund(order, 1000)

    await crash(house, "refund", moment, act)
    async with open_gateway(house, sandbox) as gateway:
        answer = await recover(gateway, first, act)
        assert answer.status_code == 201, answer.text
        assert answer.json()["status"] == "succeeded"
        order = await gateway.order(order)
        assert order["status"] == "partially_refunded"
        assert [refund["id"] for refund in order["refunds"]] == [answer.json()["id"]]
        await sandbox.agrees(order)
        assert (await gateway.refund(order, key="rest")).json()["amount"] == 4400
        await gateway.work()
        order = await gateway.order(order)
        assert order["status"] == "refunded"
        await sandbox.agrees(order)


@in_doubt
@pytest.mark.parametrize("verb", ["create", "confirm", "refund"])
async def test_on_postgresql(
    postgresql_url: str, sandbox: Sandbox, provider: str, verb: str, moment: Moment
) -> None:
    """The same there, where the call has been made or may have been."""
    house = await build_house(postgresql_url, sandbox, lease_seconds=1)
    story = {"create": test_create, "confirm": test_confirm, "refund": test_refund}[verb]
    await story(house, sandbox, provider, moment, "merchant")


@in_doubt
@pytest.mark.parametrize("verb", ["create", "refund"])
async def test_repeated_when_the_provider_has_forgotten_the_key(
    house: House, sandbox: Sandbox, provider: str, moment: Moment, verb: str
) -> None:
    """The worker has settled it. A merchant who repeats weeks later gets the answer, without a
    second call under a key that the provider has forgotten."""
    async with open_gateway(house, sandbox) as gateway:
        order = await gateway.paid(provider, key="earlier")

    async def act(merchant: Merchant) -> httpx.Response:
        if verb == "create":
            return await merchant.ask_for_order(provider)
        return await merchant.refund(order, 1000)

    await crash(house, verb, moment, act)
    async with open_gateway(house, sandbox) as gateway:
        gateway.clock.ahead += timedelta(seconds=2)
        await gateway.work()
        gateway.clock.ahead += timedelta(days=46)
        await sandbox.control("clock", advance_seconds=46 * 86400)
        answer, again = await act(gateway), await act(gateway)
        assert (answer.status_code, answer.content) == (again.status_code, again.content)
        await gateway.work()
        if verb == "create":
            assert await checkouts(gateway, provider) == 2  # the earlier order's and this one's
            return
        order = await gateway.order(order)
        assert (answer.status_code, answer.json()["status"]) == (201, "succeeded")
        assert order["amount_refunded"] == 1000
        await sandbox.agrees(order)
