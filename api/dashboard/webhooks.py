"""The merchant's own endpoints, what was sent to them, and sending it again."""

from typing import Literal

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from api import deliveries as api_deliveries
from api import webhook_endpoints as api_endpoints
from api.bodies import decode
from api.dashboard.guarding import AnyRequest, call
from api.dashboard.people import Desk, Viewer
from api.dashboard.rendering import View, onward
from api.wiring import Services
from gateway.deliveries import DeliveryStatus
from gateway.endpoints import EVENT_TYPES

_HOME = "/dashboard/webhooks"
PAGE = 50


@get("/webhooks")
async def webhooks(
    services: NamedDependency[Services],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
    cursor: FromQuery[str | None] = None,
    endpoint: FromQuery[str | None] = None,
    status: FromQuery[DeliveryStatus | Literal[""] | None] = None,
) -> Response[str]:
    """All endpoints, and the latest deliveries."""
    endpoints = await call(
        viewer, api_endpoints.list_endpoints, services=services, limit=100, cursor=None
    )
    sent = await call(
        viewer,
        api_deliveries.list_deliveries,
        services=services,
        limit=PAGE,
        cursor=cursor,
        endpoint=endpoint or None,
        status=status or None,
        event=None,
    )
    return view.page(
        "webhooks.html",
        endpoints=endpoints.data,
        deliveries=sent.data,
        urls={one.id: one.url for one in endpoints.data},
        endpoint=endpoint or "",
        status=status or "",
        next=view.next_page(sent.next_cursor),
        types=EVENT_TYPES,
    )


@post("/webhooks")
async def add(
    request: AnyRequest,
    services: NamedDependency[Services],
    desk: NamedDependency[Desk],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
) -> Response[str]:
    """A new endpoint, and its secret this once."""
    form = await request.form()
    asked = {"url": str(form.get("url", "")).strip(), "events": form.getall("events", ["*"])}
    data = decode(msgspec.json.encode(asked), api_endpoints.NewEndpoint)
    async with desk.noted(viewer, "added a webhook endpoint", detail=data.url):
        made = await call(viewer, api_endpoints.create, services=services, data=data)
    return view.page(
        "secret.html",
        title="Webhook endpoint added",
        what="Signing secret",
        secret=made.secret,
        detail=f"Events are sent to {made.url} from now on.",
        back=_HOME,
    )


@post("/webhooks/{endpoint_id:str}/{action:str}")
async def act(
    endpoint_id: FromPath[str],
    action: FromPath[Literal["enable", "disable", "test"]],
    services: NamedDependency[Services],
    desk: NamedDependency[Desk],
    viewer: NamedDependency[Viewer],
) -> Redirect:
    """Enable it, disable it, or send it a test event."""
    async with desk.noted(viewer, f"{action} webhook endpoint", endpoint_id):
        if action == "test":
            await call(viewer, api_endpoints.test, endpoint_id=endpoint_id, services=services)
        else:
            change = api_endpoints.EndpointChange(
                status="enabled" if action == "enable" else "disabled"
            )
            await call(
                viewer,
                api_endpoints.change,
                endpoint_id=endpoint_id,
                services=services,
                data=change,
            )
    return onward(_HOME, "tested" if action == "test" else "saved")


@get("/deliveries/{delivery_id:str}")
async def delivery(
    delivery_id: FromPath[str],
    services: NamedDependency[Services],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
) -> Response[str]:
    """One delivery with every try."""
    found = await call(viewer, api_deliveries.read, delivery_id=delivery_id, services=services)
    return view.page("delivery.html", delivery=found)


@post("/deliveries/{delivery_id:str}/resend")
async def resend(
    delivery_id: FromPath[str],
    services: NamedDependency[Services],
    desk: NamedDependency[Desk],
    viewer: NamedDependency[Viewer],
) -> Redirect:
    """Send it again."""
    async with desk.noted(viewer, "resent a delivery", delivery_id):
        await call(viewer, api_deliveries.resend, delivery_id=delivery_id, services=services)
    return onward(f"/dashboard/deliveries/{delivery_id}", "resent")


HANDLERS = [webhooks, add, act, delivery, resend]
