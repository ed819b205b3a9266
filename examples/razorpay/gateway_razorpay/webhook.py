"""Razorpay's webhooks: HMAC-SHA256 of the raw body, in hexadecimal, and nothing but the body.

The id of the event comes in a header that is not signed. So an event is named by the digest of its
body, which is what the signature proves. The signature holds no time either, but the body does.
"""

import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec

from gateway import facts
from gateway.errors import WebhookInvalid
from gateway.provider import ProviderEvent
from gateway_razorpay import mapping
from gateway_razorpay.mapping import Entity, Link, Payment, Refund, time

#: Razorpay tries for a day, and replays from its Dashboard what is up to seven days old.
OLDEST, NEWEST = timedelta(days=8), timedelta(minutes=5)

#: Events after which the core is to ask: to capture, or for the card.
ASK = {"payment.authorized", "payment.captured", "payment_link.paid"}
#: Those that tell all by themselves. `order.paid` tells of no more than `payment.captured`.
TELL = {"payment.failed", "payment_link.cancelled", "payment_link.expired"}
TELL |= {f"refund.{what}" for what in ("created", "processed", "failed", "speed_changed")}
_KINDS: dict[str, type[Entity]] = {"payment_link": Link, "payment": Payment, "refund": Refund}
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
    given = headers.get("x-razorpay-signature", "").encode(errors="replace")
    right = [hmac.new(secret.encode(), body, hashlib.sha256).hexdigest() for secret in secrets]
    if not any(hmac.compare_digest(given, one.encode()) for one in right):
        raise WebhookInvalid("X-Razorpay-Signature is missing, or not Razorpay's")
    sent = _decoded(body, _Event).created_at
    if sent is not None and not now - OLDEST <= time(sent) <= now + NEWEST:
        raise WebhookInvalid("the event is too old, or ahead of time")
    return read_event(body)


def read_event(body: bytes) -> ProviderEvent:
    """Translate a body that has been verified. Raises WebhookInvalid for what is no event."""
    event = _decoded(body, _Event)
    id, type = f"body_{hashlib.sha256(body).hexdigest()[:40]}", event.event
    if type not in ASK | TELL:
        why = f"events of type {type[:50]} tell nothing that others do not"
        return ProviderEvent(id, type, time(event.created_at or 0), ignored=why)
    told = _decoded(event.payload, dict[str, _Wrapped])
    entities = [_decoded(told[name].entity, kind) for name, kind in _KINDS.items() if name in told]
    return ProviderEvent(
        id,
        type,
        at=time(event.created_at or max((each.created_at for each in entities), default=0)),
        payment_id=next(filter(None, (each.note(mapping.PAYMENT_NOTE) for each in entities)), None),
        provider_ids=tuple(dict.fromkeys(id for each in entities for id in each.ids())),
        facts=tuple(_facts(entities)),
        confirm=type in ASK,
    )


def _facts(entities: Sequence[Entity]) -> Iterator[facts.ProviderFact]:
    """What the event is about. Beside a refund, its payment is only there for show."""
    match entities:
        case [*_, Payment(captured=False), Refund() as refund]:
            # Given back because nobody had captured it: no refund of ours.
            yield facts.Expired(object_id=refund.payment_id, at=time(refund.created_at))
        case [*_, Refund() as about]:
            yield from about.tells()
        case _:
            for fact in (fact for each in entities for fact in each.tells()):
                if not isinstance(fact, facts.Pending):  # the core asks, and captures
                    yield fact


def _decoded(body: bytes | msgspec.Raw, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise WebhookInvalid("the body is no event of Razorpay") from None
