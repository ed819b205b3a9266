"""Mollie's objects as facts. Pure: the same objects always give the same facts.

A status that is not among the documented ones, and an amount that is not exact in its currency,
become `Unrecognized`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.errors import InvalidAmount
from gateway.facts import (
    Authorized,
    Canceled,
    Captured,
    CheckoutOpened,
    DisputeUpdated,
    Expired,
    Failed,
    PaidWith,
    Pending,
    ProviderFact,
    ProviderIds,
    RefundStatus,
    RefundUpdated,
    Unrecognized,
)
from gateway.money import Money, ProviderScale

if TYPE_CHECKING:
    from mollie import models as mollie

    Refund = mollie.RefundResponse | mollie.ListRefundResponse

Facts = Iterator[ProviderFact]
#: Mollie counts as ISO 4217 does, in decimal strings.
SCALE = ProviderScale()
REFUND_STATUS: Mapping[str, RefundStatus] = {
    "queued": "pending",
    "pending": "pending",
    "processing": "pending",
    "refunded": "succeeded",
    "failed": "failed",
    "canceled": "canceled",
}


@dataclass(frozen=True)
class Truth:
    """All that Mollie knows of one payment."""

    payment: mollie.PaymentResponse
    captures: list[mollie.ListCaptureResponse] = field(default_factory=list)
    refunds: list[mollie.ListRefundResponse] = field(default_factory=list)
    chargebacks: list[mollie.ListEntityChargeback] = field(default_factory=list)

    @property
    def status(self) -> str:
        """Mollie's word for where the payment stands."""
        return word(self.payment.status)

    @property
    def is_only_held(self) -> bool:
        """Whether it is authorized, and no capture of it was even tried."""
        return self.status == "authorized" and not self.captures

    @property
    def leaves_a_rest(self) -> bool:
        """Whether we have captured a part, and the rest of it is still held."""
        done = {word(capture.status) for capture in self.captures} == {"succeeded"}
        ours = any("payment_id" in metadata(capture) for capture in self.captures)
        return self.status == "authorized" and done and ours

    def facts(self, seen: datetime) -> list[ProviderFact]:
        """All facts; `seen` stands in where Mollie gives no time."""
        facts = [*_readable(_payment_facts(self, seen), self.payment, seen)]
        for capture in self.captures:
            facts += _readable(_capture_facts(capture, seen), capture, seen)
        captured = [fact.capture_id for fact in facts if isinstance(fact, Captured)]
        for refund in self.refunds:
            facts += refund_facts(refund, seen, captured[0] if len(captured) == 1 else None)
        for chargeback in self.chargebacks:
            facts += _readable(_chargeback_facts(chargeback, seen), chargeback, seen)
        return facts


def refund_facts(refund: Refund, seen: datetime, capture_id: str | None) -> list[ProviderFact]:
    """Of a refund as it stands; `capture_id` where it is known of what it is a refund."""
    return list(_readable(_refund_facts(refund, seen, capture_id), refund, seen))


def _readable(facts: Facts, entity: Any, seen: datetime) -> Facts:
    """The facts of an entity of Mollie's, or that its amount cannot be read."""
    try:
        yield from facts
    except InvalidAmount as error:
        yield Unrecognized(object_id=entity.id, state=f"amount: {error.detail[:80]}", at=seen)


def _payment_facts(truth: Truth, seen: datetime) -> Facts:
    payment, id = truth.payment, truth.payment.id
    yield ProviderIds(ids=(id,), payment_id=id)
    money, held = _money(payment.amount), moment(payment.authorized_at)
    if held or truth.status == "authorized":
        until = moment(payment.capture_before)
        yield Authorized(
            authorization_id=id,
            amount=money.amount,
            currency=money.currency,
            at=held or seen,
            expires_at=until,
        )
    match truth.status:
        case "open":
            if payment.links.checkout is not None:
                url, until = payment.links.checkout.href, moment(payment.expires_at)
                yield CheckoutOpened(provider_order_id=id, url=url, expires_at=until)
        case "pending":
            yield Pending(object_id=id, at=moment(payment.created_at) or seen)
        case "authorized" | "paid":
            yield from _paid_with(payment)
            if truth.status == "paid" and not by_hand(payment):
                at = moment(payment.paid_at) or seen
                yield Captured(capture_id=id, amount=money.amount, currency=money.currency, at=at)
        case "canceled":
            yield Canceled(object_id=id, at=moment(payment.canceled_at) or seen)
        case "expired":
            yield Expired(object_id=id, at=moment(payment.expired_at) or seen)
        case "failed":
            code = word(getattr(payment.details, "failure_reason", None)) or "failed"
            yield Failed(object_id=id, code=code, at=moment(payment.failed_at) or seen)
        case state:
            yield Unrecognized(object_id=id, state=f"payment {state}", at=seen)


