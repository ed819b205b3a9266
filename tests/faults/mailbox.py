"""A letter box for genuine deliveries, to be forged, repeated and reordered on their way."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.faults.stage import Sandbox, listen, serve_app


@dataclass(frozen=True)
class Delivery:
    """One delivery as it came: what the provider signed."""

    provider: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        """Its content."""
        event: dict[str, Any] = json.loads(self.body)
        return event

    @property
    def type(self) -> str:
        """The type of its event, by either provider's name for it."""
        return str(self.event.get("type") or self.event["event_type"])


_KEPT = ("stripe-signature", "content-type", "paypal-")


@dataclass
class Mailbox:
    """An ASGI application that keeps what is delivered and answers 200."""

    sandbox: Sandbox
    deliveries: list[Delivery] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Take one delivery."""
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        kept = {name: value for name, value in headers.items() if name.startswith(_KEPT)}
        self.deliveries.append(Delivery(scope["path"].rpartition("/")[2], kept, body))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def collect(self) -> list[Delivery]:
        """Wait for what is under way; all that came since the last time."""
        await self.sandbox.delivered()
        collected, self.deliveries = self.deliveries, []
        return collected


@asynccontextmanager
async def open_mailbox(sandbox: Sandbox) -> AsyncIterator[Mailbox]:
    """Have the providers deliver to a mailbox."""
    mailbox = Mailbox(sandbox)
    async with serve_app(mailbox) as url:
        await listen(sandbox, url)
        yield mailbox
        await listen(sandbox, "")
