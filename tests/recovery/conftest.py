"""The stage of tests/faults, on either database."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.faults.conftest import _quiet, sandbox, sandbox_url
from tests.faults.stage import Gateway, House, Sandbox, build_house, open_gateway

__all__ = [
    "_quiet",
    "either",
    "gateway",
    "house",
    "sandbox",
    "sandbox_url",
    "sqlite_house",
    "store_house",
]


@pytest.fixture(autouse=True)
def _no_quick_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    """One try in a request: what is in doubt is at once the worker's."""
    monkeypatch.setattr("gateway.operations.QUICK_SECONDS", 0)


@pytest.fixture(autouse=True)
def _short_look_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first list of events reaches back two hours only: it is read hour by hour."""
    monkeypatch.setattr("gateway.sweeps.FIRST_LOOK_BACK", timedelta(hours=2))


@pytest.fixture
async def house(database_url: str, sandbox: Sandbox) -> House:
    """A merchant on a fresh database, of either kind in turn."""
    return await build_house(database_url, sandbox)


@pytest.fixture
async def sqlite_house(sqlite_url: str, sandbox: Sandbox) -> House:
    """A merchant on a fresh SQLite database."""
    return await build_house(sqlite_url, sandbox)


@pytest.fixture
async def store_house(store_url: str, sandbox: Sandbox) -> House:
    """A merchant on a fresh database of the usual kind."""
    return await build_house(store_url, sandbox)


@pytest.fixture
async def either(house: House, sandbox: Sandbox) -> AsyncIterator[Gateway]:
    """A gateway in this event loop, on either database in turn."""
    async with open_gateway(house, sandbox) as opened:
        yield opened


@pytest.fixture
async def gateway(store_house: House, sandbox: Sandbox) -> AsyncIterator[Gateway]:
    """A gateway in this event loop, on the usual kind of database."""
    async with open_gateway(store_house, sandbox) as opened:
        yield opened
