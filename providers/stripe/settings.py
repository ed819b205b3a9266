"""Stripe's settings: read once from the environment, checked, and never printed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from gateway.errors import SettingsError
from gateway.provider import Mode

NAMES = ("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "STRIPE_API_BASE")
API_BASE = "https://api.stripe.com"

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_SECRET_KEY = re.compile(r"(?:sk|rk)_(test|live)_[A-Za-z0-9_]{1,240}")
_WEBHOOK_SECRET = re.compile(r"whsec_[!-~]{1,240}")


@dataclass(frozen=True, slots=True)
class StripeSettings:
    """Checked settings. Several `webhook_secrets` stand side by side while one is rolled."""

    secret_key: str = field(repr=False)
    webhook_secrets: tuple[str, ...] = field(repr=False)
    mode: Mode = "test"
    api_base: str = API_BASE


def read_settings(environment: Mapping[str, str]) -> StripeSettings | None:
    """The settings, or None when none of NAMES is set.

    Raises SettingsError, one line that names the setting and never quotes a secret.
    """
    given = {name: environment.get(name, "").strip() for name in NAMES}
    if not any(given.values()):
        return None
    secret_key, mode = _secret_key(given["STRIPE_SECRET_KEY"])
    return StripeSettings(
        secret_key=secret_key,
        webhook_secrets=_webhook_secrets(given["STRIPE_WEBHOOK_SECRET"]),
        mode=mode,
        api_base=_api_base(given["STRIPE_API_BASE"], mode),
    )


def _secret_key(value: str) -> tuple[str, Mode]:
    if not value:
        raise SettingsError("STRIPE_SECRET_KEY is missing (the other Stripe settings are there)")
    match = _SECRET_KEY.fullmatch(value)
    if match is None:
        raise SettingsError(
            "STRIPE_SECRET_KEY must be a secret or restricted key: sk_test_…, sk_live_…, "
            "rk_test_… or rk_live_…"
        )
    return value, "live" if match[1] == "live" else "test"


def _webhook_secrets(value: str) -> tuple[str, ...]:
    secrets = tuple(secret.strip() for secret in value.split(",") if secret.strip())
    if not secrets:
        raise SettingsError(
            "STRIPE_WEBHOOK_SECRET is missing (the other Stripe settings are there)"
        )
    if not all(_WEBHOOK_SECRET.fullmatch(secret) for secret in secrets):
        raise SettingsError("STRIPE_WEBHOOK_SECRET must be whsec_…, several of them with commas")
    return secrets


def _api_base(value: str, mode: Mode) -> str:
    base = value.rstrip("/") or API_BASE
    if mode == "live" and base != API_BASE:
        raise SettingsError(f"STRIPE_API_BASE must be {API_BASE} (or unset) with a live key")
    if not _is_origin(base):
        raise SettingsError("STRIPE_API_BASE must be https://HOST, or http:// of this machine")
    return base


def _is_origin(address: str) -> bool:
    """Whether it is scheme, host, port and path only, and plain http only on this machine."""
    if not re.fullmatch(r"[!-~]+", address):
        return False
    try:
        parts = urlsplit(address)
        _ = parts.port  # raises ValueError for a port that is none
    except ValueError:
        return False
    plain = not (parts.query or parts.fragment) and "@" not in parts.netloc
    allowed = ("http", "https") if parts.hostname in _LOOPBACK else ("https",)
    return plain and bool(parts.hostname) and parts.scheme in allowed
