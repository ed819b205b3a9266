"""Between HTTP and the state: token, faults, PayPal's error format, the debug id."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar, cast

from sandbox.faults import AnyRequest, Reply, guarded
from sandbox.paypal.errors import Problem, Unauthorized, envelope
from sandbox.paypal.side import PayPalSide
from sandbox.world import World

T = TypeVar("T")

DEBUG_ID = "paypal-debug-id"
LONGEST_REQUEST_ID = 108

Act = Callable[["Call"], Awaitable[Reply]]


class Call:
    """One request, together with the side that it is for (which a reset replaces)."""

    def __init__(self, world: World, request: AnyRequest) -> None:
        self.request = request
        self.side = cast(PayPalSide, world.providers["paypal"])
        self.account = self.side.account
        self.base = world.base_url

    @property
    def full(self) -> bool:
        """Whether the caller wants a representation; the default is a minimal answer."""
        prefer = self.request.headers.get("prefer", "")
        return prefer.replace(" ", "").lower() == "return=representation"

    @property
    def request_id(self) -> str | None:
        """The PayPal-Request-Id. Raises Problem if it is too long."""
        given = self.request.headers.get("paypal-request-id")
        if given is not None and not 1 <= len(given) <= LONGEST_REQUEST_ID:
            raise Problem("INVALID_STRING_LENGTH", "PayPal-Request-Id", location="header")
        return given

    async def once(
        self, operation: str, resource: str, window: timedelta, run: Callable[[], T]
    ) -> tuple[T, int]:
        """What `run` made, and 201; at a repeat, what it had made, and 200. Raises Problem."""
        made, fresh = await self.side.request_ids.once(
            operation, resource, self.request_id, window, run
        )
        return made, 201 if fresh else 200


async def operate(
    world: World, operation: str, request: AnyRequest, act: Act, *, public: bool = False
) -> Reply:
    """Run one operation of the API through token check and faults, and answer as PayPal does."""
    debug_id = world.ids.paypal_debug()

    async def run() -> Reply:
        call = Call(world, request)
        try:
            if not public:
                call.side.tokens.check(request.headers.get("authorization"))
            if not _is_json(request) and not public:
                return json_reply(envelope(415, debug_id), 415)
            return await act(call)
        except Unauthorized as error:
            return json_reply(error.body(debug_id), 401)
        except Problem as problem:
            return json_reply(problem.body(debug_id), problem.status)

    async def fail(status: int) -> Reply:
        reply = json_reply(envelope(status, debug_id), status)
        if status in (429, 503):
            reply.headers["retry-after"] = "1"
        return reply

    reply = await guarded(world, "paypal", operation, request, run, fail)
    reply.headers[DEBUG_ID] = debug_id
    return reply


def _is_json(request: AnyRequest) -> bool:
    """PayPal takes JSON only; a request without a body may leave the type out."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind:
        return kind == "application/json" or request.method == "GET"
    return request.headers.get("content-length", "0") == "0"


def json_reply(body: Any, status: int = 200) -> Reply:
    """A JSON answer."""
    content = b"" if status == 204 else json.dumps(body, separators=(",", ":")).encode()
    return Reply(content, status_code=status, media_type="application/json")
