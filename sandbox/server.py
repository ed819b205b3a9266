"""Serves the sandbox with uvicorn, in a way that lets a fault cut the connection."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import uvicorn
from litestar import Litestar
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sandbox.faults import ABORT


class CuttableProtocol(HttpToolsProtocol):
    """HTTP as usual; the scope's extensions offer `sandbox.abort`, which drops the connection."""

    def on_message_begin(self) -> None:
        """Start of a request: uvicorn has just made its scope."""
        super().on_message_begin()
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]
        scope.setdefault("extensions", {})[ABORT] = self.transport.abort


def listen(host: str, port: int) -> socket.socket:
    """A bound socket (port 0: any free one), so that the address is known before the start.

    Raises OSError where that is not possible.
    """
    # asyncio switches Nagle's algorithm off only for sockets that name their protocol; with it
    # every answer waits 40 ms for a delayed acknowledgement.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(2048)
    except OSError:
        listening.close()
        raise
    return listening


class Server(uvicorn.Server):
    """A quiet uvicorn for `await Server(app).serve(sockets=[listen(…)])`.

    `when_ready` is called once, as soon as requests are answered.
    """

    def __init__(self, app: Litestar, when_ready: Callable[[], None] | None = None) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=CuttableProtocol,
                ws="none",
                log_level="warning",
                access_log=False,
                date_header=False,  # it is another time in the sandbox (sandbox/app.py)
                timeout_graceful_shutdown=1,
            )
        )
        self._when_ready = when_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening; uvicorn calls this."""
        await super().startup(sockets)
        if self.started and self._when_ready is not None:
            self._when_ready()
