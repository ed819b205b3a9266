"""A provider that is slow, broken or forgetful: unknown is never failed, and nothing is done twice.

A call is tried three times within a request; a fault that lasts for three calls leaves the outcome
open, and the worker settles it.
"""

import functools
from collections.abc import AsyncIterator
from typing import Any

import pytest

from providers.paypal import sdk
from providers.stripe import client as stripe_client
from providers.stripe import plugin as stripe_plugin
from tests.faults.stage import CALLED, PROVIDERS, Gateway, House, Sandbox, open_gateway

pytestmark = pytest.mark.parametrize("provider", PROVIDERS)
UNANSWERED = ("timeout_before", "timeout_after", "reset", "garbage")
TRIES = 3
HASTY = 0.25
"""Seconds that the adapters wait for an answer here, instead of fifteen."""


@pytest.fixture
async def gateway(
    house: House, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, short_pauses: None
) -> AsyncIterator[Gateway]:
    """A gateway whose adapters do not wait long."""
    monkeypatch.setattr(sdk, "READ_TIMEOUT", HASTY)
    hasty = functools.partial(stripe_client.open_client, timeout=HASTY)
    monkeypatch.setattr(stripe_plugin, "open_client", hasty)
    async with open_gateway(house, sandbox) as opened:
        yield opened


@pytest.mark.parametrize("fault", UNANSWERED)
async def test_create(gateway: Gateway, sandbox: Sandbox, provider: str, fault: str) -> None:
    """No checkout yet, and no failure; the worker finds out, and there is one checkout."""
    await sandbox.fault(provider, CALLED[provider, "create"], fault, TRIES)
    answer = await gateway.ask_for_order(provider)
    assert answer.status_code == 201
    order = answer.json()
    assert (order["status"], order["payments"][0]["status"]) == ("processing", "creating")
    assert order["checkout_url"] is None
    await gateway.later(minutes=2)
    order = await gateway.order(order)
    assert (order["status"], order["payments"][0]["status"]) == ("open", "open")
    assert order["checkout_url"]
    assert (await gateway.ask_for_order(provider)).content == answer.content
    await sandbox.buyer(order)
    await gateway.work()
    order = await gateway.order(order)
    assert (order["status"], order["attention"]) == ("paid", [])
    await sandbox.agrees(order)


@pytest.mark.parametrize("fault", UNANSWERED)
async def test_confirm(gateway: Gateway, sandbox: Sandbox, provider: str, fault: str) -> None:
    """The buyer is done, but the provider does not say so: not paid, not failed, then paid."""
    order = await gateway.create(provider)
    await sandbox.webhooks("drop")
    await sandbox.buyer(order)
    # aiohttp repeats a read by itself once when the connection breaks: more faults than tries.
    await sandbox.fault(provider, CALLED[provider, "confirm"], fault, 2 * TRIES)
    answer = await gateway.confirm(order)
    await sandbox.http.delete("/_control/faults")
    if provider == "stripe":  # a mere read
        assert answer.status_code == 503
        assert (await gateway.order(order))["status"] == "open"
    else:  # a capture; once it is done, the next try reads of it
        done = fault in ("timeout_after", "garbage")
        assert answer.status_code == 200
        assert answer.json()["status"] == ("paid" if done else "processing")
        assert answer.json()["payments"][0]["status"] == ("captured" if done else "processing")
    await gateway.later(minutes=2)
    order = await gateway.order(order)
    assert (order["status"], order["attention"]) == ("paid", [])
    await sandbox.agrees(order)


@pytest.mark.parametrize("fault", UNANSWERED)
async def test_refund(gateway: Gateway, sandbox: Sandbox, provider: str, fault: str) -> None:
    """The refund is pending and its amount is taken, until the worker settles it: one refund."""
    order = await gateway.paid(provider)
    await sandbox.webhooks("drop")
    await sandbox.fault(provider, CALLED[provider, "refund"], fault, TRIES)
    answer = await gateway.refund(order, 4000)
    assert answer.status_code == 201
    assert answer.json()["status"] == "pending"
    assert (await gateway.refund(order, 4000, key="more")).status_code == 422
    await gateway.later(minutes=2)
    order = await gateway.order(order)
    assert [refund["status"] for refund in order["refunds"]] == ["succeeded"]
    assert (order["status"], order["amount_refunded"]) == ("partially_refunded", 4000)
    assert (await gateway.refund(order, 4000)).content == answer.content
    await sandbox.agrees(order)


@pytest.mark.parametrize("verb", ["create", "refund"])
async def test_one_lost_answer_is_made_good_within_the_request(
    gateway: Gateway, sandbox: Sandbox, provider: str, verb: str
) -> None:
    """The same key again: the merchant notices nothing, the provider does it once."""
    if verb == "create":
        await sandbox.fault(provider, CALLED[provider, "create"], "timeout_after")
    order = await gateway.paid(provider)
    if verb == "refund":
        await sandbox.fault(provider, CALLED[provider, "refund"], "timeout_after")
    assert (await gateway.refund(order, 100)).json()["status"] == "succeeded"
    await gateway.work()
    await sandbox.agrees(await gateway.order(order))


