"""The worker: does what is due, sleeps until there is more or a second has passed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from api.logs import log
from api.wiring import Services
from gateway.errors import StoreUnavailable
from gateway.jobs import run_due

_POLL_SECONDS = 1.0


async def run(services: Services, stop: asyncio.Event) -> None:
    """Work until `stop` is set; what is under way then is finished first."""
    while not stop.is_set():
        services.work.clear()
        try:
            done = await run_due(services.ctx)
        except StoreUnavailable:
            log.warning("the worker cannot use the database, trying again")
            done = 0
        except Exception:  # a worker that dies quietly would leave every webhook unapplied
            log.exception("the worker stumbled, trying again")
            done = 0
        services.metrics.work_done(done)
        if not done:
            await _either(services.work, stop)


async def _either(work: asyncio.Event, stop: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait()) for event in (work, stop)]
    await asyncio.wait(waits, timeout=_POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)


@contextlib.asynccontextmanager
async def running(services: Services) -> AsyncIterator[None]:
    """A worker in this process, stopped in good order on exit."""
    stop = asyncio.Event()
    task = asyncio.create_task(run(services, stop), name="worker")
    try:
        yield
    finally:
        stop.set()
        await task
