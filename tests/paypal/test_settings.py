"""Settings: what is taken, what stops the start, and that nothing secret is shown."""

from pathlib import Path

import pytest

from gateway.errors import SettingsError
from providers.paypal.plugin import plugin
from tests.paypal.signing import root

GOOD = {
    "PAYPAL_CLIENT_ID": "AbC-1_client",
    "PAYPAL_CLIENT_SECRET": "EdF-2_secret",
    "PAYPAL_WEBHOOK_ID": "8PT597110X687430L",
}


def test_nothing_set_means_off() -> None:
    assert plugin.settings({"PATH": "/bin", "PAYPAL_CLIENT_ID": "  "}) is None


def test_defaults_are_the_sandbox() -> None:
    settings = plugin.settings(GOOD)
    assert settings is not None
    assert settings.environment == "sandbox"
    assert settings.api_base == "https://api-m.sandbox.paypal.com"
    assert settings.cert_prefixes == (
        "https://api.sandbox.paypal.com/v1/notifications/certs/",
        "https://api-m.sandbox.paypal.com/v1/notifications/certs/",
    )


def test_live() -> None:
    settings = plugin.settings(GOOD | {"PAYPAL_ENVIRONMENT": "live"})
    assert settings is not None
    assert settings.api_base == "https://api-m.paypal.com"
    assert "https://api.paypal.com/v1/notifications/certs/" in settings.cert_prefixes


def test_a_stand_in_on_this_machine() -> None:
    address = "http://127.0.0.1:8001/paypal"
    settings = plugin.settings(
        GOOD | {"PAYPAL_API_BASE": address + "/", "PAYPAL_CERT_HOSTS": f"{address}, certs.example"}
    )
    assert settings is not None
    assert settings.api_base == address
    assert settings.cert_prefixes == (
        f"{address}/v1/notifications/certs/",
        "https://certs.example/v1/notifications/certs/",
    )


def test_secrets_are_not_shown() -> None:
    shown = repr(plugin.settings(GOOD)) + str(plugin.settings(GOOD))
    assert not any(value in shown for value in GOOD.values())


@pytest.mark.parametrize("name", GOOD)
def test_each_credential_is_needed(name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} is missing"):
        plugin.settings({**GOOD, name: ""})


LIVE = {"PAYPAL_ENVIRONMENT": "live"}


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("PAYPAL_ENVIRONMENT", {"PAYPAL_ENVIRONMENT": "production"}),
        ("PAYPAL_CLIENT_ID", {"PAYPAL_CLIENT_ID": "a b"}),
        ("PAYPAL_CLIENT_SECRET", {"PAYPAL_CLIENT_SECRET": "top:secret"}),
        ("PAYPAL_WEBHOOK_ID", {"PAYPAL_WEBHOOK_ID": "WEBHOOK_ID"}),
        ("PAYPAL_WEBHOOK_ID", {"PAYPAL_WEBHOOK_ID": "8PT|59"}),
        ("PAYPAL_API_BASE", {"PAYPAL_API_BASE": "http://paypal.example"}),
        ("PAYPAL_API_BASE", {"PAYPAL_API_BASE": "https://a@b.example"}),
        ("PAYPAL_API_BASE", {"PAYPAL_API_BASE": "https://b.example?x=1"}),
        ("PAYPAL_API_BASE", {"PAYPAL_API_BASE": "https://b.example:99999"}),
        ("PAYPAL_API_BASE", {"PAYPAL_API_BASE": "ftp://127.0.0.1"}),
        ("PAYPAL_API_BASE", {"PAYPAL_API_BASE": "https://b .example"}),
        ("PAYPAL_API_BASE", {"PAYPAL_API_BASE": "https://api-m.paypal.com"}),
        ("PAYPAL_API_BASE", LIVE | {"PAYPAL_API_BASE": "https://api-m.sandbox.paypal.com"}),
        ("PAYPAL_API_BASE", LIVE | {"PAYPAL_API_BASE": "http://127.0.0.1:8001/paypal"}),
        ("PAYPAL_CERT_HOSTS", LIVE | {"PAYPAL_CERT_HOSTS": "api.sandbox.paypal.com"}),
        ("PAYPAL_CERT_HOSTS", LIVE | {"PAYPAL_CERT_HOSTS": "http://127.0.0.1:8001/paypal"}),
        ("PAYPAL_CERT_HOSTS", {"PAYPAL_CERT_HOSTS": "http://certs.example"}),
        ("PAYPAL_CERT_HOSTS", {"PAYPAL_CERT_HOSTS": "https://certs.example/path"}),
        ("PAYPAL_CERT_HOSTS", {"PAYPAL_CERT_HOSTS": "http://127.0.0.1@certs.example"}),
        ("PAYPAL_CA_FILE", {"PAYPAL_CA_FILE": "/does/not/exist.pem"}),
    ],
)
def test_what_stops_the_start(name: str, changes: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=f"^{name} ") as caught:
        plugin.settings(GOOD | changes)
    assert "\n" not in caught.value.detail
    assert "secret" not in caught.value.detail


def test_ca_file(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(root())
    settings = plugin.settings(GOOD | {"PAYPAL_CA_FILE": str(path)})
    assert settings is not None
    assert settings.ca_pem == root()
    path.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----")
    with pytest.raises(SettingsError, match=r"^PAYPAL_CA_FILE holds no readable"):
        plugin.settings(GOOD | {"PAYPAL_CA_FILE": str(path)})
