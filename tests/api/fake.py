"""A provider in this process: it keeps its own truth, and does what a test's script says.

`buyer_pays` happens at the provider, as on its hosted page; the gateway learns of it by `confirm`
or by a webhook (`event`). `fail(verb, error)` scripts the next call of a verb to raise; `hold`
makes calls wait until the test lets them go, and `called` tells that one has come in.
"""

import asyncio
import hashlib
import hmac
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec

from gateway.errors import Rejected, WebhookInvalid
from gateway.facts import (
    Authorized,
    Canceled,
    Captured,
    Fee,
    PaidWith,
    ProviderFact,
    ProviderIds,
    RefundUpdated,
)
from gateway.money import Money, ProviderScale
from gateway.provider import (
    Capabilities,
    Checkout,
    CheckoutRequest,
    KeyWindows,
    Mode,
    OpenProvider,
    PaymentRef,
    ProviderEvent,
    RefundRequest,
)

SIGNING_SECRET = "whsec_fake_provider_signing_secret"
_AT = datetime(2026, 1, 1, tzinfo=UTC)


class Page(msgspec.Struct):
    """A hosted page and what became of it."""

    id: str
    request: CheckoutRequest
    status: str = "open"  # open, authorized, captured, canceled
    captured: int = 0

    @property
    def order_id(self) -> str:
        """Our order's id, as the provider was told."""
        return self.request.order_id

    def facts(self) -> list[ProviderFact]:
        """The provider's truth about this payment."""
        if self.status == "canceled":
            return [Canceled(object_id=self.id, at=_AT)]
        if self.status == "open":
            return []
        currency = self.request.money.currency
        intent = f"int_{self.id}"
        facts: list[ProviderFact] = [
            ProviderIds(ids=(intent, f"ch_{self.id}"), payment_id=intent),
            PaidWith(type="card", brand="visa", last4="4242"),
        ]
        if self.request.capture == "manual":
            amount = self.request.money.amount
            authorized = Authorized(
                authorization_id=f"auth_{self.id}", amount=amount, currency=currency, at=_AT
            )
            facts.append(authorized)
        if self.status == "captured":
            capture_id = f"cap_{self.id}"
            fee = self.captured // 10
            facts += [
                Captured(capture_id=capture_id, amount=self.captured, currency=currency, at=_AT),
                Fee(object_id=capture_id, fee=fee, net=self.captured - fee, currency=currency),
            ]
        return facts


