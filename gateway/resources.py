"""Orders and refunds as everybody sees them: the API, the merchant's events, exports.

One shape for all providers. Response structs carry no defaults, so that every field is required in
the OpenAPI document.
"""

from datetime import datetime
from typing import Literal

import msgspec

from gateway.facts import DisputeStatus, RefundStatus
from gateway.order import (
    DisputeState,
    Failure,
    Method,
    OrderState,
    OrderStatus,
    PaymentState,
    PaymentStatus,
    RefundState,
)
from gateway.records import OrderRecord


class ItemResource(msgspec.Struct, frozen=True):
    """One line of an order; `amount` = `unit_amount` x `quantity`, in minor units."""

    product: str | None
    name: str
    unit_amount: int
    quantity: int
    amount: int


class PaymentResource(msgspec.Struct, frozen=True):
    """One attempt to pay, at one provider."""

    object: Literal["payment"]
    id: str
    provider: str
    status: PaymentStatus
    amount: int
    amount_captured: int
    amount_refunded: int
    provider_order_id: str | None
    provider_payment_id: str | None
    method: Method | None
    failure: Failure | None
    created_at: datetime | None


class RefundResource(msgspec.Struct, frozen=True):
    """One refund. `imported`: it was made in the provider's dashboard, not through this API."""

    object: Literal["refund"]
    id: str
    order: str
    payment: str
    provider: str
    provider_refund_id: str | None
    status: RefundStatus
    amount: int
    currency: str
    reason: str | None
    failure: Failure | None
    imported: bool
    metadata: dict[str, str]
    created_at: datetime


class DisputeResource(msgspec.Struct, frozen=True):
    """A dispute, or money that the provider took back by itself (`kind` reversal)."""

    object: Literal["dispute"]
    id: str
    payment: str
    provider_dispute_id: str
    kind: Literal["dispute", "reversal"]
    status: DisputeStatus
    amount: int
    currency: str
    reason: str | None
    due_by: datetime | None
    opened_at: datetime


class AttentionResource(msgspec.Struct, frozen=True):
    """Why a person should look at this order, and what to do."""

    kind: str
    detail: str
    payment: str | None
    subject: str | None


class OrderResource(msgspec.Struct, frozen=True):
    """The one order record. Amounts are minor units of `currency`.

    `amount_refundable` is what is captured and neither refunded nor being refunded. `fee` is what
    the providers kept and `net` what is left of the captured money; null until they are known.
    `checkout_url` is where the buyer pays, null when there is nothing to pay. `attention` lists
    what a person should look at.
    """

    object: Literal["order"]
    id: str
    livemode: bool
    reference: str | None
    status: OrderStatus
    provider: str
    currency: str
    amount: int
    amount_captured: int
    amount_refunded: int
    amount_refundable: int
    amount_disputed: int
    fee: int | None
    net: int | None
    items: tuple[ItemResource, ...]
    checkout_url: str | None
    client_token: str
    payments: tuple[PaymentResource, ...]
    refunds: tuple[RefundResource, ...]
    disputes: tuple[DisputeResource, ...]
    attention: tuple[AttentionResource, ...]
    customer_email: str | None
    metadata: dict[str, str]
    success_url: str
    cancel_url: str
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    paid_at: datetime | None


def order_resource(
    order: OrderRecord, state: OrderState, *, client_token: str, updated_at: datetime
) -> OrderResource:
    """Put an order's terms and its state together."""
    current = state.current
    settled = state.status not in ("open", "processing")
    return OrderResource(
        object="order",
        id=order.id,
        livemode=order.livemode,
        reference=order.reference,
        status=state.status,
        provider=current.provider if current else "",
        currency=order.currency,
        amount=order.amount,
        amount_captured=state.amount_captured,
        amount_refunded=state.amount_refunded,
        amount_refundable=state.amount_refundable,
        amount_disputed=state.amount_disputed,
        fee=state.fee,
        net=state.net,
        items=tuple(
            ItemResource(i.product, i.name, i.unit_amount, i.quantity, i.unit_amount * i.quantity)
            for i in order.items
        ),
        checkout_url=None if settled or current is None else current.checkout_url,
        client_token=client_token,
        payments=tuple(_payment(payment) for payment in state.payments),
        refunds=tuple(refund_resource(order, state, refund) for refund in state.refunds),
        disputes=tuple(_dispute(dispute) for dispute in state.disputes),
        attention=tuple(
            AttentionResource(a.kind, a.detail, a.payment_id, a.subject or None)
            for a in state.attention
        ),
        customer_email=order.customer_email,
        metadata=order.metadata,
        success_url=order.success_url,
        cancel_url=order.cancel_url,
        created_at=order.created_at,
        updated_at=updated_at,
        expires_at=order.expires_at,
        paid_at=state.paid_at,
    )


def _payment(payment: PaymentState) -> PaymentResource:
    return PaymentResource(
        object="payment",
        id=payment.id,
        provider=payment.provider,
        status=payment.status,
        amount=payment.amount,
        amount_captured=payment.amount_captured,
        amount_refunded=payment.amount_refunded,
        provider_order_id=payment.provider_order_id,
        provider_payment_id=payment.provider_payment_id,
        method=payment.method,
        failure=payment.failure,
        created_at=payment.created_at,
    )


def refund_resource(order: OrderRecord, state: OrderState, refund: RefundState) -> RefundResource:
    """A refund with the names of what it belongs to."""
    return RefundResource(
        object="refund",
        id=refund.id,
        order=order.id,
        payment=refund.payment_id,
        provider=state.payment(refund.payment_id).provider,
        provider_refund_id=refund.provider_refund_id,
        status=refund.status,
        amount=refund.amount,
        currency=refund.currency,
        reason=refund.reason or None,
        failure=refund.failure,
        imported=refund.imported,
        metadata=refund.metadata,
        created_at=refund.created_at,
    )


def _dispute(dispute: DisputeState) -> DisputeResource:
    return DisputeResource(
        object="dispute",
        id=dispute.id,
        payment=dispute.payment_id,
        provider_dispute_id=dispute.provider_dispute_id,
        kind=dispute.kind,
        status=dispute.status,
        amount=dispute.amount,
        currency=dispute.currency,
        reason=dispute.reason or None,
        due_by=dispute.due_by,
        opened_at=dispute.opened_at,
    )
