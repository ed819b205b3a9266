"""The stage's fixtures: one sandbox for the run, emptied before each story; a gateway on SQLite."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import structlog

from gateway import operations
from sandbox.app import create_app
from sandbox.server import Server, listen
from sandbox.world import Config
from tests.faults.mailbox import Mailbox, open_mailbox
from tests.faults.stage import Gateway, House, Sandbox, build_house, client, open_gateway


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Our log and our client's tell nothing that a test does not."""
    logging.getLogger("httpx").setLevel(logging.WARNING)
    with structlog.testing.capture_logs():
        yield


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the tries of one request a twentieth of the time."""
    pause = operations._quick_pause

    def shorter(*terms: Any) -> float | None:
        seconds = pause(*terms)
        return seconds and seconds / 20

    monkeypatch.setattr(operations, "_quick_pause", shorter)


@pytest.fixture(scope="session")
def sandbox_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The stand-in providers, served in a thread of their own."""
    listening = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    app = create_app(Config(base_url=url, seed=1, state_dir=tmp_path_factory.mktemp("sandbox")))
    server = Server(app)
    thread = threading.Thread(
        target=lambda: asyncio.run(server.serve(sockets=[listening])), daemon=True
    )
    thread.start()
    yield url
    server.should_exit = True
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
async def sandbox(sandbox_url: str) -> AsyncIterator[Sandbox]:
    """An empty sandbox that delivers nowhere yet."""
    async with client(sandbox_url) as http:
        stage = Sandbox(sandbox_url, http, {})
        await stage.control("reset")
        stage.environment = await stage.look("environment")
        yield stage


@pytest.fixture
async def house(store_url: str, sandbox: Sandbox) -> House:
    """A merchant on a fresh SQLite database."""
    return await build_house(store_url, sandbox)


@pytest.fixture
async def gateway(house: House, sandbox: Sandbox) -> AsyncIterator[Gateway]:
    """A gateway in this event loop, on SQLite."""
    async with open_gateway(house, sandbox) as opened:
        yield opened


@pytest.fixture
async def deaf_gateway(house: House, sandbox: Sandbox) -> AsyncIterator[Gateway]:
    """A gateway to which no provider delivers: a story does it by hand."""
    async with open_gateway(house, sandbox, listens=False) as opened:
        yield opened


@pytest.fixture
async def mailbox(sandbox: Sandbox) -> AsyncIterator[Mailbox]:
    """Where the providers deliver instead."""
    async with open_mailbox(sandbox) as opened:
        yield opened
