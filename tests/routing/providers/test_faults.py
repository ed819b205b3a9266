"""A provider that fails while a page is opened: over to the next one, or certainly not."""

import functools
from collections.abc import AsyncIterator

import pytest

from providers.paypal import sdk
from providers.stripe import client as stripe_client
from providers.stripe import plugin as stripe_plugin
from tests.faults.stage import CALLED, Gateway, House, Sandbox, open_gateway
from tests.routing.providers.conftest import attempts, pages, prefer

OTHER = {"stripe": "paypal", "paypal": "stripe"}
HASTY = 0.25
"""Seconds that the adapters wait for an answer here, instead of fifteen."""


@pytest.fixture
async def gateway(
    house: House, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Gateway]:
    """A gateway whose adapters do not wait long."""
    monkeypatch.setattr(sdk, "READ_TIMEOUT", HASTY)
    hasty = functools.partial(stripe_client.open_client, timeout=HASTY)
    monkeypatch.setattr(stripe_plugin, "open_client", hasty)
    async with open_gateway(house, sandbox) as opened:
        yield opened


@pytest.mark.parametrize(
    ("first", "fault"), [("stripe", "http_429"), ("stripe", "http_503"), ("paypal", "http_429")]
)
async def test_a_busy_provider_is_left_for_the_next(
    gateway: Gateway, sandbox: Sandbox, first: str, fault: str
) -> None:
    await prefer(gateway, first)
    await sandbox.fault(first, CALLED[first, "create"], fault, 50)
    order = await gateway.create("auto")
    assert attempts(order) == [(first, "failed"), (OTHER[first], "open")]
    assert (await gateway.ask_for_order("auto")).json() == order  # the same key
    await sandbox.http.delete("/_control/faults")
    await gateway.later(minutes=30)
    assert await pages(sandbox) == 1
    await sandbox.buyer(order)
    await gateway.work()
    order = await gateway.order(order)
    assert (order["status"], order["provider"], order["attention"]) == ("paid", OTHER[first], [])
    await sandbox.agrees(order)


async def test_a_refusal_is_taken_to_the_next(gateway: Gateway, sandbox: Sandbox) -> None:
    """Ten cents are too little for the one, and not for the other."""
    await prefer(gateway, "stripe")
    order = await gateway.create("auto", amount=10)
    assert attempts(order) == [("stripe", "failed"), ("paypal", "open")]
    assert order["payments"][0]["failure"]["code"] == "amount_too_small"
    await sandbox.buyer(order)
    await gateway.work()
    await sandbox.agrees(await gateway.order(order))


@pytest.mark.parametrize("first", ["stripe", "paypal"])
@pytest.mark.parametrize("fault", ["timeout_before", "timeout_after", "reset", "garbage"])
async def test_an_unknown_outcome_stays_where_it_is(
    gateway: Gateway, sandbox: Sandbox, first: str, fault: str
) -> None:
    await prefer(gateway, first)
    await sandbox.fault(first, CALLED[first, "create"], fault, 3)
    answer = await gateway.ask_for_order("auto")
    assert answer.status_code == 201
    assert answer.json()["status"] == "processing"
    assert attempts(answer.json()) == [(first, "creating")]
    assert await sandbox.calls(OTHER[first], CALLED[OTHER[first], "create"]) == []
    for _ in range(3):  # a fault that the request did not come to is still there
        await gateway.later(minutes=2)
    order = await gateway.order(answer.json())
    assert attempts(order) == [(first, "open")]
    await sandbox.buyer(order)
    await gateway.work()
    await sandbox.agrees(await gateway.order(order))


async def test_a_refusal_after_an_unclear_answer_stays_too(
    gateway: Gateway, sandbox: Sandbox
) -> None:
    """Stripe keeps its 500 under the key: the repetition is refused, but what did the first do?"""
    await prefer(gateway, "stripe")
    await sandbox.fault("stripe", "create_session", "http_500")
    answer = await gateway.ask_for_order("auto")
    assert (answer.status_code, answer.json()["code"]) == (422, "provider_rejected")
    assert await sandbox.calls("paypal", "create_order") == []
