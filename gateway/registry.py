"""Providers: found by entry point, opened with their settings, called through one wrapper."""

import logging
import re
import time
from collections import deque
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from importlib.metadata import entry_points
from typing import Any, Literal

import msgspec

from gateway import tracing
from gateway.errors import (
    InvalidRequest,
    OutcomeUnknown,
    ProviderError,
    SettingsError,
    Unavailable,
)
from gateway.facts import CheckoutOpened, ProviderFact
from gateway.provider import (
    Cancels,
    Captures,
    CheckoutRequest,
    Checks,
    FindsRefunds,
    ListedEvent,
    ListsEvents,
    ManagesWebhooks,
    Mode,
    PaymentProvider,
    PaymentRef,
    ProviderPlugin,
    RegisteredWebhook,
)
from gateway.provider_books import (
    REPORT_OVERLAP,
    ClearsWithin,
    ListsTransactions,
    ProviderPayout,
    ProviderTransaction,
)
from gateway.records import Call, CancelCall, CaptureCall, ConfirmCall, CreateCall, RefundCall
from gateway.routing import AUTO

ENTRY_POINTS = "gateway.providers"
#: How long a call counts for a provider's health: whoever is left alone because of it gets another
#: chance after that. And of how few calls nothing is concluded: one hiccup is not bad health.
HEALTH_SECONDS = 300
_TOO_FEW = 2
PROVIDER_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_log = logging.getLogger("gateway.providers")

#: Told of every provider call: (provider, verb, outcome, seconds).
Observer = Callable[[str, str, str, float], None]
Act = Callable[[], Awaitable[Sequence[ProviderFact]]]


def discover() -> dict[str, ProviderPlugin]:
    """All installed plugins by name. Raises SettingsError for two of one name, or a bad name."""
    plugins: dict[str, ProviderPlugin] = {}
    for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda entry: entry.name):
        plugin: ProviderPlugin = entry.load()
        if not PROVIDER_NAME.fullmatch(plugin.name) or plugin.name == AUTO:
            raise SettingsError(f"provider plugin {entry.value}: {plugin.name!r} is no valid name")
        if plugin.name in plugins:
            raise SettingsError(f"two provider plugins are named {plugin.name!r}: uninstall one")
        plugins[plugin.name] = plugin
    return plugins


