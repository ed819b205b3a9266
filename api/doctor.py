"""`gateway doctor`: looks at everything that an operator would, and says what to do about it.

It changes nothing. Exit code 1 when something fails; warnings alone are 0.
"""

import asyncio
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.table import Table
from sqlalchemy.engine import make_url

from api import findings, logs, serving, terminal
from api.findings import Finding
from api.settings import (
    Settings,
    check_public_url,
    connections,
    database_url,
    environment,
    load,
    secret_key,
)
from api.wiring import SystemClock
from gateway.errors import GatewayError, SettingsError, Unavailable
from gateway.ports import Clock
from gateway.registry import Provider, Providers, discover, open_providers
from storage.condition import SQLITE_VERSION, Condition
from storage.copying import unfinished
from storage.engine import Database
from storage.occupancy import occupied
from storage.sealing import Sealer

_OLDEST_SQLITE = (3, 35, 0)
#: Where SQLite's locks, or its shared memory, do not work between machines.
_NETWORK_FILES = frozenset({"9p", "afs", "cifs", "fuse.sshfs", "nfs", "nfs4", "smb3", "smbfs"})
_LEAST_FREE_BYTES = 1 << 30
_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


@click.command("doctor")
@terminal.as_json
def doctor_command(as_json: bool) -> None:
    """Look at settings, database, providers and work; say what is wrong, and its cure."""
    logs.configure("error", pretty=sys.stderr.isatty())
    found = asyncio.run(examine(environment()))
    counts = {level: sum(one.level == level for one in found) for level in _STYLES}
    if as_json:
        terminal.line({"findings": found} | counts)
    else:
        _print(found)
    if counts["fail"]:
        raise SystemExit(1)


def _print(found: list[Finding]) -> None:
    table = Table("", "What", "Finding", "Cure")
    for one in found:
        style = _STYLES[one.level]
        table.add_row(f"[{style}]{one.level}[/]", *map(escape, (one.check, one.detail, one.cure)))
    terminal.show(table)


async def examine(env: Mapping[str, str], clock: Clock | None = None) -> list[Finding]:
    """Everything, in the order in which one would look. What cannot be looked at is left out."""
    now = (clock or SystemClock()).now
    found, settings = _settings(env)
    try:
        url = database_url(env)
    except SettingsError:
        return found  # it is among the findings
    async with AsyncExitStack() as stack:
        providers = Providers([])
        if settings is not None:
            opened = open_providers(settings.providers)
            providers = await stack.enter_async_context(opened)
            found.append(_public_url(settings, providers))
        condition = await _open_database(stack, url, env, found)
        if condition is not None:
            if not url.startswith("sqlite"):
                server = await condition.server()
                pool = settings.connections.pool_size if settings else 1
                found += findings.server(server, pool)
                found.append(findings.clock("the database", server.now, now()))
            modes = {name: provider.mode for name, provider in providers.items()}
            found.append(findings.api_keys(await condition.keys(now()), modes))
        if settings is not None:
            found += await _providers(settings, providers, condition, now)
        if condition is not None:
            found += findings.work(await condition.work(now()), now())
            found += await _endpoints(condition, settings, now())
    return found


# --- settings -------------------------------------------------------------------------------------


def _settings(env: Mapping[str, str]) -> tuple[list[Finding], Settings | None]:
    """All that is wrong with them, and not only the first of it."""
    wrong: dict[str, None] = {}
    settings: Settings | None = None
    readers: list[Callable[[Mapping[str, str]], Any]] = [database_url, secret_key, connections]
    try:
        readers += [plugin.settings for plugin in discover().values()]
    except SettingsError as error:
        wrong[error.detail] = None
    for read in readers:
        try:
            read(env)
        except SettingsError as error:
            wrong[error.detail] = None
    try:
        settings = load(env)
    except SettingsError as error:
        wrong[error.detail] = None
    if wrong:
        cure = "correct it in the environment or in .env; docs/operations.md lists all settings"
        return [Finding("settings", "fail", detail, cure) for detail in wrong], None
    return [Finding("settings", "ok", "all are well-formed")], settings


def _public_url(settings: Settings, providers: Providers) -> Finding:
    try:
        check_public_url(settings, [provider.mode for provider in providers.values()])
    except SettingsError as error:
        cure = "put TLS before the gateway, and set GATEWAY_PUBLIC_URL"
        return Finding("public address", "fail", error.detail, cure)
    return findings.public_url(settings.public_url)


# --- database -------------------------------------------------------------------------------------


