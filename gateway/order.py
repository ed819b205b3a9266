"""What an order is: the terms that the merchant set, and the state that the facts amount to.

All amounts are integers in minor units of the order's currency unless a field says otherwise.
"""

from datetime import datetime
from typing import Any, Literal

import msgspec

from gateway.facts import AttentionKind, DisputeStatus, RefundStatus
from gateway.provider import CaptureMode

OrderStatus = Literal[
    "open",
    "processing",
    "authorized",
    "paid",
    "partially_refunded",
    "refunded",
    "canceled",
    "expired",
]
PaymentStatus = Literal[
    "creating", "open", "processing", "authorized", "captured", "failed", "canceled", "expired"
]

#: Payment states in which nothing more will happen unless the provider itself says so.
CLOSED_PAYMENTS = frozenset({"captured", "failed", "canceled", "expired"})
#: Order states in which a buyer can still pay or the outcome is not settled.
UNSETTLED_ORDERS = frozenset({"open", "processing", "authorized"})

#: Order states with a payment that is kept, so with `paid_at`.
PAID_STATUSES = frozenset({"paid", "partially_refunded", "refunded"})


class OrderTerms(msgspec.Struct, frozen=True):
    """What was agreed when the order was made. It never changes."""

    order_id: str
    amount: int
    currency: str
    capture: CaptureMode = "automatic"


class Method(msgspec.Struct, frozen=True):
    """How the buyer paid. Never more of a card than brand and last four digits."""

    type: str
    brand: str | None
    last4: str | None


class Failure(msgspec.Struct, frozen=True):
    """Why the last try to pay failed: the provider's code and words."""

    code: str
    message: str


class PaymentState(msgspec.Struct, frozen=True):
    """One attempt to pay the order at one provider."""

    id: str
    provider: str
    status: PaymentStatus
    amount: int
    created_at: datetime | None
    provider_order_id: str | None = None
    provider_payment_id: str | None = None
    authorization_id: str | None = None
    capture_id: str | None = None
    provider_ids: tuple[str, ...] = ()
    checkout_url: str | None = None
    method: Method | None = None
    failure: Failure | None = None
    declines: int = 0
    amount_captured: int = 0
    amount_refunded: int = 0
    amount_refundable: int = 0
    paid_in_full: bool = False
    duplicate_of: str | None = None  # the payment that paid the order already
    creation_in_doubt: bool = False
    captured_at: datetime | None = None


class RefundState(msgspec.Struct, frozen=True):
    """One refund. `imported`: it was made at the provider, not through us."""

    id: str
    payment_id: str
    provider_refund_id: str | None
    amount: int
    currency: str
    status: RefundStatus
    reason: str
    created_at: datetime
    failure: Failure | None = None
    imported: bool = False
    metadata: dict[str, str] = {}


class DisputeState(msgspec.Struct, frozen=True):
    """A dispute, or a reversal (`kind`), with the amount in question."""

    id: str
    payment_id: str
    provider_dispute_id: str
    kind: Literal["dispute", "reversal"]
    status: DisputeStatus
    amount: int
    currency: str
    reason: str
    due_by: datetime | None
    opened_at: datetime


class Attention(msgspec.Struct, frozen=True):
    """Something that a person has to look at. `detail` says what it is and what to do."""

    kind: AttentionKind
    detail: str
    payment_id: str | None = None
    subject: str = ""


class OrderState(msgspec.Struct, frozen=True):
    """The projection of an order's facts."""

    status: OrderStatus
    payments: tuple[PaymentState, ...] = ()
    refunds: tuple[RefundState, ...] = ()
    disputes: tuple[DisputeState, ...] = ()
    attention: tuple[Attention, ...] = ()
    amount_captured: int = 0
    amount_refunded: int = 0
    amount_refundable: int = 0
    amount_disputed: int = 0
    fee: int | None = None
    net: int | None = None
    paid_at: datetime | None = None

    def payment(self, payment_id: str) -> PaymentState:
        """The payment with this id; KeyError where there is none."""
        for payment in self.payments:
            if payment.id == payment_id:
                return payment
        raise KeyError(payment_id)

    def refund(self, refund_id: str) -> RefundState:
        """The refund with this id; KeyError where there is none."""
        for refund in self.refunds:
            if refund.id == refund_id:
                return refund
        raise KeyError(refund_id)

    @property
    def current(self) -> PaymentState | None:
        """The latest attempt."""
        return self.payments[-1] if self.payments else None


def order_columns(state: OrderState) -> dict[str, Any]:
    """The single values of a state: what the row of an order is found, shown and summed by.

    What concerns a payment (provider, its ids, how was paid) is the latest attempt's. Pure.
    """
    current = state.current
    method = current.method if current else None
    return {
        "status": state.status,
        "provider": current.provider if current else "",
        "amount_captured": state.amount_captured,
        "amount_refunded": state.amount_refunded,
        "amount_refundable": state.amount_refundable,
        "amount_disputed": state.amount_disputed,
        "fee": state.fee,
        "net": state.net,
        "provider_order_id": current.provider_order_id if current else None,
        "provider_payment_id": current.provider_payment_id if current else None,
        "method": method.type if method else None,
        "brand": method.brand if method else None,
        "last4": method.last4 if method else None,
        "attention": bool(state.attention),
        "paid_at": state.paid_at,
    }
