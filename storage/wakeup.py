"""Waking the workers of other processes as soon as there is work, by PostgreSQL's LISTEN/NOTIFY.

One connection of each process listens, and tells. It tells after the commit and not within the
transaction, although NOTIFY could: PostgreSQL lets transactions that notify commit one at a time,
each with its own wait for the disk, which would make all payments of the house queue. What is lost
when a process dies between the two is the second after which every worker looks for itself.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

from storage.engine import Database

CHANNEL = "gateway_work"
_LONGEST_PAUSE = 5.0
_TELL_SECONDS = 5.0
_log = logging.getLogger("gateway.storage")


class Wakeup:
    """Calls `wake` when another process has told of work. On SQLite there is no other process."""

    def __init__(self, database: Database, wake: Callable[[], None]) -> None:
        self._database = database
        self._wake = wake
        self._told = asyncio.Event()
        self.listening = asyncio.Event()

    def tell(self) -> None:
        """There is work: tell the others soon, once for however many calls until then."""
        self._told.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen and tell until the exit."""
        if self._database.is_sqlite:
            yield
            return
        task = asyncio.create_task(self._run(), name="wakeup")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        pause = 0.0
        while True:
            try:
                await self._connected()
            except Exception as error:
                pause = 0.1 if self.listening.is_set() else min(pause * 2 + 0.1, _LONGEST_PAUSE)
                self.listening.clear()
                _log.warning(
                    "not listening for work, trying again", extra={"error": type(error).__name__}
                )
            await asyncio.sleep(pause)

    async def _connected(self) -> None:
        """Listen and tell until the connection fails, which raises."""
        async with self._database.engine.connect() as connection:
            raw: Any = (await connection.get_raw_connection()).driver_connection
            await connection.run_sync(lambda sync: sync.detach())  # not one of the pool's any more
            own = raw.get_server_pid()
            raw.add_termination_listener(lambda _: self._told.set())

            def heard(_: Any, sender: int, *__: Any) -> None:
                if sender != own:
                    self._wake()

            await raw.add_listener(CHANNEL, heard)
            self.listening.set()
            self._wake()  # for what was told while nobody listened
            while True:
                await self._told.wait()
                self._told.clear()
                if raw.is_closed():
                    raise ConnectionError("the listening connection was closed")
                await raw.execute(f"NOTIFY {CHANNEL}", timeout=_TELL_SECONDS)
