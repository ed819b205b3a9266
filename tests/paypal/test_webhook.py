"""Signatures: genuine deliveries pass, all others are refused, and PayPal is asked when need be."""

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Unavailable, WebhookInvalid
from gateway.provider import PaymentProvider
from providers.paypal.certificates import Certificates, Trust
from providers.paypal.plugin import PayPalPlugin
from providers.paypal.settings import PayPalSettings
from providers.paypal.webhook import POSTBACK_PATH, Transmission
from tests.paypal import payloads as p
from tests.paypal import signing
from tests.paypal.fake import Answer, FakePayPal
from tests.paypal.signing import CERT_URL, NOW, FixedClock, signed

BODY = json.dumps(p.event("PAYMENT.CAPTURE.COMPLETED", p.capture()), indent=1).encode()
CERT_PATH = "/v1/notifications/certs/CERT-1"


@pytest.fixture
def deliver(adapter: PaymentProvider, fake: FakePayPal) -> Callable[..., Any]:
    """Signs BODY under the fake's certificate and gives it to the adapter, changed as asked."""
    fake.on(CERT_PATH, Answer(body=signing.leaf()))

    async def deliver(body: bytes = BODY, **options: Any) -> Any:
        headers = options.pop("headers", {})
        options.setdefault("cert_url", fake.url + CERT_PATH)
        return await adapter.verify_webhook(signed(BODY, **options) | headers, body)

    return deliver


async def test_a_genuine_delivery(deliver: Callable[..., Any], fake: FakePayPal) -> None:
    for _ in range(3):
        event = await deliver()
        assert event.payment_id == "pay_1"
    assert [request.path for request in fake.requests] == [CERT_PATH]  # kept, and no token asked


async def test_the_algorithm_is_ours(deliver: Callable[..., Any]) -> None:
    event = await deliver(headers={"paypal-auth-algo": "none"})
    assert event.payment_id == "pay_1"


async def test_the_body_counts_byte_by_byte(deliver: Callable[..., Any]) -> None:
    for body in (
        json.dumps(json.loads(BODY)).encode(),
        BODY + b" ",
        BODY.replace(b"54.00", b"55.00"),
    ):
        with pytest.raises(WebhookInvalid, match="signature"):
            await deliver(body)


async def test_another_webhooks_delivery(deliver: Callable[..., Any]) -> None:
    with pytest.raises(WebhookInvalid, match="signature"):
        await deliver(webhook_id="WEBHOOK_ID")


@pytest.mark.parametrize(
    ("age", "accepted"),
    [
        (timedelta(0), True),
        (timedelta(days=3), True),  # PayPal tries for three days
        (timedelta(days=3, hours=2), False),
        (timedelta(minutes=-4), True),
        (timedelta(minutes=-6), False),
    ],
)
async def test_age(deliver: Callable[..., Any], age: timedelta, accepted: bool) -> None:
    if accepted:
        assert await deliver(at=NOW - age)
    else:
        with pytest.raises(WebhookInvalid, match="time"):
            await deliver(at=NOW - age)


@pytest.mark.parametrize("name", [n for n in signed(BODY) if n != "paypal-auth-algo"])
@pytest.mark.parametrize("value", ["", " ", "é", "x\ny", "%", "=" * 10_000, "\x00", "a b"])
async def test_hostile_headers(
    deliver: Callable[..., Any], fake: FakePayPal, name: str, value: str
) -> None:
    with pytest.raises(WebhookInvalid):
        await deliver(headers={name: value})
    assert not fake.requests  # nobody makes us fetch


@pytest.mark.parametrize("signature", ["AAAA", "A", "====", base64.b64encode(b"x" * 256).decode()])
async def test_hostile_signatures(deliver: Callable[..., Any], signature: str) -> None:
    with pytest.raises(WebhookInvalid, match="signature"):
        await deliver(headers={"paypal-transmission-sig": signature})


HOSTILE_URLS = [
    "http://api.sandbox.paypal.com/v1/notifications/certs/CERT-1",
    "https://api.sandbox.paypal.com.evil.example/v1/notifications/certs/CERT-1",
    "https://api.sandbox.paypal.com@evil.example/v1/notifications/certs/CERT-1",
    "https://evil.example/https://api.sandbox.paypal.com/v1/notifications/certs/CERT-1",
    "https://api.sandbox.paypal.com:8443/v1/notifications/certs/CERT-1",
    "https://API.sandbox.paypal.com/v1/notifications/certs/CERT-1",
    "https://api.paypal.com/v1/notifications/certs/CERT-1",
    "https://api.sandbox.paypal.com/v1/notifications/certs/",
    "https://api.sandbox.paypal.com/v1/notifications/certs/../../upload/CERT-1",
    "https://api.sandbox.paypal.com/v1/notifications/certs/..%2fupload",
    "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-1?x=1",
    "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-1#x",
    "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-1/x",
    "https://api.sandbox.paypal.com/v1/notifications/test/CERT-1",
    "https://api.sandbox.paypal.com\\@evil.example/v1/notifications/certs/CERT-1",
    "file:///etc/passwd",
    "//api.sandbox.paypal.com/v1/notifications/certs/CERT-1",
]


