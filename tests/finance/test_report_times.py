"""Days, weeks and months in a time zone agree with what its clocks show at every single moment."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway import reports
from gateway.errors import InvalidRequest
from gateway.zones import Span, Unit, periods, spans, time_zone

NAMED = ("Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Pacific/Apia")
_TICK = timedelta(microseconds=1)


def hours(day: date, zone: str) -> float:
    """How long a day is."""
    pieces = spans(day, day + timedelta(days=1), ZoneInfo(zone), "day")
    return sum(((one.until - one.since) for one in pieces), timedelta()) / timedelta(hours=1)


def test_days_are_as_long_as_the_clocks_make_them() -> None:
    assert hours(date(2026, 3, 29), "Europe/Berlin") == 23
    assert hours(date(2026, 10, 25), "Europe/Berlin") == 25
    assert hours(date(2026, 6, 1), "Europe/Berlin") == 24
    assert hours(date(2011, 12, 30), "Pacific/Apia") == 0
    assert hours(date(1985, 12, 31), "Asia/Kathmandu") == 24
    assert hours(date(1986, 1, 1), "Asia/Kathmandu") == 23.75
    assert hours(date(2010, 11, 6), "America/St_Johns") * 60 == 24 * 60 + 59
    assert hours(date(2010, 11, 7), "America/St_Johns") * 60 == 24 * 60 + 1


def test_a_day_may_be_in_two_pieces() -> None:
    zone = ZoneInfo("America/St_Johns")
    sixth = spans(date(2010, 11, 6), date(2010, 11, 7), zone, None)
    assert [(one.since.isoformat(), one.until.isoformat()) for one in sixth] == [
        ("2010-11-06T02:30:00+00:00", "2010-11-07T02:30:00+00:00"),
        ("2010-11-07T02:31:00+00:00", "2010-11-07T03:30:00+00:00"),
    ]
    week = spans(date(2010, 11, 1), date(2010, 11, 15), zone, "week")
    assert [one.period for one in week] == [date(2010, 11, 1), date(2010, 11, 8)]
    days = spans(date(2010, 11, 6), date(2010, 11, 8), zone, "day")
    assert periods(days) == (date(2010, 11, 6), date(2010, 11, 7))
    assert len(days) == 4


def test_months_and_weeks_begin_where_their_first_day_does() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    march, april = spans(date(2026, 3, 1), date(2026, 5, 1), berlin, "month")
    assert (march.period, april.period) == (date(2026, 3, 1), date(2026, 4, 1))
    assert (april.until - march.since) == timedelta(days=61, hours=-1)
    assert march.until == april.since == datetime(2026, 3, 31, 22, tzinfo=UTC)
    first, *_ = spans(date(2026, 1, 1), date(2026, 2, 1), berlin, "week")
    assert (first.period, first.since) == (
        date(2025, 12, 29),
        datetime(2025, 12, 31, 23, tzinfo=UTC),
    )


def in_which(parts: tuple[Span, ...], at: datetime) -> list[date | None]:
    return [one.period for one in parts if one.since <= at < one.until]


@given(
    zone=st.sampled_from(NAMED) | st.sampled_from(sorted(available_timezones() - {"localtime"})),
    first=st.dates(date(1950, 1, 1), date(2037, 1, 1)),
    days=st.integers(1, 400),
    unit=st.sampled_from(("day", "week", "month")),
    moments=st.lists(st.floats(0, 1), min_size=1, max_size=20),
)
@example("America/St_Johns", date(2010, 11, 1), 10, "day", [0.5])
@example("Pacific/Apia", date(2011, 12, 20), 20, "day", [0.5])
@example("America/Havana", date(2025, 11, 1), 3, "day", [0.5])
@example("America/Nuuk", date(2024, 3, 29), 4, "day", [0.5])
def test_every_moment_is_in_the_day_that_the_clocks_show(
    zone: str, first: date, days: int, unit: Unit, moments: list[float]
) -> None:
    info, last = ZoneInfo(zone), first + timedelta(days=days)
    parts = spans(first, last, info, unit)
    start = datetime.combine(first, time(), UTC) - timedelta(days=2)
    at = [start + timedelta(days=days + 4) * share for share in moments]
    at += [
        end + step for one in parts for end in (one.since, one.until) for step in (-_TICK, _TICK)
    ]
    at += [end for one in parts for end in (one.since, one.until)]
    for moment in at:
        day = moment.astimezone(info).date()
        begins = {
            "day": day,
            "week": day - timedelta(days=day.weekday()),
            "month": day.replace(day=1),
        }[unit]
        assert in_which(parts, moment) == ([begins] if first <= day < last else []), moment
    assert all(one.since < one.until for one in parts)
    assert all(one.until <= another.since for one, another in pairwise(parts))


@given(
    after=st.timedeltas(timedelta(0), timedelta(days=10_000)),
    length=st.timedeltas(timedelta(0), timedelta(days=40)),
    zone=st.sampled_from(NAMED),
)
def test_times_are_ends_as_they_are(after: timedelta, length: timedelta, zone: str) -> None:
    first = datetime(2000, 1, 1, tzinfo=UTC) + after
    last = first + length
    parts = spans(first, last, ZoneInfo(zone), "day")
    assert sum((one.until - one.since for one in parts), timedelta()) == length
    whole = reports.Period(tz=zone, unit="day", spans=parts).undivided
    assert whole.spans == ((Span(None, first, last),) if length else ())


@pytest.mark.parametrize(
    ("since", "until", "tz", "by", "path"),
    [
        ("2026-01-01", "2026-01-02", "Mars/Olympus", "", "tz"),
        ("2026-01-01", "2026-01-02", "../../etc/passwd", "", "tz"),
        ("2026-01-01", "2026-01-02", "/usr/share/zoneinfo/UTC", "", "tz"),
        ("2026-01-01", "2026-01-02", "America", "", "tz"),
        ("2026-01-01", "2026-01-02", "localtime", "", "tz"),
        ("2026-01-01", "2026-01-02", "", "", "tz"),
        ("2026-13-01", "2026-01-02", "UTC", "", "from"),
        ("20260101", "2026-01-02", "UTC", "", "from"),
        ("yesterday", "2026-01-02", "UTC", "", "from"),
        ("0001-01-01", "2026-01-02", "UTC", "", "from"),
        ("2026-01-01", "2026-01-02T10:00:00", "UTC", "", "to"),
        ("2026-01-01", "9999-12-31T23:59:59Z", "UTC", "", "to"),
        ("2026-01-01", "2026-01-01", "UTC", "", "to"),
        ("2026-01-02", "2026-01-01", "UTC", "", "to"),
        ("2011-12-30", "2011-12-31", "Pacific/Apia", "", "to"),
        ("2025-01-01", "2026-02-06", "UTC", "day", "to"),
        ("2015-01-01", "2026-02-06", "UTC", "month", "to"),
        ("2026-01-01", "2026-01-02", "UTC", "day,week", "group_by"),
        ("2026-01-01", "2026-01-02", "UTC", "hour", "group_by"),
    ],
)
def test_what_cannot_be_reported_is_refused_by_name(
    since: str, until: str, tz: str, by: str, path: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        reports.period(since, until, tz, reports.dimensions(by, reports.DIMENSIONS["paid"]))
    assert refused.value.path == path


def test_the_longest_is_not_refused() -> None:
    for zone in NAMED:
        asked = reports.period("2025-01-01", "2026-02-05", zone, ("day",))
        assert len(periods(asked.spans)) == 400
    assert len(periods(reports.period("2016-01-01", "2026-01-01", "UTC", ("month",)).spans)) == 120
    assert time_zone("Etc/GMT+3").key == "Etc/GMT+3"


def test_groups_come_in_one_order_each_once() -> None:
    known = reports.DIMENSIONS["paid"]
    assert reports.dimensions("status,day,provider,day", known) == ("day", "provider", "status")
    assert reports.dimensions("", known) == ()
