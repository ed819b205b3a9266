"""The command line: `gateway --help`. Exit codes: 0 done, 1 failed, 2 misuse."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypeVar, get_args

import click
import msgspec
from rich.table import Table

from api import (
    audit,
    doctor,
    event_commands,
    logs,
    order_commands,
    reader_commands,
    report_commands,
    serving,
    terminal,
)
from api.copying import migrate_store
from api.dashboard.commands import users
from api.matrix import matrix
from api.scaffold.command import new_provider
from api.security import SCOPES, Keys, Kind, NewKey
from api.settings import Settings, database_url, environment, load, secret_key
from api.settle_command import settle_command
from api.wiring import SystemClock
from gateway.errors import GatewayError
from gateway.ids import Ids
from gateway.registry import configure, discover
from storage.engine import Database
from storage.migrate import upgrade

T = TypeVar("T")


class _Commands(click.Group):
    """Turns our errors into one line and exit code 1."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except GatewayError as error:
            click.echo(f"gateway: {error.detail}", err=True)
            raise SystemExit(1) from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="payment-gateway")
def main() -> None:
    """A payment gateway: one interface, many providers."""


def _settings() -> Settings:
    settings = load(environment())
    logs.configure(settings.log_level, pretty=sys.stderr.isatty())
    return settings


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, help="Port to listen on.")
@click.option("--no-worker", is_flag=True, help="HTTP only; run `gateway worker` beside it.")
def serve(host: str, port: int, no_worker: bool) -> None:
    """Serve the API, with a worker in the same process."""
    settings = _settings()

    def ready() -> None:
        click.echo(f"gateway: serving on http://{host}:{port}, API reference at /docs", err=True)

    serving.run(serving.serve(settings, host, port, with_worker=not no_worker, ready=ready))


@main.command()
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address for metrics and health, where GATEWAY_WORKER_PORT is set.",
)
def worker(host: str) -> None:
    """Run a worker alone: applies webhooks, settles what is in doubt, expires orders."""
    serving.run(serving.work(_settings(), host=host))


@main.command()
@click.option("--check", is_flag=True, help="Only tell what is missing; exit code 1 if anything.")
@terminal.as_json
def migrate(check: bool, as_json: bool) -> None:
    """Bring the database to this version's schema."""
    url = database_url(environment())
    missing = asyncio.run(serving.missing_migrations(url))
    if not check and missing:
        asyncio.run(upgrade(url))
    if as_json:
        terminal.line({"missing" if check else "applied": missing})
    elif not missing:
        click.echo("The database is up to date.")
    else:
        click.echo(f"{'Missing' if check else 'Applied'}: {', '.join(missing)}")
    if check and missing:
        raise SystemExit(1)


@main.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def sandbox(arguments: tuple[str, ...]) -> None:
    """Serve the stand-in providers: no account needed, no real money."""
    command = [sys.executable, "-m", "sandbox", *arguments]
    os.execv(sys.executable, command)  # noqa: S606 -- our own program, in our place


@main.command()
@click.option("--port", default=8000, show_default=True, help="The gateway's port.")
@click.option("--sandbox-port", default=8001, show_default=True, help="The sandbox's port.")
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".demo"),
    show_default=True,
    help="Folder for the database and keys.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line when ready.")
def demo(port: int, sandbox_port: int, data: Path, as_json: bool) -> None:
    """Everything at once: gateway, worker, stand-in providers and a little shop."""
    from api.demo.run import run_demo  # its pages and templates are of no use to the others

    run_demo(port=port, sandbox_port=sandbox_port, data=data, as_json=as_json)


main.add_command(audit.verify_command)
main.add_command(reader_commands.reader)
main.add_command(audit.reconcile_command)
main.add_command(settle_command)
main.add_command(doctor.doctor_command)
main.add_command(event_commands.events)
main.add_command(migrate_store)
main.add_command(order_commands.order)
main.add_command(report_commands.report)
main.add_command(users)


# --- keys -----------------------------------------------------------------------------------------


@main.group()
def keys() -> None:
    """API keys."""


