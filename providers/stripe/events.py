"""Stripe's events as ours: what each type proves by itself, and when the truth must be read.

An event carries no fee and no card with the fact of payment, and its object is a picture of a
moment that may be over: wherever that matters, `confirm` asks for a read.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from gateway.errors import WebhookInvalid
from gateway.facts import Failed, ProviderFact
from gateway.provider import ProviderEvent
from providers.stripe.mapping import (
    charge_facts,
    dispute_facts,
    intent_facts,
    refund_facts,
    refunded_charge,
    session_facts,
)
from providers.stripe.resources import (
    Charge,
    Dispute,
    Event,
    Metadata,
    PaymentIntent,
    Refund,
    Session,
)

T = TypeVar("T")


def decode(body: bytes, kind: type[T]) -> T:
    """JSON of a delivery. Raises WebhookInvalid for whatever is not a `kind`."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise WebhookInvalid(f"the body is no Stripe {kind.__name__.lower()}") from None


def translate(event: Event) -> ProviderEvent:
    """The event in our terms. Raises WebhookInvalid when its object is not what its type says."""
    at = datetime.fromtimestamp(event.created, UTC)
    reader = _READERS.get(event.type)
    if reader is None:
        return _ignored(event, at, f"events of type {event.type} tell nothing that others do not")
    return reader(event, at)


def _session(event: Event, at: datetime) -> ProviderEvent:
    session = decode(event.data.object, Session)
    if session.mode != "payment":
        return _ignored(event, at, f"a session in mode {session.mode[:20]} is none of ours")
    # Sessions of old API versions have no status; the type of the event tells it.
    expired = event.type == "checkout.session.expired"
    session = msgspec.structs.replace(session, status="expired" if expired else "complete")
    intent = session.payment_intent
    intent_id = intent.id if isinstance(intent, PaymentIntent) else intent
    facts = list(session_facts(session, at))
    if event.type == "checkout.session.async_payment_failed":
        facts.append(Failed(object_id=intent_id or session.id, code="async_payment_failed", at=at))
    return _event(
        event,
        at,
        facts,
        session.metadata,
        (session.id, intent_id),
        payment_id=session.client_reference_id,
        confirm=not expired,
    )


def _intent(event: Event, at: datetime) -> ProviderEvent:
    intent = decode(event.data.object, PaymentIntent)
    charge = intent.latest_charge
    charge_id = charge.id if isinstance(charge, Charge) else charge
    facts = intent_facts(intent, at)
    confirm = intent.status in ("succeeded", "requires_capture")
    return _event(event, at, facts, intent.metadata, (intent.id, charge_id), confirm=confirm)


def _charge(event: Event, at: datetime) -> ProviderEvent:
    charge = decode(event.data.object, Charge)
    facts = list(charge_facts(charge, at))
    for refund in charge.refunds.data if charge.refunds else ():
        facts += refund_facts(refund, at)
    ids = (charge.payment_intent, charge.id)
    return _event(event, at, facts, charge.metadata, ids, confirm=True)


def _refund(event: Event, at: datetime) -> ProviderEvent:
    refund = decode(event.data.object, Refund)
    ids = (refund.payment_intent, refunded_charge(refund), refund.id)
    return _event(event, at, refund_facts(refund, at), refund.metadata, ids, confirm=True)


def _dispute(event: Event, at: datetime) -> ProviderEvent:
    dispute = decode(event.data.object, Dispute)
    ids = (dispute.payment_intent, dispute.charge, dispute.id)
    return _event(event, at, dispute_facts(dispute, at), dispute.metadata, ids, confirm=False)


def _ignored(event: Event, at: datetime, why: str) -> ProviderEvent:
    return ProviderEvent(id=event.id, type=event.type, at=at, ignored=why)


def _event(
    event: Event,
    at: datetime,
    facts: Iterable[ProviderFact],
    metadata: Metadata | None,
    ids: tuple[str | None, ...],
    *,
    confirm: bool,
    payment_id: str | None = None,
) -> ProviderEvent:
    return ProviderEvent(
        id=event.id,
        type=event.type,
        at=at,
        payment_id=(metadata or {}).get("payment_id") or payment_id or None,
        provider_ids=tuple(id for id in ids if id),
        facts=tuple(facts),
        confirm=confirm,
    )


def unread(enabled: Iterable[str]) -> tuple[str, ...]:
    """The types of event that mean something to us and are not among the `enabled`."""
    types = set(enabled)
    return () if "*" in types else tuple(sorted(_READERS.keys() - types))


_READERS: Mapping[str, Callable[[Event, datetime], ProviderEvent]] = {
    "checkout.session.completed": _session,
    "checkout.session.async_payment_succeeded": _session,
    "checkout.session.async_payment_failed": _session,
    "checkout.session.expired": _session,
    "payment_intent.succeeded": _intent,
    "payment_intent.processing": _intent,
    "payment_intent.payment_failed": _intent,
    "payment_intent.amount_capturable_updated": _intent,
    "payment_intent.canceled": _intent,
    "charge.succeeded": _charge,
    "charge.captured": _charge,
    "charge.updated": _charge,  # it has been booked: its fee is known now
    "charge.refunded": _charge,
    "charge.refund.updated": _refund,
    "refund.created": _refund,
    "refund.updated": _refund,
    "refund.failed": _refund,
    "charge.dispute.created": _dispute,
    "charge.dispute.updated": _dispute,
    "charge.dispute.closed": _dispute,
    "charge.dispute.funds_withdrawn": _dispute,
    "charge.dispute.funds_reinstated": _dispute,
}
