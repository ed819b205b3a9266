"""Many small durable writes at once: one writer, one commit for whatever is waiting.

Waiting for the disk is what a write costs. Callers queue their rows and are answered only after the
commit that holds them. The writer takes what is waiting (no timer), in sorted order so that two
writers cannot deadlock. A group that fails is retried row by row, so that one bad row harms nobody.
The queue is bounded; a full one is StoreUnavailable.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from gateway.errors import StoreUnavailable

_log = logging.getLogger("gateway.storage")
Row = TypeVar("Row")
Result = TypeVar("Result")


class GroupCommit(Generic[Row, Result]):
    """Runs `write(rows) -> results` (one transaction, results in the order of the rows).

    `key` sorts the rows of a group.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Row]], Awaitable[Sequence[Result]]],
        key: Callable[[Row], tuple[str, ...]],
        *,
        group: int = 256,
        queue: int = 4096,
    ) -> None:
        self._write = write
        self._key = key
        self._group = group
        self._queue: asyncio.Queue[tuple[Row, asyncio.Future[Result]]] = asyncio.Queue(queue)
        self._task: asyncio.Task[None] | None = None

    async def put(self, row: Row) -> Result:
        """Write one row; returns after it is durable. Raises what its own write raised."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="group-commit")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        try:
            self._queue.put_nowait((row, future))
        except asyncio.QueueFull:
            raise StoreUnavailable("too many writes are waiting; try again") from None
        return await future

    async def close(self) -> None:
        """Finish what is queued, then stop."""
        if self._task is None:
            return
        await self._queue.join()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None

    async def _run(self) -> None:
        while True:
            waiting = [await self._queue.get()]
            while len(waiting) < self._group and not self._queue.empty():
                waiting.append(self._queue.get_nowait())
            waiting.sort(key=lambda item: self._key(item[0]))
            await self._commit(waiting)
            for _ in waiting:
                self._queue.task_done()

    async def _commit(self, waiting: list[tuple[Row, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._write([row for row, _ in waiting])
        except Exception as error:
            if len(waiting) == 1 or isinstance(error, StoreUnavailable):
                # An outage meets every row alike: no use in trying each.
                for _, future in waiting:
                    if not future.done():
                        future.set_exception(error)
                return
            _log.warning("a group of %d rows failed, writing them one by one", len(waiting))
            for item in waiting:
                await self._commit([item])
            return
        for (_, future), result in zip(waiting, results, strict=True):
            if not future.done():  # its caller may have gone
                future.set_result(result)
