"""How fast an export is written, and in how much memory."""

import asyncio
import resource
import sys
import time
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from api.exporting.files import written
from gateway.columns import RecordKind
from gateway.exports import Format
from storage.engine import Database
from storage.filters import BookFilter, OrderFilter, RefundFilter, Wanted
from storage.flat import Flat

_ALL: dict[RecordKind, Wanted] = {
    "orders": OrderFilter(),
    "refunds": RefundFilter(),
    "balance_transactions": BookFilter(),
}


@dataclass(frozen=True)
class Exported:
    """What one export took. `peak_mib`: the largest that this process has been, all in all."""

    rows: int
    size: int
    seconds: float
    peak_mib: float

    @property
    def rows_per_second(self) -> float:
        """The speed."""
        return self.rows / self.seconds


async def bench_export(
    database: Database,
    merchant_id: str,
    *,
    livemode: bool = False,
    format: Format = "csv",
    tz: str = "Europe/Berlin",
    kind: RecordKind = "orders",
) -> Exported:
    """Write all records of a merchant to nowhere, as a request for them would.

    For its memory to mean something, run it in a process of its own.
    """
    rows = size = 0

    def count(more: int) -> None:
        nonlocal rows
        rows += more

    started = time.perf_counter()
    batches = Flat(database).batches(kind, merchant_id, livemode, _ALL[kind])
    async for data in written(kind, format, ZoneInfo(tz), batches, count):
        size += len(data)
    seconds = time.perf_counter() - started
    return Exported(rows, size, seconds, _peak())


def _peak() -> float:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on a Mac, KiB elsewhere
    return most / 2**20 if sys.platform == "darwin" else most / 2**10


def alone(url: str, merchant_id: str, kind: RecordKind) -> Exported:
    """The same as the only work of its process."""
    return asyncio.run(bench_export(Database(url), merchant_id, livemode=True, kind=kind))
