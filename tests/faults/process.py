"""Gateways in processes of their own, which can be killed, or kill themselves at a chosen step.

The production code has no hooks for that. `Dying` wraps the store: every call to a provider lies
between two transactions (reserve, settle), so their commits are the points that matter. Processes
are forked from a server that has imported everything, since importing takes seconds.
"""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Literal, NamedTuple

from api import serving, worker
from api.settings import load
from api.wiring import Services, open_services
from gateway.records import Operation
from tests.faults.stage import House, served, with_store

Moment = Literal["before reserve", "after reserve", "before settle", "after settle", "after claim"]
_START_SECONDS = 60
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.faults.process", "tests.faults.warm"])


class Point(NamedTuple):
    """Where a process meets its end: at a commit of a call of `verb`, or once it has claimed work.

    `number` is the signal: SIGKILL, or SIGSTOP for a process that sleeps there. `nth`: not at the
    first such moment, but at the second, say.
    """

    moment: Moment
    verb: str = ""
    number: int = signal.SIGKILL
    nth: int = 1


class _Watched:
    """A transaction that remembers which step of the verb's call it is."""

    def __init__(self, tx: Any, verb: str) -> None:
        self._tx = tx
        self._verb = verb
        self.step = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tx, name)

    async def reserve(self, operation: Operation) -> Operation:
        self.step = self._step(operation, "reserve")
        stored: Operation = await self._tx.reserve(operation)
        return stored

    async def save_attempt(self, operation: Operation, **options: Any) -> None:
        self.step = self._step(operation, "settle")
        await self._tx.save_attempt(operation, **options)

    def _step(self, operation: Operation, step: str) -> str:
        return step if operation.verb == self._verb else self.step


class Dying:
    """A store whose process gets a signal at one point, at most once."""

    def __init__(self, store: Any, point: Point) -> None:
        self._store = store
        self._point: Point | None = point

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[_Watched]:
        async with self._store.transaction() as tx:
            watched = _Watched(tx, self._point.verb if self._point else "")
            yield watched
            self._meet(f"before {watched.step}")
        self._meet(f"after {watched.step}")

    async def claim_events(self, *terms: Any) -> Any:
        return self._claimed(await self._store.claim_events(*terms))

    async def claim_jobs(self, *terms: Any) -> Any:
        return self._claimed(await self._store.claim_jobs(*terms))

    def _claimed(self, work: list[Any]) -> list[Any]:
        if work:
            self._meet("after claim")
        return work

    def _meet(self, moment: str) -> None:
        if self._point and self._point.moment == moment:
            point = self._point
            self._point = point._replace(nth=point.nth - 1) if point.nth > 1 else None
            if self._point is None:
                os.kill(os.getpid(), point.number)


def _main(environment: dict[str, str], ready: Connection, point: Point | None, works: bool) -> None:
    serving.run(_serve(environment, ready, point, works))


async def _serve(
    environment: dict[str, str], ready: Connection, point: Point | None, works: bool
) -> None:
    async with AsyncExitStack() as stack:
        services: Services = await stack.enter_async_context(open_services(load(environment)))
        if point is not None:
            services = with_store(services, Dying(services.ctx.store, point))
        ready.send(await stack.enter_async_context(served(services)))
        if works:
            await stack.enter_async_context(worker.running(services))
        await asyncio.Event().wait()  # for ever: these processes are killed


@dataclass
class Running:
    """A gateway in another process."""

    url: str
    pid: int
    process: Any

    async def ended(self) -> int:
        """Wait for its end; the exit code, negative for a signal."""
        await asyncio.to_thread(self.process.join, _START_SECONDS)
        assert self.process.exitcode is not None, "it is still running"
        code: int = self.process.exitcode
        return code

    async def stopped(self) -> None:
        """Wait until it sleeps by SIGSTOP."""
        for _ in range(2000):
            with open(f"/proc/{self.pid}/stat") as file:  # noqa: ASYNC230 -- memory, not a disk
                if file.read().rpartition(")")[2].split()[0] == "T":
                    return
            await asyncio.sleep(0.005)
        raise AssertionError("it does not stop")

    def send(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)


@asynccontextmanager
async def start(
    house: House, *, dies: Point | None = None, works: bool = False
) -> AsyncIterator[Running]:
    """A gateway process on the house's database; killed on leaving. `works`: with a worker."""
    ours, theirs = _processes.Pipe(duplex=False)
    process = _processes.Process(
        target=_main, args=(house.environment, theirs, dies, works), daemon=True
    )
    await asyncio.to_thread(process.start)
    theirs.close()
    try:
        assert await asyncio.to_thread(ours.poll, _START_SECONDS), "it does not start"
        assert process.pid is not None  # it was started
        yield Running(ours.recv(), process.pid, process)
    finally:
        process.kill()
        await asyncio.to_thread(process.join)
        process.close()
        ours.close()
