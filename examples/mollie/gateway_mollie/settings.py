"""Mollie's settings: read once from the environment, checked, and never printed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from gateway.errors import SettingsError
from gateway.provider import Mode

NAMES = ("MOLLIE_API_KEY", "MOLLIE_WEBHOOK_URL", "MOLLIE_API_BASE")
API_BASE = "https://api.mollie.com"

_API_KEY = re.compile(r"(test|live)_[A-Za-z0-9]{20,120}")
_ADDRESS = re.compile(r"(https?)://(?:[A-Za-z0-9.-]+|\[::1\])(?::([0-9]{1,5}))?(?:/[^\s?#@]*)?")
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class MollieSettings:
    """Checked settings. `webhook_url`: where Mollie reaches us, if not at our own address."""

    api_key: str = field(repr=False)
    mode: Mode
    webhook_url: str | None = None
    api_base: str = API_BASE

    def webhook(self, ours: str | None) -> str | None:
        """The address for Mollie to call; None where that is only an address of this machine, which
        Mollie would refuse (and the fake would not)."""
        url = self.webhook_url or ours
        known = url is not None and (_is_local(self.api_base) or not _is_local(url))
        return url if known else None


def read_settings(environment: Mapping[str, str]) -> MollieSettings | None:
    """The settings, or None when none of NAMES is set.

    Raises SettingsError, one line that names the setting and never quotes a secret.
    """
    given = {name: environment.get(name, "").strip() for name in NAMES}
    if not any(given.values()):
        return None
    key = _API_KEY.fullmatch(given["MOLLIE_API_KEY"])
    if key is None:
        raise SettingsError("MOLLIE_API_KEY must be a profile's API key: test_… or live_…")
    live, webhook_url = key[1] == "live", given["MOLLIE_WEBHOOK_URL"]
    if webhook_url and not _is_address(webhook_url):
        raise SettingsError("MOLLIE_WEBHOOK_URL must be this gateway's https://…/webhooks/mollie")
    base = given["MOLLIE_API_BASE"].rstrip("/") or API_BASE
    if live and base != API_BASE:
        raise SettingsError(f"MOLLIE_API_BASE must be {API_BASE} (or unset) with a live key")
    if not _is_address(base):
        raise SettingsError("MOLLIE_API_BASE must be https://HOST, or http:// of this machine")
    return MollieSettings(key[0], "live" if live else "test", webhook_url or None, base)


def _is_local(address: str) -> bool:
    return urlsplit(address).hostname in _LOOPBACK


def _is_address(address: str) -> bool:
    """Whether it is an https address, or an http one of this machine, without login and query."""
    match = _ADDRESS.fullmatch(address)
    if match is None or int(match[2] or 0) > 65535:
        return False
    return match[1] == "https" or _is_local(address)
