"""Stripe's adapter keeps the contract."""

import pytest

from gateway.conformance import Mailbox, ProviderContract, ProviderStand
from providers.stripe.plugin import plugin
from tests.conformance.stripe_stand import StripeStand, traits
from tests.conformance.town import Town


class TestStripe(ProviderContract):
    plugin = plugin
    traits = traits

    @pytest.fixture
    async def stand(self, town: Town, mailbox: Mailbox) -> ProviderStand:
        stand = StripeStand(town, mailbox)
        await stand.settle_in()
        return stand
