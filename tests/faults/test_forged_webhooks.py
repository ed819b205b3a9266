"""Whatever is not a genuine, fresh delivery is 400 (413 if too large): never a 500, nothing stored.

Real signed deliveries of both providers, spoiled byte by byte, cut off, aged, and replaced.
"""

import base64
import binascii
import hashlib
import hmac
import json
import time
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from providers.paypal.plugin import plugin as paypal
from providers.stripe.plugin import plugin as stripe
from storage import tables as t
from tests.faults.mailbox import Delivery, Mailbox
from tests.faults.stage import PROVIDERS, Gateway, MovableClock, Sandbox

each_provider = pytest.mark.parametrize("provider", PROVIDERS)
hostile = settings(
    max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
PRINTABLE = bytes(range(0x21, 0x7F))
SIGNED = {
    "stripe": ("stripe-signature",),
    "paypal": (
        "paypal-transmission-id",
        "paypal-transmission-time",
        "paypal-transmission-sig",
        "paypal-cert-url",
    ),
}


@pytest.fixture
async def genuine(
    deaf_gateway: Gateway, mailbox: Mailbox, sandbox: Sandbox, provider: str
) -> Delivery:
    """A real delivery which the gateway would take, and has not been given."""
    order = await deaf_gateway.create(provider)
    await sandbox.buyer(order)
    return (await mailbox.collect())[-1]


async def stored(gateway: Gateway) -> int:
    """How many events are in the inbox."""
    async with gateway.services.store.database.read() as connection:
        found = await connection.scalar(select(func.count()).select_from(t.inbox))
        return int(found or 0)


async def refused(gateway: Gateway, delivery: Delivery, *statuses: int) -> None:
    """Deliver; assert that it is refused and leaves nothing."""
    answer = await gateway.http.post(
        f"/webhooks/{delivery.provider}", content=delivery.body, headers=delivery.headers
    )
    assert answer.status_code in (statuses or (400,)), (answer.status_code, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
    assert await stored(gateway) == 0


@each_provider
@hostile
@given(data=st.data())
async def test_one_byte_of_the_body(
    deaf_gateway: Gateway, genuine: Delivery, provider: str, data: st.DataObject
) -> None:
    """Any other byte at any place."""
    at = data.draw(st.integers(0, len(genuine.body) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda b: b != genuine.body[at]))
    body = genuine.body[:at] + bytes([byte]) + genuine.body[at + 1 :]
    await refused(deaf_gateway, Delivery(provider, genuine.headers, body))


@each_provider
@hostile
@given(data=st.data())
async def test_one_byte_of_the_signature(
    deaf_gateway: Gateway, genuine: Delivery, provider: str, data: st.DataObject
) -> None:
    """Any other printable byte at any place of any header that counts."""
    name = data.draw(st.sampled_from(SIGNED[provider]))
    value = genuine.headers[name].encode()
    at = data.draw(st.integers(0, len(value) - 1))
    byte = data.draw(st.sampled_from(PRINTABLE).filter(lambda b: b != value[at]))
    spoiled = (value[:at] + bytes([byte]) + value[at + 1 :]).decode()
    assume(not _same_signature(value.decode(), spoiled))
    await refused(deaf_gateway, Delivery(provider, genuine.headers | {name: spoiled}, genuine.body))


def _same_signature(one: str, other: str) -> bool:
    """Base64 has bits at its end that mean nothing."""
    try:
        return base64.b64decode(one, validate=True) == base64.b64decode(other, validate=True)
    except (binascii.Error, ValueError):
        return False


@each_provider
async def test_cut_off_or_drawn_out(
    deaf_gateway: Gateway, genuine: Delivery, provider: str
) -> None:
    """Truncated anywhere, or with something after it."""
    ends = sorted({0, 1, 2, *range(3, len(genuine.body), len(genuine.body) // 20)})
    bodies = [genuine.body[:end] for end in ends]
    bodies += [genuine.body + tail for tail in (b" ", b"\n", b"\0", b"{}", b"\xff")]
    for body in bodies:
        await refused(deaf_gateway, Delivery(provider, genuine.headers, body))


@each_provider
async def test_a_header_is_missing_or_nonsense(
    deaf_gateway: Gateway, genuine: Delivery, provider: str
) -> None:
    """Each header by itself."""
    for name in SIGNED[provider]:
        rest = {key: value for key, value in genuine.headers.items() if key != name}
        await refused(deaf_gateway, Delivery(provider, rest, genuine.body))
        for value in ("", "0", "t=,v1=", "=" * 5000, "https://evil.example/cert", "\u00e9", "٣"):
            headers: Any = rest | {name: value.encode()}
            await refused(deaf_gateway, Delivery(provider, headers, genuine.body))


@each_provider
async def test_what_is_no_event(deaf_gateway: Gateway, genuine: Delivery, provider: str) -> None:
    """Not UTF-8, not JSON, not an object, too deep, too large, numbers and times out of reach."""
    bodies = [
        b"",
        b"\xff\xfe\x00",
        b"null",
        b"[]",
        b"3",
        b'"text"',
        b"<html>",
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b'{"a":' * 30_000,
        b"1" * 200_000,
        b'{"id":"evt_1","type":"x","created":1e999}',
        b'{"id":"evt_1","type":"x","created":' + b"9" * 5000 + b"}",
    ]
    event = genuine.event
    names = ("created", "create_time", "livemode", "data", "resource", "type", "event_type")
    values: tuple[Any, ...] = (None, "", -1, 10**25, [], {}, "0001-01-01T00:00:00+14:00", True)
    bodies += [
        json.dumps(event | {name: value}).encode()
        for name in names
        for value in values
        if name in event
    ]
    for body in bodies:
        await refused(deaf_gateway, Delivery(provider, genuine.headers, body))
        if provider == "stripe":  # signed by somebody who knows the secret: still no 500
            await _nothing_breaks(deaf_gateway, Delivery(provider, _sign(deaf_gateway, body), body))


async def _nothing_breaks(gateway: Gateway, delivery: Delivery) -> None:
    status = await gateway.deliver(delivery.provider, delivery.headers, delivery.body)
    assert status in (200, 400), (status, delivery.body[:200])
    await gateway.work()
    async with gateway.services.store.database.write() as connection:
        await connection.execute(t.inbox.delete())


def _sign(gateway: Gateway, body: bytes) -> dict[str, str]:
    secret = gateway.sandbox.environment["STRIPE_WEBHOOK_SECRET"].encode()
    at = str(int(time.time()))
    digest = hmac.new(secret, at.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"stripe-signature": f"t={at},v1={digest}"}


@each_provider
async def test_too_large(deaf_gateway: Gateway, genuine: Delivery, provider: str) -> None:
    """More than 256 KiB is 413, whatever it says."""
    body = genuine.body[:-1] + b" " * (256 * 1024) + b"}"
    await refused(deaf_gateway, Delivery(provider, genuine.headers, body), 413)


@each_provider
async def test_forged_by_the_sandbox(gateway: Gateway, sandbox: Sandbox, provider: str) -> None:
    """Changed bodies beside genuine signatures: refused, and the order stays open."""
    order = await gateway.create(provider)
    await sandbox.webhooks("forge")
    await sandbox.buyer(order)
    await gateway.work()
    log = (await sandbox.look("webhooks"))["log"]
    assert log
    assert {delivery["status"] for delivery in log} == {400}
    assert await stored(gateway) == 0
    assert (await gateway.order(order))["status"] == "open"


@each_provider
async def test_stale_and_from_the_future(
    deaf_gateway: Gateway, genuine: Delivery, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too old, or ahead of time, by the clock of the plugin."""
    clock = MovableClock()
    monkeypatch.setattr(stripe, "_now", clock.now)
    monkeypatch.setattr(paypal, "_clock", clock)
    clock.ahead = timedelta(minutes=-6)
    async with _another(deaf_gateway) as gateway:
        await refused(gateway, genuine)
        clock.ahead = timedelta(days=3, hours=2)
        await refused(gateway, genuine)
        clock.ahead = timedelta(minutes=4)
        assert await gateway.deliver(provider, genuine.headers, genuine.body) == 200


def _another(gateway: Gateway) -> Any:
    """A second gateway on the same house, opened with the plugins as they are now."""
    from tests.faults.stage import House, open_gateway

    environment = dict(gateway.sandbox.environment) | {
        "DATABASE_URL": gateway.services.settings.database_url,
        "GATEWAY_SECRET_KEY": gateway.services.settings.secret_key,
    }
    key = gateway.http.headers["authorization"].removeprefix("Bearer ")
    return open_gateway(House(environment, key), gateway.sandbox, listens=False)


@each_provider
async def test_another_provider(deaf_gateway: Gateway, genuine: Delivery, provider: str) -> None:
    """Delivered to the other provider's address, and to one that does not exist."""
    other = "paypal" if provider == "stripe" else "stripe"
    await refused(deaf_gateway, Delivery(other, genuine.headers, genuine.body))
    await refused(deaf_gateway, Delivery("nobody", genuine.headers, genuine.body), 404)
    await refused(deaf_gateway, Delivery(f"{provider}/else", genuine.headers, genuine.body), 404)
