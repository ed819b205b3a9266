"""Razorpay behind the gateway's interface.

Where Razorpay has no idempotency keys, one key has one effect all the same:

- a link's `reference_id` is made of the key, and Razorpay takes each of them once, for ever;
- a payment is captured once, and a link canceled once, whoever asks for it and how often;
- a refund has a key (X-Refund-Idempotency), though not in every country; so we look first.
"""

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

import msgspec

from gateway.errors import OutcomeUnknown, Rejected, Unavailable
from gateway.facts import Captured, ProviderFact, Unrecognized
from gateway.money import Money
from gateway.provider import Checkout, CheckoutRequest, PaymentRef, ProviderEvent, RefundRequest
from gateway_razorpay import mapping, webhook
from gateway_razorpay.client import Client
from gateway_razorpay.mapping import Link, Payment, Refund
from gateway_razorpay.settings import RazorpaySettings

#: A link expires a quarter of an hour after its creation at the soonest; our clock may be slow.
SHORTEST = timedelta(minutes=17)
LONGEST = timedelta(days=180)
PAGE, MOST = 100, 2000

Facts = Sequence[ProviderFact]
E = TypeVar("E")


class _Page(msgspec.Struct, Generic[E]):
    """Links come under a name of their own."""

    items: list[E] = []
    payment_links: list[E] = []


