"""`gateway migrate-store`: from SQLite to PostgreSQL, when one machine is not enough any more."""

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from gateway.errors import SettingsError
from storage.copying import Report, copy_store
from storage.engine import normal_url

_LINE_EVERY = 10_000


class _Url(click.ParamType[str]):
    """The URL of one kind of database."""

    def __init__(self, kind: str) -> None:
        self.name = kind

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The URL with its driver."""
        try:
            url = normal_url(value)
        except SettingsError as error:
            self.fail(error.detail.removeprefix("DATABASE_URL: "), param, ctx)
        if not url.startswith(self.name):
            self.fail(f"it must be a {self.name} URL", param, ctx)
        return url


@click.command("migrate-store")
@click.option(
    "--from", "source", type=_Url("sqlite"), required=True, help="sqlite+aiosqlite:///gateway.db"
)
@click.option(
    "--to",
    "target",
    type=_Url("postgresql"),
    required=True,
    envvar="GATEWAY_COPY_TO",
    show_envvar=True,
    help="postgresql+asyncpg://USER:PASSWORD@HOST/NAME, an empty database.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def migrate_store(source: str, target: str, as_json: bool) -> None:
    """Copy everything from SQLite to PostgreSQL.

    Stop all gateways first. If it is interrupted, run it again: it goes on where it was. Afterwards
    set DATABASE_URL to the new database; no gateway starts on the old one any more.
    """
    with _progress() as report:
        checked = asyncio.run(copy_store(source, target, report))
    if as_json:
        click.echo(json.dumps({"tables": [table._asdict() for table in checked]}))
        return
    rows = sum(table.rows for table in checked)
    click.echo(f"{rows} rows in {len(checked)} tables are copied, counted and compared.")
    click.echo("Now set DATABASE_URL to the new database and start the gateway.")


@contextmanager
def _progress() -> Iterator[Report]:
    """Bars for a person, a line now and then for a log. Both on standard error."""
    if not sys.stderr.isatty():
        yield _line
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bars = {}

        def show(what: str, table: str, rows: int, total: int) -> None:
            if table not in bars:
                bars[table] = progress.add_task(table, total=total)
            description = f"{table}, {what}"
            progress.update(bars[table], description=description, completed=rows, total=total)

        yield show


def _line(what: str, table: str, rows: int, total: int) -> None:
    if rows == total or rows % _LINE_EVERY == 0:
        click.echo(f"{what} {table}: {rows} of {total}", err=True)
