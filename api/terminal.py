"""What commands have in common: JSON for programs, times from people."""

from datetime import UTC, datetime
from typing import Any

import click
import msgspec

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


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
