"""Razorpay's settings: read once from the environment, checked, and never printed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.errors import SettingsError
from gateway.provider import Mode

API_BASE = "https://api.razorpay.com"
_HERE = r"https?://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?(/[A-Za-z0-9/_-]*)?"
_FORMS = {
    "RAZORPAY_KEY_ID": r"rzp_(test|live)_[A-Za-z0-9]{1,64}",
    "RAZORPAY_KEY_SECRET": r"[!-~]{1,256}",
    "RAZORPAY_WEBHOOK_SECRET": r"[^\s,]+(\s*,\s*[^\s,]+)*",
    "RAZORPAY_API_BASE": rf"https://[A-Za-z0-9.-]+(:[0-9]{{1,5}})?|{_HERE}",
}


@dataclass(frozen=True, slots=True)
class RazorpaySettings:
    """Checked settings. Several `webhook_secrets` stand side by side while one is changed."""

    key_id: str = field(repr=False)
    key_secret: str = field(repr=False)
    webhook_secrets: tuple[str, ...] = field(repr=False)
    mode: Mode
    api_base: str = API_BASE


def read_settings(environment: Mapping[str, str]) -> RazorpaySettings | None:
    """The settings, or None when none is set.

    Raises SettingsError, one line that names the setting and never quotes a secret.
    """
    given = {name: environment.get(name, "").strip() for name in _FORMS}
    if not any(given.values()):
        return None
    given["RAZORPAY_API_BASE"] = given["RAZORPAY_API_BASE"].rstrip("/") or API_BASE
    for name, form in _FORMS.items():
        if not re.fullmatch(form, given[name]):
            raise SettingsError(f"{name} is missing or malformed: see the package's README.md")
    key_id, key_secret, secrets, base = given.values()
    mode: Mode = "live" if key_id.startswith("rzp_live_") else "test"
    if mode == "live" and base != API_BASE:
        raise SettingsError(f"RAZORPAY_API_BASE must be {API_BASE} (or unset) with a live key")
    return RazorpaySettings(key_id, key_secret, tuple(re.split(r"\s*,\s*", secrets)), mode, base)
