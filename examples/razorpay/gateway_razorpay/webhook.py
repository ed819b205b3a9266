"""Razorpay's webhooks: HMAC-SHA256 of the raw body, in hexadecimal, and nothing but the body.

The id of the event comes in a header that is not signed: whoever has seen one delivery could send
it again under any id. So an event is named by the digest of its body, which is what the signature
proves; a repeated delivery has the same one. The signature holds no time either, but the body does.
"""

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec

from gateway import facts
from gateway.errors import WebhookInvalid
from gateway.provider import ProviderEvent
from gateway_razorpay import mapping
from gateway_razorpay.mapping import Dispute, Entity, Link, Payment, Refund, time

#: Razorpay tries for a day, and replays from its Dashboard what is up to seven days old.
OLDEST, NEWEST = timedelta(days=8), timedelta(minutes=5)

#: Events after which the core is to ask: to capture, or for the card.
ASK = frozenset({"payment.authorized", "payment.captured", "payment_link.paid"})
#: Those that tell all by themselves. `payment_link.partially_paid` cannot happen to our links, and
#: `order.paid` tells of no more than `payment.captured`.
TELL = frozenset(
    {"payment.failed", "payment_link.cancelled", "payment_link.expired"}
    | {f"refund.{what}" for what in ("created", "processed", "failed", "speed_changed")}
    | {f"payment.dispute.{what}" for what in ("created", "action_required", "under_review")}
    | {f"payment.dispute.{what}" for what in ("won", "lost", "closed")}
)
_KINDS: dict[str, type[Entity]]
_KINDS = {"payment_link": Link, "payment": Payment, "refund": Refund, "dispute": Dispute}
_SIGNATURE = re.compile(r"[0-9a-f]{64}")
T = TypeVar("T")


class _Event(msgspec.Struct):
    """`created_at` is missing in some of the documented samples."""

    event: str
    payload: msgspec.Raw = msgspec.Raw(b"{}")
    created_at: mapping.Seconds | None = None


class _Wrapped(msgspec.Struct):
    entity: msgspec.Raw


def verify(
    headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime
) -> ProviderEvent:
    """The event, if one of `secrets` signed `body` and it is fresh. Raises WebhookInvalid."""
    signature = headers.get("x-razorpay-signature", "")
    if not _SIGNATURE.fullmatch(signature):
        raise WebhookInvalid("the X-Razorpay-Signature header is missing or malformed")
    expected = [hmac.new(secret.encode(), body, hashlib.sha256).hexdigest() for secret in secrets]
    if not any(hmac.compare_digest(signature, one) for one in expected):
        raise WebhookInvalid("the signature is not Razorpay's")
    event = _decoded(body, _Event)
    if event.created_at is not None and not now - OLDEST <= time(event.created_at) <= now + NEWEST:
        raise WebhookInvalid("the event is too old, or ahead of time")
    return read_event(body)


def read_event(body: bytes) -> ProviderEvent:
    """Translate a body that has been verified. Raises WebhookInvalid for what is no event."""
    event = _decoded(body, _Event)
    event_id = f"body_{hashlib.sha256(body).hexdigest()[:40]}"
    if event.event not in ASK | TELL:
        why = f"events of type {event.event[:50]} tell nothing that others do not"
        at = time(event.created_at or 0)
        return ProviderEvent(id=event_id, type=event.event, at=at, ignored=why)
    wrapped = _decoded(event.payload, dict[str, _Wrapped])
    entities: list[Entity] = [
        _decoded(wrapped[name].entity, kind) for name, kind in _KINDS.items() if name in wrapped
    ]
    return ProviderEvent(
        id=event_id,
        type=event.event,
        at=time(event.created_at or max((one.created_at for one in entities), default=0)),
        payment_id=next(filter(None, (one.note(mapping.PAYMENT_NOTE) for one in entities)), None),
        provider_ids=tuple(dict.fromkeys(id for one in entities for id in _ids(one))),
        facts=tuple(_facts(entities)),
        confirm=event.event in ASK,
    )


def _decoded(body: bytes | msgspec.Raw, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise WebhookInvalid("the body is no event of Razorpay") from None


def _ids(entity: Entity) -> Iterator[str]:
    yield entity.id
    match entity:
        case Payment():
            yield from filter(None, (entity.order_id, entity.link_id))
        case Refund() | Dispute():
            yield entity.payment_id


def _facts(entities: Sequence[Entity]) -> Iterator[facts.ProviderFact]:
    """What the event is about. Beside a refund or a dispute, its payment is only there for show."""
    payments = [entity for entity in entities if isinstance(entity, Payment)]
    for entity in entities:
        match entity:
            case Link():
                yield from mapping.link_facts(entity)
            case Payment() if not isinstance(entities[-1], Refund | Dispute):
                for fact in mapping.payment_facts(entity):
                    if not isinstance(fact, facts.Pending):  # the core asks, and captures
                        yield fact
            case Refund() if payments and payments[0].captured is False:
                # Given back because nobody had captured it: no refund of ours.
                yield facts.Expired(object_id=entity.payment_id, at=time(entity.created_at))
            case Refund():
                yield from mapping.refund_facts(entity)
            case Dispute():
                yield from mapping.dispute_facts(entity)
