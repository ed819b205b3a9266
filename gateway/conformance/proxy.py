"""A local HTTP proxy that makes faults, so that no fake needs fault code of its own.

It stands between an adapter and its stand, and does to the next requests what it is told:

| fault | the provider acts | the adapter sees |
|---|---|---|
| `lose_request` | no | the connection breaks |
| `lose_answer` | yes | the connection breaks |
| `silence` | no | nothing, until it gives up |
| `silence_after` | yes | nothing, until it gives up |
| `duplicate` | twice | the second answer |
| `delay` | yes, `seconds` later | the answer, late |
| `cut` | yes | half of the answer's body, then the connection breaks |
| `replace` | yes | `status`, `headers` and `body` instead of the answer |
| `answer` | no | `status`, `headers` and `body` |
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Literal

import aiohttp
from aiohttp import web

Kind = Literal[
    "lose_request",
    "lose_answer",
    "silence",
    "silence_after",
    "duplicate",
    "delay",
    "cut",
    "replace",
    "answer",
]
_ACTS_NOT = ("lose_request", "silence", "answer")
#: Methods by which nothing is done.
READS = frozenset(("GET", "HEAD", "OPTIONS"))
#: What belongs to one connection and is not passed on; bodies are passed on as they are read.
_HOP = frozenset(
    ("connection", "content-encoding", "content-length", "host", "keep-alive", "server")
) | frozenset(("proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"))


@dataclass
class Fault:
    """What befalls the next `times` requests; `writes`: only those that may do something.

    `met` is set when the first of them has come.
    """

    kind: Kind
    times: int = 1
    writes: bool = True
    seconds: float = 0.0
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    met: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class Seen:
    """A request that came by. `answered`: what the adapter was told, None for nothing."""

    method: str
    path: str
    fault: Kind | None
    answered: int | None = None


class FaultProxy:
    """Forwards everything under `url` to `target`, apart from the faults that are armed.

    Requests whose path ends in one of `let_through` (token fetches) meet no fault.
    """

    def __init__(self, target: str, let_through: Iterable[str] = ()) -> None:
        self.target = target.rstrip("/")
        self.url = ""
        self.seen: list[Seen] = []
        self._let_through = tuple(let_through)
        self._armed: list[Fault] = []
        self._rewrites: list[tuple[bytes, bytes]] = []
        self._released = asyncio.Event()
        self._server: web.Server | None = None
        self._client: aiohttp.ClientSession | None = None

    @property
    def connections(self) -> int:
        """How many connections of adapters are open."""
        return len(self._server.connections) if self._server else 0

    def arm(self, *faults: Fault) -> None:
        """These befall the next requests, first come first served."""
        self._armed += faults

    def clear(self) -> None:
        """Whatever has not happened yet will not; whoever is kept in silence is cut off."""
        self._armed.clear()
        self._released.set()
        self._released = asyncio.Event()

    @contextmanager
    def rewriting(self, *pairs: tuple[bytes, bytes]) -> Iterator[None]:
        """Inside, the provider's answers say the second of each pair instead of the first."""
        before, self._rewrites = self._rewrites, [*self._rewrites, *pairs]
        try:
            yield
        finally:
            self._rewrites = before

    def count(self, *path_ends: str) -> int:
        """How many requests came by, or how many whose path ends so."""
        return sum(not path_ends or seen.path.endswith(path_ends) for seen in self.seen)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request, with what befalls it."""
        body = await request.read()
        fault = self._take(request)
        kind = fault.kind if fault else None
        position = len(self.seen)
        self.seen.append(Seen(request.method, request.path, kind))
        response = await self._meet(request, body, fault)
        if response is None:
            _break_off(request)
            return web.Response()
        self.seen[position] = Seen(request.method, request.path, kind, response.status)
        if kind == "cut":
            return await _half(request, response)
        return response

    def _take(self, request: web.BaseRequest) -> Fault | None:
        if self._let_through and request.path.endswith(self._let_through):
            return None
        for fault in self._armed:
            if fault.writes and request.method in READS:
                continue
            fault.times -= 1
            fault.met.set()
            if fault.times <= 0:
                self._armed.remove(fault)
            return fault
        return None

    async def _meet(
        self, request: web.BaseRequest, body: bytes, fault: Fault | None
    ) -> web.Response | None:
        if fault is None:
            return await self._forward(request, body)
        released = self._released
        if fault.kind == "delay":
            await asyncio.sleep(fault.seconds)
        answer = None
        if fault.kind not in _ACTS_NOT:
            answer = await self._forward(request, body)
        match fault.kind:
            case "lose_request" | "lose_answer":
                return None
            case "silence" | "silence_after":
                await released.wait()
                return None
            case "duplicate":
                return await self._forward(request, body)
            case "replace" | "answer":
                return web.Response(
                    status=fault.status, headers=dict(fault.headers), body=fault.body
                )
        return answer

    async def _forward(self, request: web.BaseRequest, body: bytes) -> web.Response:
        assert self._client is not None
        headers = [(k, v) for k, v in request.headers.items() if k.lower() not in _HOP]
        headers.append(("accept-encoding", "identity"))
        async with self._client.request(
            request.method,
            self.target + request.raw_path,
            headers=headers,
            data=body or None,
            allow_redirects=False,
            skip_auto_headers=("accept", "content-type", "user-agent"),
        ) as answer:
            told = await answer.read()
            for old, new in [*self._rewrites, (self.target.encode(), self.url.encode())]:
                told = told.replace(old, new)
            kept = [(k, v) for k, v in answer.headers.items() if k.lower() not in _HOP]
            return web.Response(status=answer.status, headers=kept, body=told)


def _break_off(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()


async def _half(request: web.BaseRequest, whole: web.Response) -> web.StreamResponse:
    """The head of `whole`, the first half of its body, and no more."""
    body = whole.body if isinstance(whole.body, bytes) else b""
    headers = {k: v for k, v in whole.headers.items() if k.lower() != "content-length"}
    part = web.StreamResponse(status=whole.status, headers=headers)
    part.content_length = max(len(body), 2)
    await part.prepare(request)
    await part.write(body[: len(body) // 2] or b" ")
    await asyncio.sleep(0)  # what was written leaves before the connection breaks
    if request.transport is not None:
        request.transport.close()
    return part


@asynccontextmanager
async def open_proxy(target: str, *, let_through: Iterable[str] = ()) -> AsyncIterator[FaultProxy]:
    """A proxy before `target` on a free port of this machine. Its `url` ends without a slash."""
    proxy = FaultProxy(target, let_through)
    proxy._server = web.Server(proxy.handle, access_log=None)
    loop = asyncio.get_running_loop()
    async with aiohttp.ClientSession(
        auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
    ) as proxy._client:
        listening = await loop.create_server(proxy._server, "127.0.0.1", 0)
        host, port = listening.sockets[0].getsockname()[:2]
        proxy.url = f"http://{host}:{port}"
        try:
            yield proxy
        finally:
            proxy.clear()
            listening.close()
            await proxy._server.shutdown(0.1)
            await listening.wait_closed()