async def _open_database(
    stack: AsyncExitStack, url: str, env: Mapping[str, str], found: list[Finding]
) -> Condition | None:
    """The database, if it is there, up to date, and meant to be used."""
    path = Path(make_url(url).database or "") if url.startswith("sqlite") else None
    if path is not None and not path.exists():
        words = f"there is no file {path}"
        found.append(Finding("database", "fail", words, "run `gateway migrate` to make it"))
        return None
    try:
        await stack.enter_async_context(occupied(url))
        missing = await serving.missing_migrations(url)
        if not missing and await unfinished(url):
            raise SettingsError("the copy into this database has not ended")
    except GatewayError as error:
        cure = "see DATABASE_URL, and that the database runs; docs/operations.md tells more"
        found.append(Finding("database", "fail", error.detail, cure))
        return None
    found.append(_file(path) if path else Finding("database", "ok", "PostgreSQL answers"))
    if missing:
        words = f"the database lacks {', '.join(missing)}"
        found.append(Finding("migrations", "fail", words, "make a backup, run `gateway migrate`"))
        return None
    found.append(Finding("migrations", "ok", "up to date"))
    try:
        options = connections(env)
    except SettingsError:
        options = None
    database = Database(url, options, clock=SystemClock())
    stack.push_async_callback(database.close)
    return Condition(database)


def _file(path: Path) -> Finding:
    """Whether SQLite can be trusted with this file."""
    if SQLITE_VERSION < _OLDEST_SQLITE:
        words = f"Python's SQLite is {'.'.join(map(str, SQLITE_VERSION))}"
        return Finding("database", "fail", words, "use a Python with SQLite 3.35 or newer")
    kind = _file_system(path.resolve())
    if kind in _NETWORK_FILES:
        words = f"{path} lies on a network file system ({kind}), where SQLite may lose data"
        return Finding("database", "fail", words, "move it to a local disk, or use PostgreSQL")
    free = shutil.disk_usage(path.resolve().parent).free
    if free < _LEAST_FREE_BYTES:
        words = f"{free >> 20} MiB are free where {path} lies"
        return Finding("database", "warn", words, "make room: on a full disk all requests get 503")
    return Finding("database", "ok", f"SQLite in {path}, for one machine")


def _file_system(path: Path, mounts: Path = Path("/proc/mounts")) -> str:
    """The kind of file system, where the system tells (Linux); else an empty string."""
    best = ("", "")
    if mounts.exists():
        for entry in mounts.read_text(errors="replace").splitlines():
            _, place, kind, *_ = entry.split(" ")
            if path.is_relative_to(place) and len(place) >= len(best[0]):
                best = (place, kind)
    return best[1]


# --- providers ------------------------------------------------------------------------------------


async def _providers(
    settings: Settings,
    providers: Providers,
    condition: Condition | None,
    now: Callable[[], datetime],
) -> list[Finding]:
    if not providers:
        cure = "set those of a provider: docs/operations.md"
        return [Finding("providers", "fail", "no provider has settings", cure)]
    webhooks = await condition.last_webhooks() if condition else {}
    payments = await condition.last_payments() if condition else {}
    asked = await asyncio.gather(
        *(_provider(provider, settings.public_url, now) for provider in providers.values())
    )
    found = []
    for name, answers in zip(providers, asked, strict=True):
        found += answers
        if condition is not None:
            found.append(findings.last_webhook(name, webhooks.get(name), payments.get(name), now()))
    return found


async def _provider(
    provider: Provider, public_url: str, now: Callable[[], datetime]
) -> list[Finding]:
    name = provider.name
    found = []
    try:
        checked, theirs = await provider.check()
    except Unavailable as error:
        cure = "see its credentials in the settings, the network, and the provider's status page"
        return [Finding(name, "fail", error.detail, cure)]
    if not checked:
        found.append(Finding(name, "ok", f"{provider.mode} mode; its adapter has no check"))
    else:
        words = f"{provider.mode} mode, answers and accepts the credentials"
        found.append(Finding(name, "ok", words))
    if theirs is not None:
        found.append(findings.clock(name, theirs, now()))
    try:
        webhooks = await provider.list_webhooks()
    except Unavailable as error:
        cure = "let the key read webhooks, or look them up in the provider's dashboard"
        return [*found, Finding(f"{name}: webhook", "warn", error.detail, cure)]
    if webhooks is not None:
        url = f"{public_url}/webhooks/{name}"
        found += findings.registered(name, url, provider.mode == "live", webhooks)
    return found


async def _endpoints(
    condition: Condition, settings: Settings | None, now: datetime
) -> list[Finding]:
    endpoints = await condition.endpoints()
    unreadable = 0
    if settings is not None:
        sealer = Sealer(settings.secret_key, "webhook_secrets")
        unreadable = sum(sealer.unseal(endpoint.secret) is None for endpoint in endpoints)
    return findings.endpoints(endpoints, unreadable, now)
