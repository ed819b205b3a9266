"""Stripe's stand: the sandbox's Stripe."""

import functools
import hmac
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, ClassVar, Literal

import msgspec
import pytest

from gateway.conformance import Act, Page, Traits
from providers.stripe import client, plugin
from sandbox.stripe import sessions
from sandbox.stripe.cards import Method
from tests.conformance.town import SandboxStand

SLOW_REFUNDS = "4000000000007726"

traits = Traits(
    secret_settings=("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"),
    paid_words=("succeeded", "complete", "paid"),
    signed_headers=("stripe-signature",),
    webhook_secret="STRIPE_WEBHOOK_SECRET",
    acts=frozenset(
        ("pay", "decline", "leave", "expire", "pay_later", "clear", "bounce", "pay_slow_refund")
    ),
    pending_refund=1200,
    refunds_fail_late=True,
    dashboard=True,
    error_body=b'{"error": {"type": "api_error", "code": "odd", "message": "Something odd."}}',
    ordinary=lambda money: money.amount not in (77701, 77702),
    large_amount=98_765_431,  # Stripe takes eight digits
    live_settings={"STRIPE_SECRET_KEY": "sk_live_kit", "STRIPE_WEBHOOK_SECRET": "whsec_kit"},
    shows_pages=True,
)


class StripeStand(SandboxStand):
    name = "stripe"
    actions: ClassVar[Mapping[Act, str]] = {
        "pay": "pay",
        "decline": "decline",
        "leave": "abandon",
        "pay_later": "pay_async",
        "clear": "settle",
        "bounce": "fail_async",
    }

    def environment(self, base_url: str) -> Mapping[str, str]:
        return {**self.given, "STRIPE_API_BASE": base_url}

    async def buyer(self, checkout_id: str, act: Act) -> None:
        if act != "pay_slow_refund":
            await super().buyer(checkout_id, act)
            return

        async def pay(side: Any) -> None:
            session = side.account.get("checkout.session", checkout_id)
            method = Method.of_card(SLOW_REFUNDS, session["amount_total"])
            sessions.pay(side.account, session, method)

        await self.side(pay)

    async def checkouts(self, side: Any, payment_id: str) -> tuple[str, ...]:
        return tuple(
            session["id"]
            for session in side.account.all("checkout.session")
            if session["client_reference_id"] == payment_id
        )

    async def page(self, checkout_id: str) -> Page:
        async def read(side: Any) -> Page:
            session = side.account.get("checkout.session", checkout_id)
            ends = datetime.fromtimestamp(session["expires_at"], UTC)
            return Page(session["success_url"], session["cancel_url"], ends)

        return await self.side(read)

    def sign(
        self, body: bytes, *, at: datetime | None = None, secret: str | None = None
    ) -> Mapping[str, str]:
        key = self.given["STRIPE_WEBHOOK_SECRET"] if secret is None else secret
        time = int((at or datetime.now(UTC)).timestamp())
        signature = hmac.new(key.encode(), b"%d." % time + body, sha256).hexdigest()
        return {"stripe-signature": f"t={time},v1={signature}"}

    def unknown_event(self) -> bytes:
        event = {
            "id": "evt_1",
            "object": "event",
            "type": "customer.tax_id.dreamt",
            "created": int(datetime.now(UTC).timestamp()),
            "livemode": False,
            "data": {"object": {"id": "txi_1", "object": "tax_id"}},
        }
        return msgspec.json.encode(event)

    async def turn_refund(self, refund_id: str, outcome: Literal["succeeded", "failed"]) -> None:
        await self.side(lambda side: side.refund(refund_id, None, status=outcome))

    @contextmanager
    def hurried(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            quick = functools.partial(client.open_client, timeout=0.5)
            patch.setattr(plugin, "open_client", quick)
            yield
