"""PayPal's settings: read once from the environment, checked, and never printed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from gateway.errors import SettingsError

Environment = Literal["sandbox", "live"]

NAMES = (
    "PAYPAL_CLIENT_ID",
    "PAYPAL_CLIENT_SECRET",
    "PAYPAL_WEBHOOK_ID",
    "PAYPAL_API_BASE",
    "PAYPAL_ENVIRONMENT",
    "PAYPAL_CERT_HOSTS",
    "PAYPAL_CA_FILE",
)
API_BASES: Mapping[Environment, str] = {
    "sandbox": "https://api-m.sandbox.paypal.com",
    "live": "https://api-m.paypal.com",
}
#: Where PayPal serves the certificates that sign webhooks.
CERT_HOSTS: Mapping[Environment, tuple[str, ...]] = {
    "sandbox": ("api.sandbox.paypal.com", "api-m.sandbox.paypal.com"),
    "live": ("api.paypal.com", "api-m.paypal.com"),
}
#: The name in the certificate that signs webhooks.
CERT_NAMES: Mapping[Environment, str] = {
    "sandbox": "messageverificationcerts.sandbox.paypal.com",
    "live": "messageverificationcerts.paypal.com",
}
CERT_PATH = "/v1/notifications/certs/"

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_HOST = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+")
_CREDENTIAL = re.compile(r"[!-9;-~]{1,256}")  # printable, and no colon: it goes into Basic auth
_WEBHOOK_ID = re.compile(r"[A-Za-z0-9]{1,50}")


@dataclass(frozen=True, slots=True)
class PayPalSettings:
    """Checked settings. `cert_prefixes` are the addresses under which certificates may lie.

    `ca_pem` holds extra anchors (self-signed) and intermediates; None means certifi's roots.
    """

    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    webhook_id: str = field(repr=False)
    environment: Environment = "sandbox"
    api_base: str = API_BASES["sandbox"]
    cert_prefixes: tuple[str, ...] = tuple(f"https://{h}{CERT_PATH}" for h in CERT_HOSTS["sandbox"])
    ca_pem: bytes | None = field(default=None, repr=False)


def read_settings(environment: Mapping[str, str]) -> PayPalSettings | None:
    """The settings, or None when none of NAMES is set.

    Raises SettingsError, one line that names the setting and never quotes a secret.
    """
    given = {name: environment.get(name, "").strip() for name in NAMES}
    if not any(given.values()):
        return None
    kind = _environment(given["PAYPAL_ENVIRONMENT"])
    return PayPalSettings(
        client_id=_credential(given, "PAYPAL_CLIENT_ID"),
        client_secret=_credential(given, "PAYPAL_CLIENT_SECRET"),
        webhook_id=_webhook_id(given["PAYPAL_WEBHOOK_ID"]),
        environment=kind,
        api_base=_api_base(given["PAYPAL_API_BASE"], kind),
        cert_prefixes=_cert_prefixes(given["PAYPAL_CERT_HOSTS"], kind),
        ca_pem=_ca_pem(given["PAYPAL_CA_FILE"]),
    )


def _environment(value: str) -> Environment:
    match value:
        case "" | "sandbox":
            return "sandbox"
        case "live":
            return "live"
    raise SettingsError("PAYPAL_ENVIRONMENT must be sandbox or live")


def _credential(given: Mapping[str, str], name: str) -> str:
    if not given[name]:
        raise SettingsError(f"{name} is missing (the other PayPal settings are there)")
    if not _CREDENTIAL.fullmatch(given[name]):
        raise SettingsError(f"{name} must be 1 to 256 printable characters without blank or colon")
    return given[name]


def _webhook_id(value: str) -> str:
    if not value:
        raise SettingsError("PAYPAL_WEBHOOK_ID is missing (the other PayPal settings are there)")
    if value == "WEBHOOK_ID":  # the public simulator signs with it: anybody could send us events
        raise SettingsError("PAYPAL_WEBHOOK_ID is the simulator's; use the id of your own webhook")
    if not _WEBHOOK_ID.fullmatch(value):
        raise SettingsError("PAYPAL_WEBHOOK_ID must be 1 to 50 letters and digits")
    return value


def _api_base(value: str, kind: Environment) -> str:
    base = value.rstrip("/") or API_BASES[kind]
    if kind == "live" and base != API_BASES["live"]:
        raise SettingsError(
            f"PAYPAL_API_BASE must be {API_BASES['live']} (or unset) with PAYPAL_ENVIRONMENT=live"
        )
    if kind == "sandbox" and urlsplit(base).hostname in CERT_HOSTS["live"]:
        raise SettingsError("PAYPAL_API_BASE is PayPal's live host: set PAYPAL_ENVIRONMENT=live")
    if not _is_origin(base):
        raise SettingsError("PAYPAL_API_BASE must be https://HOST, or http:// of this machine")
    return base


def _cert_prefixes(value: str, kind: Environment) -> tuple[str, ...]:
    entries = [entry.strip() for entry in value.split(",") if entry.strip()]
    if kind == "live" and entries and set(entries) - set(CERT_HOSTS["live"]):
        raise SettingsError(
            "PAYPAL_CERT_HOSTS must be unset (PayPal's own hosts) with PAYPAL_ENVIRONMENT=live"
        )
    return tuple(_cert_prefix(entry) for entry in entries or CERT_HOSTS[kind])


def _cert_prefix(entry: str) -> str:
    """A host name, or the origin (and path) of a stand-in on this machine."""
    if _HOST.fullmatch(entry):
        return f"https://{entry}{CERT_PATH}"
    origin = entry.rstrip("/")
    if _is_origin(origin) and urlsplit(origin).hostname in _LOOPBACK:
        return f"{origin}{CERT_PATH}"
    raise SettingsError(
        "PAYPAL_CERT_HOSTS must list host names, or addresses of this machine such as "
        "http://127.0.0.1:8001/paypal"
    )


def _is_origin(address: str) -> bool:
    """Whether it is scheme, host, port and path only, and plain http only on this machine."""
    if not re.fullmatch(r"[!-~]+", address):
        return False
    try:
        parts = urlsplit(address)
        loopback = parts.hostname in _LOOPBACK
        _ = parts.port  # raises ValueError for a port that is none
    except ValueError:
        return False
    plain = not (parts.query or parts.fragment or parts.username or parts.password)
    allowed = ("http", "https") if loopback else ("https",)
    return plain and bool(parts.hostname) and parts.scheme in allowed and "@" not in address


def _ca_pem(value: str) -> bytes | None:
    if not value:
        return None
    try:
        pem = Path(value).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        why = error.strerror if isinstance(error, OSError) else "it is no path"
        raise SettingsError(f"PAYPAL_CA_FILE cannot be read: {why}") from None
    from providers.paypal.certificates import load_certificates  # loads cryptography and httpx

    if not load_certificates(pem):
        raise SettingsError("PAYPAL_CA_FILE holds no readable PEM certificate")
    return pem
