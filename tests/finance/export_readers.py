"""What a file says, read by others' software: rows of values as the API has them."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
from python_calamine import CalamineWorkbook

from api.exporting.texts import restored
from gateway.columns import COLUMNS, Column, RecordKind
from gateway.exports import Format, file_columns
from gateway.money import EXPONENTS

Row = dict[str, Any]


def rows_of(format: Format, kind: RecordKind, tz: str, body: bytes) -> list[Row]:
    """The rows of a file, with times as datetimes and decimals checked against their amounts."""
    names, rows = _READERS[format](body)
    assert tuple(names) == file_columns(kind)
    return [_row(format, kind, ZoneInfo(tz), dict(zip(names, row, strict=True))) for row in rows]


def _csv(body: bytes) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
    assert not body.startswith(b"\xef\xbb\xbf")
    names, *rows = csv.reader(io.StringIO(body.decode(), newline=""), strict=True)
    return names, [[value or None for value in row] for row in rows]


def _jsonl(body: bytes) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
    rows = [json.loads(line) for line in body.splitlines()]
    return list(rows[0]), [list(row.values()) for row in rows]


def _xlsx(body: bytes) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
    book = CalamineWorkbook.from_filelike(io.BytesIO(body))
    names, *rows = book.get_sheet_by_index(0).to_python()
    return [str(name) for name in names], [
        [None if value == "" else value for value in row] for row in rows
    ]


def _parquet(body: bytes) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
    table = pq.read_table(io.BytesIO(body))
    return table.column_names, [list(row.values()) for row in table.to_pylist()]


_READERS = {"csv": _csv, "jsonl": _jsonl, "xlsx": _xlsx, "parquet": _parquet}


def _row(format: Format, kind: RecordKind, zone: ZoneInfo, read: Row) -> Row:
    assert read.pop("time_zone") == zone.key
    row = {c.name: _value(format, c, zone, read[c.name]) for c in COLUMNS[kind]}
    for column in COLUMNS[kind]:
        if column.type == "money":
            decimal, places = read[f"{column.name}_decimal"], EXPONENTS[row["currency"]]
            assert _minor(decimal, places) == row[column.name], (column.name, decimal)
    return row


def _minor(decimal: Any, places: int) -> int | None:
    """Minor units from a decimal: an exact string, a Decimal, or a spreadsheet's number."""
    if decimal is None:
        return None
    if isinstance(decimal, str):
        assert len(decimal.partition(".")[2]) == places
    exact = Decimal(f"{decimal:.15g}") if isinstance(decimal, float) else Decimal(decimal)
    units = exact * 10**places
    assert units == int(units)
    return int(units)


def _value(format: Format, column: Column, zone: ZoneInfo, value: Any) -> Any:
    if value is None:
        return None
    match column.type:
        case "time":
            return _time(format, zone, value)
        case "money":
            assert not isinstance(value, float) or value == int(value)
            return int(value)
        case "bool":
            return {"true": True, "false": False}[value] if format == "csv" else value
        case "json":
            text = restored(value) if format == "csv" else value
            return json.loads(text) if isinstance(text, str) else text
        case "text" if format == "csv":
            return restored(value)
        case _:
            return value


def _time(format: Format, zone: ZoneInfo, value: Any) -> datetime:
    """As an instant; a spreadsheet's time is the local one, to the millisecond."""
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    if format == "xlsx":
        if not isinstance(at, datetime):  # calamine's idea of a midnight
            at = datetime(at.year, at.month, at.day)  # noqa: DTZ001
        assert at.tzinfo is None
        at += timedelta(microseconds=500)
        return at.replace(microsecond=at.microsecond // 1000 * 1000, tzinfo=zone)
    assert at.utcoffset() == at.astimezone(zone).utcoffset()
    return at
