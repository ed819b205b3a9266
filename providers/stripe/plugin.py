"""The plugin that the entry point `gateway.providers` names."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from gateway.provider import Capabilities, KeyWindows, OpenProvider, ProviderEvent
from providers.stripe.adapter import StripeAdapter
from providers.stripe.client import open_client
from providers.stripe.events import decode, translate
from providers.stripe.money import SCALE
from providers.stripe.resources import Event
from providers.stripe.settings import StripeSettings, read_settings

#: Stripe keeps keys for 24 hours at least, and runs a key again after that: an hour in hand.
_KEY_WINDOW = 23 * 60 * 60


def _system_now() -> datetime:
    return datetime.now(UTC)


class StripePlugin:
    """Stripe Checkout. `now` dates what is read, and judges the age of webhooks."""

    name = "stripe"
    display_name = "Stripe"
    capabilities = Capabilities(
        manual_capture=True,
        partial_capture=True,
        partial_refund=True,
        multiple_refunds=True,
        cancel=True,
        disputes=True,
        settlement=True,
    )
    #: Which currencies an account takes depends on its country; Stripe refuses the others itself.
    currencies: frozenset[str] | None = None
    scale = SCALE
    key_windows = KeyWindows(
        create=_KEY_WINDOW,
        confirm=_KEY_WINDOW,
        capture=_KEY_WINDOW,
        cancel=_KEY_WINDOW,
        refund=_KEY_WINDOW,
    )

    def __init__(self, now: Callable[[], datetime] = _system_now) -> None:
        self._now = now

    def settings(self, environment: Mapping[str, str]) -> StripeSettings | None:
        """Settings from STRIPE_*; None when none is set. Raises SettingsError."""
        return read_settings(environment)

    @asynccontextmanager
    async def open(self, settings: StripeSettings) -> AsyncIterator[OpenProvider]:
        """An adapter with its connections, closed on exit."""
        async with open_client(settings) as client:
            adapter = StripeAdapter(client, settings.webhook_secrets, settings.mode, self._now)
            yield OpenProvider(adapter=adapter, mode=settings.mode)

    def read_event(self, body: bytes) -> ProviderEvent:
        """Translate a stored body. Raises WebhookInvalid when it is no Stripe event."""
        return translate(decode(body, Event))


plugin = StripePlugin()
