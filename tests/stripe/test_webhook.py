"""Signatures: genuine ones pass, everything else is WebhookInvalid and nothing but that."""

import hmac
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import WebhookInvalid
from providers.stripe.adapter import StripeAdapter
from providers.stripe.plugin import plugin
from providers.stripe.webhook import TOLERANCE, verify
from tests.stripe.payloads import NOW, event, session

SECRET = "whsec_mine"
BODY = '{"id":"evt_1","name":"Zoë"}'.encode()


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def signature(body: bytes, secret: str = SECRET, time: int = NOW) -> str:
    return hmac.new(secret.encode(), b"%d." % time + body, sha256).hexdigest()


def header(body: bytes, secret: str = SECRET, time: int = NOW) -> dict[str, str]:
    return {"stripe-signature": f"t={time},v1={signature(body, secret, time)}"}


def test_a_known_signature() -> None:
    """Computed with openssl, independently of this code."""
    known = "49050a565860ff5921dff3bc6b81d2b0f37a35e0c491f8ad3ca0a9f5aa8ac3b5"
    headers = {"stripe-signature": f"t=1700000000,v0=ff,v1={known}"}
    verify(headers, b'{"id":"evt_known"}', ["whsec_known"], at(1_700_000_000))


@pytest.mark.parametrize("off", [-TOLERANCE, 0, TOLERANCE])
def test_within_the_tolerance(off: int) -> None:
    verify(header(BODY), BODY, [SECRET], at(NOW + off))


@pytest.mark.parametrize("off", [-TOLERANCE - 1, TOLERANCE + 1, 10**8])
def test_too_old_or_ahead_of_time(off: int) -> None:
    with pytest.raises(WebhookInvalid, match="seconds"):
        verify(header(BODY), BODY, [SECRET], at(NOW + off))


def test_either_secret_and_either_signature_while_one_is_rolled() -> None:
    both = f"t={NOW},v1={signature(BODY, 'whsec_gone')},v1={signature(BODY)}"
    verify({"stripe-signature": both}, BODY, ["whsec_next", SECRET], at(NOW))
    with pytest.raises(WebhookInvalid):
        verify({"stripe-signature": both}, BODY, ["whsec_next"], at(NOW))


def test_bytes_that_are_no_text_can_be_signed() -> None:
    body = b"\xff\xfe\x00"
    verify(header(body), body, [SECRET], at(NOW))


GENUINE = signature(BODY)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "t",
        f"v1={GENUINE}",
        f"t={NOW}",
        f"t={NOW},v0={GENUINE}",
        f"t={NOW},v1=",
        f"t={NOW},v1={GENUINE.upper()}",
        f"t={NOW},v1={GENUINE}=",
        f"t={NOW},v1={GENUINE[:-1]}é",
        f"t={NOW},v1=" + "0" * 64,
        f"t={NOW},t={NOW},v1={GENUINE}",
        f"t={NOW}.0,v1={GENUINE}",
        f"t= {NOW},v1={GENUINE}",
        f"t=0{NOW},v1={GENUINE}",
        f"t=-{NOW},v1={GENUINE}",
        f"t={NOW}\n,v1={GENUINE}",
        "t=" + "".join(chr(0xFF10 + int(digit)) for digit in str(NOW)) + f",v1={GENUINE}",
        "t=" + "9" * 4400 + f",v1={GENUINE}",
        f"t={NOW}" + f",v1={GENUINE}" * 17,
    ],
)
def test_hostile_headers(value: str) -> None:
    with pytest.raises(WebhookInvalid):
        verify({"stripe-signature": value}, BODY, [SECRET], at(NOW))


def test_no_header() -> None:
    with pytest.raises(WebhookInvalid):
        verify({"stripe-signature-v2": header(BODY)["stripe-signature"]}, BODY, [SECRET], at(NOW))


@given(st.text(max_size=200), st.binary(max_size=200))
def test_any_header_and_body(value: str, body: bytes) -> None:
    with pytest.raises(WebhookInvalid):
        verify({"stripe-signature": value}, body, [SECRET], at(NOW))


@given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
def test_every_changed_byte_is_noticed(position: int, change: int) -> None:
    body = bytearray(BODY)
    body[position] ^= change
    with pytest.raises(WebhookInvalid):
        verify(header(BODY), bytes(body), [SECRET], at(NOW))


async def test_a_genuine_delivery_is_translated(adapter: StripeAdapter) -> None:
    body = event("checkout.session.completed", session())
    told = await adapter.verify_webhook(header(body, "whsec_old"), body)
    assert (told.id, told.payment_id) == ("evt_1", "pay_1")


async def test_events_of_the_other_mode_are_refused(adapter: StripeAdapter) -> None:
    body = event("checkout.session.completed", session(), livemode=True)
    with pytest.raises(WebhookInvalid, match="mode"):
        await adapter.verify_webhook(header(body, "whsec_new"), body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"event"',
        b"<html>",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"id":' * 10_000,
        b'{"id":"evt_1","type":"charge.updated","created":1e400,"livemode":false,"data":{}}',
        event("charge.updated", {}, created=10**15),
        event("charge.updated", {}, created="1790000000"),
        event("charge.updated", {}, livemode=None),
        event("charge.updated", {}, id=""),
        event("charge.updated", {}, data={}),
        event("charge.updated", {}),
        event("checkout.session.completed", session(amount_total="5400")),
        event("checkout.session.completed", session(amount_total=54.5)),
        event("checkout.session.completed", session(amount_total=10**19)),
        event("checkout.session.completed", session(payment_intent=["pi_1"])),
        event("v1.billing.meter", {}, data=[]),
    ],
)
async def test_signed_bodies_that_are_no_event(adapter: StripeAdapter, body: bytes) -> None:
    with pytest.raises(WebhookInvalid):
        await adapter.verify_webhook(header(body, "whsec_new"), body)


@given(st.binary(max_size=300))
def test_any_stored_body(body: bytes) -> None:
    with pytest.raises(WebhookInvalid):
        plugin.read_event(body)
