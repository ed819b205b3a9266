"""Razorpay's settings: read once from the environment, checked, and never printed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.errors import SettingsError
from gateway.provider import Mode

NEEDED = ("RAZORPAY_KEY_ID", "RAZORPAY_KEY_SECRET", "RAZORPAY_WEBHOOK_SECRET")
API_BASE = "https://api.razorpay.com"

_KEY_ID = re.compile(r"rzp_(test|live)_[A-Za-z0-9]{1,64}")
_SECRET = re.compile(r"[!-~]{1,256}")
_HTTPS = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?")
_HERE = re.compile(r"https?://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?(/[A-Za-z0-9/_-]*)?")


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
    given = {name: environment.get(name, "").strip() for name in (*NEEDED, "RAZORPAY_API_BASE")}
    if not any(given.values()):
        return None
    for name in NEEDED:
        if not given[name]:
            raise SettingsError(f"{name} is missing (other Razorpay settings are there)")
    match = _KEY_ID.fullmatch(given["RAZORPAY_KEY_ID"])
    if match is None:
        raise SettingsError("RAZORPAY_KEY_ID must be a key id: rzp_test_… or rzp_live_…")
    secrets = tuple(secret.strip() for secret in given["RAZORPAY_WEBHOOK_SECRET"].split(","))
    if not all(_SECRET.fullmatch(secret) for secret in (given["RAZORPAY_KEY_SECRET"], *secrets)):
        raise SettingsError(
            "RAZORPAY_KEY_SECRET and RAZORPAY_WEBHOOK_SECRET must be printable, without a blank; "
            "of the latter there may be several, with commas between them"
        )
    base = given["RAZORPAY_API_BASE"].rstrip("/") or API_BASE
    if match[1] == "live" and base != API_BASE:
        raise SettingsError(f"RAZORPAY_API_BASE must be {API_BASE} (or unset) with a live key")
    if not (_HTTPS.fullmatch(base) or _HERE.fullmatch(base)):
        raise SettingsError("RAZORPAY_API_BASE must be https://HOST, or http:// of this machine")
    mode: Mode = "live" if match[1] == "live" else "test"
    return RazorpaySettings(match[0], given["RAZORPAY_KEY_SECRET"], secrets, mode, base)