class Provider:
    """One open provider: the only way in which the core calls an adapter."""

    def __init__(
        self,
        plugin: ProviderPlugin,
        adapter: PaymentProvider,
        mode: Mode,
        observe: Observer,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.plugin = plugin
        self.adapter = adapter
        self.mode = mode
        self._observe = observe
        self._monotonic = monotonic
        self._recent: deque[tuple[float, bool]] = deque(maxlen=20)

    @property
    def name(self) -> str:
        """The plugin's name."""
        return self.plugin.name

    @property
    def health(self) -> Literal["ok", "degraded", "unknown"]:
        """Degraded when half or more of this process's calls of late got no clear answer.

        Calls of the last five minutes count, twenty at most; two or fewer prove nothing.
        """
        since = self._monotonic() - HEALTH_SECONDS
        recent = [answered for at, answered in self._recent if at > since]
        if not recent:
            return "unknown"
        bad = len(recent) > _TOO_FEW and 2 * recent.count(False) >= len(recent)
        return "degraded" if bad else "ok"

    async def call(self, call: Call, key: str) -> Sequence[ProviderFact]:
        """Carry out a stored call under its key.

        Raises Rejected, Unavailable or OutcomeUnknown; whatever else an adapter lets through counts
        as unknown, since it says nothing about what the provider did. InvalidRequest, before
        anything is sent, for a power that the provider has not.
        """
        return await self._guarded(str(call.__struct_config__.tag), self._bound(call, key))

    async def find_refunds(self, payment: PaymentRef) -> Sequence[ProviderFact] | None:
        """The payment's refunds as the provider knows them; None where it cannot list them."""
        adapter = self.adapter
        if not isinstance(adapter, FindsRefunds):
            return None
        return await self._guarded("find_refunds", lambda: adapter.find_refunds(payment))

    @property
    def lists_events(self) -> bool:
        """Whether it can list the events of the past."""
        return isinstance(self.adapter, ListsEvents)

    async def list_events(self, since: datetime, until: datetime) -> AsyncIterator[ListedEvent]:
        """Its events of a time; nothing where it cannot list them. Raises Unavailable."""
        adapter = self.adapter
        if not isinstance(adapter, ListsEvents):
            return
        with self._reading("list_events"):
            async for event in adapter.list_events(since, until):
                yield event

    @property
    def report_lag(self) -> timedelta | None:
        """How far behind its own books may be; None where it does not show them."""
        adapter = self.adapter
        return adapter.report_lag if isinstance(adapter, ListsTransactions) else None

    @property
    def report_overlap(self) -> timedelta:
        """How much of the past of its books has to be read again."""
        adapter = self.adapter
        return adapter.report_overlap if isinstance(adapter, ClearsWithin) else REPORT_OVERLAP

    @property
    def names_payout_lines(self) -> bool:
        """Whether it tells which lines a payout consists of."""
        adapter = self.adapter
        return isinstance(adapter, ListsTransactions) and adapter.names_payout_lines

    async def list_transactions(
        self, since: datetime, until: datetime
    ) -> AsyncIterator[ProviderTransaction]:
        """The lines of its books of a time; nothing where it shows none. Raises Unavailable."""
        adapter = self.adapter
        if isinstance(adapter, ListsTransactions):
            with self._reading("list_transactions"):
                async for line in adapter.list_transactions(since, until):
                    yield line

    async def list_payouts(self, since: datetime, until: datetime) -> AsyncIterator[ProviderPayout]:
        """Its payouts of a time; nothing where it shows none. Raises Unavailable."""
        adapter = self.adapter
        if isinstance(adapter, ListsTransactions):
            with self._reading("list_payouts"):
                async for payout in adapter.list_payouts(since, until):
                    yield payout

    async def payout_transactions(self, payout_id: str) -> AsyncIterator[ProviderTransaction]:
        """The lines of one payout, where it names them. Raises Unavailable."""
        adapter = self.adapter
        if isinstance(adapter, ListsTransactions):
            with self._reading("payout_transactions"):
                async for line in adapter.payout_transactions(payout_id):
                    yield line

    async def check(self) -> tuple[bool, datetime | None]:
        """Whether it can be checked, and if so its time, where it tells. Raises Unavailable."""
        adapter = self.adapter
        if not isinstance(adapter, Checks):
            return False, None
        with self._reading("check"):
            return True, await adapter.check()

    async def list_webhooks(self) -> Sequence[RegisteredWebhook] | None:
        """What is registered there; None where it cannot tell. Raises Unavailable."""
        adapter = self.adapter
        if not isinstance(adapter, ManagesWebhooks):
            return None
        with self._reading("list_webhooks"):
            return await adapter.list_webhooks()

    @contextmanager
    def _reading(self, verb: str) -> Iterator[None]:
        """A mere read: whatever befalls it, nothing was done by it."""
        started, outcome = time.perf_counter(), "succeeded"
        try:
            yield
        except ProviderError as error:
            outcome = error.code
            raise
        except Exception as error:
            outcome = Unavailable.code
            _log.exception("adapter error", extra={"provider": self.name, "verb": verb})
            raise Unavailable(f"the {self.name} adapter raised {type(error).__name__}") from error
        finally:
            self._observe(self.name, verb, outcome, time.perf_counter() - started)

    def _bound(self, call: Call, key: str) -> Act:
        """The adapter's method for `call`, ready to be awaited."""
        adapter = self.adapter
        match call:
            case CreateCall(checkout):
                return lambda: self._create(checkout, key)
            case ConfirmCall(payment):
                return lambda: adapter.confirm(payment, key=key)
            case CaptureCall(payment, money) if isinstance(adapter, Captures):
                return lambda: adapter.capture(payment, money, key=key)
            case CancelCall(payment) if isinstance(adapter, Cancels):
                return lambda: adapter.cancel(payment, key=key)
            case RefundCall(refund):
                return lambda: adapter.refund(refund, key=key)
        raise InvalidRequest(
            f"{self.plugin.display_name} cannot do this", code="not_supported_by_provider"
        )

    async def _create(self, request: CheckoutRequest, key: str) -> Sequence[ProviderFact]:
        checkout = await self.adapter.create_order(request, key=key)
        opened = CheckoutOpened(
            provider_order_id=checkout.provider_order_id,
            url=checkout.url,
            expires_at=checkout.expires_at,
        )
        return [opened]

    async def _guarded(self, verb: str, act: Act) -> Sequence[ProviderFact]:
        with tracing.span(f"{verb} {self.name}", provider=self.name, verb=verb) as span:
            try:
                return await self._observed(verb, act)
            finally:
                _log.info("provider call", extra=span.known)

    async def _observed(self, verb: str, act: Act) -> Sequence[ProviderFact]:
        started, outcome = time.perf_counter(), "canceled"
        try:
            facts = await act()
            outcome = "succeeded"
            return facts
        except ProviderError as error:
            outcome = error.code
            tracing.note(provider_request_id=error.request_id)
            raise
        except Exception as error:  # our own InvalidAmount too: it may be about the answer
            outcome = OutcomeUnknown.code
            _log.exception("adapter error", extra={"provider": self.name, "verb": verb})
            raise OutcomeUnknown(
                f"the {self.name} adapter raised {type(error).__name__}"
            ) from error
        finally:
            if outcome != "canceled":  # by us: that says nothing about the provider
                answered = outcome not in (OutcomeUnknown.code, Unavailable.code)
                self._recent.append((self._monotonic(), answered))
            seconds = time.perf_counter() - started
            tracing.note(outcome=outcome, milliseconds=str(round(seconds * 1000)))
            self._observe(self.name, verb, outcome, seconds)


class Providers(Mapping[str, Provider]):
    """The providers that are switched on, by name."""

    def __init__(self, providers: Iterable[Provider]) -> None:
        self._providers = {provider.name: provider for provider in providers}

    def __getitem__(self, name: str) -> Provider:
        return self._providers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._providers)

    def __len__(self) -> int:
        return len(self._providers)

    def choose(self, name: str, *, livemode: bool, currency: str) -> Provider:
        """The provider for a new payment. Raises InvalidRequest that says which there are."""
        provider = self._providers.get(name)
        if provider is None or (provider.mode == "live") != livemode:
            mode = "live" if livemode else "test"
            known = ", ".join(n for n, p in self._providers.items() if p.mode == mode) or "none"
            raise InvalidRequest(
                f"no provider {name!r} in {mode} mode; there are: {known}",
                path="provider",
                code="unknown_provider",
            )
        currencies = provider.plugin.currencies
        if currencies is not None and currency not in currencies:
            raise InvalidRequest(
                f"{provider.plugin.display_name} does not take {currency}",
                path="currency",
                code="currency_not_supported",
            )
        return provider


class ConfiguredProvider(msgspec.Struct, frozen=True):
    """A plugin with the settings that the environment gave it."""

    plugin: ProviderPlugin
    settings: Any


def configure(
    plugins: Mapping[str, ProviderPlugin], environment: Mapping[str, str]
) -> list[ConfiguredProvider]:
    """The plugins that have settings. Raises SettingsError for malformed ones."""
    configured = []
    for plugin in plugins.values():
        settings = plugin.settings(environment)
        if settings is not None:
            configured.append(ConfiguredProvider(plugin, settings))
    return configured


@asynccontextmanager
async def open_providers(
    configured: Iterable[ConfiguredProvider], observe: Observer = lambda *_: None
) -> AsyncIterator[Providers]:
    """Open all of them; close all of them on exit, in reverse order."""
    async with AsyncExitStack() as stack:
        opened = []
        for item in configured:
            handle = await stack.enter_async_context(item.plugin.open(item.settings))
            opened.append(Provider(item.plugin, handle.adapter, handle.mode, observe))
        yield Providers(opened)
