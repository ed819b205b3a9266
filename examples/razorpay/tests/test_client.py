"""The SDK, fenced in: what it would print, mistake, share or follow."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from gateway_razorpay.adapter import RazorpayAdapter
from gateway_razorpay.client import Client
from gateway_razorpay.fake.app import Fake
from gateway_razorpay.mapping import Link
from gateway_razorpay.plugin import plugin

from gateway.errors import OutcomeUnknown, ProviderError, Rejected, Unavailable
from gateway.money import Money

from .requests import KEY, ref, request

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def answering(
    handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
) -> AsyncIterator[Client]:
    """A client before a server that answers so."""
    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    settings = plugin.settings(Fake().environment(base))
    assert settings is not None
    client = Client(settings)
    try:
        yield client
    finally:
        client.close()
        await runner.cleanup()


async def errors(status: int, body: str, **headers: str) -> tuple[ProviderError, ProviderError]:
    """What a read and a write make of an answer."""

    async def handle(_: web.BaseRequest) -> web.Response:
        return web.Response(status=status, text=body, headers=headers)

    async with answering(handle) as client:
        with pytest.raises(ProviderError) as reading:
            await client.read(Link, client.sdk.payment_link.fetch, "plink_1", {})
        with pytest.raises(ProviderError) as writing:
            await client.write(Link, client.sdk.payment_link.create, {})
    return reading.value, writing.value


def told(code: str, description: str = "No") -> str:
    """Razorpay's error body."""
    return f'{{"error": {{"code": "{code}", "description": "{description}"}}}}'


@pytest.mark.parametrize(
    ("status", "body", "read", "write"),
    [
        (400, told("BAD_REQUEST_ERROR"), Rejected, Rejected),
        (400, told("GATEWAY_ERROR"), Unavailable, OutcomeUnknown),
        (400, told("SERVER_ERROR"), Unavailable, OutcomeUnknown),
        (400, '{"error": null}', Unavailable, OutcomeUnknown),
        (400, '{"error": "no"}', Unavailable, OutcomeUnknown),
        (400, "[]", Unavailable, OutcomeUnknown),
        (400, "<html>", Unavailable, OutcomeUnknown),
        (401, told("BAD_REQUEST_ERROR", "Authentication failed"), Unavailable, Unavailable),
        (403, told("BAD_REQUEST_ERROR", "Access Denied"), Unavailable, Unavailable),
        (404, '{"error": {}}', Rejected, Rejected),
        (404, "<html>", Unavailable, OutcomeUnknown),
        (408, told("BAD_REQUEST_ERROR"), Unavailable, OutcomeUnknown),
        (409, told("BAD_REQUEST_ERROR", "it is still in progress."), Unavailable, Unavailable),
        (409, told("BAD_REQUEST_ERROR", "Different request with"), Rejected, Rejected),
        (429, told("BAD_REQUEST_ERROR", "Too many requests"), Unavailable, Unavailable),
        (429, "<html>", Unavailable, Unavailable),
        (401, "", Unavailable, Unavailable),
        (500, told("SERVER_ERROR"), Unavailable, OutcomeUnknown),
        (502, told("BAD_REQUEST_ERROR"), Unavailable, OutcomeUnknown),
        (200, '{"id": "plink_1"}', Unavailable, OutcomeUnknown),
        (200, "", Unavailable, OutcomeUnknown),
        (204, "", Unavailable, OutcomeUnknown),
    ],
)
async def test_answers(
    status: int, body: str, read: type[ProviderError], write: type[ProviderError]
) -> None:
    """The SDK knows three exceptions, by a word of the body alone."""
    reading, writing = await errors(status, body)
    assert (type(reading), type(writing)) == (read, write)


async def test_keys_that_are_refused_are_named() -> None:
    reading, _ = await errors(401, told("BAD_REQUEST_ERROR", "Authentication failed"))
    assert "RAZORPAY_KEY_ID" in str(reading)


async def test_retry_after() -> None:
    for value, seconds in (("7", 7.0), ("soon", None), ("Wed, 21 Oct 2026 07:28:00 GMT", None)):
        reading, _ = await errors(429, told("BAD_REQUEST_ERROR"), **{"Retry-After": value})
        assert isinstance(reading, Unavailable)
        assert reading.retry_after == seconds


async def test_redirects_are_not_followed() -> None:
    """The keys go to the configured host only."""
    seen = []

    async def handle(request: web.BaseRequest) -> web.Response:
        seen.append(request.path)
        return web.Response(status=302, text="{}", headers={"Location": "/elsewhere"})

    async with answering(handle) as client:
        with pytest.raises(Unavailable):
            await client.read(Link, client.sdk.payment_link.fetch, "plink_1", {})
    assert seen == ["/v1/payment_links/plink_1"]


async def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    """The SDK prints network errors, with addresses in them."""

    async def handle(request: web.BaseRequest) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with answering(handle) as client:
        with pytest.raises(OutcomeUnknown):
            await client.write(Link, client.sdk.payment_link.create, {})
    settings = plugin.settings(Fake().environment("http://127.0.0.1:9"))
    assert settings is not None
    client = Client(settings)
    with pytest.raises(Unavailable):
        await client.write(Link, client.sdk.payment_link.create, {})
    client.close()
    assert capfd.readouterr() == ("", "")


async def test_captures_at_once_keep_their_amounts(fake: Fake, adapter: RazorpayAdapter) -> None:
    """`payment.capture` writes the amount into a default argument, one for all threads."""
    fake.account.auto_capture = False
    payments = []
    for number in range(12):
        money = Money(1000 + number, "INR")
        checkout = await adapter.create_order(request(money=money), key=f"{KEY}-{number}")
        fake.buyer(checkout.provider_order_id, "pay")
        payments.append(ref(checkout, money=money))
    await asyncio.gather(*(adapter.confirm(payment, key="c") for payment in payments))
    taken = sorted(one["amount"] for one in fake.account.payments.values() if one["captured"])
    assert taken == [1000 + number for number in range(12)]
