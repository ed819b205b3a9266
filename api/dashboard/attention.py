"""The attention list: what the machine could not settle, and taking it off the list."""

from typing import Literal

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from api import attention as api_attention
from api import order_actions
from api.bodies import decode
from api.dashboard.guarding import AnyRequest, allows, call
from api.dashboard.people import Desk, Viewer
from api.dashboard.rendering import View, onward
from api.wiring import Services

PAGE = 50


def merchants(viewer: Viewer) -> tuple[str, ...]:
    """Whose items the viewer sees: as at the API."""
    return api_attention._merchants(viewer.caller)


@get("/attention")
async def items(
    desk: NamedDependency[Desk],
    services: NamedDependency[Services],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
    cursor: FromQuery[str | None] = None,
    status: FromQuery[Literal["open", "resolved"]] = "open",
) -> Response[str]:
    """Open items, or those that were dealt with; newest first."""
    found = await call(
        viewer,
        api_attention.list_items,
        services=services,
        limit=PAGE,
        cursor=cursor,
        kind=None,
        status=status,
        order=None,
    )
    return view.page(
        "attention.html",
        items=found.data,
        status=status,
        may_resolve=allows(viewer, api_attention.resolve_item),
        may_confirm=allows(viewer, order_actions.confirm),
        people=await desk.users.names(viewer.caller.merchant_id),
        next=view.next_page(found.next_cursor),
    )


@post("/attention/{item_id:str}/resolve")
async def resolve(
    item_id: FromPath[str],
    request: AnyRequest,
    services: NamedDependency[Services],
    desk: NamedDependency[Desk],
    viewer: NamedDependency[Viewer],
) -> Redirect:
    """It has been dealt with; a note says how."""
    note = str((await request.form()).get("note", "")).strip()
    data = decode(msgspec.json.encode({"note": note}), api_attention.Resolution)
    async with desk.noted(viewer, "resolved an attention item", item_id, note):
        await call(
            viewer, api_attention.resolve_item, item_id=item_id, services=services, data=data
        )
    return onward("/dashboard/attention", "resolved")


HANDLERS = [items, resolve]
