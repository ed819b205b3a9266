"""Exports: files of flat records (gateway/columns.py), made at once or as a job.

A file has the record's columns, after each money column the exact decimal of the same amount, and
at the end `time_zone`, the zone in which its times are written.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from gateway.columns import COLUMNS, DECIMAL, Column, RecordKind

Format = Literal["csv", "jsonl", "xlsx", "parquet"]
ExportStatus = Literal["waiting", "running", "ready", "failed", "canceled", "expired"]

MEDIA_TYPES: Mapping[Format, str] = {
    "csv": "text/csv",
    "jsonl": "application/jsonl",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "parquet": "application/vnd.apache.parquet",
}
#: The column that names the zone of the times before it.
TIME_ZONE = "time_zone"

#: How long a finished file is kept, how long a link to it is good, and how long it is remembered
#: that there was an export.
KEPT = timedelta(hours=24)
LINK = timedelta(minutes=15)
REMEMBERED = timedelta(days=30)
#: So many may be waiting or under way for one merchant.
MOST_JOBS = 10
#: So many rows an answer may have that is built before it is sent (XLSX); a job may have more.
MOST_ROWS_AT_ONCE = 50_000
#: A job makes no larger file.
MOST_ROWS = 10_000_000
#: A job that was begun so often is given up.
MOST_TRIES = 3


class ExportResource(msgspec.Struct, frozen=True):
    """An export that runs as a job.

    `rows` have been written, of about `rows_expected` (null until they were counted). `size` is
    that of the file in bytes. `url` is a link to it that needs no key and is good for 15 minutes;
    every read gives a new one. After `expires_at` the file is gone.
    """

    object: Literal["export"]
    id: str
    livemode: bool
    kind: RecordKind
    format: Format
    tz: str
    filters: dict[str, Any]
    status: ExportStatus
    rows: int
    rows_expected: int | None
    size: int | None
    file_name: str
    url: str | None
    error: str | None
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime | None


def file_columns(kind: RecordKind) -> tuple[str, ...]:
    """The names of a file's columns."""
    return (*(name for column in COLUMNS[kind] for name in _in_file(column)), TIME_ZONE)


def _in_file(column: Column) -> Sequence[str]:
    if column.type == "money":
        return (column.name, column.name + DECIMAL)
    return (column.name,)


def file_name(
    kind: RecordKind,
    format: Format,
    zone: ZoneInfo,
    start: datetime | None,
    end: datetime | None,
    now: datetime,
) -> str:
    """A name that says what is in it: `orders_2026-01-01_2026-02-01_Europe-Berlin.csv`.

    The range is the one asked for, its end excluded, in the zone of the file; without an end, it
    ends when the file was asked for.
    """
    first = _moment(start, zone) if start else "all"
    last = _moment(end or now, zone)
    return f"{kind}_{first}_{last}_{zone.key.replace('/', '-')}.{format}"


def _moment(at: datetime, zone: ZoneInfo) -> str:
    try:
        local = at.astimezone(zone)
    except OverflowError:  # the first or last day that there is
        local = at
    midnight = (local.hour, local.minute, local.second, local.microsecond) == (0, 0, 0, 0)
    return local.strftime("%Y-%m-%d" if midnight else "%Y-%m-%dT%H%M%S")
