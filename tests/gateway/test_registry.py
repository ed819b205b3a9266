"""Providers: found, configured, chosen, and called through one wrapper."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from gateway.errors import (
    GatewayError,
    InvalidAmount,
    InvalidRequest,
    OutcomeUnknown,
    Rejected,
    SettingsError,
    Unavailable,
)
from gateway.facts import CheckoutOpened
from gateway.money import Money
from gateway.provider import PaymentRef, RefundRequest
from gateway.records import Call, CancelCall, CaptureCall, ConfirmCall, CreateCall, RefundCall
from gateway.registry import (
    HEALTH_SECONDS,
    Provider,
    Providers,
    configure,
    discover,
    open_providers,
)
from providers.paypal.adapter import PayPalAdapter
from providers.stripe.adapter import StripeAdapter
from tests.gateway.build import DUE, FIRST, captured
from tests.gateway.stage import CHECKOUT, AbleAdapter, Adapter, Plugin, provider

MONEY = Money(DUE, "USD")
REF = PaymentRef("ord_1", FIRST, MONEY, "co_1")
REFUND = RefundRequest(REF, "ref_1", MONEY, "cap_1")
Observed = tuple[str, str, str, float]


def observed(adapter: Adapter) -> tuple[Provider, list[Observed]]:
    seen: list[Observed] = []
    return provider(adapter, observe=lambda *call: seen.append(call)), seen


@pytest.mark.parametrize(
    ("call", "verb"),
    [
        (ConfirmCall(REF), "confirm"),
        (CaptureCall(REF, MONEY), "capture"),
        (CancelCall(REF), "cancel"),
        (RefundCall(REFUND), "refund"),
    ],
)
async def test_each_call_goes_to_its_verb_under_its_key(call: Call, verb: str) -> None:
    adapter = AbleAdapter([captured()])
    wrapped, seen = observed(adapter)

    assert list(await wrapped.call(call, "key-1")) == [captured()]
    assert adapter.calls == [(verb, "key-1")]
    assert [entry[:3] for entry in seen] == [("acme", verb, "succeeded")]
    assert seen[0][3] >= 0


async def test_an_opened_checkout_is_a_fact() -> None:
    facts = await provider(Adapter([])).call(CreateCall(CHECKOUT), "key-1")

    assert facts == [CheckoutOpened(provider_order_id="co_1", url="https://pay.example/co_1")]


@pytest.mark.parametrize("call", [CaptureCall(REF, MONEY), CancelCall(REF)])
async def test_a_power_that_is_missing_is_refused_before_anything_is_sent(call: Call) -> None:
    adapter = Adapter()
    wrapped, seen = observed(adapter)

    with pytest.raises(InvalidRequest, match="Acme Pay cannot do this") as caught:
        await wrapped.call(call, "key-1")

    assert caught.value.code == "not_supported_by_provider"
    assert (adapter.calls, seen, wrapped.health) == ([], [], "unknown")


@pytest.mark.parametrize("error", [Rejected("no"), Unavailable("later"), OutcomeUnknown("?")])
async def test_the_three_errors_pass_through(error: GatewayError) -> None:
    wrapped, seen = observed(Adapter(error))

    with pytest.raises(type(error)) as caught:
        await wrapped.call(RefundCall(REFUND), "key-1")

    assert caught.value is error
    assert seen[0][2] == error.code


@pytest.mark.parametrize("error", [ValueError("secret"), InvalidAmount("1.005"), KeyError("id")])
async def test_whatever_else_an_adapter_raises_says_nothing_about_what_was_done(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """Our own InvalidAmount too: it may be about the answer to a refund that was made."""
    wrapped, seen = observed(Adapter(error))

    with pytest.raises(OutcomeUnknown) as caught:
        await wrapped.call(RefundCall(REFUND), "key-1")

    assert caught.value.__cause__ is error
    assert caught.value.detail == f"the acme adapter raised {type(error).__name__}"
    assert seen[0][2] == "provider_outcome_unknown"
    (logged,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert logged.name == "gateway.providers"


async def test_a_canceled_call_stays_canceled_and_is_not_held_against_the_provider() -> None:
    wrapped, seen = observed(Adapter(asyncio.CancelledError()))

    with pytest.raises(asyncio.CancelledError):
        await wrapped.call(RefundCall(REFUND), "key-1")

    assert wrapped.health == "unknown"
    assert [entry[2] for entry in seen] == ["canceled"]


async def test_health_is_of_the_last_calls() -> None:
    good: list[Any] = [[captured()]]
    wrapped = provider(
        Adapter(
            *good,
            Rejected("a clear no is a clear answer"),
            Unavailable("later"),
            OutcomeUnknown("?"),
            *good * 20,
        )
    )

    async def call() -> str:
        with suppress(GatewayError):
            await wrapped.call(ConfirmCall(REF), "key")
        return wrapped.health

    assert wrapped.health == "unknown"
    assert [await call() for _ in range(5)] == ["ok", "ok", "ok", "degraded", "ok"]
    assert {await call() for _ in range(19)} == {"ok"}
    assert len(wrapped._recent) == 20


async def test_what_is_long_ago_or_a_single_hiccup_is_no_bad_health() -> None:
    now = 1000.0
    adapter = Adapter(*[Unavailable("later")] * 3, [captured()])
    wrapped = provider(adapter, monotonic=lambda: now)

    async def call() -> str:
        with suppress(GatewayError):
            await wrapped.call(ConfirmCall(REF), "key")
        return wrapped.health

    assert [await call() for _ in range(3)] == ["ok", "ok", "degraded"]
    now += HEALTH_SECONDS
    assert wrapped.health == "unknown"
    assert await call() == "ok"


async def test_refunds_are_found_where_the_provider_can_list_them() -> None:
    assert await provider(Adapter()).find_refunds(REF) is None
    assert await provider(AbleAdapter([captured()])).find_refunds(REF) == [captured()]
    with pytest.raises(OutcomeUnknown):
        await provider(AbleAdapter(TypeError())).find_refunds(REF)


# --- choosing -------------------------------------------------------------------------------------


@pytest.fixture
def providers() -> Providers:
    narrow = Plugin("euros", currencies=frozenset({"EUR"}))
    live = Provider(Plugin("real"), Adapter(), "live", lambda *_: None)
    return Providers([provider(), provider(plugin=narrow), live])


def test_how_much_of_the_past_is_read_again() -> None:
    """As much as may change late; where nobody says how much that is, rather too much."""

    class Prompt(Adapter):
        report_overlap = timedelta(days=1)

    assert provider(Prompt()).report_overlap == timedelta(days=1)
    assert provider(Adapter()).report_overlap == timedelta(days=14)
    assert StripeAdapter.report_overlap < PayPalAdapter.report_overlap
    assert PayPalAdapter.report_overlap >= timedelta(days=10), "six business days and holidays"


def test_a_mapping_by_name(providers: Providers) -> None:
    assert list(providers) == ["acme", "euros", "real"]
    assert len(providers) == 3
    assert providers["acme"].name == "acme"


def test_the_one_asked_for_is_chosen(providers: Providers) -> None:
    assert providers.choose("acme", livemode=False, currency="JPY").name == "acme"
    assert providers.choose("euros", livemode=False, currency="EUR").name == "euros"
    assert providers.choose("real", livemode=True, currency="EUR").name == "real"


@pytest.mark.parametrize(
    ("name", "livemode", "known"),
    [("nobody", False, "acme, euros"), ("real", False, "acme, euros"), ("acme", True, "real")],
)
def test_an_unknown_provider_is_told_with_those_that_there_are(
    providers: Providers, name: str, livemode: bool, known: str
) -> None:
    with pytest.raises(InvalidRequest, match=f"there are: {known}$") as caught:
        providers.choose(name, livemode=livemode, currency="USD")

    assert (caught.value.code, caught.value.path) == ("unknown_provider", "provider")


def test_where_there_is_none_at_all() -> None:
    with pytest.raises(InvalidRequest, match="there are: none"):
        Providers([]).choose("acme", livemode=True, currency="USD")


def test_a_currency_that_a_provider_does_not_take(providers: Providers) -> None:
    with pytest.raises(InvalidRequest, match="Acme Pay does not take USD") as caught:
        providers.choose("euros", livemode=False, currency="USD")

    assert (caught.value.code, caught.value.path) == ("currency_not_supported", "currency")


# --- finding and opening --------------------------------------------------------------------------


class Loadable:
    """An entry point that loads what it is given."""

    def __init__(self, plugin: Plugin) -> None:
        self.name = plugin.name
        self.value = f"some.package:{plugin.name}"
        self._plugin = plugin

    def load(self) -> Plugin:
        return self._plugin


Install = Callable[..., None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    def installed(*plugins: Plugin) -> None:
        found = [Loadable(plugin) for plugin in plugins]
        monkeypatch.setattr("gateway.registry.entry_points", lambda group: found)

    return installed


def test_plugins_are_found_by_name(install: Install) -> None:
    install(Plugin("beta"), Plugin("alpha_2"))

    assert list(discover()) == ["alpha_2", "beta"]


def test_two_plugins_of_one_name_stop_the_start(install: Install) -> None:
    install(Plugin("acme"), Plugin("acme"))

    with pytest.raises(SettingsError, match="two provider plugins are named 'acme'"):
        discover()


@pytest.mark.parametrize("name", ["", "Acme", "1st", "a-b", "ä", "a\n", "a" * 64, "auto"])
def test_names_that_fit_no_address_stop_the_start(install: Install, name: str) -> None:
    install(Plugin(name))

    with pytest.raises(SettingsError, match="no valid name"):
        discover()


def test_the_installed_plugins_come_in_by_the_same_door() -> None:
    found = discover()

    assert found
    assert all(plugin.name == name for name, plugin in found.items())


def test_a_provider_without_settings_is_off() -> None:
    configured = configure(
        {"acme": Plugin("acme"), "beta": Plugin("beta")}, {"BETA_KEY": "k", "OTHER": "x"}
    )

    assert [(item.plugin.name, item.settings) for item in configured] == [("beta", "k")]


async def test_what_was_opened_is_closed_in_reverse_order() -> None:
    events: list[str] = []
    first, second = Plugin("acme"), Plugin("beta")
    first.events = second.events = events
    configured = configure({"acme": first, "beta": second}, {"ACME_KEY": "a", "BETA_KEY": "b"})

    async with open_providers(configured) as providers:
        assert list(providers) == ["acme", "beta"]
        assert providers["beta"].mode == "test"
        assert events == ["open a", "open b"]

    assert events == ["open a", "open b", "close", "close"]
