"""Sends the providers' webhooks: signed, in the background, retried, and as badly as asked."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any

import aiohttp

from sandbox.clock import Clock
from sandbox.ids import Ids
from sandbox.ledger import stamp

Signer = Callable[[bytes, datetime], dict[str, str]]
"""Makes the headers of a delivery from its raw body and the time."""
Event = dict[str, Any]

MODES = ("normal", "hold", "duplicate", "shuffle", "drop", "forge")
BACKOFF = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds between tries; the providers' own schedules stretch over three days."""
TIMEOUT_SECONDS = 20.0
SHUFFLE_SECONDS = 0.05
AT_ONCE = 32
LOG_KEPT = 5000


@dataclass
class Delivery:
    """One attempt to deliver one event, for the log."""

    provider: str
    event_id: str
    type: str
    attempt: int
    status: int | None
    error: str | None
    at: str


class Webhooks:
    """One address per provider; `emit` never waits and never raises.

    Modes: `normal` sends at once; `hold` keeps events until `release`; `duplicate` sends each
    event twice at the same moment and once more under another event id, as providers do;
    `shuffle` sends what comes within a moment in another order; `drop` loses events; `forge`
    sends a changed body beside the signature of the genuine one, and never the genuine one.

    Signatures carry the real time, not the moved one (`signing_clock = "sandbox"` changes that):
    a receiver compares them with its own clock.
    """

    def __init__(
        self, clock: Clock, ids: Ids, random: Random, urls: Mapping[str, str] | None = None
    ) -> None:
        self._clock = clock
        self._ids = ids
        self._random = random
        self._urls: dict[str, str] = dict(urls or {})
        self._signers: dict[str, Signer] = {}
        self._held: list[tuple[str, Event]] = []
        self._shuffled: list[tuple[str, Event]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        self._slots = asyncio.Semaphore(AT_ONCE)
        self.log: deque[Delivery] = deque(maxlen=LOG_KEPT)
        self.mode = "normal"
        self.signing_clock = "real"

    def register(self, provider: str, url: str | None, signer: Signer | None = None) -> None:
        """Set where a provider's events go and who signs them; None leaves the present one, an
        empty address stops the sending."""
        if url:
            self._urls[provider] = url
        elif url is not None:
            self._urls.pop(provider, None)
        if signer is not None:
            self._signers[provider] = signer

    def url(self, provider: str) -> str | None:
        """Where a provider's events go."""
        return self._urls.get(provider)

    def set_mode(self, mode: str) -> None:
        """Change the mode for events emitted from now on. Raises ValueError for an unknown one."""
        if mode not in MODES:
            raise ValueError(f"mode must be one of: {', '.join(MODES)} (or release)")
        self.mode = mode

    def emit(self, provider: str, event: Event) -> None:
        """Send an event (a JSON object with an `id`) in the way that the mode says."""
        match self.mode:
            case "drop":
                self._record(provider, event, 0, None, "dropped")
            case "hold":
                self._held.append((provider, event))
            case "shuffle":
                self._shuffled.append((provider, event))
                if len(self._shuffled) == 1:
                    self._spawn(self._flush_shuffled())
            case "duplicate":
                twin = event | {"id": self._ids.event(provider)}
                for copy in (event, event, twin):
                    self._spawn(self._deliver(provider, copy))
            case "forge":
                self._spawn(self._deliver(provider, event, forged=True))
            case _:
                self._spawn(self._deliver(provider, event))

    def release(self) -> int:
        """Send what was held, in its order; returns how many. The mode stays as it is."""
        held, self._held = self._held, []
        for provider, event in held:
            self._spawn(self._deliver(provider, event))
        return len(held)

    def reset(self) -> None:
        """Forget what waits and the log, and send normally; addresses and signers stay."""
        for task in self._tasks:
            task.cancel()
        self._held.clear()
        self._shuffled.clear()
        self.log.clear()
        self.mode = "normal"
        self.signing_clock = "real"

    def state(self) -> dict[str, Any]:
        """What `GET /_control/webhooks` shows."""
        return {
            "mode": self.mode,
            "signing_clock": self.signing_clock,
            "urls": dict(self._urls),
            "held": [{"provider": name, "id": event["id"]} for name, event in self._held],
            "pending": len(self._tasks),
            "log": [vars(delivery) for delivery in self.log],
        }

    async def close(self) -> None:
        """Stop sending and close the connections."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _flush_shuffled(self) -> None:
        await asyncio.sleep(SHUFFLE_SECONDS)
        batch, self._shuffled = self._shuffled, []
        for provider, event in shuffled(batch, self._random):
            await self._try(provider, event, 1)

    async def _deliver(self, provider: str, event: Event, forged: bool = False) -> None:
        for attempt, pause in enumerate((*BACKOFF, None), start=1):
            if await self._try(provider, event, attempt, forged) or forged or pause is None:
                return
            await asyncio.sleep(pause)

    async def _try(self, provider: str, event: Event, attempt: int, forged: bool = False) -> bool:
        """One attempt; True when there is nothing more to do for this event."""
        url, signer = self._urls.get(provider), self._signers.get(provider)
        if url is None or signer is None:
            self._record(provider, event, attempt, None, "no webhook address")
            return True
        body = json.dumps(event, separators=(",", ":")).encode()
        headers = signer(body, self._signing_time())
        if forged:
            body = json.dumps(event | {"id": self._ids.event(provider)}).encode()
        try:
            async with self._slots, self._client().post(url, data=body, headers=headers) as answer:
                await answer.read()
                self._record(provider, event, attempt, answer.status, None)
                return 200 <= answer.status < 300
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._record(provider, event, attempt, None, type(error).__name__)
            return False

    def _signing_time(self) -> datetime:
        return self._clock.now() if self.signing_clock == "sandbox" else self._clock.real()

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
            self._session = aiohttp.ClientSession(
                timeout=timeout, headers={"content-type": "application/json"}
            )
        return self._session

    def _record(
        self, provider: str, event: Event, attempt: int, status: int | None, error: str | None
    ) -> None:
        kind = str(event.get("type") or event.get("event_type") or "")
        at = stamp(self._clock.now())
        self.log.append(Delivery(provider, event["id"], kind, attempt, status, error, at))


def shuffled(batch: list[tuple[str, Event]], random: Random) -> list[tuple[str, Event]]:
    """A batch in another order: never the one it came in, if it has more than one event."""
    order = list(range(len(batch)))
    while len(batch) > 1 and order == sorted(order):
        random.shuffle(order)
    return [batch[position] for position in order]
