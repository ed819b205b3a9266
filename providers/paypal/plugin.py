"""PayPal's plugin, found by the entry point `paypal`. The SDK is loaded only when it is opened."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime

from gateway.ports import Clock
from gateway.provider import Capabilities, KeyWindows, OpenProvider, ProviderEvent
from providers.paypal.bodies import CURRENCIES, SCALE
from providers.paypal.events import read_event
from providers.paypal.settings import CERT_NAMES, PayPalSettings, read_settings

_ORDERS_WINDOW = 6 * 3600
_PAYMENTS_WINDOW = 45 * 86400


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present, in UTC."""
        return datetime.now(UTC)


class PayPalPlugin:
    """PayPal Orders v2. `clock` judges the age of webhooks and certificates."""

    name = "paypal"
    display_name = "PayPal"
    currencies: frozenset[str] | None = CURRENCIES
    capabilities = Capabilities(
        manual_capture=True,
        partial_capture=True,
        partial_refund=True,
        multiple_refunds=True,
        cancel=True,
        disputes=True,
        settlement=False,
    )
    #: How long PayPal remembers a PayPal-Request-Id: 6 hours for orders, 45 days for payments.
    scale = SCALE
    key_windows = KeyWindows(
        create=_ORDERS_WINDOW,
        confirm=_ORDERS_WINDOW,
        capture=_PAYMENTS_WINDOW,
        cancel=_PAYMENTS_WINDOW,
        refund=_PAYMENTS_WINDOW,
    )

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()

    def settings(self, environment: Mapping[str, str]) -> PayPalSettings | None:
        """See `read_settings`."""
        return read_settings(environment)

    def open(self, settings: PayPalSettings) -> AbstractAsyncContextManager[OpenProvider]:
        """Connections to PayPal, closed on exit."""
        return self._opened(settings)

    def read_event(self, body: bytes) -> ProviderEvent:
        """See `events.read_event`."""
        return read_event(body)

    @asynccontextmanager
    async def _opened(self, settings: PayPalSettings) -> AsyncIterator[OpenProvider]:
        import httpx

        from providers.paypal.adapter import PayPalAdapter
        from providers.paypal.certificates import Certificates, Trust
        from providers.paypal.client import PayPalClient
        from providers.paypal.notifications import Notifications
        from providers.paypal.sdk import Sdk
        from providers.paypal.webhook import Postback, WebhookVerifier

        trust = Trust(settings.ca_pem, CERT_NAMES[settings.environment])
        sdk = Sdk(settings)
        try:
            async with httpx.AsyncClient(timeout=10, follow_redirects=False) as http:
                webhooks = WebhookVerifier(
                    Certificates(http, settings.cert_prefixes, trust, self._clock),
                    Postback(http, sdk, settings.api_base, settings.webhook_id),
                    settings.webhook_id,
                    self._clock,
                )
                notifications = Notifications(http, sdk, settings.api_base, settings.webhook_id)
                adapter = PayPalAdapter(PayPalClient(sdk), webhooks, notifications, self._clock)
                yield OpenProvider(
                    adapter=adapter, mode="live" if settings.environment == "live" else "test"
                )
        finally:
            sdk.close()


plugin = PayPalPlugin()
