"""The worker: does what is due, sleeps until there is more or a second has passed.

Deliveries to merchants run beside it (api/delivering.py): they wait for others' servers. So do
exports (api/exporting/making.py): one may take minutes.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from api.delivering import Deliverer
from api.exporting.making import Exporter
from api.logs import log
from api.verifying import keep_verifying
from api.wiring import Services
from gateway.errors import StoreUnavailable
from gateway.jobs import run_due
from gateway.sweeps import schedule

_POLL_SECONDS = 1.0
#: What is under way when the end comes may take so long; longer than any call to a provider.
DRAIN_SECONDS = 30.0


async def run(services: Services, stop: asyncio.Event) -> None:
    """Work and deliver until `stop` is set.

    What is under way then is finished first, and what was claimed but not started is given back.
    What has not ended after DRAIN_SECONDS is broken off: another worker takes it up after its
    lease, as if this process had died.
    """
    working = asyncio.create_task(_all(services, stop), name="worker")
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({working}, timeout=DRAIN_SECONDS)
        if not working.done():
            log.warning("work is broken off, its leases will run out")
    finally:
        working.cancel()
        stopping.cancel()
        await asyncio.gather(stopping, return_exceptions=True)
    with contextlib.suppress(asyncio.CancelledError):
        await working


async def _all(services: Services, stop: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_work(services, stop), name="work")
        tasks.create_task(Deliverer(services).run(stop), name="deliveries")
        tasks.create_task(Exporter(services).run(stop), name="exports")
        tasks.create_task(keep_verifying(services, stop), name="verification")


async def _work(services: Services, stop: asyncio.Event) -> None:
    scheduled = False
    while not stop.is_set():
        services.work.clear()
        try:
            if not scheduled:
                await schedule(services.ctx)
                scheduled = True
            done = await run_due(services.ctx, stop.is_set)
        except StoreUnavailable:
            log.warning("the worker cannot use the database, trying again")
            done = 0
        except Exception:  # a worker that dies quietly would leave every webhook unapplied
            log.exception("the worker stumbled, trying again")
            done = 0
        services.metrics.work_done(done)
        if done:
            services.outgoing.set()  # there may be something to tell
        else:
            await _either(services.work, stop)


async def _either(work: asyncio.Event, stop: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait()) for event in (work, stop)]
    await asyncio.wait(waits, timeout=_POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)


@contextlib.asynccontextmanager
async def running(services: Services, stop: asyncio.Event | None = None) -> AsyncIterator[None]:
    """A worker in this process, stopped in good order on exit, or when `stop` is set before."""
    stop = stop or asyncio.Event()
    task = asyncio.create_task(run(services, stop), name="worker")
    try:
        yield
    finally:
        stop.set()
        await task
