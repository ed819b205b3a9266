"""The views that finance's tools read: `finance_orders` and others (docs/sql.md).

They have the columns of the flat records (gateway/columns.py) and, first, the merchant. A view
holds nothing, so it is made as this version defines it. A later one may add columns, at the end:
what reads a view goes on reading it. On SQLite a migration that makes a table anew has to drop the
views before, and to make them again.
"""

from collections.abc import Mapping

import msgspec
from sqlalchemy import (
    ColumnElement,
    Dialect,
    Select,
    Text,
    cast,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB

from gateway.columns import COLUMNS, Column, RecordKind
from storage import tables as t
from storage.flat import flat

#: From microseconds: as in the API, 2026-01-31T12:00:00.000000Z.
_SQLITE_TIME = (
    "strftime('%Y-%m-%dT%H:%M:%S', {0} / 1000000, 'unixepoch') || printf('.%06dZ', {0} % 1000000)"
)


class View(msgspec.Struct, frozen=True):
    """A view, and the columns that it has beside the merchant's."""

    name: str
    columns: tuple[Column, ...]


def _with_mode(columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """The API answers for one mode; a tool that reads a view sees live and test."""
    if any(column.name == "livemode" for column in columns):
        return columns
    return (columns[0], Column("livemode", "bool"), *columns[1:])


PAYOUTS = (
    Column("id", "id"),
    Column("livemode", "bool"),
    Column("provider", "text"),
    Column("provider_payout_id", "text"),
    Column("status", "text"),
    Column("currency", "text"),
    Column("amount", "money", "currency"),
    Column("created_at", "time"),
    Column("arrives_at", "time"),
)
_OF: Mapping[str, RecordKind] = {
    "finance_orders": "orders",
    "finance_refunds": "refunds",
    "finance_balance_transactions": "balance_transactions",
}
VIEWS = (
    *(View(name, _with_mode(COLUMNS[kind])) for name, kind in _OF.items()),
    View("finance_payouts", PAYOUTS),
)


def statements(dialect: Dialect) -> list[str]:
    """What makes the views, whether or not they are there."""
    found = []
    for view in VIEWS:
        query = _shown(_rows(view), view.columns, dialect)
        text = query.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
        if dialect.name == "postgresql":
            found.append(f"CREATE OR REPLACE VIEW {view.name} AS {text}")
        else:
            found += [f"DROP VIEW IF EXISTS {view.name}", f"CREATE VIEW {view.name} AS {text}"]
    return found


def _rows(view: View) -> Select[tuple[object, ...]]:
    """The records with their merchant, as they are stored."""
    if view.name in _OF:
        table = {
            "orders": t.orders,
            "refunds": t.refunds,
            "balance_transactions": t.balance_transactions,
        }[_OF[view.name]]
        rows = flat(_OF[view.name]).add_columns(table.c.merchant_id)
        known = {column.name for column in rows.selected_columns}
        return rows if "livemode" in known else rows.add_columns(table.c.livemode)
    p = t.provider_payouts.c
    return select(
        *(p.at.label("created_at") if c.name == "created_at" else p[c.name] for c in PAYOUTS),
        func.nullif(p.merchant_id, "").label("merchant_id"),
    )


def _shown(
    rows: Select[tuple[object, ...]], columns: tuple[Column, ...], dialect: Dialect
) -> Select[tuple[object, ...]]:
    """As a tool can read it: what SQLite keeps as integers, and JSON that is kept as bytes."""
    stored = rows.subquery("stored")
    online = dialect.name == "postgresql"

    def value(column: Column) -> ColumnElement[object]:
        found: ColumnElement[object] = stored.c[column.name]
        if column.type == "json":
            text = func.convert_from(found, "UTF8")
            return cast(text, JSONB) if online else cast(found, Text)
        if column.type == "time" and not online:
            return literal_column(_SQLITE_TIME.format(f"stored.{column.name}")).label(column.name)
        return found

    return select(
        stored.c.merchant_id, *(value(column).label(column.name) for column in columns)
    ).select_from(stored)
