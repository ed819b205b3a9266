"""PayPal's adapter keeps the contract."""

import pytest

from gateway.conformance import Mailbox, ProviderContract, ProviderStand
from providers.paypal.plugin import plugin
from tests.conformance.paypal_stand import PayPalStand, traits
from tests.conformance.town import Town


class TestPayPal(ProviderContract):
    plugin = plugin
    traits = traits

    @pytest.fixture
    async def stand(self, town: Town, mailbox: Mailbox) -> ProviderStand:
        stand = PayPalStand(town, mailbox)
        await stand.settle_in()
        return stand