@asynccontextmanager
async def _open_keys() -> AsyncIterator[Keys]:
    env = environment()
    database = Database(database_url(env))
    clock = SystemClock()
    try:
        await serving.check_schema(database.url)
        yield Keys(database, Ids(clock, os.urandom), clock, secret_key(env))
    finally:
        await database.close()


def _with_keys(act: Callable[[Keys], Awaitable[T]]) -> T:
    async def run() -> T:
        async with _open_keys() as opened:
            return await act(opened)

    return asyncio.run(run())


@keys.command("create")
@click.option("--merchant", required=True, help="The merchant's name; made if there is none.")
@click.option("--kind", type=click.Choice(get_args(Kind)), default="secret", show_default=True)
@click.option("--live", is_flag=True, help="For real money; test mode without it.")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(SCOPES))
@click.option("--name", default="", help="A word for yourself.")
@terminal.as_json
def create_key(
    merchant: str, kind: Kind, live: bool, scopes: tuple[str, ...], name: str, as_json: bool
) -> None:
    """Make a key. It is shown once, here, and stored only as a digest."""

    async def act(opened: Keys) -> tuple[str, NewKey]:
        merchant_id = await opened.merchant(merchant)
        return merchant_id, await opened.issue(
            merchant_id, kind, livemode=live, scopes=scopes, name=name
        )

    merchant_id, made = _with_keys(act)
    if as_json:
        terminal.line({"merchant": merchant_id, "id": made.id, "key": made.key})
    else:
        click.echo(made.key)
        click.echo(f"Keep it now: it cannot be shown again. Its id is {made.id}.", err=True)


@keys.command("list")
@terminal.as_json
def list_keys(as_json: bool) -> None:
    """List keys, without the keys themselves."""
    records = _with_keys(lambda opened: opened.list())
    if as_json:
        click.echo(msgspec.json.encode(records).decode())
        return
    table = Table("Id", "Merchant", "Kind", "Mode", "Key", "Scopes", "Name", "Ends")
    for key in records:
        mode = "live" if key.livemode else "test"
        scopes = " ".join(key.scopes)
        table.add_row(
            key.id, key.merchant, key.kind, mode, key.hint, scopes, key.name, key.revoked_at
        )
    terminal.show(table)


@keys.command("roll")
@click.argument("key_id")
@click.option(
    "--grace",
    type=click.IntRange(0, 24 * 90),
    default=24,
    show_default=True,
    help="Hours for which the old key is good beside the new one.",
)
@terminal.as_json
def roll_key(key_id: str, grace: int, as_json: bool) -> None:
    """Replace a key by a new one of its kind. The new one is shown once, here."""
    rolled = _with_keys(lambda opened: opened.roll(key_id, timedelta(hours=grace)))
    if as_json:
        terminal.line({"id": rolled.id, "key": rolled.key, "old_until": rolled.old_until})
    else:
        click.echo(rolled.key)
        until = f"{rolled.old_until:%Y-%m-%d %H:%M} UTC"
        click.echo(f"Keep it now: it cannot be shown again. {key_id} ends {until}.", err=True)


@keys.command("revoke")
@click.argument("key_id")
def revoke_key(key_id: str) -> None:
    """Refuse a key from now on, a rolled one too."""
    _with_keys(lambda opened: opened.revoke(key_id))
    click.echo(f"{key_id} is revoked.")


# --- providers ------------------------------------------------------------------------------------


@main.group()
def providers() -> None:
    """Payment providers."""


providers.add_command(matrix)
providers.add_command(new_provider)


@providers.command("list")
@terminal.as_json
def list_providers(as_json: bool) -> None:
    """List the installed providers, and whether their settings switch them on."""
    plugins = discover()
    on = {item.plugin.name for item in configure(plugins, environment())}
    if as_json:
        rows = [
            {"name": name, "display_name": plugin.display_name, "on": name in on}
            for name, plugin in plugins.items()
        ]
        terminal.line(rows)
        return
    table = Table("Name", "Provider", "On")
    for name, plugin in plugins.items():
        table.add_row(name, plugin.display_name, "yes" if name in on else "no")
    terminal.show(table)
