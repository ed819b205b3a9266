"""How long the reports of a month take, of every month, in a zone whose clocks change."""

import time
from collections.abc import Awaitable, Callable
from itertools import pairwise

from bench.finance.lists import Measured
from bench.finance.orders import MERCHANT, START
from gateway import conversion as converted
from gateway import reports
from gateway.balances import balances
from gateway.reports import Axis, Dimension, Period
from storage.balances import Balances
from storage.conversion import Conversions
from storage.engine import Database
from storage.reports import Reports

_ZONE = "Europe/Berlin"
_GROUPINGS: tuple[tuple[Dimension, ...], ...] = (
    (),
    ("provider",),
    ("day", "provider"),
    ("week", "provider", "status"),
)
_MONTHS = [f"{START.year}-{month:02}-01" for month in range(1, 13)] + [f"{START.year + 1}-01-01"]


async def measure_reports(database: Database) -> list[Measured]:
    """The summary, by each time and in several groupings; the conversion; the balances."""
    return [
        *[await _summaries(database, by) for by in reports.DIMENSIONS],
        await _conversions(database),
        await _balances(database),
    ]


async def _measured(
    measured: Measured, group_by: tuple[Dimension, ...], ask: Callable[[Period], Awaitable[object]]
) -> None:
    """Ask for each month."""
    for since, until in pairwise(_MONTHS):
        started = time.perf_counter()
        await ask(reports.period(since, until, _ZONE, group_by))
        taken = (time.perf_counter() - started) * 1000
        measured.taken.append((taken, f"{since} by {', '.join(group_by) or 'nothing'}"))


async def _summaries(database: Database, by: Axis) -> Measured:
    read, measured = Reports(database), Measured(f"summary of a month, {by}")
    for wanted in _GROUPINGS:
        groups = tuple(name for name in wanted if name in reports.DIMENSIONS[by])

        async def ask(asked: Period, groups: tuple[Dimension, ...] = groups) -> object:
            found = await read.summary(MERCHANT, True, asked, by, groups)
            return reports.summary(asked, by, groups, found)

        await _measured(measured, groups, ask)
    return measured


async def _conversions(database: Database) -> Measured:
    read, measured = Conversions(database), Measured("conversion of a month")
    for groups in _GROUPINGS[:3]:

        async def ask(asked: Period, groups: tuple[Dimension, ...] = groups) -> object:
            found = await read.conversion(MERCHANT, True, asked, groups)
            return converted.conversion(asked, groups, found)

        await _measured(measured, groups, ask)
    return measured


async def _balances(database: Database) -> Measured:
    read, measured = Balances(database), Measured("balances of a month")

    async def ask(asked: Period) -> object:
        sums = await read.sums(MERCHANT, True, asked, "occurred")
        return balances(asked, "occurred", sums)

    await _measured(measured, (), ask)
    return measured
