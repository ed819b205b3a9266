"""What a soak happens in: a database, the providers, and the gateway's processes."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from api.security import Keys
from api.wiring import SystemClock
from bench.soak.processes import START_SECONDS, Program, free_port, start_sandbox
from gateway.ids import Ids
from storage.engine import Database
from storage.migrate import upgrade
from tests import postgres

#: Shorter than some stops and some calls on purpose: work changes hands under its owner's feet.
LEASE_SECONDS = 3
PROVIDERS = ("stripe", "paypal")


@dataclass
class Town:
    """All that runs. `apis` are addresses; `programs` may be killed, the sandbox may not: its
    ledger is the truth and lives in memory."""

    database_url: str
    folder: Path
    environment: dict[str, str]
    sandbox: httpx.AsyncClient
    key: str = ""
    apis: list[str] = field(default_factory=list)
    programs: list[Program] = field(default_factory=list)

    async def control(self, call: str, **body: Any) -> Any:
        """`POST /_control/{call}` at the sandbox. Raises HTTPStatusError where it says no."""
        answer = await self.sandbox.post(f"/_control/{call}", json=body)
        return answer.raise_for_status().json()

    async def look(self, view: str) -> Any:
        """`GET /_control/{view}` at the sandbox."""
        return (await self.sandbox.get(f"/_control/{view}")).raise_for_status().json()

    def command(self, *arguments: str) -> Program:
        """A command of the gateway, to be run once."""
        return Program(arguments[0], self.folder, self.environment, ["api", *arguments])

    async def up(self) -> None:
        """Start and wake whatever does not run, and wait until the APIs answer."""
        for program in self.programs:
            program.wake()
            if program.ending:  # whoever told it to end did not stay
                await program.stop()
            program.start()
        async with httpx.AsyncClient(timeout=5) as http, asyncio.timeout(START_SECONDS):
            for url in self.apis:
                while not await _answers(http, url):
                    for program in self.programs:
                        if not program.alive:
                            raise SystemExit(f"{program.name}: {program.log.read_text()[-3000:]}")
                    await asyncio.sleep(0.1)


async def _key(url: str, secret: str) -> str:
    database, clock = Database(url), SystemClock()
    try:
        keys = Keys(database, Ids(clock, os.urandom), clock, secret)
        return await keys.create(await keys.merchant("Soak"), "secret", livemode=False)
    finally:
        await database.close()


async def _answers(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(f"{url}/health/ready")).status_code == 200
    except httpx.HTTPError:
        return False


@asynccontextmanager
async def town(folder: Path, database: str, seed: int) -> AsyncIterator[Town]:
    """Build it and start everything: on `postgresql` two APIs and two workers, on `sqlite` the one
    process that may have the file. Everything is ended on leaving."""
    async with AsyncExitStack() as stack:
        url = f"sqlite+aiosqlite:///{folder / 'soak.db'}"
        if database == "postgresql":
            server = stack.enter_context(postgres.launch())
            url = server.database_url(stack.enter_context(server.database()))
        sandbox, sandbox_url, providers = await start_sandbox(folder, seed)
        stack.push_async_callback(sandbox.kill)
        environment = {
            **providers,
            "DATABASE_URL": url,
            "GATEWAY_SECRET_KEY": secrets.token_hex(32),
            "GATEWAY_LEASE_SECONDS": str(LEASE_SECONDS),
            "GATEWAY_LOG_LEVEL": "warning",
        }
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=sandbox_url, timeout=30))
        built = Town(url, folder, environment, http)
        await upgrade(url)
        built.key = await _key(url, environment["GATEWAY_SECRET_KEY"])
        _gateways(built, database)
        for program in built.programs:
            stack.push_async_callback(program.kill)
        await built.up()
        for number, provider in enumerate(PROVIDERS):  # each provider calls another API
            address = f"{built.apis[number % len(built.apis)]}/webhooks/{provider}"
            await built.control("webhooks", provider=provider, url=address)
        yield built


def _gateways(built: Town, database: str) -> None:
    alone = database == "sqlite"
    for number in range(1 if alone else 2):
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        built.apis.append(url)
        command = ["api", "serve", "--port", str(port), *([] if alone else ["--no-worker"])]
        environment = built.environment | {"GATEWAY_PUBLIC_URL": url}
        built.programs.append(Program(f"api{number}", built.folder, environment, command))
    for number in range(0 if alone else 2):
        environment = built.environment | {"GATEWAY_PUBLIC_URL": built.apis[0]}
        built.programs.append(
            Program(f"worker{number}", built.folder, environment, ["api", "worker"])
        )
