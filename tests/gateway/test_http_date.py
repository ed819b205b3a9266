"""Times as HTTP headers tell them."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http_date import http_date


@given(st.datetimes(min_value=datetime(1900, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_a_time_that_was_written_is_read(at: datetime) -> None:
    whole = at.replace(microsecond=0)
    assert http_date(format_datetime(whole, usegmt=True)) == whole


@pytest.mark.parametrize("zone", ["GMT", "+0000", "-0000"])
def test_it_is_utc_on_every_machine(zone: str) -> None:
    """A zone of -0000 says that it is not known, and HTTP knows UTC alone."""
    told = http_date(f"Sun, 29 Nov 2026 02:28:27 {zone}")
    assert told == datetime(2026, 11, 29, 2, 28, 27, tzinfo=UTC)
    assert told.utcoffset() == timedelta()


@pytest.mark.parametrize("text", [None, "", "soon", "Sun, 99 Nov 2026 02:28:27 GMT", "2026", "\0"])
def test_what_is_no_time_is_none(text: str | None) -> None:
    assert http_date(text) is None
