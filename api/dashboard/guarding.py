"""The guards of the dashboard: a session, forms from our own pages only, and the API's scopes."""

import hmac
import sys
from typing import Any
from urllib.parse import quote, urlsplit

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from api.dashboard.people import Desk, Viewer
from api.security import Forbidden, Guard
from gateway.errors import GatewayError

AnyRequest = Request[Any, Any, Any]
AnyConnection = ASGIConnection[Any, Any, Any, Any]
_READING = ("GET", "HEAD")


class SignInNeeded(GatewayError):
    """Nobody is signed in; `detail` is where to go on after signing in."""

    code = "unauthenticated"


def cookie_name(public_url: str) -> str:
    """Over HTTPS the browser itself sees to it that no other host sets it (`__Host-`)."""
    return "__Host-gateway" if public_url.startswith("https://") else "gateway_session"


def _reads(connection: AnyConnection) -> bool:
    return connection.scope.get("method") in _READING


async def from_own_pages(connection: AnyConnection, _: BaseRouteHandler) -> None:
    """Guard: forms are sent from pages of the dashboard. Raises Forbidden."""
    if _reads(connection):
        return
    headers = connection.headers
    site = headers.get("sec-fetch-site")
    origin = urlsplit(headers.get("origin", "")).netloc
    own = origin == headers.get("host") if site is None else site == "same-origin"
    if not own:
        raise Forbidden("this form was not sent from a page of the dashboard")


async def signed_in(connection: AnyConnection, _: BaseRouteHandler) -> None:
    """Guard: a session and, with a form, its token. Raises SignInNeeded, Forbidden."""
    services = connection.app.state.services
    token = connection.cookies.get(cookie_name(services.settings.public_url))
    viewer = await Desk(services).viewer(token)
    reading = _reads(connection)
    if viewer is None:
        url = connection.url
        where = url.path + (f"?{url.query}" if url.query else "")
        raise SignInNeeded(quote(where) if reading else "")
    connection.scope["state"]["viewer"] = viewer
    connection.scope["state"]["caller"] = viewer.caller
    if not reading:
        assert isinstance(connection, Request)  # Litestar makes one for every HTTP route
        form = await connection.form()
        if not hmac.compare_digest(str(form.get("csrf", "")).encode(), viewer.csrf.encode()):
            raise Forbidden("this page is of an earlier session: load it anew and try again")


async def administrators(connection: AnyConnection, _: BaseRouteHandler) -> None:
    """Guard: for administrators, and holders of a secret key. Raises Forbidden."""
    viewer: Viewer = connection.scope["state"]["viewer"]
    if not viewer.is_admin:
        raise Forbidden("this is for administrators")


class _As:
    """What a scope's guard looks at."""

    def __init__(self, viewer: Viewer) -> None:
        self.scope = {"state": {"caller": viewer.caller}}


def allows(viewer: Viewer, handler: Any) -> bool:
    """Whether the API's own guards let this person call the API's handler."""
    router = getattr(sys.modules[handler.fn.__module__], "router", None)
    guards = [*(router.guards or () if router else ()), *(handler.guards or ())]
    try:
        for guard in guards:
            if isinstance(guard, Guard):
                guard(_As(viewer), handler)  # type: ignore[arg-type]
    except Forbidden:
        return False
    return True


async def call(viewer: Viewer, handler: Any, **arguments: Any) -> Any:
    """The API's handler, in process, if its own guards on scopes let this person.

    So a page and the API cannot come to differ. Raises Forbidden, and what the handler raises.
    """
    if not allows(viewer, handler):
        raise Forbidden("your role does not allow this")
    return await handler.fn(caller=viewer.caller, **arguments)
