"""Plain charts as shapes: the page draws them as SVG, with a table beside them. Pure."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple

from gateway.reports import Group

WIDTH, HEIGHT = 720, 170


class Bar(NamedTuple):
    """One provider's part of one day's bar; `tone` is 1 to 6."""

    x: float
    y: float
    width: float
    height: float
    tone: int
    day: date
    provider: str
    amount: int


class Chart(NamedTuple):
    """Bars by day, stacked by provider. `top` is the highest day's sum."""

    bars: list[Bar]
    providers: list[tuple[str, int]]
    marks: list[tuple[float, date]]
    top: int


def by_day(groups: Iterable[Group], days: Sequence[date]) -> Chart:
    """What was captured on each of the days, by provider. The groups are of one currency."""
    places = {day: place for place, day in enumerate(days)}
    sums = [
        (one.period, one.provider, one.amount_captured)
        for one in groups
        if one.period in places and one.provider is not None
    ]
    names = sorted({provider for _, provider, _ in sums})
    tones = {name: number % 6 + 1 for number, name in enumerate(names)}
    totals: dict[date, int] = {}
    for day, _, amount in sums:
        totals[day] = totals.get(day, 0) + amount
    top = max(totals.values(), default=0)
    step = WIDTH / max(1, len(days))
    heights: dict[date, float] = {}
    bars = []
    for day, provider, amount in sorted(sums):
        if not top or not amount:
            continue
        height, below = amount * HEIGHT / top, heights.get(day, 0.0)
        heights[day] = below + height
        x, y = places[day] * step + step * 0.14, HEIGHT - below - height
        size = (round(x, 1), round(y, 1), round(step * 0.72, 1), round(height, 1))
        bars.append(Bar(*size, tones[provider], day, provider, amount))
    every = max(1, len(days) // 5)
    marks = [
        (round((place + (0.5 if place else 0)) * step, 1), days[place])
        for place in range(0, len(days), every)
    ]
    return Chart(bars, list(tones.items()), marks, top)
