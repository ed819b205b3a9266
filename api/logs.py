"""Structured logs: one JSON line each on standard error, with the request's id.

What is logged is chosen field by field. Bodies, headers, query strings and URLs' secrets are not.
Of an exception, the frames and the class are; its words only where they are our own, since a
driver's or an SDK's may quote what it was given.
"""

import logging
import sys
import traceback
from contextvars import ContextVar
from typing import Any

import structlog

from gateway import tracing
from gateway.errors import GatewayError

_LONGEST_CHAIN = 8
#: The id of the request being served, empty elsewhere.
request_id: ContextVar[str] = ContextVar("request_id", default="")

log: structlog.stdlib.BoundLogger = structlog.get_logger("gateway")


def configure(level: str = "info", *, pretty: bool = False) -> None:
    """Send our log and the standard library's through one renderer."""
    shared: list[Any] = [
        _add_request_id,
        _add_known,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _trace,
    ]
    renderer = structlog.dev.ConsoleRenderer() if pretty else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # They log every URL, or every request once more.
    for noisy in ("httpx", "uvicorn.access", "uvicorn.error", "alembic", "aiosqlite", "urllib3"):
        logging.getLogger(noisy).setLevel("WARNING")


def _trace(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    """`exc_info` as text: the chain of exceptions, the root cause first, as Python prints them."""
    info = event.pop("exc_info", None)
    if info:
        error = info if isinstance(info, BaseException) else sys.exc_info()[1]
        if isinstance(info, tuple):
            error = info[1]
        event["exception"] = "\n".join(_frames(error)[::-1])
    return event


def _frames(error: BaseException | None) -> list[str]:
    parts: list[str] = []
    while error is not None and len(parts) < _LONGEST_CHAIN:
        words = f": {error.detail}" if isinstance(error, GatewayError) else ""
        frames = "".join(traceback.format_tb(error.__traceback__))
        parts.append(f"{frames}{type(error).__module__}.{type(error).__qualname__}{words}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return parts


def _add_request_id(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    if current := request_id.get():
        event["request_id"] = current
    return event


def _add_known(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    """The ids of the work at hand: order, payment, job, the provider's request."""
    return tracing.all_known() | event
