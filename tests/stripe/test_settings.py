"""Settings: what is accepted, what is refused and how, and that secrets stay secret."""

import pytest

from gateway.errors import SettingsError
from gateway.provider import ProviderPlugin
from providers.stripe.plugin import plugin
from providers.stripe.settings import API_BASE

KEY, SECRET = "sk_test_51Abc", "whsec_abc123"


def test_the_plugin_implements_the_interface() -> None:
    checked: ProviderPlugin = plugin
    assert checked.name == "stripe"
    assert checked.display_name == "Stripe"


def test_nothing_set_switches_it_off() -> None:
    assert plugin.settings({"STRIPE_SECRET_KEY": " ", "PATH": "/bin"}) is None


def test_test_and_live_keys() -> None:
    test = plugin.settings({"STRIPE_SECRET_KEY": KEY, "STRIPE_WEBHOOK_SECRET": SECRET})
    assert test is not None
    assert (test.mode, test.api_base, test.webhook_secrets) == ("test", API_BASE, (SECRET,))
    live = plugin.settings(
        {"STRIPE_SECRET_KEY": "rk_live_9", "STRIPE_WEBHOOK_SECRET": "whsec_a, whsec_b,"}
    )
    assert live is not None
    assert (live.mode, live.webhook_secrets) == ("live", ("whsec_a", "whsec_b"))


@pytest.mark.parametrize(
    "base", ["http://127.0.0.1:8001/stripe", "http://[::1]:1/x/", "https://stand-in.example"]
)
def test_a_stand_in_for_the_address(base: str) -> None:
    settings = plugin.settings(
        {"STRIPE_SECRET_KEY": KEY, "STRIPE_WEBHOOK_SECRET": SECRET, "STRIPE_API_BASE": base}
    )
    assert settings is not None
    assert settings.api_base == base.rstrip("/")


@pytest.mark.parametrize(
    ("name", "environment"),
    [
        ("STRIPE_SECRET_KEY", {"STRIPE_SECRET_KEY": ""}),
        ("STRIPE_SECRET_KEY", {"STRIPE_SECRET_KEY": "pk_test_51Abc"}),
        ("STRIPE_SECRET_KEY", {"STRIPE_SECRET_KEY": "sk_test_a b"}),
        ("STRIPE_SECRET_KEY", {"STRIPE_SECRET_KEY": "sk_test_%"}),
        ("STRIPE_WEBHOOK_SECRET", {"STRIPE_WEBHOOK_SECRET": ""}),
        ("STRIPE_WEBHOOK_SECRET", {"STRIPE_WEBHOOK_SECRET": " , "}),
        ("STRIPE_WEBHOOK_SECRET", {"STRIPE_WEBHOOK_SECRET": "whsec_a,hush-hush"}),
        ("STRIPE_API_BASE", {"STRIPE_API_BASE": "http://stripe.example"}),
        ("STRIPE_API_BASE", {"STRIPE_API_BASE": "https://user@stripe.example"}),
        ("STRIPE_API_BASE", {"STRIPE_API_BASE": "https://stripe.example/?a=1"}),
        ("STRIPE_API_BASE", {"STRIPE_API_BASE": "https://stripe.example:port"}),
        ("STRIPE_API_BASE", {"STRIPE_API_BASE": "https://strípe.example"}),
        ("STRIPE_API_BASE", {"STRIPE_API_BASE": "ftp://127.0.0.1"}),
        (
            "STRIPE_API_BASE",
            {"STRIPE_SECRET_KEY": "sk_live_1", "STRIPE_API_BASE": "http://127.0.0.1:1"},
        ),
    ],
)
def test_one_line_that_names_the_setting(name: str, environment: dict[str, str]) -> None:
    given = {"STRIPE_SECRET_KEY": KEY, "STRIPE_WEBHOOK_SECRET": SECRET} | environment
    with pytest.raises(SettingsError) as refused:
        plugin.settings(given)
    message = str(refused.value)
    assert message.startswith(name)
    assert "\n" not in message
    secret_values = [value for key, value in given.items() if key != "STRIPE_API_BASE"]
    assert not any(value in message for value in secret_values if value.strip(" ,"))


def test_secrets_are_not_printed() -> None:
    settings = plugin.settings({"STRIPE_SECRET_KEY": KEY, "STRIPE_WEBHOOK_SECRET": SECRET})
    assert KEY not in repr(settings)
    assert SECRET not in repr(settings)
