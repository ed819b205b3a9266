"""What every route on an order shares: finding the caller's order, and answering with it."""

import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec
from litestar import Request, Response
from litestar.params import Parameter

from api.idempotency import idempotently
from api.security import Caller
from api.wiring import Services
from gateway.choosing import Auto, Wish
from gateway.errors import NotFound
from gateway.idempotency import IdempotentRequest
from gateway.order import OrderState
from gateway.records import Answer, OrderRecord
from gateway.resources import OrderResource, order_resource
from gateway.routing import AUTO

AnyRequest = Request[Any, Any, Any]
ClientToken = Annotated[
    str | None,
    Parameter(description="The order's token; with a publishable key only"),
]


async def find_order(
    services: Services, caller: Caller, order_id: str, client_token: str | None = None
) -> OrderResource:
    """The caller's order. Raises NotFound, also for another's, and for a wrong client token."""
    order = await services.queries.order(caller.merchant_id, caller.livemode, order_id)
    if order is None or (
        caller.kind == "publishable"
        and not hmac.compare_digest(order.client_token.encode(), (client_token or "").encode())
    ):
        raise NotFound(f"there is no order {order_id}")
    return order if caller.kind != "publishable" else for_the_buyer(order)


def for_the_buyer(order: OrderResource) -> OrderResource:
    """The order without what is the merchant's own business: a publishable key is in a browser."""
    return msgspec.structs.replace(order, fee=None, net=None, attention=())


async def wish(
    services: Services, caller: Caller, provider: str, country: str | msgspec.UnsetType | None
) -> Wish:
    """The provider that was named or, for `auto`, the merchant's policy as it is now."""
    if provider != AUTO:
        return provider
    policy = await services.routing.get(caller.merchant_id, caller.livemode)
    return Auto(policy, country or None)


async def answer_with_order(
    services: Services,
    caller: Caller,
    request: AnyRequest,
    key: str | None,
    payload: Any,
    status: int,
    run: Callable[[IdempotentRequest], Awaitable[Answer]],
) -> Response[OrderResource]:
    """Answer with the order."""

    def render(order: OrderRecord, state: OrderState, _: str) -> Answer:
        ctx = services.ctx
        resource = order_resource(
            order, state, client_token=ctx.client_token(order.id), updated_at=ctx.now()
        )
        return Answer(status, msgspec.json.encode(resource))

    return await idempotently(services, caller, request, key, payload, render, run)  # type: ignore[return-value]
