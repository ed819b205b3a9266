"""Starting the demo: the sandbox as a child process, the gateway and its worker in this one."""

import asyncio
import contextlib
import fcntl
import hashlib
import hmac
import json
import os
import secrets
import shlex
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import msgspec

from api import logs, serving
from api.app import create_app
from api.dashboard.passwords import hash_password
from api.demo.catalogue import PRODUCTS
from api.demo.merchant import Merchant
from api.demo.shop import Shop
from api.settings import Settings, environment, load
from api.wiring import Services, open_services
from gateway.errors import Conflict, SettingsError
from storage.catalogue import Price
from storage.migrate import upgrade
from storage.users import Role, Users

_SANDBOX_SECONDS = 30
#: What the demo decides itself; settings of other providers are the reader's.
_OWN_SETTINGS = ("DATABASE_", "GATEWAY_", "PAYPAL_", "STRIPE_")
_MERCHANT = "Demo shop"
#: Who may sign in to the dashboard.
PEOPLE: dict[Role, str] = {role: f"{role}@demo.example" for role in ("admin", "finance", "support")}


class DemoKeys(msgspec.Struct, frozen=True):
    """What the demo remembers in its folder: keys of test mode, for the stand-in providers."""

    server_secret: str
    secret_key: str = ""
    publishable_key: str = ""
    finance_key: str = ""
    password: str = ""


def run_demo(*, port: int, sandbox_port: int, data: Path, as_json: bool) -> None:
    """Serve until a signal. Raises SettingsError when it cannot start."""
    logs.configure("warning", pretty=sys.stderr.isatty())
    for number in (port, sandbox_port):
        _check_free(number)
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"{data} cannot be made: {error.strerror}; choose --data") from None
    with _alone(data):
        serving.run(_demo(port, sandbox_port, data, as_json))


