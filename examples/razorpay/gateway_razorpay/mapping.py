"""Razorpay's objects, as far as we read them, and what they are as facts. Pure.

The same object gives the same facts whether it came in an answer or in an event. What happened to
the money is judged by the payments, never by the link. Docs: https://razorpay.com/docs/api/
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from gateway import facts
from gateway.money import ProviderScale

#: https://razorpay.com/docs/payments/international-payments/#supported-currencies
_TAKEN = (
    "AED ALL AMD AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BZD CAD CHF CLP CNY "
    "COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ETB EUR FJD GBP GHS GIP GMD GNF GTQ GYD HKD HNL HTG "
    "HUF IDR ILS INR IQD ISK JMD JOD JPY KES KGS KHR KMF KRW KWD KYD KZT LAK LKR LRD LSL MAD MDL "
    "MGA MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PEN PGK PHP PKR PLN "
    "PYG QAR RON RSD RUB RWF SAR SCR SEK SGD SOS SVC SZL THB TND TRY TTD TWD TZS UAH UGX USD UYU "
    "UZS VND VUV XAF XCD XOF XPF YER ZAR ZMW"
)
CURRENCIES = frozenset(_TAKEN.split())
#: It counts in the minor units of ISO 4217; where there are three, the last digit must be 0.
SCALE = ProviderScale(steps=dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "OMR", "TND"), 10))
#: Our ids in the notes, by names that other software on the account will not use.
PAYMENT_NOTE, REFUND_NOTE, KEY_NOTE = "gateway_payment", "gateway_refund", "gateway_key"

_REFUND: dict[str, facts.RefundStatus]
_REFUND = {"pending": "pending", "processed": "succeeded", "failed": "failed"}
_BRANDS = {"american express": "amex", "diners club": "diners"}

Facts = Iterator[facts.ProviderFact]
Units = Annotated[int, msgspec.Meta(ge=0)]
Seconds = Annotated[int, msgspec.Meta(ge=0, le=1 << 35)]


def time(seconds: int) -> datetime:
    """Unix time as UTC."""
    return datetime.fromtimestamp(seconds, UTC)


class Entity(msgspec.Struct, kw_only=True):
    """What all have. `notes` is an object, or a list when there are none."""

    id: str
    status: str
    amount: Units
    currency: str
    created_at: Seconds
    notes: Any = None

    def note(self, name: str) -> str | None:
        """One of our ids in the notes."""
        value = self.notes.get(name) if isinstance(self.notes, dict) else None
        return value if isinstance(value, str) else None

    def ids(self) -> tuple[str, ...]:
        """All ids by which its payment is known."""
        return (self.id,)

    def tells(self) -> Facts:
        """What it tells. Of a status that we do not know, just that."""
        yield self.unknown(f"{type(self).__name__.lower()} {self.status}")

    def unknown(self, words: str) -> facts.Unrecognized:
        """Something that we have no fact for."""
        return facts.Unrecognized(object_id=self.id, state=words[:100], at=time(self.created_at))


class Link(Entity, kw_only=True):
    """A payment link. It has an order once somebody tries to pay."""

    short_url: str
    reference_id: str | None = None
    order_id: str | None = None
    payments: list[dict[str, Any]] | None = None
    expire_by: Seconds | None = None
    updated_at: Seconds | None = None

    @property
    def expires_at(self) -> datetime | None:
        """The end of its time, if it has one."""
        return time(self.expire_by) if self.expire_by else None

    def tells(self) -> Facts:
        """What the link itself tells; of the money, only its payments do."""
        at = time(self.updated_at or self.created_at)
        yield facts.ProviderIds(ids=(self.id,))
        match self.status:
            case "created":
                url, until = self.short_url, self.expires_at
                yield facts.CheckoutOpened(provider_order_id=self.id, url=url, expires_at=until)
            case "cancelled":
                yield facts.Canceled(object_id=self.id, at=at)
            case "expired":
                yield facts.Expired(object_id=self.id, at=at)
            case "paid" | "partially_paid":
                pass
            case _:
                yield from super().tells()


class Card(msgspec.Struct):
    network: str | None = None
    last4: str | int | None = None  # documented as a number, and seen as text


class Payment(Entity):
    """One try to pay. `fee` (taxes included) and `base_amount` are in `base_currency`."""

    captured: bool | None = None
    method: str | None = None
    card: Card | None = None
    order_id: str | None = None
    description: str | None = None
    fee: Units | None = None
    base_amount: Units | None = None
    base_currency: str | None = None
    error_code: str | None = None
    error_reason: str | None = None
    error_description: str | None = None

    @property
    def is_captured(self) -> bool:
        """By the status: in events, the flag is sometimes true before it is so."""
        kept = self.captured is not False  # else it went back because nobody captured it
        return self.status == "captured" or (self.status == "refunded" and kept)

    @property
    def lacks_card(self) -> bool:
        """A payment by card shows the card only when it is read by itself, and asked to."""
        return self.method in ("card", "emi") and self.card is None

    def ids(self) -> tuple[str, ...]:
        """With its order and its link: the description is the link's id without the prefix."""
        link = re.fullmatch(r"#([A-Za-z0-9]{14})", self.description or "")
        return tuple(filter(None, (self.id, self.order_id, link and f"plink_{link[1]}")))

    def tells(self) -> Facts:
        """What has become of it. Given back because nobody captured it, it has expired."""
        id, amount, currency, at = self.id, self.amount, self.currency, time(self.created_at)
        match self.status:
            case "created":
                pass  # the buyer is still at it
            case "failed":
                code = self.error_reason or self.error_code or "payment_failed"
                words = (self.error_description or "")[:200]
                yield facts.Declined(attempt_id=id, code=code, at=at, message=words)
            case "authorized":
                yield facts.Pending(object_id=id, at=at, reason="authorized, not captured yet")
                yield from self._about()
            case _ if self.is_captured:
                yield facts.Captured(capture_id=id, amount=amount, currency=currency, at=at)
                yield from self._about()
            case "refunded":
                yield facts.Expired(object_id=id, at=at)
            case _:
                yield from super().tells()

    def _about(self) -> Facts:
        yield facts.ProviderIds(ids=self.ids(), payment_id=self.id)
        if self.method and not self.lacks_card:
            card = self.card or Card()
            network = (card.network or "").lower()
            brand = _BRANDS.get(network, network) or None
            last4 = str(card.last4).zfill(4)[-4:] if card.last4 else None
            yield facts.PaidWith(type=self.method, brand=brand, last4=last4)
        # In what it is settled, if that is named.
        net, currency = self.base_amount or self.amount, self.base_currency or self.currency
        if self.fee is not None and (self.base_currency or net == self.amount):
            net -= self.fee
            yield facts.Fee(object_id=self.id, fee=self.fee, net=net, currency=currency)


class Refund(Entity):
    """Normal refunds cost nothing, and give no fee back."""

    payment_id: str

    def ids(self) -> tuple[str, ...]:
        """With its payment."""
        return (self.id, self.payment_id)

    def tells(self) -> Facts:
        """Its status."""
        if self.status not in _REFUND:
            yield from super().tells()
            return
        yield facts.RefundUpdated(
            provider_refund_id=self.id,
            status=_REFUND[self.status],
            amount=self.amount,
            currency=self.currency,
            at=time(self.created_at),
            refund_id=self.note(REFUND_NOTE),
            capture_id=self.payment_id,
        )
