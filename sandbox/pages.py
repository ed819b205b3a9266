"""Server-rendered pages: one layout for the hosted pay pages of every provider."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Response

_HERE = Path(__file__).parent
_ENVIRONMENT = Environment(
    loader=FileSystemLoader([_HERE / "templates", _HERE / "paypal" / "templates"]),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_HEADERS = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def render(template: str, status: int = 200, **context: Any) -> Response[str]:
    """An HTML page from `templates/` (or `paypal/templates/`), which may extend `layout.html`."""
    page = _ENVIRONMENT.get_template(template).render(**context)
    return Response(page, status_code=status, media_type="text/html", headers=_HEADERS)


def redirect(url: str) -> Response[bytes]:
    """303: the browser goes on with GET, so that a reload never posts the form again."""
    return Response(b"", status_code=303, headers={"location": url, "cache-control": "no-store"})
