"""Mollie's objects, as far as we read them, and what they are as facts. Pure.

A status that is not among the documented ones, and an amount that is not exact in its currency,
become `Unrecognized`.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import msgspec

from gateway import facts
from gateway.errors import InvalidAmount
from gateway.money import Money, ProviderScale

Facts = Iterator[facts.ProviderFact]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
#: Mollie counts as ISO 4217 does, in decimal strings.
SCALE = ProviderScale()
REFUND_STATUS: dict[str, facts.RefundStatus] = {
    "queued": "pending",
    "pending": "pending",
    "processing": "pending",
    "refunded": "succeeded",
    "failed": "failed",
    "canceled": "canceled",
}


class Amount(msgspec.Struct):
    value: str
    currency: str


class Entity(msgspec.Struct, kw_only=True, rename="camel"):
    """What all have. Of `metadata`, our ids count."""

    id: str
    created_at: Moment
    amount: Amount | None = None
    status: str = ""
    metadata: Any = None

    @property
    def money(self) -> Money:
        """The amount as ours. Raises InvalidAmount for one that is missing or not exact."""
        if self.amount is None:
            raise InvalidAmount("there is none")
        return SCALE.from_decimal(self.amount.value, self.amount.currency)

    def ours(self, name: str) -> str | None:
        """One of our ids, which Mollie echoes."""
        value = self.metadata.get(name) if isinstance(self.metadata, dict) else None
        return value if isinstance(value, str) else None

    def unknown(self, words: str) -> facts.Unrecognized:
        """Something that we have no fact for."""
        return facts.Unrecognized(object_id=self.id, state=words[:100], at=self.created_at)


class Reason(msgspec.Struct):
    code: str = ""


class Entry(Entity):
    """A capture, a refund or a chargeback. The last has no status, and may be reversed."""

    reversed_at: Moment | None = None
    reason: Reason | None = None


class Details(msgspec.Struct, rename="camel"):
    card_label: str | None = None
    card_number: str | None = None
    failure_reason: str | None = None


class Payment(Entity):
    """A payment, in whatever state."""

    links: dict[str, dict[str, Any] | None] = msgspec.field(name="_links")
    method: str | None = None
    details: Details | None = None
    capture_mode: str | None = None
    amount_captured: Amount | None = None
    is_cancelable: bool | None = None
    authorized_at: Moment | None = None
    capture_before: Moment | None = None
    paid_at: Moment | None = None
    canceled_at: Moment | None = None
    expired_at: Moment | None = None
    failed_at: Moment | None = None
    expires_at: Moment | None = None

    @property
    def page(self) -> str | None:
        """Where the buyer pays, while it is open."""
        return (self.links.get("checkout") or {}).get("href")

    @property
    def by_hand(self) -> bool:
        """Whether its money is taken by captures. A method that cannot be captured by hand is paid
        at once, whatever was asked for, and has no amount captured."""
        return self.capture_mode == "manual" and self.amount_captured is not None


class Page(msgspec.Struct):
    """A list."""

    entries: dict[str, list[Entry]] = msgspec.field(name="_embedded")
    links: dict[str, dict[str, Any] | None] = msgspec.field(name="_links")


class Truth(msgspec.Struct):
    """All that Mollie knows of one payment."""

    payment: Payment
    captures: list[Entry] = []
    refunds: list[Entry] = []
    chargebacks: list[Entry] = []

    @property
    def leaves_a_rest(self) -> bool:
        """Whether we have captured a part, and the rest of it is still held."""
        done = {capture.status for capture in self.captures} == {"succeeded"}
        ours = any(capture.ours("payment_id") for capture in self.captures)
        return self.payment.status == "authorized" and done and ours

    def facts(self) -> list[facts.ProviderFact]:
        """All facts."""
        found = [*_readable(self.payment, _payment_facts(self.payment))]
        for capture in self.captures:
            found += _readable(capture, _capture_facts(capture))
        captured = [fact.capture_id for fact in found if isinstance(fact, facts.Captured)]
        for refund in self.refunds:
            found += refund_facts(refund, captured[0] if len(captured) == 1 else None)
        for chargeback in self.chargebacks:
            found += _readable(chargeback, _chargeback_facts(chargeback))
        return found


def refund_facts(refund: Entry, capture_id: str | None) -> list[facts.ProviderFact]:
    """Of a refund as it stands; `capture_id` where it is known of what it is a refund."""
    return list(_readable(refund, _refund_facts(refund, capture_id)))


def _readable(entity: Entity, found: Facts) -> Facts:
    """The facts of an entity of Mollie's, or that its amount cannot be read."""
    try:
        yield from found
    except InvalidAmount as error:
        yield entity.unknown(f"amount: {error.detail}")


