"""Razorpay's plugin, found by the entry point `razorpay`. The SDK is loaded when it is opened."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from gateway.provider import Capabilities, KeyWindows, OpenProvider
from gateway_razorpay import mapping, webhook
from gateway_razorpay.settings import RazorpaySettings, read_settings

_DAY = 86_400
#: A reference is taken for ever, a payment is captured and a link canceled once: no key expires.
_FOR_EVER = 180 * _DAY  # as long as the longest link lives


class RazorpayPlugin:
    """Payment Links. `now` judges the age of webhooks and the least life of a link."""

    name = "razorpay"
    display_name = "Razorpay"
    currencies: frozenset[str] | None = mapping.CURRENCIES
    scale = mapping.SCALE
    capabilities = Capabilities(
        manual_capture=False,  # the account's Dashboard decides, not the request for a link
        partial_capture=False,
        partial_refund=True,
        multiple_refunds=True,
        cancel=True,
        disputes=False,
        settlement=False,
    )
    #: How long X-Refund-Idempotency is remembered is not documented; within a day it surely is.
    key_windows = KeyWindows(
        create=_FOR_EVER, confirm=_FOR_EVER, capture=0, cancel=_FOR_EVER, refund=_DAY
    )
    settings = staticmethod(read_settings)
    read_event = staticmethod(webhook.read_event)

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now

    @asynccontextmanager
    async def open(self, settings: RazorpaySettings) -> AsyncIterator[OpenProvider]:
        """Connections to Razorpay, closed on exit."""
        from gateway_razorpay.adapter import RazorpayAdapter
        from gateway_razorpay.client import Client

        client = Client(settings)
        try:
            adapter = RazorpayAdapter(client, settings, self._now)
            yield OpenProvider(adapter=adapter, mode=settings.mode)
        finally:
            client.close()


plugin = RazorpayPlugin()
