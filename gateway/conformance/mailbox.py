"""A webhook endpoint that remembers what it was sent, for stands whose fake delivers over HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from gateway.conformance.stand import Delivery


@dataclass
class Mailbox:
    """Answers 200 to everything that is sent to `url`."""

    url: str = ""
    received: list[Delivery] = field(default_factory=list)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One delivery."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append(Delivery(headers, await request.read()))
        return web.Response()


@asynccontextmanager
async def open_mailbox() -> AsyncIterator[Mailbox]:
    """A mailbox on a free port of this machine."""
    mailbox = Mailbox()
    runner = web.ServerRunner(web.Server(mailbox.handle, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    mailbox.url = f"http://{host}:{port}/"
    try:
        yield mailbox
    finally:
        await runner.cleanup()
