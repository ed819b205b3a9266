"""The choke point: what goes over the wire with every call, and what each way of failing means."""

import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import stripe

from gateway.errors import OutcomeUnknown, ProviderError, Rejected, Unavailable
from providers.stripe.adapter import StripeAdapter
from providers.stripe.client import API_VERSION, open_client
from providers.stripe.errors import ReplayedFailure
from providers.stripe.resources import Refund
from providers.stripe.settings import StripeSettings
from tests.stripe.fake import FakeStripe
from tests.stripe.payloads import intent, open_session, refund, session
from tests.stripe.requests import PAYMENT, REFUND, REQUEST, payment

Act = Callable[[StripeAdapter], Awaitable[Any]]
HELD = payment(authorization_id="pi_1")
WRITES: dict[str, tuple[Act, dict[str, Any], str]] = {
    "create": (lambda a: a.create_order(REQUEST, key="key-1"), open_session(), "key-1"),
    "refund": (lambda a: a.refund(REFUND, key="key-1"), refund(), "key-1"),
    "capture": (lambda a: a.capture(HELD, HELD.money, key="key-1"), intent(), "key-1"),
    "expire": (lambda a: a.cancel(PAYMENT, key="key-1"), session(status="expired"), "key-1"),
    "void": (lambda a: a.cancel(HELD, key="key-1"), intent(status="canceled"), "key-1:intent"),
}


@pytest.mark.parametrize("verb", WRITES)
async def test_every_write_carries_its_key(
    adapter: StripeAdapter, fake: FakeStripe, verb: str
) -> None:
    act, answer, key = WRITES[verb]
    fake.will(answer)
    await act(adapter)
    [call] = fake.calls
    assert call.method == "POST"
    assert call.headers["idempotency-key"] == key
    assert call.headers["stripe-version"] == API_VERSION
    assert call.headers["authorization"] == "Bearer sk_test_1"


async def test_reads_carry_the_version_and_no_key(adapter: StripeAdapter, fake: FakeStripe) -> None:
    fake.will(open_session())
    await adapter.confirm(PAYMENT, key="key-1")
    [call] = fake.calls
    assert (call.method, call.path) == ("GET", "/v1/checkout/sessions/cs_test_1")
    assert "idempotency-key" not in call.headers
    assert call.headers["stripe-version"] == API_VERSION


async def test_an_id_cannot_leave_its_place_in_the_path(
    adapter: StripeAdapter, fake: FakeStripe
) -> None:
    fake.refuse(404, {"type": "invalid_request_error", "code": "resource_missing"})
    with pytest.raises(Rejected):
        await adapter.confirm(payment(provider_order_id="a b?c=/d"), key="key-1")
    assert fake.calls[0].path == "/v1/checkout/sessions/a b?c=/d"
    assert "c" not in fake.calls[0].params


def invalid(code: str | None = None, **more: str) -> dict[str, Any]:
    return {"type": "invalid_request_error", "code": code, "message": "No.", **more}


REJECTED = [
    (400, invalid("amount_too_small"), "amount_too_small"),
    (400, invalid(), "invalid_request_error"),
    (404, invalid("resource_missing"), "resource_missing"),
    (400, invalid("charge_already_refunded"), "charge_already_refunded"),
    (400, invalid("charge_disputed"), "charge_disputed"),
    (402, {"type": "card_error", "code": "declined", "decline_code": "stolen"}, "stolen"),
]


@pytest.mark.parametrize(("status", "error", "code"), REJECTED)
async def test_a_refusal(
    adapter: StripeAdapter, fake: FakeStripe, status: int, error: dict[str, Any], code: str
) -> None:
    fake.refuse(status, error)
    with pytest.raises(Rejected) as raised:
        await adapter.refund(REFUND, key="key-1")
    assert (raised.value.provider_code, raised.value.request_id) == (code, "req_1")


