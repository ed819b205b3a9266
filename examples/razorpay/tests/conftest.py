"""The fake, and the adapter open before it."""

from collections.abc import AsyncIterator

import pytest
from gateway_razorpay.adapter import RazorpayAdapter
from gateway_razorpay.fake.app import Fake, running
from gateway_razorpay.plugin import plugin


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """asyncio only: the fake is made with aiohttp."""
    return "asyncio"


@pytest.fixture
async def fake() -> AsyncIterator[Fake]:
    """An empty account whose payments Razorpay captures."""
    async with running(Fake()) as fake:
        yield fake


@pytest.fixture
async def adapter(fake: Fake) -> AsyncIterator[RazorpayAdapter]:
    """The adapter, open before the fake."""
    settings = plugin.settings(fake.environment())
    assert settings is not None
    async with plugin.open(settings) as opened:
        assert isinstance(opened.adapter, RazorpayAdapter)
        yield opened.adapter
