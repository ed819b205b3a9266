"""/v1/exports: files of orders, refunds and balance transactions, at once or as jobs."""

from collections.abc import Mapping
from typing import Annotated, Any

from litestar import Router, delete, get, post
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.handlers.base import BaseRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody, Parameter
from litestar.response import Stream
from msgspec import Meta, field

from api.bodies import Body, StrictBody
from api.exporting.answers import file_headers
from api.exporting.asking import ask_for_export, export_resource
from api.exporting.filters import from_json, from_query, span
from api.exporting.links import link_holder
from api.order_answers import AnyRequest
from api.paging import Cursor, Limit, Page, decode, encode, only_filters
from api.security import Caller, Forbidden, authenticated, needs
from api.wiring import Services
from gateway.columns import RecordKind
from gateway.errors import Conflict
from gateway.exports import MEDIA_TYPES, ExportResource, Format
from storage.exports import ExportRecord

#: What a key needs to export: what it needs to list the same.
SCOPES: Mapping[RecordKind, str] = {
    "orders": "orders:read",
    "refunds": "orders:read",
    "balance_transactions": "finance:read",
}
Zone = Annotated[
    str, Parameter(description="The zone of all times in the file, such as Europe/Berlin")
]


class NewExportBody(Body, frozen=True):
    """A file to be made by a job. `filters` are those of the list of the same kind."""

    kind: RecordKind
    format: Format = "csv"
    tz: Annotated[str, Meta(min_length=1, max_length=64)] = "UTC"
    filters: dict[str, Any] = field(default_factory=dict)


async def _answer(
    kind: RecordKind,
    request: AnyRequest,
    services: Services,
    caller: Caller,
    format: Format,
    tz: str,
) -> Stream:
    wanted = from_query(kind, request.query_params.multi_items(), ("format", "tz"))
    return await services.direct_exports.answer(
        caller.merchant_id,
        caller.livemode,
        kind,
        wanted,
        span(wanted),
        format=format,
        tz=tz,
    )


@get("/orders", guards=[needs("orders:read")], summary="Export orders", operation_id="exportOrders")
async def export_orders(
    request: AnyRequest,
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    format: FromQuery[Format] = "csv",
    tz: Zone = "UTC",
) -> Stream:
    """All orders that `GET /v1/orders` lists with these filters, as a file, newest first."""
    return await _answer("orders", request, services, caller, format, tz)


@get(
    "/refunds",
    guards=[needs("orders:read")],
    summary="Export refunds",
    operation_id="exportRefunds",
)
async def export_refunds(
    request: AnyRequest,
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    format: FromQuery[Format] = "csv",
    tz: Zone = "UTC",
) -> Stream:
    """All refunds that `GET /v1/refunds` lists with these filters, as a file, newest first."""
    return await _answer("refunds", request, services, caller, format, tz)


@get(
    "/balance_transactions",
    guards=[needs("finance:read")],
    summary="Export balance transactions",
    operation_id="exportBalanceTransactions",
)
async def export_lines(
    request: AnyRequest,
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    format: FromQuery[Format] = "csv",
    tz: Zone = "UTC",
) -> Stream:
    """All lines that `GET /v1/balance_transactions` lists with these filters, as a file."""
    return await _answer("balance_transactions", request, services, caller, format, tz)


# --- jobs -----------------------------------------------------------------------------------------


@post(
    "/",
    status_code=202,
    guards=[authenticated],
    dto=StrictBody[NewExportBody],
    return_dto=None,
    summary="Have an export made",
    operation_id="createExport",
)
async def create(
    data: JSONBody[NewExportBody],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
) -> ExportResource:
    """A job makes the file; read the export until it is `ready`, then fetch it from `url`."""
    _may(caller, data.kind)
    export = await ask_for_export(
        services.exports,
        caller.merchant_id,
        caller.livemode,
        data.kind,
        from_json(data.kind, data.filters),
        format=data.format,
        tz=data.tz,
        created_by=caller.key_id,
        now=services.ctx.now(),
    )
    return _resource(services, export)


@get(
    "/",
    guards=[authenticated, only_filters()],
    summary="List exports",
    operation_id="listExports",
)
async def list_exports(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ExportResource]:
    """Exports made as jobs, of all kinds that the key may export, newest first."""
    kinds = [kind for kind, scope in SCOPES.items() if caller.may(scope)]
    if not kinds:
        raise Forbidden(f"this {caller.kind} key may not export anything")
    exports, last = await services.exports.list(
        caller.merchant_id, caller.livemode, kinds, decode(cursor), limit
    )
    return Page([_resource(services, export) for export in exports], encode(last))


@get(
    "/{export_id:str}",
    guards=[authenticated],
    summary="Read an export",
    operation_id="readExport",
)
async def read(
    export_id: FromPath[str], services: NamedDependency[Services], caller: NamedDependency[Caller]
) -> ExportResource:
    """How far it is, and when it is `ready`, a new link to its file."""
    return _resource(services, await _export(services, caller, export_id))


@delete(
    "/{export_id:str}",
    status_code=200,
    guards=[authenticated],
    summary="Cancel an export, or delete its file",
    operation_id="deleteExport",
)
async def end(
    export_id: FromPath[str], services: NamedDependency[Services], caller: NamedDependency[Caller]
) -> ExportResource:
    """One that is being made is `canceled`; of one that is ready, the file is taken away."""
    found = await _export(services, caller, export_id)
    ended = await services.exports.end(caller.merchant_id, caller.livemode, found.id)
    return _resource(services, ended)


async def _key_or_link(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Guard: an API key, or the link's own token. Raises Unauthenticated."""
    token = connection.query_params.get("token")
    if token is None:
        await authenticated(connection, _)
        return
    services: Services = connection.app.state.services
    connection.scope["state"]["caller"] = link_holder(
        services.settings.secret_key,
        connection.path_params["export_id"],
        token,
        services.ctx.now(),
    )


@get(
    "/{export_id:str}/file",
    guards=[_key_or_link],
    summary="Fetch the file of an export",
    operation_id="downloadExport",
)
async def download(
    export_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    token: Annotated[
        str | None, Parameter(description="Part of the export's `url`, and good in place of a key")
    ] = None,
) -> Stream:
    """The file; 409 `export_not_ready` when there is none, or none any more.

    The export's `url` leads here; with its `token`, no key is needed.
    """
    export = await _export(services, caller, export_id)
    if export.status != "ready":
        raise Conflict(f"this export is {export.status}", code="export_not_ready")
    headers = file_headers(export.file_name) | {"Content-Length": str(export.size)}
    return Stream(
        services.exports.file(export), media_type=MEDIA_TYPES[export.format], headers=headers
    )


async def _export(services: Services, caller: Caller, export_id: str) -> ExportRecord:
    """Raises NotFound, Forbidden."""
    export = await services.exports.get(caller.merchant_id, caller.livemode, export_id)
    _may(caller, export.kind)
    return export


def _may(caller: Caller, kind: RecordKind) -> None:
    if not caller.may(SCOPES[kind]):
        raise Forbidden(f"this {caller.kind} key does not have the scope {SCOPES[kind]}")


def _resource(services: Services, export: ExportRecord) -> ExportResource:
    return export_resource(
        export,
        public_url=services.settings.public_url,
        secret=services.settings.secret_key,
        now=services.ctx.now(),
    )


router = Router(
    "/v1/exports",
    tags=["Finance"],
    route_handlers=[
        Router(
            "/",
            guards=[authenticated],
            route_handlers=[export_orders, export_refunds, export_lines],
        ),
        create,
        list_exports,
        read,
        end,
        download,
    ],
)