async def _fetched(url: str) -> list[str]:
    """The addresses that are fetched for a delivery that names `url`."""
    fetched: list[str] = []

    def serve(request: httpx.Request) -> httpx.Response:
        fetched.append(str(request.url))
        return httpx.Response(200, content=signing.leaf())

    async with httpx.AsyncClient(transport=httpx.MockTransport(serve)) as http:
        trust = Trust(signing.root() + signing.intermediate(), signing.NAME)
        certificates = Certificates(http, (signing.PREFIX,), trust, FixedClock())
        try:
            await certificates.signing_key(url)
        except WebhookInvalid:
            assert not fetched
    return fetched


@pytest.mark.parametrize("url", HOSTILE_URLS)
async def test_certificates_come_from_pinned_addresses_only(url: str) -> None:
    assert await _fetched(url) == []


async def test_a_pinned_address() -> None:
    assert await _fetched(CERT_URL) == [CERT_URL]


@given(url=st.text(max_size=80) | st.text(max_size=40).map(signing.PREFIX.__add__))
async def test_hostile_addresses_never_surprise(url: str) -> None:
    for fetched in await _fetched(url):
        assert fetched == url
        assert httpx.URL(fetched).host == "api.sandbox.paypal.com"
        assert httpx.URL(fetched).path == url.removeprefix("https://api.sandbox.paypal.com")


@given(
    headers=st.dictionaries(st.sampled_from([*signed(BODY), "x"]), st.text(max_size=60), max_size=6)
)
def test_headers_never_surprise(headers: dict[str, str]) -> None:
    try:
        transmission = Transmission.read(signed(BODY) | headers)
        transmission.check_time(NOW)
    except WebhookInvalid:
        return
    assert transmission.time.isascii()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(404), WebhookInvalid),
        (Answer(301, headers={"location": "/v1/notifications/certs/CERT-2"}), WebhookInvalid),
        (Answer(body="<html>no</html>"), WebhookInvalid),
        (Answer(body=b"\xff" * 100), WebhookInvalid),
        (Answer(body=b""), WebhookInvalid),
        (Answer(body=signing.leaf() + b"x" * 70_000), WebhookInvalid),
        (Answer(body=signing.leaf(key_size=1024)), WebhookInvalid),
        (Answer(500), Unavailable),
        (Answer(429), Unavailable),
        (Answer(action="reset"), Unavailable),
    ],
)
async def test_certificates_that_are_none(
    deliver: Callable[..., Any],
    fake: FakePayPal,
    answer: Answer,
    error: type[WebhookInvalid | Unavailable],
) -> None:
    fake.on(CERT_PATH, answer)
    fake.on("/v1/notifications/certs/CERT-2", Answer(body=signing.leaf()))
    for _ in range(2):
        with pytest.raises(error):
            await deliver()
    asked = len(fake.requests)
    assert asked == (1 if error is WebhookInvalid else 2)  # a refusal is remembered for a while
    fake.on(CERT_PATH, Answer(body=signing.leaf()))
    if error is Unavailable:
        assert await deliver()


async def test_certificates_are_fetched_and_judged_anew(fake: FakePayPal) -> None:
    fake.on(CERT_PATH, Answer(404), Answer(body=signing.leaf()))
    clock = FixedClock()
    async with httpx.AsyncClient() as http:
        trust = Trust(signing.root() + signing.intermediate(), signing.NAME)
        prefixes = (f"{fake.url}/v1/notifications/certs/",)
        certificates = Certificates(http, prefixes, trust, clock)
        with pytest.raises(WebhookInvalid):
            await certificates.signing_key(fake.url + CERT_PATH)
        clock.at += timedelta(seconds=61)
        assert (await certificates.signing_key(fake.url + CERT_PATH)).trusted
        clock.at += timedelta(days=99)
        assert (await certificates.signing_key(fake.url + CERT_PATH)).trusted
        clock.at += timedelta(days=2)  # the certificate has run out
        assert not (await certificates.signing_key(fake.url + CERT_PATH)).trusted
        assert len(fake.requests) == 4


