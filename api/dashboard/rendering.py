"""Templates, the style sheet and the script, and the headers of the dashboard's pages."""

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Response
from litestar.response import Redirect

from api.dashboard import formats
from api.dashboard.guarding import AnyRequest
from api.dashboard.people import Viewer
from api.exporting.files import can_make
from gateway.exports import Format

_HERE = Path(__file__).parent
_STATIC = {"dashboard.css": "text/css", "dashboard.js": "text/javascript"}
_POLICY = {
    "default-src": "'none'",
    "style-src": "'self'",
    "script-src": "'self'",
    "img-src": "'self' data:",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
_HEADERS = {
    "Content-Security-Policy": "; ".join(f"{name} {what}" for name, what in _POLICY.items()),
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
}

#: What a page may say after a redirect. Never the address's own words.
NOTES = {
    "refunded": "The refund was made. The provider's confirmation follows in the timeline.",
    "resolved": "Taken off the list.",
    "resent": "It is being sent again.",
    "tested": "A test event is on its way.",
    "saved": "Saved.",
    "imported": "The products were imported.",
    "archived": "Archived: it can no longer be ordered.",
    "revoked": "The key is revoked.",
    "everywhere": "All other sessions were signed out with this one.",
    "out": "You are signed out.",
    "disabled": "Disabled, and signed out everywhere.",
    "zone": "Times are told in this zone from now on.",
    "password": "The password was changed, and all other sessions were signed out.",
    "chosen": "The password is chosen: sign in with it.",
    "noted": "Noted.",
    "reopened": "It is on the list again.",
    "closed": "The month is closed.",
    "asked": "The provider was asked; this is what it says now.",
    "kept": "The view is kept.",
    "deleted": "Deleted.",
    "making": "It is being made; look again in a while.",
    "ended": "Ended.",
}


def _file_formats() -> list[tuple[Format, str]]:
    """The formats of exports that can be made here, and what people call them."""
    words: dict[Format, str] = {
        "csv": "CSV", "xlsx": "Excel", "jsonl": "JSON Lines", "parquet": "Parquet"
    }  # fmt: skip
    return [(name, called) for name, called in words.items() if can_make(name)]


def _load() -> tuple[Environment, dict[str, bytes]]:
    files = {name: (_HERE / "static" / name).read_bytes() for name in _STATIC}
    templates = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {
        "status": formats.status,
        "account": formats.account,
        "instant": datetime.fromisoformat,
    }
    digest = hashlib.sha256(b"".join(files.values())).hexdigest()[:12]
    templates.globals |= {"version": digest, "file_formats": _file_formats}
    return templates, files


_templates, _files = _load()


class View:
    """Makes pages for one request: in its reader's locale, with what its viewer may see."""

    def __init__(self, request: AnyRequest, viewer: Viewer | None, waiting: int = 0) -> None:
        self._request = request
        self._viewer = viewer
        self._waiting = waiting
        self.locale = formats.locale_of(request.headers.get("accept-language", ""))
        self.zone = formats.zone_of(viewer.session.time_zone if viewer else "UTC")

    def page(self, template: str, code: int = 200, /, **values: Any) -> Response[str]:
        """An HTML page."""
        locale, zone, query = self.locale, self.zone, self._request.query_params
        text = _templates.get_template(template).render(
            viewer=self._viewer,
            path=self._request.url.path,
            waiting=self._waiting,
            note=NOTES.get(query.get("done", "")),
            money=lambda amount, currency: formats.money(amount, currency, locale),
            number=lambda value: formats.number(value, locale),
            percent=lambda text: formats.percent(text, locale),
            zone=zone.key,
            moment=lambda at: formats.moment(at, locale, zone),
            day=lambda at: formats.day(at, locale, zone),
            clock=lambda at: formats.clock(at, zone),
            short_day=lambda at: formats.short_day(at, locale),
            amounts=lambda text: formats.amounts(text, locale),
            editable=lambda amount, currency: formats.editable(amount, currency, locale),
            **values,
        )
        return Response(text, status_code=code, media_type="text/html", headers=_HEADERS)

    def next_page(self, cursor: str | None) -> str | None:
        """The address of the list's next page, with the filters of this one."""
        if cursor is None:
            return None
        kept = [
            (name, value)
            for name, value in self._request.query_params.multi_items()
            if name not in ("cursor", "done") and value
        ]
        return f"{self._request.url.path}?{urlencode([*kept, ('cursor', cursor)])}"


def static_file(name: str) -> Response[bytes] | None:
    """A file that pages load, or None."""
    if name not in _files:
        return None
    headers = {"Cache-Control": "public, max-age=31536000, immutable", **_NOSNIFF}
    return Response(_files[name], media_type=_STATIC[name], headers=headers)


_NOSNIFF = {"X-Content-Type-Options": "nosniff"}


def onward(path: str, done: str = "") -> Redirect:
    """After a form: to a page, which says what was done."""
    sign = "&" if "?" in path else "?"
    return Redirect(f"{path}{sign}done={done}" if done else path, status_code=303)
