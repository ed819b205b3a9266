"""The stage of tests/faults, on SQLite."""

from collections.abc import AsyncIterator

import pytest

from tests.faults.conftest import _quiet, sandbox, sandbox_url
from tests.faults.stage import Gateway, House, Sandbox, build_house, open_gateway

__all__ = ["_quiet", "gateway", "house", "sandbox", "sandbox_url"]


@pytest.fixture
async def house(sqlite_url: str, sandbox: Sandbox) -> House:
    """A merchant on a fresh SQLite database; its own webhooks may go to this machine."""
    return await build_house(sqlite_url, sandbox, GATEWAY_ALLOW_LOOPBACK_WEBHOOKS="true")


@pytest.fixture
async def gateway(house: House, sandbox: Sandbox) -> AsyncIterator[Gateway]:
    """A gateway in this event loop, which knows its own address."""
    async with open_gateway(house, sandbox) as opened:
        house.environment["GATEWAY_PUBLIC_URL"] = opened.url
        yield opened
