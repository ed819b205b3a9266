"""What commands have in common: JSON for programs, times from people."""

import sys
from datetime import UTC, datetime
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table

_UNBOUNDED = 1000

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def show(table: Table) -> None:
    """Print a table: as wide as the window, or as it needs where a program reads it.

    Ids are wrapped where there is no room for them, never cut: people copy them.
    """
    for column in table.columns:
        column.overflow = "fold"
    Console(width=None if sys.stdout.isatty() else _UNBOUNDED).print(table)


def line(value: Any) -> None:
    """Print a line of JSON."""
    click.echo(msgspec.json.encode(value).decode())


def moment(_: click.Context, __: click.Parameter, value: str | None) -> datetime | None:
    """Callback of an option: a day or a moment, UTC unless it says otherwise."""
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter("use a date like 2026-01-31 or 2026-01-31T12:00:00Z") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
