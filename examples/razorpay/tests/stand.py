"""The kit's stand for Razorpay: the fake, with what a buyer, time and the bank can do there."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Literal

import pytest
from gateway_razorpay import client
from gateway_razorpay.fake.account import Refused
from gateway_razorpay.fake.app import Fake, running
from gateway_razorpay.fake.entities import Json

from gateway.conformance.stand import (
    Act,
    Books,
    Delivery,
    NotPossible,
    Page,
    ProviderStand,
    Traits,
)
from gateway.money import Money

TRAITS = Traits(
    secret_settings=("RAZORPAY_KEY_SECRET", "RAZORPAY_WEBHOOK_SECRET"),
    paid_words=("captured", "processed", "paid"),
    signed_headers=("x-razorpay-signature",),
    tolerance=None,  # the signature holds no time; that of the body is tested in test_webhook.py
    webhook_secret="RAZORPAY_WEBHOOK_SECRET",
    acts=frozenset({"pay", "decline", "leave", "expire", "pay_slow_refund"}),
    pending_refund=2700,
    refunds_fail_late=True,
    dashboard=True,
    error_body=b'{"error": {"code": "BAD_REQUEST_ERROR", "description": "Something odd."}}',
    live_settings={
        "RAZORPAY_KEY_ID": "rzp_live_kit",
        "RAZORPAY_KEY_SECRET": "kit",
        "RAZORPAY_WEBHOOK_SECRET": "kit",
    },
    shows_pages=True,
    ordinary=lambda money: money.currency != "INR" or money.amount >= 100,
)


class RazorpayStand(ProviderStand):
    """A fake of its own for each test."""

    def __init__(self, fake: Fake) -> None:
        self.fake = fake
        self.url = fake.url

    def environment(self, base_url: str) -> Mapping[str, str]:
        return self.fake.environment(base_url)

    async def buyer(self, checkout_id: str, act: Act) -> None:
        try:
            match act:
                case "pay" | "decline":
                    self.fake.buyer(checkout_id, act)
                case "pay_slow_refund":
                    self.fake.buyer(checkout_id, "pay_netbanking")
                case "expire":
                    if self.fake.account.link(checkout_id)["status"] != "created":
                        raise NotPossible
                    self.fake.account.expire(checkout_id)
        except Refused as refused:
            raise NotPossible from refused

    async def books(self, payment_id: str) -> Books:
        account = self.fake.account
        ours = {"gateway_payment": payment_id}
        links = [id for id, link in account.links.items() if link["notes"] == ours]
        captured = [
            one
            for link in links
            for one in account.payments.values()
            if one["captured"] and one["order_id"] == account.links[link].get("order_id")
        ]
        refunded = [
            refund
            for one in captured
            for refund in account.refunds_of(one["id"])
            if refund["status"] != "failed"
        ]
        return Books(tuple(links), tuple(map(_money, captured)), tuple(map(_money, refunded)))

    async def deliveries(self) -> Sequence[Delivery]:
        return [Delivery(headers, body) for headers, body in self.fake.sent]

    async def page(self, checkout_id: str) -> Page:
        link = self.fake.account.link(checkout_id)
        ends = datetime.fromtimestamp(link["expire_by"], UTC)
        return Page(success_url=link["callback_url"], expires_at=ends)

    def sign(self, body: bytes, *, at: object = None, secret: str | None = None) -> dict[str, str]:
        del at  # the signature holds no time
        return self.fake.sign(body, secret)

    def unknown_event(self) -> bytes:
        return (
            b'{"entity":"event","account_id":"acc_00000000000001","event":"settlement.processed",'
            b'"contains":["settlement"],"payload":{"settlement":{"entity":{"id":"setl_1"}}}}'
        )

    async def turn_refund(self, refund_id: str, outcome: Literal["succeeded", "failed"]) -> None:
        status = "processed" if outcome == "succeeded" else "failed"
        self.fake.account.turn_refund(refund_id, status)

    async def refund_at_provider(self, checkout_id: str, money: Money) -> None:
        self.fake.account.refund(self.payment(checkout_id)["id"], {"amount": money.amount})

    def payment(self, checkout_id: str) -> Json:
        """The payment that the link was paid with."""
        order_id = self.fake.account.links[checkout_id]["order_id"]
        payments = self.fake.account.payments_of(order_id)
        return next(one for one in payments if one["status"] != "failed")

    @contextmanager
    def hurried(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(client, "TIMEOUT", (0.3, 0.3))
            yield


def _money(thing: Json) -> Money:
    return Money(thing["amount"], thing["currency"])


@asynccontextmanager
async def open_stand(*, auto_capture: bool = True) -> AsyncIterator[RazorpayStand]:
    """A fake on a free port."""
    fake = Fake()
    fake.account.auto_capture = auto_capture
    async with running(fake):
        yield RazorpayStand(fake)