def _payment_facts(payment: Payment) -> Facts:
    id, at, held = payment.id, payment.created_at, payment.authorized_at
    amount, currency = payment.money.amount, payment.money.currency
    yield facts.ProviderIds(ids=(id,), payment_id=id)
    if held or payment.status == "authorized":
        held, until = held or at, payment.capture_before
        yield facts.Authorized(
            authorization_id=id, amount=amount, currency=currency, at=held, expires_at=until
        )
    if payment.method and payment.status in ("authorized", "paid"):
        card = payment.details or Details()
        brand = (card.card_label or "").lower() or None
        last4 = (card.card_number or "")[-4:] or None
        yield facts.PaidWith(type=payment.method, brand=brand, last4=last4)
    match payment.status:
        case "open":
            if url := payment.page:
                until = payment.expires_at
                yield facts.CheckoutOpened(provider_order_id=id, url=url, expires_at=until)
        case "pending":
            yield facts.Pending(object_id=id, at=at)
        case "paid" if not payment.by_hand:
            at = payment.paid_at or at
            yield facts.Captured(capture_id=id, amount=amount, currency=currency, at=at)
        case "authorized" | "paid":
            pass  # the captures tell
        case "canceled":
            yield facts.Canceled(object_id=id, at=payment.canceled_at or at)
        case "expired":
            yield facts.Expired(object_id=id, at=payment.expired_at or at)
        case "failed":
            code = (payment.details and payment.details.failure_reason) or "failed"
            yield facts.Failed(object_id=id, code=code, at=payment.failed_at or at)
        case state:
            yield payment.unknown(f"payment {state}")


def _capture_facts(capture: Entry) -> Facts:
    id, at, money = capture.id, capture.created_at, capture.money
    amount, currency = money.amount, money.currency
    match capture.status:
        case "succeeded":
            yield facts.Captured(capture_id=id, amount=amount, currency=currency, at=at)
        case "pending":
            yield facts.Pending(object_id=id, at=at, reason="the capture is being carried out")
        case "failed":
            yield facts.Failed(object_id=id, code="capture_failed", at=at)
        case state:
            yield capture.unknown(f"capture {state}")


def _refund_facts(refund: Entry, capture_id: str | None) -> Facts:
    if refund.status not in REFUND_STATUS:
        yield refund.unknown(f"refund {refund.status}")
        return
    yield facts.RefundUpdated(
        provider_refund_id=refund.id,
        status=REFUND_STATUS[refund.status],
        amount=refund.money.amount,
        currency=refund.money.currency,
        at=refund.created_at,
        refund_id=refund.ours("refund_id"),
        capture_id=capture_id,
    )


def _chargeback_facts(chargeback: Entry) -> Facts:
    """A chargeback is over when Mollie reverses it. Mollie never says that it is lost for good."""
    won = chargeback.reversed_at
    yield facts.DisputeUpdated(
        dispute_id=chargeback.id,
        status="won" if won else "needs_response",
        amount=abs(chargeback.money.amount),
        currency=chargeback.money.currency,
        at=won or chargeback.created_at,
        reason=chargeback.reason.code if chargeback.reason else "",
    )
