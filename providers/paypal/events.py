"""Webhook bodies as events. Pure: reading one calls nobody.

An event gives the same facts as reading the object it carries, and only those that it proves.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from gateway.errors import WebhookInvalid
from gateway.facts import BuyerApproved, ProviderFact, Unrecognized
from gateway.provider import ProviderEvent
from providers.paypal.mapping import (
    authorization_facts,
    capture_facts,
    dispute_facts,
    linked_id,
    moment,
    own_payment_id,
    paid_with,
    payment_facts,
    refund_facts,
    reversal_facts,
)
from providers.paypal.resources import Dispute, Event, Order, ReversedApproval, Transaction

T = TypeVar("T")
Reader = Callable[[Event, datetime], ProviderEvent]


def read_event(body: bytes) -> ProviderEvent:
    """Translate a webhook's body. Raises WebhookInvalid when it is not one of PayPal's.

    A known type whose resource cannot be read is genuine all the same: it becomes an
    `Unrecognized` fact, and asks for the truth.
    """
    try:
        event = msgspec.json.decode(body, type=Event)
    except (msgspec.DecodeError, RecursionError, ValueError):
        raise WebhookInvalid("the body is not a PayPal event") from None
    at = moment(event.create_time)
    if at is None or not event.id or not event.event_type:
        raise WebhookInvalid("the body is not a PayPal event")
    reader = READERS.get(event.event_type)
    if reader is None:
        return _event(event, at, ignored=f"events of type {event.event_type[:80]} are not used")
    try:
        return reader(event, at)
    except msgspec.ValidationError:
        unreadable = Unrecognized(object_id=event.id, state=f"{event.event_type} unreadable", at=at)
        ids = _strings(event.resource.get("id"))
        custom = _strings(event.resource.get("custom_id"))
        return _event(
            event, at, payment_id=own_payment_id(*custom), ids=ids, facts=[unreadable], confirm=True
        )


def _approved(event: Event, at: datetime) -> ProviderEvent:
    """The buyer agreed; the core has to capture."""
    order = _resource(event, Order)
    return _event(
        event,
        at,
        payment_id=_unit_payment_id(order),
        ids=[order.id],
        facts=[
            BuyerApproved(
                provider_order_id=order.id, at=moment(order.update_time, order.create_time) or at
            ),
            *paid_with(order),
        ],
        confirm=True,
    )


def _completed(event: Event, at: datetime) -> ProviderEvent:
    """Only the captures inside count; they may be missing, so the truth is asked for."""
    order = _resource(event, Order)
    facts = payment_facts(order, at)
    return _event(
        event, at, payment_id=_unit_payment_id(order), ids=[order.id], facts=facts, confirm=True
    )


def _approval_reversed(event: Event, at: datetime) -> ProviderEvent:
    """The approval was withdrawn before we captured. What the order is now, only PayPal knows."""
    approval = _resource(event, ReversedApproval)
    return _event(
        event,
        at,
        payment_id=_unit_payment_id(approval),
        ids=_strings(approval.order_id, approval.id),
        confirm=True,
    )


def _authorization(event: Event, at: datetime) -> ProviderEvent:
    held = _resource(event, Transaction)
    return _event(
        event,
        at,
        payment_id=own_payment_id(held.custom_id, held.invoice_id),
        ids=_transaction_ids(held),
        facts=authorization_facts(held, at),
    )


def _capture(event: Event, at: datetime) -> ProviderEvent:
    """A capture; the truth is asked for when a cleared one comes without its fee."""
    capture = _resource(event, Transaction)
    cleared = event.event_type == "PAYMENT.CAPTURE.COMPLETED"
    return _event(
        event,
        at,
        payment_id=own_payment_id(capture.custom_id, capture.invoice_id),
        ids=_transaction_ids(capture),
        facts=capture_facts(capture, at),
        confirm=cleared and capture.seller_receivable_breakdown is None,
    )


def _refund(event: Event, at: datetime) -> ProviderEvent:
    """REFUNDED too carries the refund, not the capture."""
    refund = _resource(event, Transaction)
    return _event(
        event,
        at,
        payment_id=own_payment_id(refund.custom_id, refund.invoice_id),
        ids=_transaction_ids(refund),
        facts=refund_facts(refund, at),
    )


def _reversal(event: Event, at: datetime) -> ProviderEvent:
    """REVERSED carries a refund that nobody asked for."""
    reversal = _resource(event, Transaction)
    return _event(
        event,
        at,
        payment_id=own_payment_id(reversal.custom_id, reversal.invoice_id),
        ids=_transaction_ids(reversal),
        facts=reversal_facts(reversal, at),
    )


def _dispute(event: Event, at: datetime) -> ProviderEvent:
    dispute = _resource(event, Dispute)
    transactions = dispute.disputed_transactions
    captures = _strings(*(t.seller_transaction_id for t in transactions))
    return _event(
        event,
        at,
        payment_id=own_payment_id(*(t.custom for t in transactions)),
        ids=[*captures, dispute.dispute_id],
        facts=dispute_facts(dispute, at),
    )


READERS: dict[str, Reader] = {
    "CHECKOUT.ORDER.APPROVED": _approved,
    "CHECKOUT.ORDER.COMPLETED": _completed,
    "CHECKOUT.PAYMENT-APPROVAL.REVERSED": _approval_reversed,
    "PAYMENT.AUTHORIZATION.CREATED": _authorization,
    "PAYMENT.AUTHORIZATION.VOIDED": _authorization,
    "PAYMENT.CAPTURE.COMPLETED": _capture,
    "PAYMENT.CAPTURE.PENDING": _capture,
    "PAYMENT.CAPTURE.DENIED": _capture,
    "PAYMENT.CAPTURE.DECLINED": _capture,
    "PAYMENT.CAPTURE.REFUNDED": _refund,
    "PAYMENT.CAPTURE.REVERSED": _reversal,
    "PAYMENT.REFUND.PENDING": _refund,
    "PAYMENT.REFUND.FAILED": _refund,
    "CUSTOMER.DISPUTE.CREATED": _dispute,
    "CUSTOMER.DISPUTE.UPDATED": _dispute,
    "CUSTOMER.DISPUTE.RESOLVED": _dispute,
}


def _event(
    event: Event,
    at: datetime,
    *,
    payment_id: str | None = None,
    ids: list[str] | None = None,
    facts: list[ProviderFact] | None = None,
    confirm: bool = False,
    ignored: str | None = None,
) -> ProviderEvent:
    return ProviderEvent(
        id=event.id,
        type=event.event_type,
        at=at,
        payment_id=payment_id,
        provider_ids=tuple(dict.fromkeys(ids or ())),
        facts=tuple(facts or ()),
        confirm=confirm,
        ignored=ignored,
    )


def _resource(event: Event, shape: type[T]) -> T:
    return msgspec.convert(event.resource, shape)


def _unit_payment_id(order: Order | ReversedApproval) -> str | None:
    return own_payment_id(*(unit.custom_id for unit in order.purchase_units))


def _transaction_ids(transaction: Transaction) -> list[str]:
    """Its own id and those of the objects it hangs on."""
    related = transaction.supplementary_data.related_ids
    return _strings(
        transaction.id,
        linked_id(transaction, "captures"),
        linked_id(transaction, "authorizations"),
        linked_id(transaction, "orders"),
        related.capture_id,
        related.authorization_id,
        related.order_id,
    )


def _strings(*values: Any) -> list[str]:
    return [value for value in values if isinstance(value, str) and value]
