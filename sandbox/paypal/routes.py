"""The HTTP routes of PayPal's API, mounted under `/paypal`."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from litestar import get, post
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath

from sandbox.faults import AnyRequest, Reply
from sandbox.paypal.errors import Problem
from sandbox.paypal.idempotency import ORDERS_WINDOW, PAYMENTS_WINDOW
from sandbox.paypal.model import Order
from sandbox.paypal.notifications import notification_routes
from sandbox.paypal.reading import document
from sandbox.paypal.reporting import search
from sandbox.paypal.represent import (
    authorization_json,
    capture_json,
    dispute_json,
    order_json,
    refund_json,
)
from sandbox.paypal.wire import Call, json_reply, operate
from sandbox.world import World

Handlers = list[BaseRouteHandler]


def routes(world: World) -> Handlers:
    """All of PayPal's API that the sandbox answers."""
    return [
        *_access(world),
        *_orders(world),
        *_authorizations(world),
        *_captures(world),
        *_finance(world),
        *notification_routes(world),
    ]


def _access(world: World) -> Handlers:
    async def grant(call: Call) -> Reply:
        form = dict(parse_qsl((await call.request.body()).decode(errors="replace")))
        status, body = call.side.tokens.grant(call.request.headers.get("authorization"), form)
        return json_reply(body, status)

    @post("/v1/oauth2/token")
    async def token(request: AnyRequest) -> Reply:
        return await operate(world, "token", request, grant, public=True)

    return [token]


async def _body(call: Call) -> dict[str, Any]:
    return document(await call.request.body(), optional=True)


def _orders(world: World) -> Handlers:
    async def create(call: Call) -> Reply:
        body = document(await call.request.body())
        if body.get("payment_source") is not None and call.request_id is None:
            raise Problem("PAYPAL_REQUEST_ID_REQUIRED")
        order, status = await call.once(
            "create_order", "", ORDERS_WINDOW, lambda: call.side.orders.create(body)
        )
        return json_reply(order_json(call.base, order, call.full), status)

    @post("/v2/checkout/orders")
    async def create_order(request: AnyRequest) -> Reply:
        return await operate(world, "create_order", request, create)

    @get("/v2/checkout/orders/{order_id:str}")
    async def get_order(request: AnyRequest, order_id: FromPath[str]) -> Reply:
        async def show(call: Call) -> Reply:
            return json_reply(order_json(call.base, call.account.order(order_id)))

        return await operate(world, "get_order", request, show)

    @post("/v2/checkout/orders/{order_id:str}/capture")
    async def capture_order(request: AnyRequest, order_id: FromPath[str]) -> Reply:
        return await _complete(world, request, order_id, "capture_order")

    @post("/v2/checkout/orders/{order_id:str}/authorize")
    async def authorize_order(request: AnyRequest, order_id: FromPath[str]) -> Reply:
        return await _complete(world, request, order_id, "authorize_order")

    return [create_order, get_order, capture_order, authorize_order]


async def _complete(world: World, request: AnyRequest, order_id: str, operation: str) -> Reply:
    """Capture or authorize: the same but for the verb."""

    async def act(call: Call) -> Reply:
        await _body(call)

        def run() -> Order:
            order = call.account.order(order_id)
            orders = call.side.orders
            verb = orders.capture if operation == "capture_order" else orders.authorize
            return verb(order)

        order, status = await call.once(operation, order_id, ORDERS_WINDOW, run)
        return json_reply(order_json(call.base, order, call.full), status)

    return await operate(world, operation, request, act)


def _authorizations(world: World) -> Handlers:
    path = "/v2/payments/authorizations/{authorization_id:str}"

    @get(path)
    async def get_authorization(request: AnyRequest, authorization_id: FromPath[str]) -> Reply:
        async def show(call: Call) -> Reply:
            held = call.account.authorization(authorization_id)
            return json_reply(authorization_json(call.base, held))

        return await operate(world, "get_authorization", request, show)

    @post(f"{path}/capture")
    async def capture_authorization(request: AnyRequest, authorization_id: FromPath[str]) -> Reply:
        async def act(call: Call) -> Reply:
            body = await _body(call)
            capture, status = await call.once(
                "capture_authorization",
                authorization_id,
                PAYMENTS_WINDOW,
                lambda: call.side.payments.capture_authorization(
                    call.account.authorization(authorization_id), body
                ),
            )
            return json_reply(capture_json(call.base, capture, full=call.full), status)

        return await operate(world, "capture_authorization", request, act)

    @post(f"{path}/void")
    async def void_authorization(request: AnyRequest, authorization_id: FromPath[str]) -> Reply:
        async def act(call: Call) -> Reply:
            held, _ = await call.once(
                "void_authorization",
                authorization_id,
                PAYMENTS_WINDOW,
                lambda: call.side.payments.void(call.account.authorization(authorization_id)),
            )
            body = authorization_json(call.base, held) if call.full else None
            return json_reply(body, 200 if call.full else 204)

        return await operate(world, "void_authorization", request, act)

    return [get_authorization, capture_authorization, void_authorization]


def _captures(world: World) -> Handlers:
    @get("/v2/payments/captures/{capture_id:str}")
    async def get_capture(request: AnyRequest, capture_id: FromPath[str]) -> Reply:
        async def show(call: Call) -> Reply:
            return json_reply(capture_json(call.base, call.account.capture(capture_id)))

        return await operate(world, "get_capture", request, show)

    @post("/v2/payments/captures/{capture_id:str}/refund")
    async def refund_capture(request: AnyRequest, capture_id: FromPath[str]) -> Reply:
        async def act(call: Call) -> Reply:
            body = await _body(call)
            refund, status = await call.once(
                "refund",
                capture_id,
                PAYMENTS_WINDOW,
                lambda: call.side.payments.refund(call.account.capture(capture_id), body),
            )
            return json_reply(refund_json(call.base, refund, full=call.full), status)

        return await operate(world, "refund", request, act)

    @get("/v2/payments/refunds/{refund_id:str}")
    async def get_refund(request: AnyRequest, refund_id: FromPath[str]) -> Reply:
        async def show(call: Call) -> Reply:
            return json_reply(refund_json(call.base, call.account.refund(refund_id)))

        return await operate(world, "get_refund", request, show)

    return [get_capture, refund_capture, get_refund]


def _finance(world: World) -> Handlers:
    @get("/v1/customer/disputes/{dispute_id:str}")
    async def get_dispute(request: AnyRequest, dispute_id: FromPath[str]) -> Reply:
        async def show(call: Call) -> Reply:
            return json_reply(dispute_json(call.base, call.account.dispute(dispute_id)))

        return await operate(world, "get_dispute", request, show)

    @get("/v1/reporting/transactions")
    async def transactions(request: AnyRequest) -> Reply:
        async def show(call: Call) -> Reply:
            return json_reply(search(call.account, request.query_params))

        return await operate(world, "transactions", request, show)

    return [get_dispute, transactions]
