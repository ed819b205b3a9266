"""The dashboard's routes and what they share: the session, the page's frame, errors as pages."""

from typing import Any

from litestar import Request, Response, Router, get
from litestar.di import NamedDependency, Provide
from litestar.exceptions import HTTPException
from litestar.params import FromPath
from litestar.response import Redirect

from api.dashboard import (
    accounts,
    attention,
    audit,
    balance,
    exports,
    keys,
    ledger,
    lists,
    order,
    orders,
    overview,
    products,
    providers,
    refunds,
    routing,
    settlement,
    sign_in,
    users,
    webhooks,
)
from api.dashboard.guarding import (
    AnyRequest,
    SignInNeeded,
    administrators,
    from_own_pages,
    signed_in,
)
from api.dashboard.people import Desk, Viewer
from api.dashboard.rendering import View, static_file
from api.logs import log, request_id
from api.problems import CODES
from api.wiring import Services
from gateway.errors import GatewayError, NotFound

HOME = "/dashboard"


def _desk(services: NamedDependency[Services]) -> Desk:
    return Desk(services)


def _viewer(request: Request[Any, Any, Any]) -> Viewer:
    viewer: Viewer = request.scope["state"]["viewer"]
    return viewer


async def _view(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    viewer: NamedDependency[Viewer],
) -> View:
    waiting = 0
    if request.method == "GET" and viewer.caller.may("finance:read"):
        merchants = attention.merchants(viewer)
        waiting = await services.attention.count_open(merchants, viewer.caller.livemode)
    return View(request, viewer, waiting)


@get("/static/{name:str}")
async def static(name: FromPath[str]) -> Response[bytes]:
    """The style sheet and the script."""
    found = static_file(name)
    if found is None:
        raise NotFound("there is no such file")
    return found


@get("/{path:path}")
async def elsewhere(path: FromPath[str]) -> Response[str]:
    """No such page."""
    raise NotFound("there is no such page")


def _refused(request: AnyRequest, error: GatewayError) -> Response[Any]:
    """Our own errors, as a page; whoever is not signed in is sent to the form."""
    if isinstance(error, SignInNeeded):
        onward = f"?next={error.detail}" if error.detail else ""
        return Redirect(f"{HOME}/sign-in{onward}", status_code=303)
    code = CODES.get(error.code) or CODES["internal_error"]
    detail = error.detail if error.code in CODES else "something went wrong on our side"
    return _problem(request, code.status, code.title, detail)


def _http_error(request: AnyRequest, error: HTTPException) -> Response[Any]:
    if error.status_code == 404:
        return _problem(request, 404, "Not found", "there is no such page")
    if error.status_code >= 500:
        return _unexpected(request, error)
    return _problem(request, error.status_code, "Not possible", "the request cannot be understood")


def _unexpected(request: AnyRequest, error: Exception) -> Response[Any]:
    """A bug: logged with its trace, answered without it."""
    log.exception("unexpected error", error=type(error).__name__, path=request.url.path)
    return _problem(request, 500, "Internal error", "something went wrong on our side")


def _problem(request: AnyRequest, status: int, title: str, detail: str) -> Response[str]:
    viewer = request.scope["state"].get("viewer")
    return View(request, viewer).page(
        "problem.html", status, title=title, detail=detail, request_id=request_id.get()
    )


def routes() -> Router:
    """Everything under /dashboard. Pages for everybody, for those signed in, and for some."""
    shared = Router("/", guards=[signed_in], route_handlers=[
        *overview.HANDLERS, *orders.HANDLERS, *order.HANDLERS, *refunds.HANDLERS,
        *attention.HANDLERS, *balance.HANDLERS, *settlement.HANDLERS, *ledger.HANDLERS,
        *lists.HANDLERS, *exports.HANDLERS, *webhooks.HANDLERS, *products.HANDLERS,
        *providers.HANDLERS, *accounts.HANDLERS, *routing.HANDLERS, *sign_in.SIGNED_IN, elsewhere,
    ])  # fmt: skip
    for_some = Router(
        "/",
        guards=[signed_in, administrators],
        route_handlers=[*keys.HANDLERS, *users.HANDLERS, *audit.HANDLERS],
    )
    return Router(
        HOME,
        guards=[from_own_pages],
        include_in_schema=False,
        dependencies={
            "desk": Provide(_desk, sync_to_thread=False),
            "viewer": Provide(_viewer, sync_to_thread=False),
            "view": Provide(_view),
        },
        exception_handlers={
            GatewayError: _refused,
            HTTPException: _http_error,
            Exception: _unexpected,
        },
        route_handlers=[shared, for_some, *sign_in.OPEN, *accounts.OPEN, static],
    )
