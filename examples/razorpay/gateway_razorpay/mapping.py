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
_DISPUTE: dict[str, facts.DisputeStatus] = {
    "open": "needs_response",
    "under_review": "under_review",
    "won": "won",
    "lost": "lost",
    "closed": "prevented",  # an inquiry that ended without taking the money
}
_BRANDS = {"american express": "amex", "diners club": "diners"}
_LINK_OF = re.compile(r"#([A-Za-z0-9]{14})")

Facts = Iterator[facts.ProviderFact]
Units = Annotated[int, msgspec.Meta(ge=0)]
Seconds = Annotated[int, msgspec.Meta(ge=0, le=1 << 35)]


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


class Paid(msgspec.Struct):
    payment_id: str


class Link(Entity):
    """A payment link. It has an order once somebody tries to pay."""

    short_url: str = ""
    reference_id: str | None = None
    order_id: str | None = None
    payments: list[Paid] | None = None
    expire_by: Seconds | None = None
    expired_at: Seconds | None = None
    cancelled_at: Seconds | None = None

    @property
    def expires_at(self) -> datetime | None:
        """The end of its time, if it has one."""
        return time(self.expire_by) if self.expire_by else None


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
    def link_id(self) -> str | None:
        """The link it belongs to: its description is the link's id without the prefix."""
        match = _LINK_OF.fullmatch(self.description or "")
        return f"plink_{match[1]}" if match else None

    @property
    def is_captured(self) -> bool:
        """By the status: in events, the flag is sometimes true before it is so."""
        given_back_unused = self.status == "refunded" and self.captured is False
        return self.status in ("captured", "refunded") and not given_back_unused

    @property
    def lacks_card(self) -> bool:
        """A payment by card shows the card only when it is read by itself, and asked to."""
        paid = self.is_captured or self.status == "authorized"
        return paid and self.method in ("card", "emi") and self.card is None


class Refund(Entity):
    payment_id: str


class Dispute(Entity):
    payment_id: str
    phase: str | None = None
    reason_code: str | None = None
    respond_by: Seconds | None = None


def time(seconds: int) -> datetime:
    """Unix time as UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def unknown(entity: Entity, words: str) -> facts.Unrecognized:
    """Something about `entity` that we have no fact for."""
    return facts.Unrecognized(object_id=entity.id, state=words[:100], at=time(entity.created_at))


def link_facts(link: Link) -> Facts:
    """What the link itself tells; of the money, only its payments do."""
    yield facts.ProviderIds(ids=(link.id,))
    match link.status:
        case "created":
            yield facts.CheckoutOpened(
                provider_order_id=link.id, url=link.short_url, expires_at=link.expires_at
            )
        case "cancelled":
            yield facts.Canceled(object_id=link.id, at=time(link.cancelled_at or link.created_at))
        case "expired":
            at = link.expired_at or link.expire_by or link.created_at
            yield facts.Expired(object_id=link.id, at=time(at))
        case "paid" | "partially_paid":
            pass
        case state:
            yield unknown(link, f"payment link {state}")


def payment_facts(payment: Payment) -> Facts:
    """What has become of one try to pay. Given back because nobody captured it, it has expired."""
    at = time(payment.created_at)
    match payment.status:
        case "created":
            return  # the buyer is still at it
        case "failed":
            code = payment.error_reason or payment.error_code or "payment_failed"
            words = (payment.error_description or "")[:200]
            yield facts.Declined(attempt_id=payment.id, code=code, at=at, message=words)
            return
        case "authorized":
            yield facts.Pending(object_id=payment.id, at=at, reason="authorized, not captured yet")
        case "captured" | "refunded" if payment.is_captured:
            amount, currency = payment.amount, payment.currency
            yield facts.Captured(capture_id=payment.id, amount=amount, currency=currency, at=at)
        case "refunded":
            yield facts.Expired(object_id=payment.id, at=at)
            return
        case state:
            yield unknown(payment, f"payment {state}")
            return
    ids = (payment.id, payment.order_id) if payment.order_id else (payment.id,)
    yield facts.ProviderIds(ids=ids, payment_id=payment.id)
    if payment.method and not payment.lacks_card:
        card = payment.card or Card()
        network = (card.network or "").lower()
        brand = _BRANDS.get(network, network) or None
        last4 = str(card.last4).rjust(4, "0")[-4:] if card.last4 else None
        yield facts.PaidWith(type=payment.method, brand=brand, last4=last4)
    if payment.fee is not None:
        amount, currency = payment.amount, payment.currency
        if payment.base_currency and payment.base_amount is not None:  # what it is settled in
            amount, currency = payment.base_amount, payment.base_currency
        elif payment.base_amount not in (None, payment.amount):
            return  # it is in a currency that is not named here
        net = amount - payment.fee
        yield facts.Fee(object_id=payment.id, fee=payment.fee, net=net, currency=currency)


def refund_facts(refund: Refund) -> Facts:
    """A refund's status. Normal refunds cost nothing, and give no fee back."""
    if refund.status not in _REFUND:
        yield unknown(refund, f"refund {refund.status}")
        return
    yield facts.RefundUpdated(
        provider_refund_id=refund.id,
        status=_REFUND[refund.status],
        amount=refund.amount,
        currency=refund.currency,
        at=time(refund.created_at),
        refund_id=refund.note(REFUND_NOTE),
        capture_id=refund.payment_id,
    )


def dispute_facts(dispute: Dispute) -> Facts:
    """A dispute's status. Before the chargeback it is a warning: no money is held."""
    if dispute.status not in _DISPUTE:
        yield unknown(dispute, f"dispute {dispute.status}")
        return
    early = dispute.phase in ("fraud", "retrieval") and dispute.status in ("open", "under_review")
    yield facts.DisputeUpdated(
        dispute_id=dispute.id,
        status="warning" if early else _DISPUTE[dispute.status],
        amount=dispute.amount,
        currency=dispute.currency,
        at=time(dispute.created_at),
        reason=dispute.reason_code or "",
        due_by=time(dispute.respond_by) if dispute.respond_by else None,
    )
