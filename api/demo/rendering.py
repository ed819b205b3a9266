"""Templates, the shop's own style sheet and script, and the headers of its pages."""

import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Response

from api.demo import words

_HERE = Path(__file__).parent
_STATIC = {
    "shop.css": "text/css",
    "shop.js": "text/javascript",
}


class Renderer:
    """Makes the shop's pages. `sandbox_url`: where the stand-in providers' pay pages are."""

    def __init__(self, sandbox_url: str) -> None:
        self._files = {name: (_HERE / "static" / name).read_bytes() for name in _STATIC}
        self._templates = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {
            "money": words.money,
            "when": words.when,
            "label": words.label,
        }
        digest = hashlib.sha256(b"".join(self._files.values())).hexdigest()[:12]
        self._templates.globals |= {"sandbox_url": sandbox_url, "version": digest}
        self._headers = _headers(sandbox_url)

    def page(self, template: str, status: int = 200, **values: Any) -> Response[str]:
        """An HTML page."""
        text = self._templates.get_template(template).render(**values)
        return Response(text, status_code=status, media_type="text/html", headers=self._headers)

    def static(self, name: str) -> Response[bytes] | None:
        """A file that pages load, or None."""
        if name not in self._files:
            return None
        headers = {
            "Cache-Control": "public, max-age=3600",
            "X-Content-Type-Options": "nosniff",
        }
        return Response(self._files[name], media_type=_STATIC[name], headers=headers)


def _headers(sandbox_url: str) -> dict[str, str]:
    """Nothing is loaded from elsewhere, and no page of ours is shown inside another.

    A browser applies form-action to the redirect after the form as well: the pay pages are named.
    """
    parts = urlsplit(sandbox_url)
    policy = {
        "default-src": "'none'",
        "style-src": "'self'",
        "script-src": "'self'",
        "connect-src": "'self'",
        "img-src": "data:",
        "form-action": f"'self' {parts.scheme}://{parts.netloc}",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {what}" for name, what in policy.items()),
        "Cache-Control": "no-store",
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }
