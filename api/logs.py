"""Structured logs: one JSON line each on standard error, with the request's id.

What is logged is chosen field by field. Bodies, headers, query strings and URLs' secrets are not.
"""

import logging
import sys
from contextvars import ContextVar
from typing import Any

import structlog

#: The id of the request being served, empty elsewhere.
request_id: ContextVar[str] = ContextVar("request_id", default="")

log: structlog.stdlib.BoundLogger = structlog.get_logger("gateway")


def configure(level: str = "info", *, pretty: bool = False) -> None:
    """Send our log and the standard library's through one renderer."""
    shared: list[Any] = [
        _add_request_id,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
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
    for noisy in ("httpx", "uvicorn.access", "aiosqlite", "urllib3"):
        logging.getLogger(noisy).setLevel("WARNING")


def _add_request_id(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    if current := request_id.get():
        event["request_id"] = current
    return event