async def test_only_so_many_are_kept(monkeypatch: pytest.MonkeyPatch, fake: FakePayPal) -> None:
    monkeypatch.setattr("providers.paypal.certificates.MAX_KEPT", 2)
    names = ("A", "B", "C", "A")
    async with httpx.AsyncClient() as http:
        trust = Trust(signing.root() + signing.intermediate(), signing.NAME)
        prefix = f"{fake.url}/v1/notifications/certs/"
        certificates = Certificates(http, (prefix,), trust, FixedClock())
        for name in names:
            fake.on(f"/v1/notifications/certs/{name}", Answer(body=signing.leaf()))
            await certificates.signing_key(prefix + name)
    assert len(fake.requests) == len(names)


@pytest.mark.parametrize(
    ("ca_pem", "served", "trusted"),
    [
        (signing.root() + signing.intermediate(), signing.leaf(), True),
        (signing.root(), signing.leaf() + signing.intermediate(), True),
        (signing.root(), signing.leaf(), False),  # no intermediate anywhere
        (signing.intermediate(), signing.leaf(), False),  # certifi does not know our root
        (None, signing.leaf(), False),
        (signing.root("other") + signing.intermediate(), signing.leaf(), False),
        (signing.root() + signing.intermediate(), signing.leaf("other.paypal.com"), False),
    ],
)
async def test_where_the_chain_does_not_hold_paypal_is_asked(
    settings: PayPalSettings, fake: FakePayPal, ca_pem: bytes | None, served: bytes, trusted: bool
) -> None:
    fake.on(CERT_PATH, Answer(body=served))
    fake.on(POSTBACK_PATH, Answer(body={"verification_status": "SUCCESS"}))
    changed = PayPalSettings(
        client_id="client",
        client_secret="secret",
        webhook_id=settings.webhook_id,
        api_base=fake.url,
        cert_prefixes=settings.cert_prefixes,
        ca_pem=ca_pem,
    )
    headers = signed(BODY, cert_url=fake.url + CERT_PATH)
    async with PayPalPlugin(FixedClock()).open(changed) as opened:
        event = await opened.adapter.verify_webhook(headers, BODY)
        assert event.payment_id == "pay_1"
        assert len(fake.requests_to(POSTBACK_PATH)) == (0 if trusted else 1)
        with pytest.raises(WebhookInvalid):  # forged: nobody is asked
            await opened.adapter.verify_webhook(headers, BODY + b" ")
        assert len(fake.requests_to(POSTBACK_PATH)) == (0 if trusted else 1)


@pytest.fixture
def untrusted(deliver: Callable[..., Any], fake: FakePayPal) -> Callable[..., Any]:
    """`deliver` with a certificate for another name, so that PayPal has to be asked."""
    fake.on(CERT_PATH, Answer(body=signing.leaf("other.paypal.com")))
    return deliver


async def test_the_postback_carries_the_raw_bytes(
    untrusted: Callable[..., Any], fake: FakePayPal
) -> None:
    fake.on(POSTBACK_PATH, Answer(body={"verification_status": "SUCCESS"}))
    await untrusted()
    (asked,) = fake.requests_to(POSTBACK_PATH)
    assert asked.headers["authorization"] == "Bearer t1"

    class Question(msgspec.Struct, forbid_unknown_fields=True):
        auth_algo: str
        cert_url: str
        transmission_id: str
        transmission_sig: str
        transmission_time: str
        webhook_id: str
        webhook_event: msgspec.Raw

    question = msgspec.json.decode(asked.body, type=Question)
    assert bytes(question.webhook_event) == BODY
    assert question.webhook_id == signing.WEBHOOK_ID
    assert question.auth_algo == "SHA256withRSA"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(body={"verification_status": "FAILURE"}), WebhookInvalid),
        (Answer(400, p.problem("VALIDATION_ERROR")), WebhookInvalid),
        (Answer(body={"status": "SUCCESS"}), Unavailable),
        (Answer(body="<html>"), Unavailable),
        (Answer(401), Unavailable),
        (Answer(403), Unavailable),
        (Answer(500), Unavailable),
        (Answer(302, headers={"location": "/elsewhere"}), Unavailable),
        (Answer(action="reset"), Unavailable),
    ],
)
async def test_what_paypal_answers_to_the_postback(
    untrusted: Callable[..., Any],
    fake: FakePayPal,
    answer: Answer,
    error: type[WebhookInvalid | Unavailable],
) -> None:
    fake.on(POSTBACK_PATH, answer)
    with pytest.raises(error):
        await untrusted()


async def test_the_postback_gets_one_new_token(
    untrusted: Callable[..., Any], fake: FakePayPal
) -> None:
    fake.on(POSTBACK_PATH, Answer(401), Answer(body={"verification_status": "SUCCESS"}))
    await untrusted()
    asked = fake.requests_to(POSTBACK_PATH)
    assert [request.headers["authorization"] for request in asked] == ["Bearer t1", "Bearer t2"]
