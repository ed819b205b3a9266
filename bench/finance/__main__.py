"""`python -m bench.finance`: load a year of orders, ask everything, print how long it took.

A PostgreSQL of its own, on this machine, thrown away afterwards. Exit code 1 for a missed goal.
"""

import asyncio
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import click
import msgspec

from bench.finance import exports, lists, reports
from bench.finance.lists import Measured
from bench.finance.load import load
from bench.finance.orders import MERCHANT
from gateway.columns import KINDS, RecordKind
from storage.engine import Database
from storage.migrate import upgrade
from tests.postgres import CONFIGURATION, launch

#: A server as one would be set up for this, but for the durability of what it loads.
_SERVER = CONFIGURATION | {
    "shared_buffers": "2GB",
    "max_wal_size": "8GB",
    "maintenance_work_mem": "256MB",
}
#: Milliseconds within which 99 of 100 are to be answered, rows per second, and MiB.
_PAGE, _SUMMARY, _REPORT, _RATE, _MEMORY = 50.0, 300.0, 1_000.0, 50_000.0, 200.0


@click.command()
@click.option("--orders", "total", default=1_000_000, show_default=True, help="How many to load.")
@click.option("--tries", default=2, show_default=True, help="Of each question; the fastest counts.")
@click.option("--worst", default=3, show_default=True, help="How many of the slowest to name.")
@click.option("--json", "path", type=click.Path(dir_okay=False, path_type=Path), help="Figures.")
def main(total: int, tries: int, worst: int, path: Path | None) -> None:
    """Measure finance's questions, in the server's time, through the store's own functions."""
    with launch(_SERVER) as server, server.database() as name:
        figures = asyncio.run(_measure(server.database_url(name), total, tries, worst))
    if path is not None:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(figures)))
    missed = [str(figure["what"]) for figure in figures if not figure["met"]]
    print(f"missed: {', '.join(missed)}" if missed else "every goal is met")
    raise SystemExit(bool(missed))


async def _measure(url: str, total: int, tries: int, worst: int) -> list[dict[str, Any]]:
    await upgrade(url)
    started = time.monotonic()
    await load(url, total)
    print(f"{total} orders loaded in {time.monotonic() - started:.0f} s", flush=True)
    figures = []
    database = Database(url)
    try:
        async for measured in lists.measure_lists(database, tries):
            figures += [_told(measured, _PAGE, worst)]
        figures.append(_told(await lists.measure_search(database), _PAGE, worst))
        for each in await reports.measure_reports(database):
            goal = _SUMMARY if each.name.startswith("summary") else _REPORT
            figures.append(_told(each, goal, worst))
    finally:
        await database.close()
    return figures + [_told_export(url, kind) for kind in KINDS]


def _told(measured: Measured, goal: float, worst: int) -> dict[str, Any]:
    p50, p99 = measured.percentile(0.50), measured.percentile(0.99)
    met = p99 < goal
    print(
        f"{measured.name:34} {len(measured.taken):6} asked   p50 {p50:7.1f} ms   p99 {p99:7.1f} ms"
        f"   goal {goal:.0f}{'' if met else '   MISSED'}",
        flush=True,
    )
    for taken, question in measured.worst(worst):
        print(f"    {taken:7.1f} ms  {question}")
    asked = len(measured.taken)
    return {"what": measured.name, "asked": asked, "p50_ms": p50, "p99_ms": p99, "met": met}


def _told_export(url: str, kind: RecordKind) -> dict[str, Any]:
    """An export in a process of its own, for its memory."""
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh) as process:
        done = process.submit(exports.alone, url, MERCHANT, kind).result()
    # What is small is over before it has begun to be fast.
    met = (done.rows_per_second >= _RATE or done.rows < _RATE) and done.peak_mib < _MEMORY
    print(
        f"{f'export of {kind}, CSV':34} {done.rows:6} rows    {done.rows_per_second:,.0f} rows/s   "
        f"{done.peak_mib:.0f} MiB   goal {_RATE:,.0f}, {_MEMORY:.0f}{'' if met else '   MISSED'}",
        flush=True,
    )
    return {
        "what": f"export of {kind}",
        "rows": done.rows,
        "rows_per_second": done.rows_per_second,
        "peak_mib": done.peak_mib,
        "met": met,
    }


if __name__ == "__main__":
    main()
