"""A merchant's webhook endpoints and the events they are told: vocabulary and shapes."""

from datetime import datetime
from typing import Annotated, Literal, get_args

import msgspec

from gateway.deliveries import Circuit, DeliveryStatus, EndpointStatus

EventType = Literal[
    "order.created",
    "order.processing",
    "order.authorized",
    "order.paid",
    "order.canceled",
    "order.expired",
    "order.attention",
    "payment.failed",
    "refund.created",
    "refund.succeeded",
    "refund.failed",
    "dispute.opened",
    "dispute.closed",
    "endpoint.disabled",
    "endpoint.test",
]
EVENT_TYPES: tuple[str, ...] = get_args(EventType)
#: What an endpoint may ask for: types by name, or all of them.
Wanted = Literal["*"] | EventType

_SCHEMAS = "#/components/schemas/"
#: JSON already, as it was when the event happened.
EventData = Annotated[
    msgspec.Raw,
    msgspec.Meta(
        extra_json_schema={
            "anyOf": [
                {"$ref": f"{_SCHEMAS}{name}"} for name in ("OrderResource", "EndpointResource")
            ]
        }
    ),
]


class EndpointResource(msgspec.Struct, frozen=True):
    """A webhook endpoint as the API shows it. Its secret is shown once, when it is made.

    `disabled_reason` is null while it is enabled. `failing_since`: the first failure after the last
    success. `circuit`: open while nothing is sent, half_open when one delivery may try.
    """

    object: Literal["webhook_endpoint"]
    id: str
    livemode: bool
    url: str
    events: list[Wanted]
    description: str
    status: EndpointStatus
    disabled_reason: str | None
    circuit: Circuit
    failing_since: datetime | None
    created_at: datetime
    updated_at: datetime


class DeliveryResource(msgspec.Struct, frozen=True):
    """One event on its way to one endpoint.

    `tries` counts those since it was made or last resent; `response_status` and `error` are the
    latest one's. `next_try_at`: when the next one is due, and the endpoint's circuit not open; null
    while a try is under way, and once nothing more will come.
    """

    object: Literal["delivery"]
    id: str
    livemode: bool
    endpoint: str
    event: str
    event_type: EventType
    order: str | None
    sequence: int
    status: DeliveryStatus
    tries: int
    response_status: int | None
    error: str | None
    next_try_at: datetime | None
    created_at: datetime
    delivered_at: datetime | None


class SentRequest(msgspec.Struct, frozen=True):
    """What was sent; the signature is left out."""

    url: str
    headers: dict[str, str]
    body: str


class Attempt(msgspec.Struct, frozen=True):
    """One try. `response_body` is cut at 4 KiB; `response_status` is null without an answer."""

    number: int
    at: datetime
    request: SentRequest
    response_status: int | None
    response_body: str
    error: str | None
    milliseconds: int


class DeliveryDetail(DeliveryResource, frozen=True):
    """A delivery with its tries, oldest first."""

    attempts: list[Attempt]


class DeliveredEvent(msgspec.Struct, frozen=True):
    """What is delivered. `sequence` counts 1, 2, 3 … within the order; 0 is about no order.

    `data` is the order as the API shows it, as of the event; for `endpoint.*`, the endpoint.
    """

    type: EventType
    timestamp: datetime
    sequence: int
    data: EventData


def event_body(kind: str, at: datetime, sequence: int, data: bytes) -> bytes:
    """The body of a delivery: the same bytes at every try."""
    return msgspec.json.encode(DeliveredEvent(kind, at, sequence, msgspec.Raw(data)))  # type: ignore[arg-type]


def wants(events: str, kind: str) -> bool:
    """Whether a stored filter (`*`, or types separated by spaces) lets this type through."""
    return events == "*" or kind in events.split()
