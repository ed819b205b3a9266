"""Where the reference is served: /docs, /docs/errors, /openapi.json."""

from typing import Any

import msgspec
from litestar import Request, Response, Router, get
from litestar.config.app import AppConfig
from litestar.datastructures import ResponseHeader
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.plugins import InitPlugin

from api.reference import pages
from api.reference.document import Structs, config, finished

#: The pages are HTML and one style sheet: no script, nothing from elsewhere.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_Request = Request[Any, Any, Any]


class Reference(Structs, InitPlugin):
    """Adds the OpenAPI document and its pages to an application.

    `provider`: the one that examples name.
    """

    def __init__(self, version: str, public_url: str, provider: str) -> None:
        super().__init__()
        self._version = version
        self._public_url = public_url
        self._provider = provider
        self._document: dict[str, Any] | None = None

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Add the routes."""
        headers = [ResponseHeader(name=name, value=value) for name, value in _HEADERS.items()]
        router = Router(
            "/docs", include_in_schema=False, route_handlers=[], response_headers=headers
        )
        errors = Router(
            "/docs",
            include_in_schema=False,
            route_handlers=[_errors, _style],
            response_headers=headers,
        )
        app_config.openapi_config = config(self._version, router, [_Page(self), _Json(self)])
        app_config.route_handlers += [errors, self._json()]
        return app_config

    def document(self, collected: dict[str, Any]) -> dict[str, Any]:
        """The finished document, made once. `collected` is what Litestar found."""
        if self._document is None:
            self._document = finished(collected, self, self._public_url, self._provider)
        return self._document

    def _json(self) -> HTTPRouteHandler:
        @get("/openapi.json", include_in_schema=False, media_type="application/json")
        async def openapi_json(request: _Request) -> bytes:
            collected = request.app.openapi_schema.to_schema()
            return msgspec.json.encode(self.document(collected))

        return openapi_json


class _Page(OpenAPIRenderPlugin):
    """GET /docs."""

    def __init__(self, reference: Reference) -> None:
        super().__init__(path="/")
        self._reference = reference

    def render(self, request: _Request, openapi_schema: dict[str, Any]) -> bytes:
        """The page."""
        return pages.reference(self._reference.document(openapi_schema))


class _Json(OpenAPIRenderPlugin):
    """GET /docs/openapi.json, where Litestar would put a document of its own."""

    def __init__(self, reference: Reference) -> None:
        super().__init__(path="/openapi.json", media_type="application/json")  # type: ignore[arg-type]
        self._reference = reference

    def render(self, request: _Request, openapi_schema: dict[str, Any]) -> bytes:
        """The document."""
        return msgspec.json.encode(self._reference.document(openapi_schema))


@get("/errors", media_type="text/html", sync_to_thread=False)
def _errors() -> bytes:
    """GET /docs/errors, where a problem's `type` leads."""
    return pages.errors()


@get("/style.css", media_type="text/css", sync_to_thread=False)
def _style() -> Response[bytes]:
    """The style sheet of both pages."""
    return Response(pages.style(), headers={"Cache-Control": "no-cache"})
