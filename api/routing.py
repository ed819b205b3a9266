"""/v1/routing: the merchant's own rules for which provider an order goes to."""

from litestar import Router, get, put
from litestar.di import NamedDependency
from litestar.params import JSONBody

from api.bodies import StrictBody
from api.security import Caller, authenticated, needs
from api.wiring import Services
from gateway.routing import RoutingPolicy, check


@get(
    "/",
    guards=[needs("orders:read")],
    summary="Read the routing policy",
    operation_id="readRouting",
)
async def read(
    services: NamedDependency[Services], caller: NamedDependency[Caller]
) -> RoutingPolicy:
    """The policy in the mode of the key; until there is one: every provider, by name."""
    return await services.routing.get(caller.merchant_id, caller.livemode)


@put(
    "/",
    guards=[needs("orders:write")],
    dto=StrictBody[RoutingPolicy],
    return_dto=None,
    summary="Replace the routing policy",
    operation_id="replaceRouting",
)
async def replace(
    data: JSONBody[RoutingPolicy],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
) -> RoutingPolicy:
    """From now on orders with the provider `auto` are routed by this policy.

    It replaces the one before as a whole, so it may be sent again. The rules that fit an order are
    read from the top; what they name, in this order, is tried. Orders that exist stay where they
    are.
    """
    mode = "live" if caller.livemode else "test"
    check(data, {p.name for p in services.ctx.providers.values() if p.mode == mode})
    await services.routing.replace(caller.merchant_id, caller.livemode, data)
    return data


router = Router(
    "/v1/routing", guards=[authenticated], tags=["Providers"], route_handlers=[read, replace]
)
