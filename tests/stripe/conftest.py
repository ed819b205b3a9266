"""A fake Stripe for its errors, the sandbox for its behaviour, and adapters that talk to them."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from providers.stripe.adapter import StripeAdapter
from providers.stripe.client import open_client
from providers.stripe.settings import StripeSettings
from tests.sandbox.conftest import receiver, sandbox, sandbox_server
from tests.stripe.fake import FakeStripe, fake_stripe
from tests.stripe.payloads import NOW

__all__ = ["receiver", "sandbox", "sandbox_server"]

SECRETS = ("whsec_old", "whsec_new")


@pytest.fixture
async def fake() -> AsyncIterator[FakeStripe]:
    """A fake Stripe."""
    async with fake_stripe() as running:
        yield running


@pytest.fixture
async def adapter(fake: FakeStripe) -> AsyncIterator[StripeAdapter]:
    """An adapter on the fake: half a second of patience, the clock standing at NOW + 10."""
    settings = StripeSettings("sk_test_1", SECRETS, api_base=fake.url)
    async with open_client(settings, timeout=0.5) as client:
        yield StripeAdapter(client, SECRETS, "test", lambda: datetime.fromtimestamp(NOW + 10, UTC))
