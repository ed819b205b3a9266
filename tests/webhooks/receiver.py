"""A merchant's server: keeps what it gets, and answers as it is told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web


@dataclass(frozen=True)
class Received:
    """One request; header names in lower case."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """The event's id."""
        return self.headers.get("webhook-id", "")

    @property
    def event(self) -> Any:
        """The body, decoded."""
        return msgspec.json.decode(self.body)


def _ok(_: Received) -> web.StreamResponse:
    return web.Response(text="thanks")


@dataclass
class Receiver:
    """`answer` makes each answer, once `gate` is open. `most`: at the same time."""

    url: str = ""
    answer: Callable[[Received], web.StreamResponse] = _ok
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    got: list[Received] = field(default_factory=list)
    receipts: list[str] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    receipted: asyncio.Event = field(default_factory=asyncio.Event)
    most: int = 0
    _now: int = 0

    def always(self, status: int, **headers: str) -> None:
        """Answer with this status from now on."""
        self.answer = lambda _: web.Response(status=status, headers=headers)

    async def has_receipted(self, count: int) -> None:
        """Wait until so many deliveries were answered with a 2xx."""
        async with asyncio.timeout(20):
            while len(self.receipts) < count:
                self.receipted.clear()
                await self.receipted.wait()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Take a delivery."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        received = Received(headers, await request.read())
        self.got.append(received)
        gate = self.gate
        self.arrived.set()
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            await asyncio.sleep(0.002)
            await gate.wait()
            answer = self.answer(received)
        finally:
            self._now -= 1
        if 200 <= answer.status < 300:
            self.receipts.append(received.id)
            self.receipted.set()
        return answer


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver on a free port of 127.0.0.1."""
    receiver = Receiver()
    receiver.gate.set()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.05)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        receiver.url = f"http://{host}:{port}/hook"
        yield receiver
    finally:
        await runner.cleanup()