@contextlib.contextmanager
def _alone(data: Path) -> Iterator[None]:
    """Hold the folder: a second demo in it would settle the first one's orders with its own
    sandbox. The lock ends with the process, however that ends."""
    with open(data / "lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SettingsError(f"a demo runs in {data} already: choose --data") from None
        yield


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise SettingsError(
                f"port {port} is in use: choose others with --port and --sandbox-port"
            ) from None


async def _demo(port: int, sandbox_port: int, data: Path, as_json: bool) -> None:
    url = f"http://127.0.0.1:{port}"
    stop = serving.until_signal()
    async with _sandbox(url, sandbox_port, data) as sandbox:
        keys_file = data / "keys.json"
        keys = _load_keys(keys_file)
        database_url = f"sqlite+aiosqlite:///{(data / 'gateway.db').resolve()}"
        own = {
            **sandbox["environment"],
            "DATABASE_URL": database_url,
            "GATEWAY_SECRET_KEY": keys.server_secret,
            "GATEWAY_PUBLIC_URL": url,
            "GATEWAY_ALLOW_LOOPBACK_WEBHOOKS": "true",  # for tryouts
        }
        settings = load(_further_settings() | own)
        _save(data / "environment", _exports(own).encode())
        await upgrade(database_url)
        if not keys.secret_key:
            keys = await _first_start(settings, keys)
            _save(keys_file, msgspec.json.encode(keys))
        if not keys.password:
            keys = await _add_people(settings, keys)
            _save(keys_file, msgspec.json.encode(keys))
        merchant = Merchant(url, keys.secret_key)
        async with Shop(sandbox["url"], merchant) as shop:
            await serving.serve(
                settings,
                "127.0.0.1",
                port,
                build=lambda services: create_app(services, (shop,)),
                ready=lambda: _announce(url, sandbox["url"], keys, data, as_json),
                stop=stop,
            )


def _further_settings() -> dict[str, str]:
    """The settings of providers that are installed beside the demo's own."""
    given = environment().items()
    return {name: value for name, value in given if not name.startswith(_OWN_SETTINGS)}


@contextlib.asynccontextmanager
async def _sandbox(url: str, port: int, data: Path) -> AsyncIterator[dict[str, Any]]:
    """The stand-in providers as a child process, ended with us."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "sandbox",
        f"--port={port}",
        f"--state-dir={data / 'sandbox'}",
        f"--webhook-stripe-url={url}/webhooks/stripe",
        f"--webhook-paypal-url={url}/webhooks/paypal",
        "--json",
        "--while-stdin",  # however we end, the pipe closes
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C reaches us alone, and we end it in good order
    )
    try:
        assert process.stdout is not None  # it is a pipe
        try:
            line = await asyncio.wait_for(process.stdout.readline(), _SANDBOX_SECONDS)
            ready: dict[str, Any] = json.loads(line)
        except (TimeoutError, ValueError):
            raise SettingsError("the sandbox did not start; see its message above") from None
        yield ready
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 10)
            except TimeoutError:
                process.kill()
                await process.wait()


async def _first_start(settings: Settings, keys: DemoKeys) -> DemoKeys:
    """A merchant, its keys and its catalogue."""
    async with open_services(settings) as services:
        merchant_id = await services.keys.merchant(_MERCHANT)
        create = services.keys.create
        await _fill_catalogue(services, merchant_id)
        return DemoKeys(
            server_secret=keys.server_secret,
            secret_key=await create(merchant_id, "secret", livemode=False, name="demo"),
            publishable_key=await create(merchant_id, "publishable", livemode=False, name="demo"),
            finance_key=await create(
                merchant_id,
                "restricted",
                livemode=False,
                scopes=("orders:read", "finance:read"),
                name="demo finance",
            ),
        )


async def _add_people(settings: Settings, keys: DemoKeys) -> DemoKeys:
    """One person in each role, for the dashboard; all with one password.

    It is always the same one: we may have been ended before it was kept."""
    secret = keys.server_secret.encode()
    password = hmac.digest(secret, b"demo_password", hashlib.sha256).hex()[:16]
    hashed = hash_password(password)
    async with open_services(settings) as services:
        merchant_id = await services.keys.merchant(_MERCHANT)
        users = Users(services.store.database, services.ctx.ids, services.ctx.clock)
        for role, email in PEOPLE.items():
            with contextlib.suppress(Conflict):
                await users.create(merchant_id, email, role.capitalize(), role, hashed)
    return msgspec.structs.replace(keys, password=password)


async def _fill_catalogue(services: Services, merchant_id: str) -> None:
    for item in PRODUCTS:
        prices = [Price(currency, amount) for currency, amount in item.prices.items()]
        await services.catalogue.add(
            merchant_id, False, item.name, item.description, prices, {"picture": item.picture}
        )


def _load_keys(path: Path) -> DemoKeys:
    if path.exists():
        try:
            return msgspec.json.decode(path.read_bytes(), type=DemoKeys)
        except msgspec.DecodeError:
            raise SettingsError(f"{path} is damaged: remove its folder to start anew") from None
    return DemoKeys(server_secret=secrets.token_hex(32))


def _exports(settings: Mapping[str, str]) -> str:
    """For a shell: the settings under which `gateway ...` speaks of the demo."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in settings.items())


def _save(path: Path, content: bytes) -> None:
    """A file that nobody else may read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _announce(url: str, sandbox_url: str, keys: DemoKeys, data: Path, as_json: bool) -> None:
    if as_json:
        told = {
            "url": url,
            "sandbox_url": sandbox_url,
            "secret_key": keys.secret_key,
            "publishable_key": keys.publishable_key,
            "finance_key": keys.finance_key,
            "dashboard": f"{url}/dashboard",
            "people": PEOPLE,
            "password": keys.password,
            "data": str(data.resolve()),
        }
        click.echo(json.dumps(told))
        return
    click.echo(
        f"""
  The demo is serving. No account, no real money.

    Shop            {url}/demo
    Dashboard       {url}/dashboard
    API reference   {url}/docs
    Sandbox         {sandbox_url}

    Secret key      {keys.secret_key}
    Publishable key {keys.publishable_key}
    Finance key     {keys.finance_key}
    People          {", ".join(PEOPLE.values())}
    Their password  {keys.password}

  Card 4242 4242 4242 4242 pays. Data in {data}. Ctrl-C stops all of it.
"""
    )
