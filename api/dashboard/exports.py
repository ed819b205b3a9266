"""What a list shows, as a file: at once, or made in the background and fetched later."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, get_args

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect, Stream

from api import exports as api_exports
from api.dashboard import balance, orders, refunds
from api.dashboard.guarding import AnyRequest, allows
from api.dashboard.lists import Form
from api.dashboard.people import Desk, Viewer
from api.dashboard.rendering import View, onward
from api.exporting.asking import ask_for_export, export_resource
from api.exporting.filters import span
from api.paging import decode, encode
from api.security import Forbidden
from api.wiring import Services
from gateway.columns import RecordKind
from gateway.errors import InvalidRequest, NotFound
from gateway.exports import Format
from storage.filters import Wanted

FORMATS: tuple[Format, ...] = get_args(Format)
PAGE = 30


class _List(NamedTuple):
    """How a list is exported: of what records, by which filters, allowed by whose guard."""

    kind: RecordKind
    filters: Callable[[AnyRequest, View], Any]
    guard: object


_LISTS: Mapping[str, _List] = {
    "orders": _List("orders", orders.Filters, api_exports.export_orders),
    "refunds": _List("refunds", refunds.Filters, api_exports.export_refunds),
    "balance": _List("balance_transactions", balance.Filters, api_exports.export_lines),
}


def _list(viewer: Viewer, name: str) -> _List:
    """Raises NotFound, Forbidden."""
    found = _LISTS.get(name)
    if found is None:
        raise NotFound("there is no such list")
    if not allows(viewer, found.guard):
        raise Forbidden("your role does not allow this export")
    return found


def _format(text: object) -> Format:
    found = next((one for one in FORMATS if one == text), None)
    if found is None:
        raise InvalidRequest(f"choose one of {', '.join(FORMATS)}", path="format")
    return found


def _wanted(list_: _List, request: AnyRequest, view: View) -> Wanted:
    """What the page shows. A filter that is not understood must not export everything."""
    filters = list_.filters(request, view)
    wanted: Wanted = filters.wanted()
    assert isinstance(filters, Form)
    for name, words in filters.wrong.items():
        said = f"{words[:1].lower()}{words[1:]}".rstrip(".")
        raise InvalidRequest(
            f"nothing is exported, since {name!r} is not understood: {said}", path=name
        )
    return wanted


@get("/export/{list_:str}")
async def download(
    list_: FromPath[str],
    request: AnyRequest,
    services: NamedDependency[Services],
    desk: NamedDependency[Desk],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
    format: FromQuery[str] = "csv",
) -> Stream:
    """All records that the list shows with these filters, on all its pages."""
    chosen, found = _list(viewer, list_), _format(format)
    wanted = _wanted(chosen, request, view)
    caller = viewer.caller
    async with desk.noted(viewer, "exported", chosen.kind, f"{found}, in {view.zone.key}"):
        return await services.direct_exports.answer(
            caller.merchant_id,
            caller.livemode,
            chosen.kind,
            wanted,
            span(wanted),
            format=found,
            tz=view.zone.key,
        )


@post("/export/{list_:str}")
async def ask(
    list_: FromPath[str],
    request: AnyRequest,
    services: NamedDependency[Services],
    desk: NamedDependency[Desk],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
) -> Redirect:
    """Have it made in the background: it may be large."""
    chosen, found = _list(viewer, list_), _format((await request.form()).get("format"))
    wanted = _wanted(chosen, request, view)
    caller = viewer.caller
    async with desk.noted(viewer, "asked for an export", chosen.kind, f"{found}, {view.zone.key}"):
        await ask_for_export(
            services.exports,
            caller.merchant_id,
            caller.livemode,
            chosen.kind,
            wanted,
            format=found,
            tz=view.zone.key,
            created_by=viewer.actor,
            now=services.ctx.now(),
        )
    return onward("/dashboard/exports", "making")


@get("/exports")
async def exports(
    services: NamedDependency[Services],
    desk: NamedDependency[Desk],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
    cursor: FromQuery[str | None] = None,
) -> Response[str]:
    """Those that are made in the background, with links to the finished ones."""
    kinds = [one.kind for one in _LISTS.values() if allows(viewer, one.guard)]
    if not kinds:
        raise Forbidden("your role does not allow exports")
    caller, settings = viewer.caller, services.settings
    found, last = await services.exports.list(
        caller.merchant_id, caller.livemode, kinds, decode(cursor), PAGE
    )
    now = services.ctx.now()
    shown = [
        export_resource(one, public_url="", secret=settings.secret_key, now=now) for one in found
    ]
    return view.page(
        "exports.html",
        exports=shown,
        busy=any(one.status in ("waiting", "running") for one in shown),
        next=view.next_page(encode(last)),
    )


@post("/exports/{export_id:str}/end")
async def end(
    export_id: FromPath[str],
    services: NamedDependency[Services],
    desk: NamedDependency[Desk],
    viewer: NamedDependency[Viewer],
) -> Redirect:
    """Stop making it, or take its file away."""
    caller = viewer.caller
    found = await services.exports.get(caller.merchant_id, caller.livemode, export_id)
    if not any(one.kind == found.kind and allows(viewer, one.guard) for one in _LISTS.values()):
        raise NotFound("there is no such export")
    async with desk.noted(viewer, "ended an export", export_id, found.file_name):
        await services.exports.end(caller.merchant_id, caller.livemode, export_id)
    return onward("/dashboard/exports", "ended")


HANDLERS = [download, ask, exports, end]
