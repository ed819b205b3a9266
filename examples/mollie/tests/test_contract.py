"""The gateway's own contract, asked of this adapter before the fake."""

import contextlib
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Literal
from unittest import mock

import pytest
from gateway_mollie import client
from gateway_mollie.fake import hal
from gateway_mollie.fake.app import API_KEY, Fake
from gateway_mollie.fake.books import Refused
from gateway_mollie.plugin import plugin as mollie

from gateway.conformance import (
    Act,
    Books,
    Delivery,
    Mailbox,
    NotPossible,
    Page,
    ProviderContract,
    ProviderStand,
    Traits,
    open_mailbox,
)
from gateway.money import Money

ACTIONS: Mapping[Act, str] = {"leave": "cancel"}
#: The fake keeps a refund of this amount pending.
SLOW = 777


class MollieStand(ProviderStand):
    """The fake, and a mailbox for its webhooks."""

    def __init__(self, fake: Fake, mailbox: Mailbox) -> None:
        self.url = fake.url
        self._fake = fake
        self._mailbox = mailbox

    def environment(self, base_url: str) -> Mapping[str, str]:
        """Settings of the plugin."""
        return {
            "MOLLIE_API_KEY": API_KEY,
            "MOLLIE_API_BASE": base_url,
            "MOLLIE_WEBHOOK_URL": self._mailbox.url,
        }

    async def buyer(self, checkout_id: str, act: Act) -> None:
        """The buyer on the hosted page."""
        try:
            self._fake.act(checkout_id, ACTIONS.get(act, act))
        except Refused as refused:
            raise NotPossible(refused.detail) from None

    async def books(self, payment_id: str) -> Books:
        """By the id in the metadata."""
        payments = [
            payment
            for payment in self._fake.books.payments.values()
            if (payment.request.get("metadata") or {}).get("payment_id") == payment_id
        ]
        captured = [
            Money(amount, payment.currency)
            for payment in payments
            for amount in (
                [c.amount for c in payment.captures if c.status == "succeeded"]
                if payment.manual
                else [payment.captured]
            )
            if amount
        ]
        refunded = [
            Money(refund.amount, payment.currency)
            for payment in payments
            for refund in payment.refunds
            if refund.status not in ("failed", "canceled")
        ]
        return Books(tuple(p.id for p in payments), tuple(captured), tuple(refunded))

    async def page(self, checkout_id: str) -> Page:
        """The addresses; when the page closes is Mollie's to say."""
        request = self._fake.books.payments[checkout_id].request
        return Page(request["redirectUrl"], request["cancelUrl"])

    async def deliveries(self) -> Sequence[Delivery]:
        """What arrived in the mailbox."""
        await self._fake.quiet()
        return self._mailbox.received

    def forged(self) -> Delivery:
        """About a payment that does not exist."""
        headers = {"content-type": "application/x-www-form-urlencoded"}
        return Delivery(headers, b"id=tr_forged0123456789")

    async def turn_refund(self, refund_id: str, outcome: Literal["succeeded", "failed"]) -> None:
        """A refund comes to its end."""
        self._fake.turn_refund(refund_id, "refunded" if outcome == "succeeded" else outcome)

    async def refund_at_provider(self, checkout_id: str, money: Money) -> None:
        """Mollie's dashboard."""
        self._fake.refund_in_dashboard(checkout_id, money.amount)

    async def dispute(self, checkout_id: str) -> None:
        """A chargeback."""
        self._fake.charge_back(checkout_id)

    async def decide_dispute(self, checkout_id: str, *, won: bool) -> None:
        """Mollie reverses it, or never speaks of it again."""
        if won:
            self._fake.reverse_chargeback(checkout_id)

    def hurried(self) -> AbstractContextManager[object]:
        """Short timeouts."""
        return _hurried()


@contextlib.contextmanager
def _hurried() -> Iterator[None]:
    with mock.patch.object(client, "TIMEOUT", 0.5):
        yield


class TestMollie(ProviderContract):
    """Everything that the kit asks."""

    plugin = mollie
    traits = Traits(
        secret_settings=("MOLLIE_API_KEY",),
        paid_words=("paid", "authorized", "succeeded", "refunded", "pending"),
        signed=False,
        tolerance=None,
        event_ids=False,
        event_types=False,
        acts=frozenset(("pay", "decline", "leave", "expire", "pay_later", "clear", "bounce")),
        closes_pages=False,
        verdicts=frozenset({"won"}),
        pending_refund=SLOW,
        dashboard=True,
        live_settings={"MOLLIE_API_KEY": "live_" + "k" * 30},
        shows_pages=True,
        error_body=json.dumps(hal.error(Refused(422, "The amount is invalid", "amount"))).encode(),
    )

    @pytest.fixture
    async def stand(self) -> AsyncIterator[ProviderStand]:
        """An empty fake."""
        async with Fake(tries=1, refund_seconds=None).serving() as fake, open_mailbox() as mailbox:
            fake.holds_refund_of = frozenset({SLOW})
            yield MollieStand(fake, mailbox)
