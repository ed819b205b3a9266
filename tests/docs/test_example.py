"""The example in docs/gateway-developer.md works, through the wrapper that the core uses."""

import hashlib
import hmac
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType
from typing import Any

import pytest

from gateway.errors import OutcomeUnknown, Rejected, SettingsError, Unavailable, WebhookInvalid
from gateway.facts import Captured, CheckoutOpened, ProviderFact, RefundUpdated
from gateway.money import Money
from gateway.provider import CheckoutRequest, LineItem, PaymentRef, RefundRequest
from gateway.records import ConfirmCall, CreateCall, RefundCall
from gateway.registry import Provider, configure, open_providers
from tests.docs.markdown import blocks

SECRET = "acme-secret"
NOW = "2026-01-02T03:04:05Z"


class Acme(ThreadingHTTPServer):
    """A stand-in for Acme: one checkout, answers kept by key, and statuses to be met next."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), AcmeHandler)
        self.answers: dict[str, dict[str, Any]] = {}
        self.checkout: dict[str, Any] = {}
        self.statuses: list[int] = []


class AcmeHandler(BaseHTTPRequestHandler):
    server: Acme

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answers, key = self.server.answers, self.headers["Idempotency-Key"]
        if key not in answers:
            name = f"{self.path.strip('/')[:-1]}_{len(answers) + 1}"
            answers[key] = {**body, "id": name, "changed": NOW, "currency": "EUR"}
            state = {"state": "open", "url": "https://acme.example/pay"}
            answers[key] |= state if "checkout" in name else {"state": "done"}
            if "checkout" in name:
                self.server.checkout = answers[key]
        self.answer(answers[key])

    def do_GET(self) -> None:
        self.answer(self.server.checkout)

    def answer(self, value: dict[str, Any]) -> None:
        self.send_response(self.server.statuses.pop() if self.server.statuses else 200)
        self.end_headers()
        self.wfile.write(json.dumps(value).encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def acme() -> Iterator[Acme]:
    with Acme() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def module() -> ModuleType:
    name = "docs/gateway-developer.md"
    (source,) = [block.text for block in blocks(name) if block.language == "python"]
    made = ModuleType("acme_gateway")
    exec(compile(source, name, "exec"), made.__dict__)  # noqa: S102
    return made


@pytest.fixture
async def provider(acme: Acme, module: ModuleType) -> AsyncIterator[Provider]:
    base = f"http://127.0.0.1:{acme.server_address[1]}"
    settings = {"ACME_API_BASE": base, "ACME_SECRET": SECRET}
    configured = configure({"acme": module.plugin}, settings)
    async with open_providers(configured) as providers:
        yield providers["acme"]


MONEY = Money(5400, "EUR")
REF = PaymentRef("ord_1", "pay_1", MONEY, "checkout_1")


async def create(provider: Provider) -> list[ProviderFact]:
    request = CheckoutRequest(
        order_id="ord_1",
        payment_id="pay_1",
        money=MONEY,
        items=(LineItem("Mug", 5400, 1),),
        success_url="https://gateway.example/return",
        cancel_url="https://gateway.example/cancel",
        expires_at=datetime(2026, 1, 2, tzinfo=UTC),
    )
    return list(await provider.call(CreateCall(request), "pay_1-create"))


async def test_a_payment_from_checkout_to_refund(provider: Provider, acme: Acme) -> None:
    opened = await create(provider)
    assert opened == await create(provider)
    assert opened == [
        CheckoutOpened(provider_order_id="checkout_1", url="https://acme.example/pay")
    ]
    assert await provider.call(ConfirmCall(REF), "pay_1-confirm-0") == []

    acme.checkout |= {"state": "paid", "payment": "p_1"}
    (captured,) = await provider.call(ConfirmCall(REF), "pay_1-confirm-0")
    assert isinstance(captured, Captured)
    assert (captured.capture_id, captured.amount, captured.currency) == ("p_1", 5400, "EUR")

    refund = RefundCall(RefundRequest(REF, "ref_1", Money(400, "EUR"), "p_1"))
    first, again = [await provider.call(refund, "ref_1") for _ in range(2)]
    assert first == again
    (updated,) = first
    assert isinstance(updated, RefundUpdated)
    assert (updated.refund_id, updated.status, updated.amount) == ("ref_1", "succeeded", 400)


@pytest.mark.parametrize(
    ("status", "error"), [(400, Rejected), (429, Unavailable), (500, OutcomeUnknown)]
)
async def test_errors_are_one_of_three(
    provider: Provider, acme: Acme, status: int, error: type[Exception]
) -> None:
    acme.statuses = [status]
    with pytest.raises(error):
        await create(provider)


async def test_the_state_that_is_not_known_is_no_guess(provider: Provider, acme: Acme) -> None:
    await create(provider)
    acme.checkout |= {"state": "in orbit"}
    (fact,) = await provider.call(ConfirmCall(REF), "key")
    assert fact.kind == "unrecognized"


def delivery(body: bytes, at: float, secret: str = SECRET) -> dict[str, str]:
    moment = str(int(at))
    signed = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256)
    return {"acme-time": moment, "acme-signature": signed.hexdigest()}


async def test_a_genuine_webhook_asks_for_the_truth(provider: Provider) -> None:
    event = {"id": "e_1", "type": "paid", "at": NOW, "checkout": "checkout_1", "our_id": "pay_1"}
    body = json.dumps(event).encode()
    read = await provider.adapter.verify_webhook(delivery(body, time.time()), body)
    assert (read.payment_id, read.provider_ids, read.confirm) == ("pay_1", ("checkout_1",), True)


async def test_other_webhooks_are_refused(provider: Provider) -> None:
    body, now = b'{"id": "e_1"}', time.time()
    forged = delivery(body, now, "another secret")
    for headers in ({}, forged, delivery(body, now - 301), delivery(body, now)):
        with pytest.raises(WebhookInvalid):
            await provider.adapter.verify_webhook(headers, body)


def test_its_settings_switch_it_on(module: ModuleType) -> None:
    assert module.plugin.settings({}) is None
    with pytest.raises(SettingsError, match="ACME_SECRET"):
        module.plugin.settings({"ACME_API_BASE": "https://acme.example"})