class FakeProvider:
    """The adapter. `calls` are (verb, key) in the order in which they arrived."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.calls: list[tuple[str, str]] = []
        self.pages: dict[str, Page] = {}
        self.refunds: dict[str, RefundRequest] = {}
        self._script: dict[str, deque[Exception]] = {}
        self._open = asyncio.Event()
        self._open.set()
        self._called = asyncio.Event()
        self._by_key: dict[str, Any] = {}

    # --- what a test does -------------------------------------------------------------------------

    def fail(self, verb: str, *errors: Exception) -> None:
        """The next calls of `verb` raise these, one each, before anything is done."""
        self._script.setdefault(verb, deque()).extend(errors)

    def hold(self) -> None:
        """Calls wait until `let_go`."""
        self._open.clear()

    async def called(self) -> None:
        """Wait until there was a call."""
        await self._called.wait()

    def let_go(self) -> None:
        """Waiting calls go on."""
        self._open.set()

    def count(self, verb: str) -> int:
        """How many calls of `verb` there were."""
        return sum(1 for called, _ in self.calls if called == verb)

    def buyer_pays(self, page_id: str) -> Page:
        """The buyer pays on the hosted page."""
        page = self.pages[page_id]
        assert page.status == "open", "a closed page cannot be paid"
        if page.request.capture == "manual":
            page.status = "authorized"
        else:
            page.status, page.captured = "captured", page.request.money.amount
        return page

    def event(
        self, page: Page, event_id: str, *, kind: str = "paid"
    ) -> tuple[dict[str, str], bytes]:
        """Headers and body of a genuine delivery about the page."""
        return self.signed(
            {"id": event_id, "type": kind, "page": page.id, "payment": page.request.payment_id}
        )

    def signed(self, content: dict[str, Any]) -> tuple[dict[str, str], bytes]:
        """Headers and body of a genuine delivery of any content."""
        body = msgspec.json.encode(content)
        return {"Fake-Signature": signature_of(body)}, body

    # --- the interface ----------------------------------------------------------------------------

    async def _arrive(self, verb: str, key: str) -> None:
        self.calls.append((verb, key))
        self._called.set()
        await self._open.wait()
        script = self._script.get(verb)
        if script:
            raise script.popleft()

    async def create_order(self, request: CheckoutRequest, *, key: str) -> Checkout:
        """Open a page; the same key gives the same page."""
        await self._arrive("create", key)
        page: Page | None = self._by_key.get(key)
        if page is None:
            page = Page(id=f"pg_{self.name}_{len(self.pages) + 1:04}", request=request)
            self.pages[page.id] = self._by_key[key] = page
        return Checkout(page.id, f"https://pay.example/{page.id}", request.expires_at)

    async def confirm(self, payment: PaymentRef, *, key: str) -> Sequence[ProviderFact]:
        """The truth."""
        await self._arrive("confirm", key)
        return self.pages[payment.provider_order_id].facts()

    async def cancel(self, payment: PaymentRef, *, key: str) -> Sequence[ProviderFact]:
        """Close the page, unless it was paid."""
        await self._arrive("cancel", key)
        page = self.pages[payment.provider_order_id]
        if page.status in ("open", "authorized"):
            page.status = "canceled"
        return page.facts()

    async def capture(
        self, payment: PaymentRef, money: Money, *, key: str
    ) -> Sequence[ProviderFact]:
        """Capture the authorization once."""
        await self._arrive("capture", key)
        page = self.pages[payment.provider_order_id]
        if page.status == "authorized":
            page.status, page.captured = "captured", money.amount
        return page.facts()

    async def refund(self, request: RefundRequest, *, key: str) -> Sequence[ProviderFact]:
        """Refund once per key, never more than was captured."""
        await self._arrive("refund", key)
        page = self.pages[request.payment.provider_order_id]
        if key not in self.refunds:
            given = sum(
                refund.money.amount
                for refund in self.refunds.values()
                if refund.payment.payment_id == request.payment.payment_id
            )
            if given + request.money.amount > page.captured:
                raise Rejected("more than was captured", provider_code="too_much")
            self.refunds[key] = request
        return [_refunded(request)]

    async def find_refunds(self, payment: PaymentRef) -> Sequence[ProviderFact]:
        """All refunds of a payment."""
        return [
            _refunded(refund)
            for refund in self.refunds.values()
            if refund.payment.payment_id == payment.payment_id
        ]

    async def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> ProviderEvent:
        """Check the signature, then read."""
        given = headers.get("fake-signature", "")
        if not hmac.compare_digest(given.encode(), signature_of(body).encode()):
            raise WebhookInvalid("the signature is not ours")
        return self.read(body)

    def read(self, body: bytes) -> ProviderEvent:
        """Translate a delivery; unknown types are ignored."""
        try:
            content = msgspec.json.decode(body, type=dict[str, str])
            page = self.pages.get(content.get("page", ""))
            kind = content["type"]
            return ProviderEvent(
                id=content["id"],
                type=kind,
                at=_AT,
                payment_id=content.get("payment"),
                provider_ids=tuple(filter(None, [content.get("page")])),
                facts=tuple(page.facts()) if page and kind == "paid" else (),
                confirm=kind == "approved",
                ignored=None if kind in ("paid", "approved") else f"{kind} means nothing to us",
            )
        except (msgspec.DecodeError, KeyError) as error:
            raise WebhookInvalid("not an event") from error


class FakePlugin:
    """What is registered: one value, like any provider's."""

    display_name = "Fake"
    scale = ProviderScale(exponents={"HUF": 0}, steps={"KWD": 10})
    key_windows = KeyWindows(
        create=86_400, confirm=86_400, capture=86_400, cancel=86_400, refund=86_400
    )

    def __init__(
        self,
        adapter: FakeProvider,
        *,
        mode: Mode = "test",
        currencies: frozenset[str] | None = None,
        manual_capture: bool = True,
    ) -> None:
        self.name = adapter.name
        self.adapter = adapter
        self.currencies = currencies
        self.capabilities = Capabilities(
            manual_capture=manual_capture,
            partial_capture=True,
            partial_refund=True,
            multiple_refunds=True,
            cancel=True,
            disputes=False,
            settlement=False,
        )
        self._mode = mode

    def settings(self, environment: Mapping[str, str]) -> Any | None:
        """It needs none."""
        return True

    @asynccontextmanager
    async def open(self, settings: Any) -> AsyncIterator[OpenProvider]:
        """It is in this process: nothing to open."""
        yield OpenProvider(self.adapter, self._mode)

    def read_event(self, body: bytes) -> ProviderEvent:
        """Translate a stored delivery."""
        return self.adapter.read(body)


def _refunded(request: RefundRequest) -> RefundUpdated:
    return RefundUpdated(
        provider_refund_id=f"re_{request.refund_id[4:20]}",
        status="succeeded",
        amount=request.money.amount,
        currency=request.money.currency,
        at=_AT,
        refund_id=request.refund_id,
        capture_id=request.capture_id,
    )


def signature_of(body: bytes) -> str:
    """What a genuine delivery of `body` carries in Fake-Signature."""
    return hmac.new(SIGNING_SECRET.encode(), body, hashlib.sha256).hexdigest()
