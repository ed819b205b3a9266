"""/v1/events: everything that webhooks tell, to be read instead or as well."""

import re
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, Parameter

from api import paging
from api.paging import Limit, only_filters
from api.security import Caller, authenticated, needs
from api.wiring import Services
from gateway.endpoints import EventData, EventType
from gateway.errors import InvalidRequest
from storage.feed import StoredEvent

_PLACE = re.compile(r"pos_([0-9a-f]{32})")
FeedCursor = Annotated[
    str | None,
    Parameter(description="`next_cursor` of the page before; without it, from the beginning"),
]


class EventResource(msgspec.Struct, frozen=True):
    """An event: `type`, `timestamp`, `sequence` and `data` are what is delivered to webhooks.

    `sequence` counts 1, 2, 3 … within `order`. `data` is the order as it was then; for
    `endpoint.*`, which are about no order, the endpoint.
    """

    object: Literal["event"]
    id: str
    livemode: bool
    type: EventType
    order: str | None
    timestamp: datetime
    sequence: int
    data: EventData


class EventPage(msgspec.Struct, frozen=True):
    """Events, oldest first. `next_cursor` is there on the last page too: ask again with it."""

    data: list[EventResource]
    next_cursor: str


def _resource(event: StoredEvent) -> EventResource:
    return EventResource(
        object="event",
        id=event.id,
        livemode=event.livemode,
        type=event.type,  # type: ignore[arg-type]
        order=event.order_id or None,
        timestamp=event.created_at,
        sequence=event.sequence,
        data=msgspec.Raw(event.data),
    )


def _place(cursor: str | None) -> int:
    """The place in a cursor. Raises InvalidRequest for one that we did not make."""
    text = paging.decode(cursor)
    if text is None:
        return 0
    match = _PLACE.fullmatch(text)
    if match is None or (place := int(match[1], 16)) >= 1 << 63:
        raise InvalidRequest("use next_cursor of the page before, as it is", path="cursor")
    return place


@get(
    "/",
    guards=[only_filters("type", "order", several=("type",))],
    summary="Follow the events",
    operation_id="listEvents",
)
async def list_events(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    limit: Limit = 50,
    cursor: FeedCursor = None,
    type: FromQuery[list[EventType] | None] = None,
    order: FromQuery[str | None] = None,
) -> EventPage:
    """Events, oldest first, each exactly once and none left out for whoever follows the cursor.

    An empty page means that there is nothing new: ask again later with its `next_cursor`.
    """
    events, place = await services.feed.page(
        caller.merchant_id,
        caller.livemode,
        _place(cursor),
        limit,
        types=type or (),
        order_id=order,
    )
    next_cursor = paging.encode(f"pos_{place:032x}")
    assert next_cursor is not None  # only that of None is
    return EventPage([_resource(event) for event in events], next_cursor)


@get("/{event_id:str}", summary="Read an event", operation_id="readEvent")
async def read(
    event_id: FromPath[str], services: NamedDependency[Services], caller: NamedDependency[Caller]
) -> EventResource:
    """One event."""
    event = await services.feed.event(caller.merchant_id, caller.livemode, event_id)
    return _resource(event)


router = Router(
    "/v1/events",
    guards=[authenticated, needs("orders:read")],
    tags=["Events"],
    route_handlers=[list_events, read],
)
