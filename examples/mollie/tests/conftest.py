"""The fake, and the plugin open before it."""

from collections.abc import AsyncIterator

import pytest
from gateway_mollie.adapter import MollieAdapter
from gateway_mollie.fake.app import API_KEY, Fake
from gateway_mollie.plugin import plugin


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """asyncio only: the fake is made with aiohttp."""
    return "asyncio"


@pytest.fixture
async def fake() -> AsyncIterator[Fake]:
    """An empty fake, whose refunds are done at once."""
    async with Fake(tries=1).serving() as fake:
        yield fake


@pytest.fixture
def environment(fake: Fake) -> dict[str, str]:
    """The plugin's settings; nobody listens to the webhooks."""
    return {
        "MOLLIE_API_KEY": API_KEY,
        "MOLLIE_API_BASE": fake.url,
        "MOLLIE_WEBHOOK_URL": "http://127.0.0.1:1/webhooks/mollie",
    }


@pytest.fixture
async def adapter(environment: dict[str, str]) -> AsyncIterator[MollieAdapter]:
    """The adapter, open before the fake."""
    settings = plugin.settings(environment)
    assert settings is not None
    async with plugin.open(settings) as opened:
        assert isinstance(opened.adapter, MollieAdapter)
        yield opened.adapter
