"""/v1/deliveries: what was sent to whom, and what they answered."""

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from api.paging import Cursor, Limit, Page, decode, encode, only_filters
from api.security import Caller, authenticated, needs
from api.wiring import Services
from gateway.deliveries import DeliveryStatus
from gateway.endpoints import EVENT_TYPES, DeliveryDetail, DeliveryResource
from gateway.errors import InvalidRequest


@get(
    "/",
    guards=[only_filters("endpoint", "status", "event")],
    summary="List deliveries",
    operation_id="listDeliveries",
)
async def list_deliveries(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    limit: Limit = 50,
    cursor: Cursor = None,
    endpoint: FromQuery[str | None] = None,
    status: FromQuery[DeliveryStatus | None] = None,
    event: FromQuery[str | None] = None,
) -> Page[DeliveryResource]:
    """Deliveries, newest first. `event` is an event's id, or a type such as `order.paid`."""
    if event is not None and not event.startswith("evt_") and event not in EVENT_TYPES:
        raise InvalidRequest("this is neither an event's id nor a type of event", path="event")
    deliveries, last = await services.delivery_log.page(
        caller.merchant_id,
        caller.livemode,
        decode(cursor),
        limit,
        endpoint_id=endpoint,
        status=status,
        event=event,
    )
    return Page(deliveries, encode(last))


@get("/{delivery_id:str}", summary="Read a delivery", operation_id="readDelivery")
async def read(
    delivery_id: FromPath[str], services: NamedDependency[Services], caller: NamedDependency[Caller]
) -> DeliveryDetail:
    """One delivery with every try: what was sent, what was answered, how long it took."""
    return await services.delivery_log.get(caller.merchant_id, caller.livemode, delivery_id)


@post(
    "/{delivery_id:str}/resend",
    status_code=200,
    summary="Send it again",
    operation_id="resendDelivery",
)
async def resend(
    delivery_id: FromPath[str], services: NamedDependency[Services], caller: NamedDependency[Caller]
) -> DeliveryDetail:
    """Send it again, delivered before or not, under the same `webhook-id`.

    At once; while nothing is sent to its endpoint, not before `next_try_at`.
    """
    delivery = await services.delivery_log.resend(caller.merchant_id, caller.livemode, delivery_id)
    services.outgoing.set()
    return delivery


router = Router(
    "/v1/deliveries",
    guards=[authenticated, needs("webhooks:write")],
    tags=["Webhooks out"],
    route_handlers=[list_deliveries, read, resend],
)
