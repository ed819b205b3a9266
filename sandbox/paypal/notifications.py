"""The notifications API: certificates, the verification postback, past events, the webhook."""

from __future__ import annotations

from typing import Any

from litestar import get, post
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath

from sandbox.faults import AnyRequest, Reply
from sandbox.paypal.errors import Problem
from sandbox.paypal.reading import moment, number
from sandbox.paypal.represent import link
from sandbox.paypal.wire import Call, json_reply, operate
from sandbox.world import World

MOST_EVENTS = 300


def notification_routes(world: World) -> list[BaseRouteHandler]:
    """What hangs under `/v1/notifications`."""
    return [*_verification(world), *_events(world), *_webhooks(world)]


def _verification(world: World) -> list[BaseRouteHandler]:
    @get("/v1/notifications/certs/{certificate_id:str}")
    async def certificate(request: AnyRequest, certificate_id: FromPath[str]) -> Reply:
        async def show(call: Call) -> Reply:
            if certificate_id != call.side.authority.leaf_id:
                raise Problem("INVALID_RESOURCE_ID", location="path")
            return Reply(call.side.authority.leaf_pem, media_type="text/plain")

        return await operate(world, "cert", request, show, public=True)

    async def verify(call: Call) -> Reply:
        genuine = call.side.signer.verify(await call.request.body())
        return json_reply({"verification_status": "SUCCESS" if genuine else "FAILURE"})

    @post("/v1/notifications/verify-webhook-signature")
    async def verify_webhook(request: AnyRequest) -> Reply:
        return await operate(world, "verify_webhook", request, verify)

    return [certificate, verify_webhook]


def _events(world: World) -> list[BaseRouteHandler]:
    @get("/v1/notifications/webhooks-events")
    async def list_events(request: AnyRequest) -> Reply:
        async def show(call: Call) -> Reply:
            return json_reply(_list(call, request.query_params))

        return await operate(world, "list_events", request, show)

    @get("/v1/notifications/webhooks-events/{event_id:str}")
    async def get_event(request: AnyRequest, event_id: FromPath[str]) -> Reply:
        async def show(call: Call) -> Reply:
            return json_reply(_event(call, event_id))

        return await operate(world, "get_event", request, show)

    @post("/v1/notifications/webhooks-events/{event_id:str}/resend")
    async def resend_event(request: AnyRequest, event_id: FromPath[str]) -> Reply:
        async def act(call: Call) -> Reply:
            event = _event(call, event_id)
            world.webhooks.emit("paypal", event)
            return json_reply(event, 202)

        return await operate(world, "resend_event", request, act)

    return [list_events, get_event, resend_event]


def _event(call: Call, event_id: str) -> dict[str, Any]:
    try:
        return call.account.events[event_id]
    except KeyError:
        raise Problem("INVALID_RESOURCE_ID", "/event_id", event_id, "path") from None


def _list(call: Call, query: Any) -> dict[str, Any]:
    """Newest first, at most 300, all within two times; `transaction_id` is the resource's id."""
    start = moment(query, "start_time")
    end = moment(query, "end_time")
    size = number(query, "page_size", 10, MOST_EVENTS)
    kind, resource = query.get("event_type"), query.get("transaction_id")
    found = [
        event
        for event in reversed(call.account.events.values())
        if (start is None or event["create_time"] >= f"{start:%Y-%m-%dT%H:%M:%S.000Z}")
        and (end is None or event["create_time"] <= f"{end:%Y-%m-%dT%H:%M:%S.999Z}")
        and kind in (None, event["event_type"])
        and resource in (None, event["resource"].get("id"))
    ]
    itself = link(f"{call.base}/paypal/v1/notifications/webhooks-events", "self", "GET")
    return {"events": found[:size], "count": len(found[:size]), "links": [itself]}


def _webhooks(world: World) -> list[BaseRouteHandler]:
    @get("/v1/notifications/webhooks")
    async def list_webhooks(request: AnyRequest) -> Reply:
        async def show(call: Call) -> Reply:
            url = world.webhooks.url("paypal")
            webhook = {
                "id": call.side.signer.webhook_id,
                "url": url,
                "event_types": [{"name": "*", "description": "ALL", "status": "ENABLED"}],
            }
            return json_reply({"webhooks": [webhook] if url else []})

        return await operate(world, "list_webhooks", request, show)

    return [list_webhooks]
