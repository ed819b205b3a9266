"""/v1/webhook_endpoints: where a merchant is told what happens."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from api.bodies import Body, StrictBody, in_utc
from api.outbound import UnsafeUrl, check_url
from api.paging import Cursor, Limit, Page, decode, encode, only_filters
from api.security import Caller, authenticated, needs
from api.wiring import Services
from gateway.deliveries import EndpointStatus
from gateway.endpoints import DeliveryDetail, EndpointResource, Wanted
from gateway.errors import InvalidRequest

WantedEvents = Annotated[
    list[Wanted], Meta(min_length=1, max_length=50, description='`["*"]`, or types by name')
]
EndpointUrl = Annotated[str, Meta(min_length=1, max_length=2000)]
Description = Annotated[str, Meta(max_length=500)]


class NewEndpoint(Body, frozen=True):
    """Where to send which events. `https://` in live mode; public addresses only."""

    url: EndpointUrl
    events: WantedEvents
    description: Description = ""


class EndpointChange(Body, frozen=True):
    """What is given is changed. Disabling cancels what waits; enabling starts afresh."""

    url: EndpointUrl | msgspec.UnsetType = msgspec.UNSET
    events: WantedEvents | msgspec.UnsetType = msgspec.UNSET
    description: Description | msgspec.UnsetType = msgspec.UNSET
    status: EndpointStatus | msgspec.UnsetType = msgspec.UNSET


class RecoverBody(Body, frozen=True):
    """From when on: a time with its zone, as in 2026-01-31T00:00:00Z."""

    since: Annotated[datetime, Meta(tz=True)]


class EndpointWithSecret(EndpointResource, frozen=True):
    """An endpoint and its signing secret, which is shown this once."""

    secret: str


class Recovery(msgspec.Struct, frozen=True):
    """How many events will be sent again."""

    endpoint: str
    since: datetime
    recovered: int


def _with_secret(endpoint: EndpointResource, secret: str) -> EndpointWithSecret:
    return EndpointWithSecret(**msgspec.structs.asdict(endpoint), secret=secret)


def _check(url: str, services: Services, caller: Caller) -> None:
    try:
        check_url(url, livemode=caller.livemode, loopback=services.outbound.loopback)
    except UnsafeUrl as error:
        raise InvalidRequest(f"this URL cannot be used: {error}", path="url") from None


@post(
    "/",
    dto=StrictBody[NewEndpoint],
    return_dto=None,
    summary="Add a webhook endpoint",
    operation_id="createWebhookEndpoint",
)
async def create(
    data: JSONBody[NewEndpoint],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
) -> EndpointWithSecret:
    """Send the events it names to `url` from now on. Keep `secret`: it is shown this once."""
    _check(data.url, services, caller)
    events = _filter(data.events)
    endpoint, secret = await services.endpoints.add(
        caller.merchant_id, caller.livemode, data.url, events, data.description
    )
    return _with_secret(endpoint, secret)


def _filter(events: list[Any]) -> list[str]:
    """Without repetitions; "*" stands for all."""
    return ["*"] if "*" in events else sorted(set(events))


@get(
    "/",
    guards=[only_filters()],
    summary="List webhook endpoints",
    operation_id="listWebhookEndpoints",
)
async def list_endpoints(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[EndpointResource]:
    """Endpoints, newest first, without their secrets."""
    endpoints, last = await services.endpoints.page(
        caller.merchant_id, caller.livemode, decode(cursor), limit
    )
    return Page(endpoints, encode(last))


@get("/{endpoint_id:str}", summary="Read a webhook endpoint", operation_id="readWebhookEndpoint")
async def read(
    endpoint_id: FromPath[str], services: NamedDependency[Services], caller: NamedDependency[Caller]
) -> EndpointResource:
    """One endpoint, without its secret."""
    return await services.endpoints.get(caller.merchant_id, caller.livemode, endpoint_id)


@patch(
    "/{endpoint_id:str}",
    dto=StrictBody[EndpointChange],
    return_dto=None,
    summary="Change a webhook endpoint",
    operation_id="changeWebhookEndpoint",
)
async def change(
    endpoint_id: FromPath[str],
    data: JSONBody[EndpointChange],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
) -> EndpointResource:
    """Change what is given. After enabling it again, `recover` sends what it has missed."""
    values = {
        name: value
        for name, value in msgspec.structs.asdict(data).items()
        if value is not msgspec.UNSET
    }
    if "url" in values:
        _check(values["url"], services, caller)
    if "events" in values:
        values["events"] = " ".join(_filter(values["events"]))
    return await services.endpoints.change(caller.merchant_id, caller.livemode, endpoint_id, values)


@delete(
    "/{endpoint_id:str}", summary="Delete a webhook endpoint", operation_id="deleteWebhookEndpoint"
)
async def remove(
    endpoint_id: FromPath[str], services: NamedDependency[Services], caller: NamedDependency[Caller]
) -> None:
    """Nothing is sent to it any more. Its deliveries stay readable."""
    await services.endpoints.delete(caller.merchant_id, caller.livemode, endpoint_id)


@post(
    "/{endpoint_id:str}/rotate",
    status_code=200,
    summary="Give it a new secret",
    operation_id="rotateWebhookSecret",
)
async def rotate(
    endpoint_id: FromPath[str], services: NamedDependency[Services], caller: NamedDependency[Caller]
) -> EndpointWithSecret:
    """A new secret, shown this once. The one before signs beside it for 24 hours more.

    Asked again, since the answer was lost, it makes another: each one signs until its day is over.
    """
    endpoint, secret = await services.endpoints.rotate(
        caller.merchant_id, caller.livemode, endpoint_id
    )
    return _with_secret(endpoint, secret)


@post("/{endpoint_id:str}/test", summary="Send a test event", operation_id="testWebhookEndpoint")
async def test(
    endpoint_id: FromPath[str], services: NamedDependency[Services], caller: NamedDependency[Caller]
) -> DeliveryDetail:
    """Send an `endpoint.test` event to this endpoint alone, and return its delivery.

    At once; while nothing is sent to the endpoint, not before `next_try_at`.
    """
    delivery = await services.delivery_log.test(caller.merchant_id, caller.livemode, endpoint_id)
    services.outgoing.set()
    return delivery


@post(
    "/{endpoint_id:str}/recover",
    status_code=200,
    dto=StrictBody[RecoverBody],
    return_dto=None,
    summary="Send what it has missed",
    operation_id="recoverWebhookEndpoint",
)
async def recover(
    endpoint_id: FromPath[str],
    data: JSONBody[RecoverBody],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
) -> Recovery:
    """Send the events since then that it did not receive, oldest first."""
    since = in_utc(data.since, "since")
    recovered = await services.delivery_log.recover(
        caller.merchant_id, caller.livemode, endpoint_id, since
    )
    services.outgoing.set()
    return Recovery(endpoint_id, data.since, recovered)


router = Router(
    "/v1/webhook_endpoints",
    guards=[authenticated, needs("webhooks:write")],
    tags=["Webhooks out"],
    route_handlers=[
        create,
        list_endpoints,
        read,
        change,
        remove,
        rotate,
        test,
        recover,
    ],
)