@pytest.mark.parametrize("fault", ["http_429", "http_503"])
async def test_a_busy_provider(
    gateway: Gateway, sandbox: Sandbox, provider: str, fault: str
) -> None:
    """Bounded tries, an honest 503, and the same key may try again: the same order, once."""
    operation = CALLED[provider, "create"]
    await sandbox.fault(provider, operation, fault, 50)
    answer = await gateway.ask_for_order(provider)
    assert len(await sandbox.calls(provider, operation)) <= TRIES
    certain = provider == "stripe" or fault == "http_429"
    assert answer.status_code == (503 if certain else 201)
    if certain:
        assert answer.json()["code"] == "provider_unavailable"
    await sandbox.http.delete("/_control/faults")
    await gateway.later(minutes=1)
    order = (await gateway.ask_for_order(provider)).json()
    listed = (await gateway.http.get("/v1/orders")).json()["data"]
    assert [one["id"] for one in listed] == [order["id"]]
    order = await gateway.order(order)
    assert order["status"] == "open"
    await sandbox.buyer(order)
    await gateway.work()
    await sandbox.agrees(await gateway.order(order))


async def test_a_500_on_create(gateway: Gateway, sandbox: Sandbox, provider: str) -> None:
    """Stripe keeps it under the key: there is no checkout, and a new order can be made."""
    await sandbox.fault(provider, CALLED[provider, "create"], "http_500", TRIES)
    answer = await gateway.ask_for_order(provider)
    await sandbox.http.delete("/_control/faults")
    await gateway.later(minutes=2)
    calls = len(await sandbox.calls(provider, CALLED[provider, "create"]))
    await gateway.later(hours=2)
    assert len(await sandbox.calls(provider, CALLED[provider, "create"])) == calls  # no loop
    if provider == "stripe":
        assert answer.status_code == 422
        assert answer.json()["code"] == "provider_rejected"
        order = await gateway.paid(provider, key="another")
        await sandbox.agrees(order)
    else:  # which keeps no refusals: the same key brought the checkout about
        order = await gateway.order(answer.json())
        assert order["payments"][0]["provider_order_id"]


async def test_a_500_on_refund(gateway: Gateway, sandbox: Sandbox, provider: str) -> None:
    """Never called failed while it may have worked; the kept 500 is outlived by looking."""
    order = await gateway.paid(provider)
    await sandbox.fault(provider, "refund", "http_500", TRIES)
    answer = await gateway.refund(order, 1000)
    assert answer.json()["status"] == "pending"
    for _ in range(12):
        await gateway.later(hours=2)
        await sandbox.control("clock", advance_seconds=7200)
    order = await gateway.order(order)
    status = order["refunds"][0]["status"]
    assert status == ("failed" if provider == "stripe" else "succeeded")
    assert order["amount_refundable"] == (5400 if provider == "stripe" else 4400)
    assert order["attention"] == []
    calls = len(await sandbox.calls(provider, "refund"))
    await gateway.later(days=50)
    assert len(await sandbox.calls(provider, "refund")) == calls
    await sandbox.agrees(order)


@pytest.mark.parametrize("fault", ["garbage", "reset"])
async def test_a_refund_whose_key_is_forgotten(
    gateway: Gateway, sandbox: Sandbox, provider: str, fault: str
) -> None:
    """It is looked up, never sent again. `garbage`: it had been made. `reset`: it had not."""
    order = await gateway.paid(provider)
    await sandbox.webhooks("drop")
    await sandbox.fault(provider, "refund", fault, TRIES)
    assert (await gateway.refund(order, 1000)).json()["status"] == "pending"
    days = 1 if provider == "stripe" else 46
    await sandbox.control("clock", advance_seconds=days * 86400)
    calls = len(await sandbox.calls(provider, "refund"))
    await gateway.later(days=days)
    order = await gateway.order(order)
    done = fault == "garbage"
    assert order["refunds"][0]["status"] == ("succeeded" if done else "failed")
    assert order["amount_refundable"] == (4400 if done else 5400)
    assert len(await sandbox.calls(provider, "refund")) == calls
    await sandbox.agrees(order)


async def test_a_checkout_whose_key_is_forgotten(
    gateway: Gateway, sandbox: Sandbox, provider: str
) -> None:
    """Nobody knows its address, so nobody can pay it: it is not opened again, and a person looks
    if it stays in doubt."""
    await sandbox.fault(provider, CALLED[provider, "create"], "garbage", TRIES)
    order = (await gateway.ask_for_order(provider, expires_in=86400)).json()
    await sandbox.control("clock", advance_seconds=86400)
    calls = len(await sandbox.calls(provider, CALLED[provider, "create"]))
    await gateway.later(days=2)
    for _ in range(8):
        await gateway.later(hours=6)
    assert len(await sandbox.calls(provider, CALLED[provider, "create"])) == calls
    order = await gateway.order(order)
    assert order["status"] == "expired"
    assert [one["kind"] for one in order["attention"]] in ([], ["unknown_outcome"])
    await sandbox.agrees(order)


async def test_every_webhook_is_lost(gateway: Gateway, sandbox: Sandbox, provider: str) -> None:
    """The sweep finds the payment, and a refund made at the provider, by itself."""
    await sandbox.webhooks("drop")
    order: dict[str, Any] = await gateway.create(provider)
    await sandbox.buyer(order)
    await gateway.work()
    assert (await gateway.order(order))["status"] == "open"
    await gateway.later(minutes=2)
    order = await gateway.order(order)
    assert (order["status"], order["attention"]) == ("paid", [])
    await sandbox.agrees(order)
