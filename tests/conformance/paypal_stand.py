"""PayPal's stand: the sandbox's PayPal."""

import base64
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from gateway.conformance import Act, Page, Traits
from providers.paypal import sdk
from providers.paypal.bodies import SCALE
from tests.conformance.town import SandboxStand
from tests.paypal.signing import key

traits = Traits(
    secret_settings=("PAYPAL_CLIENT_SECRET",),
    paid_words=("COMPLETED",),
    signed_headers=(
        "paypal-transmission-id",
        "paypal-transmission-time",
        "paypal-transmission-sig",
        "paypal-cert-url",
    ),
    tolerance=timedelta(days=3, hours=1),
    acts=frozenset(("pay", "decline", "leave", "expire", "pay_later", "clear", "bounce")),
    token_paths=("/v1/oauth2/token",),
    pending_refund=1219,
    dashboard=True,
    error_body=b'{"name": "ODD", "message": "Something odd.", "debug_id": "1", "details": []}',
    live_settings={
        "PAYPAL_ENVIRONMENT": "live",
        "PAYPAL_CLIENT_ID": "kit",
        "PAYPAL_CLIENT_SECRET": "kit",
        "PAYPAL_WEBHOOK_ID": "KIT",
    },
    shows_pages=True,
    names_tries=False,  # a capture that is refused makes no object
    ordinary=lambda money: SCALE.to_provider(money) % 100 not in (13, 17, 19, 21, 23, 29),
)


class PayPalStand(SandboxStand):
    name = "paypal"
    actions: ClassVar[Mapping[Act, str]] = {
        "pay": "approve",
        "decline": "decline",
        "leave": "abandon",
        "pay_later": "pay_async",
        "clear": "settle",
        "bounce": "fail_async",
    }

    async def settle_in(self) -> None:
        await super().settle_in()

        async def signer(side: Any) -> Any:
            return side.signer

        self._signer = await self.side(signer)

    def environment(self, base_url: str) -> Mapping[str, str]:
        return {**self.given, "PAYPAL_API_BASE": base_url}

    async def checkouts(self, side: Any, payment_id: str) -> tuple[str, ...]:
        orders = side.account.orders.values()
        return tuple(o.id for o in orders if o.units[0].custom_id == payment_id)

    async def page(self, checkout_id: str) -> Page:
        async def read(side: Any) -> Page:
            order = side.account.orders[checkout_id]
            return Page(order.return_url, order.cancel_url)

        return await self.side(read)

    def sign(
        self, body: bytes, *, at: datetime | None = None, secret: str | None = None
    ) -> Mapping[str, str]:
        headers: dict[str, str] = self._signer(body, at or datetime.now(UTC))
        if secret is not None:
            headers["paypal-transmission-sig"] = self._forged(headers, body)
        return headers

    def _forged(self, headers: Mapping[str, str], body: bytes) -> str:
        """By a key of the tests' own, under the name of PayPal's certificate."""
        parts = (headers["paypal-transmission-id"], headers["paypal-transmission-time"])
        message = "|".join([*parts, self._signer.webhook_id, str(zlib.crc32(body))])
        return base64.b64encode(key("forger").sign(message.encode(), PKCS1v15(), SHA256())).decode()

    def unknown_event(self) -> bytes:
        event = {
            "id": "WH-1",
            "event_version": "1.0",
            "create_time": "2026-05-01T10:00:00.000Z",
            "resource_type": "tax-id",
            "event_type": "CUSTOMER.TAX-ID.DREAMT",
            "summary": "Somebody dreamt of a tax id",
            "resource": {"id": "TAX-1"},
            "links": [],
        }
        return msgspec.json.encode(event)

    async def turn_refund(self, refund_id: str, outcome: Literal["succeeded", "failed"]) -> None:
        action = "settle" if outcome == "succeeded" else "fail_async"
        await self.side(lambda side: side.buyer(refund_id, action))

    @contextmanager
    def hurried(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sdk, "READ_TIMEOUT", 0.5)
            yield
