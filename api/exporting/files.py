"""What the formats have in common, and a file made batch by batch beside the event loop."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from importlib.util import find_spec
from typing import Protocol
from zoneinfo import ZoneInfo

from api.exporting.csv_file import CsvFile
from api.exporting.jsonl_file import JsonLinesFile
from api.exporting.parquet_file import ParquetFile
from api.exporting.xlsx_file import XlsxFile
from gateway.columns import RecordKind
from gateway.errors import InvalidRequest
from gateway.exports import Format
from storage.flat import Batch


class File(Protocol):
    """A file that is being written. It is used by one thread at a time."""

    def rows(self, batch: Batch) -> bytes:
        """The bytes that these rows make ready, which may be none."""
        ...

    def end(self) -> Iterable[bytes]:
        """The rest; without it the file is not whole."""
        ...

    def close(self) -> None:
        """Let go of what is held, also in the middle."""
        ...


_FILES: Mapping[Format, Callable[[RecordKind, ZoneInfo], File]] = {
    "csv": CsvFile,
    "jsonl": JsonLinesFile,
    "xlsx": XlsxFile,
    "parquet": ParquetFile,
}


def can_make(format: Format) -> bool:
    """Whether this installation can make it: Parquet's library is an extra."""
    return format != "parquet" or find_spec("pyarrow") is not None


def check_format(format: Format) -> None:
    """Raises InvalidRequest for a format that this installation cannot make."""
    if not can_make(format):
        raise InvalidRequest(
            "Parquet files need pyarrow where the gateway runs (the extra `parquet`)",
            path="format",
        )


async def written(
    kind: RecordKind,
    format: Format,
    zone: ZoneInfo,
    batches: AsyncIterator[Batch],
    counted: Callable[[int], None] = lambda _: None,
) -> AsyncGenerator[bytes, None]:
    """The bytes of the whole file; `counted` is told of rows as they are written.

    While one batch is written in a thread, the next one is read. Whoever stops in the middle ends
    both, and nothing is left of the file.
    """
    file = await asyncio.to_thread(_FILES[format], kind, zone)
    ahead: asyncio.Task[Batch | None] | None = None
    try:
        batch = await anext(batches, None)
        while batch is not None:
            ahead = asyncio.create_task(_next(batches), name="next batch of an export")
            if data := await asyncio.to_thread(file.rows, batch):
                yield data
            counted(len(batch))
            batch = await ahead
        rest = iter(file.end())
        while data := await asyncio.to_thread(next, rest, b""):
            yield data
    finally:
        if ahead is not None:
            ahead.cancel()
            ahead.add_done_callback(_retrieved)
        file.close()


async def _next(batches: AsyncIterator[Batch]) -> Batch | None:
    return await anext(batches, None)


def _retrieved(task: asyncio.Task[Batch | None]) -> None:
    """Nobody waits for it any more: what went wrong in it is nobody's concern."""
    if not task.cancelled():
        task.exception()
