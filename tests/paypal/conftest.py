"""A fake PayPal for its errors, the sandbox for its behaviour, and adapters that talk to them."""

from collections.abc import AsyncIterator, Iterator

import pytest

from gateway.provider import PaymentProvider
from providers.paypal.plugin import PayPalPlugin
from providers.paypal.settings import PayPalSettings
from tests.paypal.fake import FakePayPal, fake_paypal
from tests.paypal.signing import NOW, WEBHOOK_ID, FixedClock, intermediate, root
from tests.sandbox.conftest import receiver, sandbox, sandbox_server

__all__ = ["receiver", "sandbox", "sandbox_server"]


@pytest.fixture
def fake() -> Iterator[FakePayPal]:
    """A fake PayPal."""
    with fake_paypal() as running:
        yield running


@pytest.fixture
def settings(fake: FakePayPal) -> PayPalSettings:
    """Settings of the fake."""
    return PayPalSettings(
        client_id="client",
        client_secret="secret",
        webhook_id=WEBHOOK_ID,
        api_base=fake.url,
        cert_prefixes=(f"{fake.url}/v1/notifications/certs/",),
        ca_pem=root() + intermediate(),
    )


@pytest.fixture
async def adapter(settings: PayPalSettings) -> AsyncIterator[PaymentProvider]:
    """The adapter, opened on the fake, with the clock standing at NOW."""
    async with PayPalPlugin(FixedClock(NOW)).open(settings) as opened:
        assert opened.mode == "test"
        yield opened.adapter
