"""/v1/attention: what the machine could not settle. What to do: docs/attention.md."""

from typing import Annotated, Literal

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta

from api.bodies import Body, StrictBody
from api.paging import Cursor, Limit, Page, decode, encode, only_filters
from api.security import Caller, authenticated, needs
from api.wiring import Services
from gateway.attention import AttentionItem, resolve
from gateway.facts import AttentionKind


class Resolution(Body, frozen=True):
    """What was done about the item, in words for later readers."""

    note: Annotated[str, Meta(max_length=2000)] = ""


def _merchants(caller: Caller) -> tuple[str, ...]:
    """Whose items the caller sees. What belongs to nobody is for those who hold a secret key."""
    return (caller.merchant_id, "") if caller.kind == "secret" else (caller.merchant_id,)


@get(
    "/",
    guards=[needs("finance:read"), only_filters("kind", "status", "order")],
    summary="List what needs attention",
    operation_id="listAttention",
)
async def list_items(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    limit: Limit = 50,
    cursor: Cursor = None,
    kind: FromQuery[AttentionKind | None] = None,
    status: FromQuery[Literal["open", "resolved"] | None] = None,
    order: FromQuery[str | None] = None,
) -> Page[AttentionItem]:
    """Items of all orders, newest first; with a secret key also those of no merchant."""
    items, last = await services.attention.items(
        _merchants(caller),
        caller.livemode,
        decode(cursor),
        limit,
        kind=kind,
        status=status,
        order_id=order,
    )
    return Page(items, encode(last))


@post(
    "/{item_id:str}/resolve",
    status_code=200,
    guards=[needs("orders:write")],
    dto=StrictBody[Resolution],
    return_dto=None,
    summary="Take an item off the list",
    operation_id="resolveAttention",
)
async def resolve_item(
    item_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    data: JSONBody[Resolution] = Resolution(),  # noqa: B008 (frozen)
) -> AttentionItem:
    """You have dealt with it; `{"note": …}` may say how. If it reads otherwise later, it is back.

    One that is resolved already stays as it is: 409 for a note that it does not have.
    """
    return await resolve(
        services.ctx, _merchants(caller), caller.livemode, item_id, caller.key_id, data.note
    )


router = Router(
    "/v1/attention",
    guards=[authenticated],
    tags=["Attention"],
    route_handlers=[list_items, resolve_item],
)
