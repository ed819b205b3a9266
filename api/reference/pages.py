"""The pages of the reference as HTML, and the table of errors as Markdown."""

import re
from http import HTTPStatus
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from api.problems import CODES
from api.reference import view

_HERE = Path(__file__).parent / "templates"


def _paragraphs(text: str) -> list[str]:
    return [part for part in text.split("\n\n") if part.strip()]


def _pieces(text: str) -> list[tuple[bool, str]]:
    """A text in pieces: those between back-ticks are code."""
    parts = re.split(r"`([^`]+)`", text)
    return [(position % 2 == 1, part) for position, part in enumerate(parts)]


_TEMPLATES = Environment(
    loader=FileSystemLoader(_HERE),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters |= {"paragraphs": _paragraphs, "pieces": _pieces}


def reference(document: dict[str, Any]) -> bytes:
    """GET /docs."""
    page = _TEMPLATES.get_template("reference.html").render(
        document=document, groups=view.groups(document), schemas=view.schemas(document)
    )
    return page.encode()


def errors() -> bytes:
    """GET /docs/errors: every code, with its anchor."""
    by_status: dict[int, list[str]] = {}
    for name, code in sorted(CODES.items(), key=lambda item: item[1].status):
        by_status.setdefault(code.status, []).append(name)
    phrases = {status: HTTPStatus(status).phrase for status in by_status}
    page = _TEMPLATES.get_template("errors.html").render(
        codes=CODES, by_status=by_status, phrases=phrases
    )
    return page.encode()


def style() -> bytes:
    """The style sheet."""
    return (_HERE / "style.css").read_bytes()


def errors_markdown() -> str:
    """docs/errors.md; `python -m api.reference > docs/errors.md` renews it."""
    lines = [
        "# Errors",
        "",
        "Every error is `application/problem+json` (RFC 9457) with `type`, `title`, `status`,",
        "`detail`, `instance`, `code` and `request_id`, and with `errors`, a list of",
        "`{path, message}`, where fields are at fault. `code` is one of these; a running gateway",
        "shows them at `/docs/errors`, where the `type` of a problem leads.",
        "",
        "This table is made from `api/problems.py` by `python -m api.reference > docs/errors.md`.",
        "",
        "| code | status | title | what to do |",
        "|---|---|---|---|",
    ]
    for name, code in sorted(CODES.items(), key=lambda item: item[1].status):
        lines.append(f"| `{name}` | {code.status} | {code.title} | {code.cure} |")
    return "\n".join(lines) + "\n"
