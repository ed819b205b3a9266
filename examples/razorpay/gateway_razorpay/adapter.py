"""Razorpay behind the gateway's interface.

Where Razorpay has no idempotency keys, one key has one effect all the same:

- a link's `reference_id` is made of the key, and Razorpay takes each of them once, for ever;
- a payment is captured once, and a link canceled once, whoever asks for it and how often;
- a refund has a key (X-Refund-Idempotency), though not in every country; so we look first.
"""

import hashlib
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

import msgspec

from gateway.errors import InvalidAmount, OutcomeUnknown, Rejected, Unavailable
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
        self._client = client
        self._settings = settings
        self._now = now

    async def create_order(self, request: CheckoutRequest, *, key: str) -> Checkout:
        """Open a link. Under a reference that is taken, the link that has it, if it is the same."""
        units, currency, reference = _units(request.money), request.money.currency, _word(key)
        earliest, latest = self._now() + SHORTEST, self._now() + LONGEST
        body = {
            "amount": units,
            "currency": currency,
            "accept_partial": False,
            "reference_id": reference,
            "description": ", ".join(f"{i.quantity} × {i.name}" for i in request.items)[:2048],
            "notes": {mapping.PAYMENT_NOTE: request.payment_id},
            "callback_url": request.success_url,
            "callback_method": "get",
            "expire_by": int(max(earliest, min(request.expires_at, latest)).timestamp()),
            "notify": {"sms": False, "email": False},
            "reminder_enable": False,
        }
        try:
            link = await self._client.write(Link, lambda sdk: sdk.payment_link.create(body))
        except Rejected as refused:
            if "already exists" not in refused.detail:
                raise
            link = await self._link_of(reference)
            if (link.amount, link.currency) != (units, currency):
                raise
        if not link.short_url:
            raise OutcomeUnknown("Razorpay answered with a link that has no address")
        return Checkout(link.id, link.short_url, link.expires_at)

    async def confirm(self, payment: PaymentRef, *, key: str) -> Facts:
        """Read the link's payments, and capture one that is authorized while none is captured.

        Most accounts let Razorpay capture; what is authorized late, it leaves to us. Nothing is
        captured of a link that is closed, nor any amount but the payment's own.
        """
        del key  # a payment can be captured once only
        link = await self._link(payment)
        payments = await self._payments(link)
        held = [one for one in payments if one.status == "authorized"]
        if link.status != "created" or not held or any(one.is_captured for one in payments):
            return await self._facts(link, payments)
        if Money(held[0].amount, held[0].currency) != payment.money:
            words = f"authorized for {held[0].amount} {held[0].currency} instead of the price"
            return [*await self._facts(link, payments), mapping.unknown(held[0], words)]
        try:
            await self._capture(held[0])
        except Rejected:
            if (await self._payment(held[0].id)).status == "authorized":
                raise  # it was not done meanwhile
        return await self._truth(payment)

    async def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> ProviderEvent:
        """See `webhook.verify`."""
        return webhook.verify(headers, body, self._settings.webhook_secrets, self._now())

    async def refund(self, request: RefundRequest, *, key: str) -> Facts:
        """Refund an explicit amount, unless a refund with this key is there already."""
        payment_id, ours = request.capture_id, request.payment.payment_id
        notes = {
            mapping.PAYMENT_NOTE: ours,
            mapping.REFUND_NOTE: request.refund_id,
            mapping.KEY_NOTE: key,
        }
        body = {"amount": _units(request.money), "speed": "normal", "notes": notes}
        headers = {"X-Refund-Idempotency": _word(key)}
        for earlier in await self._refunds(payment_id):
            if earlier.note(mapping.KEY_NOTE) == key:
                return list(mapping.refund_facts(earlier))
        refund = await self._client.write(
            Refund, lambda sdk: sdk.payment.refund(payment_id, body, headers=headers)
        )
        return list(mapping.refund_facts(refund))

    async def cancel(self, payment: PaymentRef, *, key: str) -> Facts:
        """Close the link. What Razorpay refuses to close, paid or closed already, is read."""
        del key  # a link can be canceled once only
        link_id = payment.provider_order_id
        try:
            await self._client.write(Link, lambda sdk: sdk.payment_link.cancel(link_id))
        except Rejected:
            if (await self._link(payment)).status == "created":
                raise
        return await self._truth(payment)

    async def find_refunds(self, payment: PaymentRef) -> Facts:
        """All refunds of the payment, those of Razorpay's Dashboard included."""
        payments = await self._payments(await self._link(payment))
        refunds = [r for one in payments if one.is_captured for r in await self._refunds(one.id)]
        return [fact for refund in refunds for fact in mapping.refund_facts(refund)]

    async def check(self) -> None:
        """Read one link: the least that the keys must be good for."""
        await self._client.read(_Page[Link], lambda sdk: sdk.payment_link.all({"count": 1}))

    async def _truth(self, payment: PaymentRef) -> Facts:
        link = await self._link(payment)
        return await self._facts(link, await self._payments(link))

    async def _facts(self, link: Link, payments: Sequence[Payment]) -> list[ProviderFact]:
        facts = list(mapping.link_facts(link))
        for payment in payments:
            facts += mapping.payment_facts(
                await self._payment(payment.id) if payment.lacks_card else payment
            )
            if payment.is_captured:
                for refund in await self._refunds(payment.id):
                    facts += mapping.refund_facts(refund)
        paid = link.status in ("paid", "partially_paid")
        if paid and not any(isinstance(fact, Captured | Unrecognized) for fact in facts):
            facts.append(mapping.unknown(link, f"payment link {link.status} without a payment"))
        return facts

    async def _link(self, payment: PaymentRef) -> Link:
        link_id = payment.provider_order_id
        return await self._client.read(Link, lambda sdk: sdk.payment_link.fetch(link_id, {}))

    async def _payments(self, link: Link) -> list[Payment]:
        """All tries to pay, by the link's order; without one, those that the link names."""
        if link.order_id is None:
            return [await self._payment(one.payment_id) for one in link.payments or ()]
        page = await self._client.read(
            _Page[Payment], lambda sdk: sdk.order.payments(link.order_id, {})
        )
        return page.items

    async def _payment(self, id: str) -> Payment:
        expand = {"expand[]": "card"}
        return await self._client.read(Payment, lambda sdk: sdk.payment.fetch(id, expand))

    async def _capture(self, held: Payment) -> None:
        body = {"currency": held.currency}
        await self._client.write(
            Payment, lambda sdk: sdk.payment.capture(held.id, held.amount, body)
        )

    async def _refunds(self, payment_id: str) -> list[Refund]:
        pages = self._each(
            _Page[Refund], lambda sdk, w: sdk.payment.fetch_multiple_refund(payment_id, w)
        )
        return [refund async for refund in pages]

    async def _link_of(self, reference: str) -> Link:
        """The link of a reference. The filter is not to be trusted, so what it gives is compared;
        where it is not heeded, these are all links, the newest first."""
        wanted = {"reference_id": reference}
        pages = self._each(_Page[Link], lambda sdk, w: sdk.payment_link.all(wanted | w))
        async for link in pages:
            if link.reference_id == reference:
                return link
        raise OutcomeUnknown("Razorpay has a link of this reference, and does not show it")

    async def _each(
        self, kind: type[_Page[E]], act: Callable[[Any, dict[str, int]], Any]
    ) -> AsyncIterator[E]:
        for skip in range(0, MOST, PAGE):
            page = await self._client.read(kind, act, {"count": PAGE, "skip": skip})
            entries = page.items + page.payment_links
            for entry in entries:
                yield entry
            if len(entries) < PAGE:
                return
        raise Unavailable("there are more entries than can be read")


def _units(money: Money) -> int:
    """The amount as Razorpay counts. Rejected for one that it cannot express."""
    try:
        return mapping.SCALE.to_provider(money)
    except InvalidAmount as error:
        raise Rejected(error.detail, provider_code=error.code) from None


def _word(key: str) -> str:
    """`key` itself where Razorpay takes it as it is, else a digest of it."""
    if re.fullmatch(r"[A-Za-z0-9_-]{10,40}", key):
        return key
    return hashlib.sha256(key.encode()).hexdigest()[:40]
