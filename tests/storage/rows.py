"""Rows for any table: every type of column, every extreme that the types allow, and null."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, SmallInteger, Table
from sqlalchemy.types import String

from storage.types import UtcDateTime

_MERCHANTS = 3
#: Tables with one row for each merchant.
ONE_EACH = ("merchants", "routing_policies")


def rows(table: Table, numbers: range, columns: Collection[str] = ()) -> list[dict[str, Any]]:
    """One row for each number, with `columns` only if any are named.

    Row n of a table refers to row n of the tables it depends on.
    """
    if table.name in ONE_EACH:
        numbers = range(max(numbers.start, 0), min(numbers.stop, _MERCHANTS))
    return [
        {
            column.name: _value(table, column, number)
            for column in table.columns
            if not columns or column.name in columns
        }
        for number in numbers
    ]


def _value(table: Table, column: Column[Any], number: int) -> Any:
    kind = column.type
    if column.name == "merchant_id" or (table.name, column.name) == ("merchants", "id"):
        return f"mer_{number % _MERCHANTS}"
    if column.name == "id" or column.name.endswith("_id"):
        return f"x_{number}"
    if column.nullable and number % 2:
        return None
    if isinstance(kind, UtcDateTime):
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number, microseconds=number)
    if isinstance(kind, Boolean):
        return number % 3 == 0
    if isinstance(kind, LargeBinary):
        return bytes(range(256)) + f"é{number}".encode()
    if isinstance(kind, SmallInteger):
        return number % 32_768
    if isinstance(kind, BigInteger):
        return (1 << 62) + number if table.name != "events" else number
    if isinstance(kind, Integer):
        return (1 << 31) - 1 - number
    assert isinstance(kind, String), f"a new type of column: {kind}"
    return f"{number}-Ünï ☕ '\"\\%"[: kind.length]
