"""Makes the exports that were asked for as jobs. Runs in the worker beside its other work.

One at a time in each process, under a lease which is made longer while the work goes on. Another
process takes over when a lease runs out, and begins anew: the rows are read again anyway.
"""

import asyncio
import time
from contextlib import suppress
from datetime import timedelta

from api.exporting.files import written
from api.exporting.filters import from_json
from api.logs import log
from api.wiring import Services
from gateway.backoff import backoff
from gateway.errors import GatewayError, StoreUnavailable, reason
from gateway.exports import MOST_ROWS, MOST_TRIES
from gateway.zones import time_zone
from storage.exports import ExportRecord, Exports
from storage.flat import Flat

_POLL_SECONDS = 1.0
#: How often is told how far it is.
_BEAT_SECONDS = 1.0
#: A piece of a file is at least so large, the last one apart.
_PIECE = 1024 * 1024


class TooLarge(GatewayError):
    """More rows than a file may have."""

    code = "export_too_large"


class Exporter:
    """The exports that this process makes."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._exports = services.exports
        self._flat = Flat(services.store.database)

    async def run(self, stop: asyncio.Event) -> None:
        """Make what is due until `stop` is set; what is under way then is given back."""
        while not stop.is_set():
            try:
                busy = await self.run_due(stop)
            except StoreUnavailable:
                log.warning("exports cannot use the database, trying again")
                busy = False
            except Exception:  # a loop that dies quietly would leave every export waiting
                log.exception("exports stumbled, trying again")
                busy = False
            if not busy:
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), _POLL_SECONDS)

    async def run_due(self, stop: asyncio.Event | None = None) -> bool:
        """Do the one thing that is due the longest. False: nothing was."""
        ctx = self._services.ctx
        claimed = await self._exports.claim(ctx.now(), ctx.now() + ctx.lease)
        if claimed is None:
            return False
        match claimed.status:
            case "waiting" | "running":
                await self._make(claimed, stop or asyncio.Event())
            case "ready":
                await self._exports.expire(claimed)
            case _:
                await self._exports.forget(claimed)
        return True

    async def _make(self, claimed: ExportRecord, stop: asyncio.Event) -> None:
        work, started = _Work(self._exports, self._flat, claimed), time.perf_counter()
        making = asyncio.create_task(work.run(), name="export")
        try:
            outcome = await self._watched(claimed, work, making, stop)
        finally:
            making.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await making
        seconds = time.perf_counter() - started
        self._services.metrics.exported(claimed.format, outcome, work.rows, seconds)
        log.info(
            "export",
            export=claimed.id,
            kind=claimed.kind,
            format=claimed.format,
            outcome=outcome,
            rows=work.rows,
            milliseconds=round(seconds * 1000),
        )

    async def _watched(
        self,
        claimed: ExportRecord,
        work: "_Work",
        making: asyncio.Task[bool],
        stop: asyncio.Event,
    ) -> str:
        """Keep the lease until it is made. Returns what became of it."""
        ctx = self._services.ctx
        stopping = asyncio.create_task(stop.wait())
        try:
            while not making.done():
                await asyncio.wait(
                    {making, stopping},
                    timeout=min(_BEAT_SECONDS, ctx.lease.total_seconds() / 4),
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if making.done():
                    break
                if stop.is_set():
                    if await self._exports.give_back(claimed, ctx.now(), begun=False):
                        return "given_back"
                elif await self._still_held(claimed, work.rows):
                    continue
                if not work.whole:
                    return "taken_away"
                await asyncio.wait({making})  # or it has been finished in this very moment
            return "made" if await making else "taken_away"
        except TooLarge as error:
            await self._exports.give_up(claimed, "failed", error.detail)
            return "failed"
        except Exception as error:
            log.exception("export failed", export=claimed.id)
            return await self._failed(claimed, reason(error))
        finally:
            stopping.cancel()

    async def _still_held(self, claimed: ExportRecord, rows: int) -> bool:
        """Make the lease longer. A database that is away for a moment ends nothing yet."""
        ctx = self._services.ctx
        try:
            return await self._exports.go_on(claimed, rows, ctx.now() + ctx.lease)
        except StoreUnavailable:
            log.warning("the lease of an export could not be made longer", export=claimed.id)
            return True

    async def _failed(self, claimed: ExportRecord, error: str) -> str:
        if claimed.attempts >= MOST_TRIES:
            await self._exports.give_up(claimed, "failed", error)
            return "failed"
        pause = backoff(claimed.attempts, timedelta(seconds=10))
        due = self._services.ctx.now() + pause
        given_back = await self._exports.give_back(claimed, due, begun=True)
        return "put_off" if given_back else "taken_away"


class _Work:
    """One file, on its way into the database."""

    def __init__(self, exports: Exports, flat: Flat, claimed: ExportRecord) -> None:
        self._exports, self._flat, self._claimed = exports, flat, claimed
        self.rows = 0
        self.whole = False  # all of it lies there, and is only to be called ready

    async def run(self) -> bool:
        """Make it. False when it was taken away. Raises TooLarge, StoreUnavailable."""
        claimed, size, position = self._claimed, 0, 0
        wanted = from_json(claimed.kind, claimed.filters)
        own = (claimed.kind, claimed.merchant_id, claimed.livemode, wanted)
        if not await self._exports.begin(claimed, await self._flat.count(*own, MOST_ROWS + 1)):
            return False
        batches, piece = self._flat.batches(*own), bytearray()
        zone = time_zone(claimed.tz)
        async for data in written(claimed.kind, claimed.format, zone, batches, self._count):
            piece += data
            if len(piece) >= _PIECE:
                if not await self._exports.put(claimed, position, bytes(piece)):
                    return False
                size, position = size + len(piece), position + 1
                piece.clear()
        if piece and not await self._exports.put(claimed, position, bytes(piece)):
            return False
        self.whole = True
        return await self._exports.finish(claimed, self.rows, size + len(piece))

    def _count(self, rows: int) -> None:
        self.rows += rows
        if self.rows > MOST_ROWS:
            raise TooLarge(f"more than {MOST_ROWS} rows: restrict the time, and make several files")