def _paid_with(payment: mollie.PaymentResponse) -> Facts:
    if method := word(payment.method):
        brand = word(getattr(payment.details, "card_label", None)).lower()
        number = word(getattr(payment.details, "card_number", None))
        yield PaidWith(type=method, brand=brand or None, last4=number[-4:] or None)


def by_hand(payment: mollie.PaymentResponse) -> bool:
    """Whether its money is taken by captures. A method that cannot be captured by hand is paid at
    once, whatever was asked for, and has no amount captured."""
    return word(payment.capture_mode) == "manual" and payment.amount_captured is not None


def _capture_facts(capture: mollie.ListCaptureResponse, seen: datetime) -> Facts:
    id, at = capture.id, moment(capture.created_at) or seen
    match word(capture.status):
        case "succeeded":
            money = _money(capture.amount)
            yield Captured(capture_id=id, amount=money.amount, currency=money.currency, at=at)
        case "pending":
            yield Pending(object_id=id, at=at, reason="the capture is being carried out")
        case "failed":
            yield Failed(object_id=id, code="capture_failed", at=at)
        case state:
            yield Unrecognized(object_id=id, state=f"capture {state}", at=at)


def _refund_facts(refund: Refund, seen: datetime, capture_id: str | None) -> Facts:
    money, at, state = _money(refund.amount), moment(refund.created_at) or seen, word(refund.status)
    if state not in REFUND_STATUS:
        yield Unrecognized(object_id=refund.id, state=f"refund {state}", at=at)
        return
    yield RefundUpdated(
        provider_refund_id=refund.id,
        status=REFUND_STATUS[state],
        amount=money.amount,
        currency=money.currency,
        at=at,
        refund_id=metadata(refund).get("refund_id"),
        capture_id=capture_id,
    )


def _chargeback_facts(chargeback: mollie.ListEntityChargeback, seen: datetime) -> Facts:
    """A chargeback is over when Mollie reverses it. Mollie never says that it is lost for good."""
    money, won = _money(chargeback.amount), moment(chargeback.reversed_at)
    yield DisputeUpdated(
        dispute_id=chargeback.id,
        status="won" if won else "needs_response",
        amount=abs(money.amount),
        currency=money.currency,
        at=won or moment(chargeback.created_at) or seen,
        reason=word(getattr(chargeback.reason, "code", None)),
    )


def metadata(entity: Any) -> dict[str, str]:
    """Our ids, which Mollie echoes."""
    found = entity.metadata if isinstance(entity.metadata, dict) else {}
    return {name: value for name, value in found.items() if isinstance(value, str)}


def word(value: object) -> str:
    """The word in one of the SDK's enumerations, or a word that it does not know; else empty."""
    value = value.value if isinstance(value, Enum) else value
    return value if isinstance(value, str) else ""


def moment(text: object) -> datetime | None:
    """An ISO 8601 time in UTC; None where there is none."""
    try:
        return msgspec.convert(text, datetime).astimezone(UTC) if isinstance(text, str) else None
    except (msgspec.ValidationError, ValueError, OverflowError):
        return None


def _money(amount: mollie.Amount | mollie.AmountNullable | None) -> Money:
    """Mollie's amount as ours. Raises InvalidAmount for one that is missing or not exact."""
    if amount is None:
        raise InvalidAmount("there is none")
    return SCALE.from_decimal(amount.value, amount.currency)
