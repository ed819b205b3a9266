"""The whole contract, by the gateway's own kit, on both kinds of account."""

from collections.abc import AsyncIterator

import pytest
from gateway_razorpay.plugin import plugin

from gateway.conformance import ProviderContract

from .stand import TRAITS, RazorpayStand, open_stand


class TestRazorpay(ProviderContract):
    """An account whose payments Razorpay captures, as most do."""

    plugin = plugin
    traits = TRAITS

    @pytest.fixture
    async def stand(self) -> AsyncIterator[RazorpayStand]:
        """A fake of its own for each test."""
        async with open_stand() as stand:
            yield stand


class TestRazorpayCapturedByUs(ProviderContract):
    """An account that leaves payments authorized: the adapter captures when it is asked."""

    plugin = plugin
    traits = TRAITS

    @pytest.fixture
    async def stand(self) -> AsyncIterator[RazorpayStand]:
        """A fake of its own for each test."""
        async with open_stand(auto_capture=False) as stand:
            yield stand
