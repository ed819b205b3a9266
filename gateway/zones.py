"""Days, weeks and months in a time zone, as spans of UTC.

A day is all the time in which the clocks of the zone show its date. It may have 23 or 25 hours, or
none (Apia had no 30 December 2011), and it need not be in one piece: in St. John's, at 00:01 on
7 November 2010, the clocks went back into the day before. So what is counted by day is counted by
spans, and agrees with what `at.astimezone(zone).date()` says of every single moment.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from gateway.errors import InvalidRequest

Unit = Literal["day", "week", "month"]

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+/-]{0,63}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
#: The machine's own zone, and what is none: a name that says something else elsewhere is no name.
_NO_ZONES = frozenset({"localtime", "posixrules", "Factory"})
#: Far enough from the ends of what a datetime can say, in any zone.
_EARLIEST, _LATEST = date(1900, 1, 1), date(2200, 1, 1)


class Span(msgspec.Struct, frozen=True):
    """From `since`, included, to `until`, excluded; UTC. `period` is the local date on which the
    day, week (Monday) or month that it lies in begins; None where time is not divided."""

    period: date | None
    since: datetime
    until: datetime


def time_zone(name: str) -> ZoneInfo:
    """The zone of an IANA name, such as Europe/Berlin. Raises InvalidRequest."""
    if _NAME.fullmatch(name) and name not in _NO_ZONES:
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
    raise InvalidRequest("give an IANA time zone, such as Europe/Berlin or UTC", path="tz")


def end_of_range(text: str, path: str) -> date | datetime:
    """What somebody gave as the beginning or end of a time: a date, or a time with its zone.

    Raises InvalidRequest, with `path` as the field at fault.
    """
    try:
        if _DATE.fullmatch(text):
            end: date = date.fromisoformat(text)
            day = end
        else:
            end = datetime.fromisoformat(text)
            day = end.date()
    except ValueError:
        raise InvalidRequest(
            "use a date like 2026-01-31, or a time like 2026-01-31T00:00:00Z", path=path
        ) from None
    if isinstance(end, datetime) and end.tzinfo is None:
        raise InvalidRequest("give the time's zone, as in 2026-01-31T00:00:00Z", path=path)
    if not _EARLIEST <= day <= _LATEST:
        raise InvalidRequest(f"use a time from {_EARLIEST} to {_LATEST}", path=path)
    return end


def spans(
    start: date | datetime, end: date | datetime, zone: ZoneInfo, unit: Unit | None
) -> tuple[Span, ...]:
    """The time from `start`, included, to `end`, excluded, divided by `unit`, in order. Pure.

    A date stands for the beginning of the day in `zone`. Neighbours that belong to one period are
    one span. Nothing is left of a range that ends before it begins.
    """
    merged: list[Span] = []
    for day, since, until in _days(start, end, zone):
        period = _period(day, unit)
        if merged and merged[-1].period == period and merged[-1].until == since:
            since = merged.pop().since
        merged.append(Span(period, since, until))
    return tuple(merged)


def periods(parts: Iterable[Span]) -> tuple[date, ...]:
    """The days, weeks or months that the spans lie in, in order, each once."""
    return tuple(sorted({part.period for part in parts if part.period is not None}))


def _days(
    start: date | datetime, end: date | datetime, zone: ZoneInfo
) -> Iterator[tuple[date, datetime, datetime]]:
    """(local date, since, until) of each piece of time within the range."""
    first, last = _around(start, -_DAY), _around(end, _DAY)
    for day, since, until in _pieces(first, last, zone):
        if isinstance(start, datetime):
            since = max(since, start.astimezone(UTC))
        elif day < start:
            continue
        if isinstance(end, datetime):
            until = min(until, end.astimezone(UTC))
        elif day >= end:
            continue
        if since < until:
            yield day, since, until


def _around(end: date | datetime, margin: timedelta) -> datetime:
    """A moment that is certainly beyond this end of a range: no zone is a day away from UTC."""
    if isinstance(end, datetime):
        return end.astimezone(UTC)
    return datetime.combine(end, time(), UTC) + margin


def _pieces(
    since: datetime, until: datetime, zone: ZoneInfo
) -> Iterator[tuple[date, datetime, datetime]]:
    """The time between two moments, cut where the local date or the zone's offset changes."""
    while since < until:
        local = since.astimezone(zone)
        tomorrow = datetime.combine(local.date() + _DAY, time())
        cut = (tomorrow - _offset(since, zone)).replace(tzinfo=UTC)
        if _offset(cut - _SECOND, zone) != _offset(since, zone):
            cut = _change(since, cut, zone)
        yield local.date(), since, min(cut, until)
        since = cut


def _change(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """The first second after `low` at which the offset is no longer that of `low`."""
    before = _offset(low, zone)
    low = low.replace(microsecond=0)
    while high - low > _SECOND:
        middle = low + timedelta(seconds=(high - low) // _SECOND // 2)
        if _offset(middle, zone) == before:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)


def _offset(at: datetime, zone: ZoneInfo) -> timedelta:
    offset = at.astimezone(zone).utcoffset()
    assert offset is not None  # zones have one at any time
    return offset


def _period(day: date, unit: Unit | None) -> date | None:
    if unit == "week":
        return day - timedelta(days=day.weekday())
    if unit == "month":
        return day.replace(day=1)
    return day if unit == "day" else None
