"""The plugin that the entry point `gateway.providers` names."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from gateway.provider import Capabilities, KeyWindows, OpenProvider
from gateway_mollie import webhook
from gateway_mollie.mapping import SCALE
from gateway_mollie.settings import MollieSettings, read_settings

#: Mollie keeps an Idempotency-Key for an hour, and runs it again after that.
_HOUR = 60 * 60
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
    key_windows = KeyWindows(create=_HOUR, confirm=_HOUR, capture=_HOUR, cancel=_HOUR, refund=_HOUR)
    settings = staticmethod(read_settings)
    read_event = staticmethod(webhook.read_event)

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now

    @asynccontextmanager
    async def open(self, settings: MollieSettings) -> AsyncIterator[OpenProvider]:
        """An adapter with its connections, closed on exit."""
        # The SDK takes half a second to import: only where Mollie is used.
        from gateway_mollie.adapter import MollieAdapter
        from gateway_mollie.client import open_client

        async with open_client(settings) as client:
            adapter = MollieAdapter(client, settings, self._now)
            yield OpenProvider(adapter=adapter, mode=settings.mode)


plugin = MolliePlugin()
