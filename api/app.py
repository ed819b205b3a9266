"""The HTTP application: routes, errors, OpenAPI; and the layer that gives requests their id."""

import time
from typing import Any

from litestar import Litestar, Request
from litestar.datastructures import State
from litestar.di import Provide
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException
from litestar.plugins import InitPlugin
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from api import (
    attention,
    balance_transactions,
    buyer,
    deliveries,
    events,
    exports,
    ledger,
    operations,
    orders,
    problems,
    products,
    providers,
    refunds,
    reports,
    routing,
    settlement,
    webhook_endpoints,
    webhooks,
)
from api.dashboard.router import routes as dashboard_routes
from api.logs import log, request_id
from api.reference import Reference
from api.security import Caller
from api.wiring import Services
from gateway import tracing
from gateway.errors import GatewayError, InvalidRequest

VERSION = "0.1.0"
MAX_BODY = 256 * 1024


def create_app(services: Services, plugins: tuple[InitPlugin, ...] = ()) -> "WithRequestId":
    """The application over opened services. `plugins` add routes of their own (the demo does)."""
    app = Litestar(
        route_handlers=[
            providers.router,
            routing.router,
            products.router,
            orders.router,
            refunds.router,
            attention.router,
            balance_transactions.router,
            ledger.router,
            settlement.payouts,
            settlement.reconciliation,
            settlement.periods,
            reports.router,
            exports.router,
            events.router,
            webhook_endpoints.router,
            deliveries.router,
            webhooks.receive,
            buyer.router,
            dashboard_routes(),
            operations.live,
            operations.ready,
            operations.metrics,
        ],
        state=State({"services": services}),
        dependencies={
            "services": Provide(_services, sync_to_thread=False),
            "caller": Provide(_caller, sync_to_thread=False),
        },
        exception_handlers={
            GatewayError: problems.gateway_error,
            HTTPException: problems.http_error,
            Exception: problems.unexpected_error,
        },
        before_request=_refuse_nul,
        request_max_body_size=MAX_BODY,
        openapi_config=None,
        plugins=[_reference(services), *plugins],
        logging_config=None,
    )
    return WithRequestId(app, services)


def create_operations_app(services: Services) -> Litestar:
    """What a worker serves: its metrics and its health."""
    return Litestar(
        route_handlers=[operations.live, operations.ready, operations.metrics],
        state=State({"services": services}),
        dependencies={"services": Provide(_services, sync_to_thread=False)},
        openapi_config=None,
        logging_config=None,
    )


def _refuse_nul(request: Request[Any, Any, Any]) -> None:
    """No id and no filter holds one, and PostgreSQL cannot even be asked for it."""
    if "\0" in request.scope["path"] or b"%00" in request.scope["query_string"]:
        raise InvalidRequest("there is a NUL character in the address")


def _services(state: State) -> Services:
    services: Services = state.services
    return services


def _caller(request: Request[Any, Any, Any]) -> Caller:
    caller: Caller = request.scope["state"]["caller"]
    return caller


def _reference(services: Services) -> Reference:
    example = next(iter(services.ctx.providers.values()), None)
    provider = example.name if example else "provider"
    return Reference(VERSION, services.settings.public_url, provider)


class WithRequestId:
    """Gives every request an id: in the answer's header, in problems, in the log."""

    def __init__(self, app: Litestar, services: Services) -> None:
        self.litestar = app
        self._app: ASGIApp = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == ScopeType.WEBSOCKET:
            await self._app(scope, receive, send)
            return
        current = self._services.ctx.ids.new("req")
        token = request_id.set(current)
        started, status = time.perf_counter(), 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", current.encode()),
                ]
            await send(message)

        with tracing.span(f"HTTP {scope['method']}", request_id=current) as span:
            try:
                await self._app(scope, receive, send_with_id)
            finally:
                seconds = time.perf_counter() - started
                self._services.metrics.request(scope["method"], status, seconds)
                _describe(span, scope, status)
                log.info(
                    "request",
                    method=scope["method"],
                    path=scope["path"],
                    status=status,
                    milliseconds=round(seconds * 1000, 1),
                )
                request_id.reset(token)


def _describe(span: tracing.Span, scope: HTTPScope, status: int) -> None:
    """The route, not the path: a span's name is one of few."""
    route = scope.get("path_template")
    span.name = f"{scope['method']} {route}" if route else span.name
    span.known["status"] = str(status)
    order_id = scope.get("path_params", {}).get("order_id")
    if order_id:
        span.known.setdefault("order_id", str(order_id)[:64])
