"""A shop that is a merchant like any other: it talks to the gateway over HTTP with its key."""

from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from litestar import Request, Response, Router, get
from litestar.config.app import AppConfig
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency, Provide
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath
from litestar.plugins import InitPlugin
from litestar.response import Redirect

from api.demo import pages
from api.demo.merchant import Merchant, Refused
from api.demo.rendering import Renderer

_READING = ("GET", "HEAD")


class Shop(InitPlugin):
    """Adds the shop's pages under /demo. `sandbox_url`: where the pay pages are."""

    def __init__(self, sandbox_url: str, merchant: Merchant) -> None:
        self._merchant = merchant
        self._renderer = Renderer(sandbox_url)

    async def __aenter__(self) -> "Shop":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._merchant.close()

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Add the routes."""
        merchant, renderer = self._merchant, self._renderer

        def refused(_: Request[Any, Any, Any], error: Refused) -> Response[str]:
            return renderer.page("problem.html", status=error.status, problem=error)

        router = Router(
            "/demo",
            guards=[from_own_pages],
            include_in_schema=False,
            dependencies={
                "merchant": Provide(lambda: merchant, sync_to_thread=False),
                "renderer": Provide(lambda: renderer, sync_to_thread=False),
            },
            exception_handlers={Refused: refused},  # no method: Litestar copies handlers deeply
            route_handlers=[*pages.HANDLERS, static],
        )
        app_config.route_handlers += [router, front_door]
        return app_config


@get("/", include_in_schema=False, status_code=303)
async def front_door() -> Redirect:
    """In the demo, the address alone leads to the shop."""
    return Redirect("/demo", status_code=303)


@get("/static/{name:str}")
async def static(name: FromPath[str], renderer: NamedDependency[Renderer]) -> Response[bytes]:
    """The style sheet and the script."""
    found = renderer.static(name)
    if found is None:
        raise Refused(404, "Not found", "There is no such file.")
    return found


async def from_own_pages(connection: ASGIConnection, _: BaseRouteHandler) -> None:  # type: ignore[type-arg]
    """Guard: a form is accepted from the shop's own pages only. Raises Refused.

    The shop knows no sessions, so there is no cookie to steal; this keeps other sites from making
    a visitor order or refund.
    """
    if connection.scope["method"] in _READING:  # type: ignore[typeddict-item]
        return
    headers = connection.headers
    site = headers.get("sec-fetch-site")
    own = (
        urlsplit(headers.get("origin", "")).netloc == headers.get("host")
        if site is None
        else site == "same-origin"
    )
    if not own:
        raise Refused(403, "Not from here", "This form was not sent from a page of this shop.")
