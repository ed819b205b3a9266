"""The plugin that the entry point `gateway.providers` names."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from gateway.provider import Capabilities, KeyWindows, OpenProvider, ProviderEvent
from gateway_mollie.mapping import SCALE
from gateway_mollie.settings import MollieSettings, read_settings
from gateway_mollie.webhook import read_event

#: Mollie keeps an Idempotency-Key for an hour, and runs it again after that.
_KEY_WINDOW = 60 * 60
#: docs.mollie.com/docs/multicurrency. None has three decimals.
_CURRENCIES = (
    "AED AUD BRL CAD CHF CZK DKK EUR GBP HKD HUF ILS ISK JPY MXN MYR NOK NZD PHP PLN RON SEK SGD "
    "THB TWD USD ZAR"
)


class MolliePlugin:
    """Mollie's Payments API, with its hosted checkout. `now` dates what Mollie does not."""

    name = "mollie"
    display_name = "Mollie"
    capabilities = Capabilities(
        manual_capture=True,
        partial_capture=True,
        partial_refund=True,
        multiple_refunds=True,
        cancel=True,
        disputes=True,
        settlement=False,  # fees are shown to organization tokens only, not to an API key
    )
    currencies = frozenset(_CURRENCIES.split())
    scale = SCALE
    key_windows = KeyWindows(
        create=_KEY_WINDOW,
        confirm=_KEY_WINDOW,
        capture=_KEY_WINDOW,
        cancel=_KEY_WINDOW,
        refund=_KEY_WINDOW,
    )

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now

    def settings(self, environment: Mapping[str, str]) -> MollieSettings | None:
        """Settings from MOLLIE_*; None when none is set. Raises SettingsError."""
        return read_settings(environment)

    @asynccontextmanager
    async def open(self, settings: MollieSettings) -> AsyncIterator[OpenProvider]:
        """An adapter with its connections, closed on exit."""
        # The SDK takes half a second to import: only where Mollie is used.
        from gateway_mollie.adapter import MollieAdapter
        from gateway_mollie.client import open_client

        async with open_client(settings) as client:
            adapter = MollieAdapter(client, settings, self._now)
            yield OpenProvider(adapter=adapter, mode=settings.mode)

    def read_event(self, body: bytes) -> ProviderEvent:
        """Translate a stored body. Raises WebhookInvalid when it is no form of Mollie's."""
        return read_event(body)


plugin = MolliePlugin()
