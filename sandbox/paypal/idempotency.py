"""PayPal-Request-Id: a repeat within the window answers with the latest state of what the first
call made; after the window it runs anew. Refusals are not remembered: such a call runs again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar, cast

from sandbox.clock import Clock
from sandbox.paypal.errors import Problem

T = TypeVar("T")

ORDERS_WINDOW = timedelta(hours=6)
PAYMENTS_WINDOW = timedelta(days=45)


class RequestIds:
    """Remembers what each request id made.

    A key is the operation, the resource in the path and the id; the body is not compared, for
    PayPal documents no such check. `processing_seconds` is how long a call takes, so that two at
    once really meet.
    """

    def __init__(self, clock: Clock, processing_seconds: float = 0.005) -> None:
        self.processing_seconds = processing_seconds
        self._clock = clock
        self._made: dict[tuple[str, str, str], tuple[datetime, object]] = {}
        self._running: set[tuple[str, str, str]] = set()

    async def once(
        self,
        operation: str,
        resource: str,
        request_id: str | None,
        window: timedelta,
        run: Callable[[], T],
    ) -> tuple[T, bool]:
        """What `run` made, now or at an earlier call, and whether it was now.

        Raises:
            Problem: PREVIOUS_REQUEST_IN_PROGRESS, the same id is being worked on; or what `run`
                raises.
        """
        if request_id is None:
            await asyncio.sleep(self.processing_seconds)
            return run(), True
        key = (operation, resource, request_id)
        if key in self._running:
            raise Problem("PREVIOUS_REQUEST_IN_PROGRESS")
        known = self._made.get(key)
        if known is not None and known[0] > self._clock.now():
            return cast(T, known[1]), False
        self._running.add(key)
        try:
            await asyncio.sleep(self.processing_seconds)
            made = run()
        finally:
            self._running.discard(key)
        self._made[key] = (self._clock.now() + window, made)
        return made, True