class RazorpayAdapter:
    """PaymentProvider, Cancels, FindsRefunds and Checks, without any state."""

    def __init__(
        self, client: Client, settings: RazorpaySettings, now: Callable[[], datetime]
    ) -> None:
        self._client, self._sdk = client, client.sdk
        self._settings = settings
        self._now = now

    async def create_order(self, request: CheckoutRequest, *, key: str) -> Checkout:
        """Open a link. Under a reference that is taken, the link that has it, if it is the same."""
        earliest, latest = self._now() + SHORTEST, self._now() + LONGEST
        body = {
            "amount": mapping.SCALE.to_provider(request.money),
            "currency": request.money.currency,
            "reference_id": _digest(key),
            "description": ", ".join(f"{i.quantity} × {i.name}" for i in request.items)[:2048],
            "notes": {mapping.PAYMENT_NOTE: request.payment_id},
            "callback_url": request.success_url,
            "callback_method": "get",
            "expire_by": int(max(earliest, min(request.expires_at, latest)).timestamp()),
            "notify": {"sms": False, "email": False},
            "reminder_enable": False,
        }
        try:
            link = await self._client.write(Link, self._sdk.payment_link.create, body)
        except Rejected as refused:
            if "already exists" not in refused.detail:
                raise
            link = await self._link_of(_digest(key))
            if (link.amount, link.currency) != (body["amount"], body["currency"]):
                raise
        return Checkout(link.id, link.short_url, link.expires_at)

    async def confirm(self, payment: PaymentRef, *, key: str) -> Facts:
        """Read the link's payments, and capture one that is authorized while none is captured.

        Most accounts let Razorpay capture; what is authorized late, it leaves to us. Nothing is
        captured of a link that is closed, nor any amount but the payment's own.
        """
        del key  # a payment can be captured once only
        link, payments = await self._read(payment)
        held = next((one for one in payments if one.status == "authorized"), None)
        if held is None or link.status != "created" or any(one.is_captured for one in payments):
            return await self._facts(link, payments)
        if Money(held.amount, held.currency) != payment.money:
            words = f"authorized for {held.amount} {held.currency} instead of the price"
            return [*await self._facts(link, payments), held.unknown(words)]
        try:
            await self._capture(held)
        except Rejected:
            if (await self._payment(held.id)).status == "authorized":
                raise  # it was not done meanwhile
        return await self._facts(*await self._read(payment))

    async def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> ProviderEvent:
        """See `webhook.verify`."""
        return webhook.verify(headers, body, self._settings.webhook_secrets, self._now())

    async def refund(self, request: RefundRequest, *, key: str) -> Facts:
        """Refund an explicit amount, unless a refund with this key is there already."""
        notes = {
            mapping.PAYMENT_NOTE: request.payment.payment_id,
            mapping.REFUND_NOTE: request.refund_id,
            mapping.KEY_NOTE: key,
        }
        body = {"amount": mapping.SCALE.to_provider(request.money), "notes": notes}
        headers = {"X-Refund-Idempotency": _digest(key)}
        for earlier in await self._refunds(request.capture_id):
            if earlier.note(mapping.KEY_NOTE) == key:
                return list(earlier.tells())
        act = self._sdk.payment.refund
        refund = await self._client.write(Refund, act, request.capture_id, body, headers=headers)
        return list(refund.tells())

    async def cancel(self, payment: PaymentRef, *, key: str) -> Facts:
        """Close the link. What Razorpay refuses to close, paid or closed already, is read."""
        del key  # a link can be canceled once only
        try:
            cancel = self._sdk.payment_link.cancel
            await self._client.write(Link, cancel, payment.provider_order_id)
        except Rejected:
            if (await self._read(payment))[0].status == "created":
                raise
        return await self._facts(*await self._read(payment))

    async def find_refunds(self, payment: PaymentRef) -> Facts:
        """All refunds of the payment, those of Razorpay's Dashboard included."""
        _, payments = await self._read(payment)
        refunds = [r for one in payments if one.is_captured for r in await self._refunds(one.id)]
        return [fact for refund in refunds for fact in refund.tells()]

    async def check(self) -> None:
        """Read one link: the least that the keys must be good for."""
        await self._client.read(_Page[Link], self._sdk.payment_link.all, {"count": 1})

    async def _read(self, payment: PaymentRef) -> tuple[Link, list[Payment]]:
        """The link, and all tries to pay: by its order; without one, those that it names."""
        fetch = self._sdk.payment_link.fetch
        link = await self._client.read(Link, fetch, payment.provider_order_id, {})
        if link.order_id is None:
            return link, [await self._payment(one["payment_id"]) for one in link.payments or ()]
        page = await self._client.read(_Page[Payment], self._sdk.order.payments, link.order_id, {})
        return link, page.items

    async def _facts(self, link: Link, payments: Sequence[Payment]) -> list[ProviderFact]:
        facts = list(link.tells())
        for payment in payments:
            whole = await self._payment(payment.id) if payment.lacks_card else payment
            facts += whole.tells()
            if payment.is_captured:
                for refund in await self._refunds(payment.id):
                    facts += refund.tells()
        paid = link.status in ("paid", "partially_paid")
        if paid and not any(isinstance(fact, Captured | Unrecognized) for fact in facts):
            facts.append(link.unknown(f"link {link.status} without a payment"))
        return facts

    async def _payment(self, id: str) -> Payment:
        return await self._client.read(Payment, self._sdk.payment.fetch, id, {"expand[]": "card"})

    async def _capture(self, held: Payment) -> None:
        body = {"currency": held.currency}
        await self._client.write(Payment, self._sdk.payment.capture, held.id, held.amount, body)

    async def _refunds(self, payment_id: str) -> list[Refund]:
        act = self._sdk.payment.fetch_multiple_refund
        return [one async for one in self._each(_Page[Refund], lambda w: act(payment_id, w))]

    async def _link_of(self, reference: str) -> Link:
        """The link of a reference. The filter is not to be trusted, so what it gives is compared;
        where it is not heeded, these are all links, the newest first."""
        wanted, act = {"reference_id": reference}, self._sdk.payment_link.all
        async for link in self._each(_Page[Link], lambda window: act(wanted | window)):
            if link.reference_id == reference:
                return link
        raise OutcomeUnknown("Razorpay has a link of this reference, and does not show it")

    async def _each(self, kind: type[_Page[E]], act: Callable[..., Any]) -> AsyncIterator[E]:
        for skip in range(0, MOST, PAGE):
            page = await self._client.read(kind, act, {"count": PAGE, "skip": skip})
            entries = page.items + page.payment_links
            for entry in entries:
                yield entry
            if len(entries) < PAGE:
                return
        raise Unavailable("there are more entries than can be read")


def _digest(key: str) -> str:
    """Of at most 40 characters, as Razorpay takes them."""
    return hashlib.sha256(key.encode()).hexdigest()[:40]
