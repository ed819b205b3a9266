"""The processes of a town: `gateway serve --no-worker` and `gateway worker`, as an operator runs
them, except that their clocks can be wrong and that a worker can be told never to look by itself.

Forked from a server that has imported everything: importing takes longer than a test.
"""

import asyncio
import functools
import multiprocessing
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

import httpx

from api import logs, serving, worker
from api.settings import load
from api.wiring import open_services
from gateway.records import ReceivedEvent
from storage.store import SqlStore
from tests.faults.stage import House, Merchant, client

Role = Literal["api", "worker"]
_START_SECONDS = 30
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(
    ["tests.multiprocess.town", "asyncpg", "httpcore", "pydantic", "providers.stripe.plugin",
     "providers.paypal.adapter", "providers.paypal.certificates", "providers.paypal.sdk",
     "providers.paypal.webhook"]
)  # fmt: skip


class WrongClock:
    """The machine's clock, so far ahead of the others'."""

    def __init__(self, ahead: timedelta) -> None:
        self._ahead = ahead

    def now(self) -> datetime:
        """What this process takes for the present."""
        return datetime.now(UTC) + self._ahead


def _main(
    role: Role,
    port: int,
    environment: dict[str, str],
    ahead: timedelta,
    poll: float,
    claiming: int,
    ready: Connection,
) -> None:
    logs.configure("error")
    worker._POLL_SECONDS = poll
    if claiming:
        _send_when_claiming(claiming)
    if ahead:  # what follows finds no other way to open its services
        clock = WrongClock(ahead)
        opened = functools.partial(open_services, clock=clock, moved=False)
        vars(serving)["open_services"] = opened
    settings = load(environment)

    def tell() -> None:
        ready.send(True)

    if role == "worker":
        serving.run(serving.work(settings, tell))
    else:
        serving.run(serving.serve(settings, "127.0.0.1", port, with_worker=False, ready=tell))


def _send_when_claiming(number: int) -> None:
    """Send this process a signal as soon as it has claimed an event."""
    claim = SqlStore.claim_events

    async def claim_and_die(self: SqlStore, *terms: Any) -> list[ReceivedEvent]:
        claimed = await claim(self, *terms)
        if claimed:
            SqlStore.claim_events = claim  # type: ignore[method-assign]
            os.kill(os.getpid(), number)
        return claimed

    SqlStore.claim_events = claim_and_die  # type: ignore[assignment, method-assign]


@dataclass
class Running:
    """A process of the town."""

    role: Role
    process: Any
    port: int

    @property
    def url(self) -> str:
        """Where an API answers."""
        return f"http://127.0.0.1:{self.port}"

    def send(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.process.pid, number)

    async def stopped(self) -> None:
        """Wait until it sleeps by SIGSTOP."""

        async def sleeps() -> bool:
            stat = await asyncio.to_thread(Path(f"/proc/{self.process.pid}/stat").read_text)
            return stat.rpartition(")")[2].split()[0] == "T"

        await happens(sleeps)

    async def ended(self, seconds: float = _START_SECONDS) -> int:
        """Wait for its end; the exit code, negative for a signal."""
        await asyncio.to_thread(self.process.join, seconds)
        code: int | None = self.process.exitcode
        assert code is not None, "it is still running"
        return code


@dataclass
class Town:
    """The processes on one database, and the merchant who talks to each API."""

    house: House
    apis: list[Running] = field(default_factory=list)
    workers: list[Running] = field(default_factory=list)
    merchants: list[Merchant] = field(default_factory=list)

    async def start(
        self,
        role: Role,
        stack: AsyncExitStack,
        *,
        ahead: timedelta = timedelta(),
        poll: float = 1,
        claiming: int = 0,
    ) -> Running:
        """One more process; it is killed when the stack is left.

        `claiming`: the signal that it gets once it has claimed an event.
        """
        ours, theirs = _processes.Pipe(duplex=False)
        port = _free_port()
        process = _processes.Process(
            target=_main, args=(role, port, self.house.environment, ahead, poll, claiming, theirs)
        )
        await asyncio.to_thread(process.start)
        theirs.close()

        def end() -> None:
            process.kill()
            process.join()
            process.close()
            ours.close()

        stack.callback(end)
        assert await asyncio.to_thread(ours.poll, _START_SECONDS), f"the {role} does not start"
        ours.recv()
        running = Running(role, process, port)
        if role == "worker":
            self.workers.append(running)
        else:
            self.apis.append(running)
            http = client(running.url, authorization=f"Bearer {self.house.key}")
            self.merchants.append(Merchant(await stack.enter_async_context(http)))
        return running


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def town(
    house: House,
    *,
    apis: int = 2,
    workers: int = 2,
    ahead: tuple[timedelta, ...] = (),
    poll: float = 1,
    claiming: int = 0,
) -> AsyncIterator[Town]:
    """APIs and workers; `ahead`: how wrong their clocks are, first the APIs'."""
    async with AsyncExitStack() as stack:
        opened = Town(house)
        plan: list[tuple[Role, int]] = [("api", apis), ("worker", workers)]
        roles = [role for role, count in plan for _ in range(count)]
        clocks = (*ahead, *[timedelta()] * len(roles))
        await asyncio.gather(
            *(
                opened.start(role, stack, ahead=wrong, poll=poll, claiming=claiming)
                for role, wrong in zip(roles, clocks, strict=False)
            )
        )
        yield opened


async def happens(look: Callable[[], Awaitable[Any]], seconds: float = 30) -> Any:
    """Look until there is something to see, and return it."""
    async with asyncio.timeout(seconds):
        while True:
            if found := await look():
                return found
            await asyncio.sleep(0.02)


async def until_answered(call: Any, *terms: Any, **more: Any) -> httpx.Response:
    """Repeat a request under its key until it has an answer that is not an outage's."""
    async with asyncio.timeout(60):
        while True:
            try:
                answer: httpx.Response = await call(*terms, **more)
            except httpx.HTTPError:
                await asyncio.sleep(0.1)
                continue
            if answer.status_code not in (409, 502, 503, 504):
                return answer
            await asyncio.sleep(0.1)