@pytest.mark.parametrize(
    ("status", "headers", "retry_after"),
    [
        (429, {"retry_after": "2.5"}, 2.5),
        (429, {"retry_after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        (429, {"retry_after": "-1"}, None),
        (429, {"stripe_rate_limited_reason": "global-rate"}, None),
        (409, {}, None),
        (503, {"stripe_should_retry": "true", "retry_after": "1"}, 1.0),
        (424, {"stripe_should_retry": "true"}, None),
        (401, {}, None),
        (403, {}, None),
    ],
)
async def test_certainly_nothing_was_done(
    adapter: StripeAdapter,
    fake: FakeStripe,
    status: int,
    headers: dict[str, str],
    retry_after: float | None,
) -> None:
    fake.refuse(status, invalid(), **headers)
    with pytest.raises(Unavailable) as raised:
        await adapter.refund(REFUND, key="key-1")
    assert raised.value.retry_after == retry_after
    assert raised.value.request_id == "req_1"
    assert len(fake.calls) == 1


async def test_a_bad_key_is_not_quoted(adapter: StripeAdapter, fake: FakeStripe) -> None:
    fake.refuse(401, {"message": "Invalid API Key provided: sk_test_1", "type": "invalid"})
    with pytest.raises(Unavailable, match="STRIPE_SECRET_KEY") as raised:
        await adapter.refund(REFUND, key="key-1")
    assert "sk_test_1" not in raised.value.detail


UNKNOWN: list[dict[str, Any]] = [
    {"status": 500, "body": {"error": {"type": "api_error", "message": "Oops"}}},
    {"status": 500, "body": {"error": "invalid_grant"}},
    {"status": 500, "body": {"error": None}},
    {"status": 500, "body": {"error": []}},
    {"status": 502, "body": b"<html>bad gateway</html>"},
    {"status": 503, "body": b"<html>unavailable</html>"},
    {"status": 504, "body": b""},
    {"status": 400, "body": b"<html>bad request</html>"},
    {"status": 400, "body": ["no"]},
    {"status": 418, "body": {"error": invalid()}},
    {"body": b"<html>welcome to the hotel's network</html>"},
    {"body": b""},
    {"body": b"\xff\xfe"},
    {"body": b"[" * 100_000},
    {"body": []},
    {"body": None},
    {"body": {}},
    {"body": refund(amount="400")},
    {"body": refund(), "fault": "cut"},
    {"body": refund(), "fault": "reset"},
    {"body": refund(), "fault": "hang"},
    {"body": refund(), "fault": "stall"},
]


@pytest.mark.parametrize("answer", UNKNOWN)
async def test_it_may_have_been_done(
    adapter: StripeAdapter, fake: FakeStripe, answer: dict[str, Any]
) -> None:
    fake.will(**answer)
    with pytest.raises(OutcomeUnknown) as raised:
        await adapter.refund(REFUND, key="key-1")
    assert len(fake.calls) == 1
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


@pytest.mark.parametrize("answer", UNKNOWN)
async def test_a_read_without_an_answer_did_nothing(
    adapter: StripeAdapter, fake: FakeStripe, answer: dict[str, Any]
) -> None:
    fake.will(**answer)
    with pytest.raises(Unavailable):
        await adapter.confirm(PAYMENT, key="key-1")


async def test_a_failure_that_is_kept_under_the_key_is_told_apart(fake: FakeStripe) -> None:
    fake.refuse(500, {"type": "api_error"})
    fake.refuse(500, {"type": "api_error"}, idempotent_replayed="true")
    async with open_client(StripeSettings("sk_test_1", (), api_base=fake.url)) as client:
        with pytest.raises(OutcomeUnknown) as first:
            await client.write(Refund, "refunds", key="key-1")
        with pytest.raises(ReplayedFailure):
            await client.write(Refund, "refunds", key="key-1")
    assert not isinstance(first.value, ReplayedFailure)


@pytest.mark.parametrize("host", ["127.0.0.1", "nowhere.invalid"])
async def test_no_connection(host: str) -> None:
    with socket.socket() as taken:  # bound, but not listening
        taken.bind(("127.0.0.1", 0))
        base = f"http://{host}:{taken.getsockname()[1]}"
        async with open_client(StripeSettings("sk_test_1", (), api_base=base)) as client:
            with pytest.raises(Unavailable):
                await client.write(Refund, "refunds", key="key-1")


async def test_a_server_that_is_not_stripe_gets_nothing(fake: FakeStripe) -> None:
    """TLS is checked: a plain server under an https address is no connection at all."""
    base = fake.url.replace("http:", "https:")
    async with open_client(StripeSettings("sk_test_1", (), api_base=base)) as client:
        with pytest.raises(Unavailable):
            await client.write(Refund, "refunds", key="key-1")
    assert fake.calls == []


async def test_what_stripe_quotes_does_not_leave(adapter: StripeAdapter, fake: FakeStripe) -> None:
    fake.refuse(400, invalid("email_invalid") | {"message": "Invalid email: buyer@example.com"})
    with pytest.raises(Rejected) as raised:
        await adapter.create_order(REQUEST, key="key-1")
    assert raised.value.detail == "Stripe refused: Invalid email: [email]"


async def test_nothing_personal_is_logged(
    adapter: StripeAdapter, fake: FakeStripe, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="root")
    fake.will(open_session())
    fake.refuse(400, invalid() | {"message": "buyer@example.com"})
    await adapter.create_order(REQUEST, key="key-1")
    with pytest.raises(ProviderError):
        await adapter.create_order(REQUEST, key="key-2")
    assert "buyer@example.com" not in caplog.text


async def test_no_telemetry(adapter: StripeAdapter, fake: FakeStripe) -> None:
    fake.will(open_session())
    await adapter.confirm(PAYMENT, key="key-1")
    assert stripe.enable_telemetry is False
    assert "telemetry" not in fake.calls[0].headers["x-stripe-client-user-agent"]
