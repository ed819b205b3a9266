"""Settings: what is taken, and what is told of what is not."""

import pytest
from gateway_mollie.plugin import plugin

from gateway.errors import SettingsError

TEST, LIVE = "test_" + "a" * 30, "live_" + "a" * 30
HOOK = "https://pay.example/webhooks/mollie"


def test_off() -> None:
    """Nothing set: the plugin is off."""
    assert plugin.settings({"MOLLIE_API_KEY": " "}) is None


@pytest.mark.parametrize(
    ("setting", "base", "ours", "told"),
    [
        ("", "", "https://pay.example/webhooks/mollie", "https://pay.example/webhooks/mollie"),
        (HOOK, "", "http://127.0.0.1:8000/webhooks/mollie", HOOK),
        ("", "", "http://127.0.0.1:8000/webhooks/mollie", None),
        (
            "",
            "http://127.0.0.1:8002",
            "http://localhost/webhooks/mollie",
            "http://localhost/webhooks/mollie",
        ),
        ("", "", None, None),
    ],
)
def test_webhook_address(setting: str, base: str, ours: str | None, told: str | None) -> None:
    """The gateway's own, but for a tunnel; an address of this machine only to a fake on it."""
    settings = plugin.settings(
        {"MOLLIE_API_KEY": TEST, "MOLLIE_WEBHOOK_URL": setting, "MOLLIE_API_BASE": base}
    )
    assert settings is not None
    assert settings.webhook(ours) == told


def test_on() -> None:
    """The key says the mode, and is in no repr."""
    settings = plugin.settings({"MOLLIE_API_KEY": LIVE, "MOLLIE_WEBHOOK_URL": HOOK})
    assert settings is not None
    assert (settings.mode, settings.webhook_url) == ("live", HOOK)
    assert "aaa" not in repr(settings)


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"MOLLIE_WEBHOOK_URL": HOOK}, "MOLLIE_API_KEY"),
        ({"MOLLIE_API_KEY": "access_" + "a" * 30}, "MOLLIE_API_KEY"),
        ({"MOLLIE_API_KEY": TEST, "MOLLIE_WEBHOOK_URL": "http://a.example/"}, "MOLLIE_WEBHOOK_URL"),
        ({"MOLLIE_API_KEY": TEST, "MOLLIE_API_BASE": "http://a.example"}, "MOLLIE_API_BASE"),
        ({"MOLLIE_API_KEY": TEST, "MOLLIE_API_BASE": "https://a:99999"}, "MOLLIE_API_BASE"),
        (
            {
                "MOLLIE_API_KEY": LIVE,
                "MOLLIE_WEBHOOK_URL": HOOK,
                "MOLLIE_API_BASE": "https://a.example",
            },
            "MOLLIE_API_BASE",
        ),
    ],
)
def test_refused(environment: dict[str, str], named: str) -> None:
    """One line that names the setting and quotes no key."""
    with pytest.raises(SettingsError) as told:
        plugin.settings(environment)
    assert named in str(told.value)
    assert "\n" not in str(told.value)
    assert "aaa" not in str(told.value)
