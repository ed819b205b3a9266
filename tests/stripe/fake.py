"""A Stripe that answers over HTTP what a test tells it to, and remembers what it was asked."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web


@dataclass
class Call:
    """One request: `params` are the form's or the query's, in Stripe's bracket notation."""

    method: str
    path: str
    headers: dict[str, str]
    params: dict[str, str]


@dataclass
class Answer:
    """`body`: JSON, or raw bytes. `fault`: hang, reset, or cut off in the middle of the body."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    fault: str = ""


@dataclass
class FakeStripe:
    """`answers` are given in turn; a call without one fails the test by a 500."""

    url: str = ""
    calls: list[Call] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    def will(self, body: Any = None, status: int = 200, fault: str = "", **headers: str) -> None:
        """Queue an answer; header names are given with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.append(Answer(body, status, named, fault))

    def refuse(self, status: int, error: Any, **headers: str) -> None:
        """Queue an error of Stripe's kind."""
        self.will({"error": error}, status, request_id="req_1", **headers)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        text = await request.text() if request.method == "POST" else request.query_string
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.calls.append(Call(request.method, request.path, headers, dict(parse_qsl(text))))
        answer = self.answers.pop(0)
        body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        if answer.fault == "hang":
            await asyncio.sleep(30)
        if answer.fault == "reset":
            assert request.transport is not None
            request.transport.abort()
        response = web.StreamResponse(status=answer.status, headers=answer.headers)
        response.content_length = len(body) + (100 if answer.fault else 0)
        await response.prepare(request)
        await response.write(body)
        if answer.fault == "stall":
            await asyncio.sleep(30)
        if answer.fault == "cut":
            assert request.transport is not None
            request.transport.close()
        return response


@asynccontextmanager
async def fake_stripe() -> AsyncIterator[FakeStripe]:
    """A running fake on a free port."""
    fake = FakeStripe()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", fake.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    fake.url = f"http://{host}:{port}"
    yield fake
    await runner.cleanup()
