"""Settings from the environment, or from a `.env` file beside the process.

A missing or malformed setting is a SettingsError, one line that names it. Providers read their own
settings (gateway.registry.configure); what concerns them together is checked here.
"""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from dotenv import dotenv_values

from gateway.errors import SettingsError
from gateway.registry import ConfiguredProvider, configure, discover
from storage.engine import Options, normal_url

DEFAULT_DATABASE = "sqlite+aiosqlite:///gateway.db"
_SHORTEST_SECRET = 32


class Settings(msgspec.Struct, frozen=True):
    """What the gateway itself is told. `secret_key` never leaves this process."""

    database_url: str
    secret_key: str
    public_url: str
    providers: tuple[ConfiguredProvider, ...]
    connections: Options = Options()
    lease_seconds: int = 40
    log_level: str = "info"
    allow_loopback_webhooks: bool = False
    worker_port: int = 0
    otlp_endpoint: str = ""

    def __repr__(self) -> str:
        return f"Settings(public_url={self.public_url!r})"


def environment(directory: Path | None = None) -> dict[str, str]:
    """The process's environment over the `.env` file's; empty values count as unset."""
    file = (directory or Path.cwd()) / ".env"
    try:
        values = dotenv_values(file) | dict(os.environ)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{file} cannot be read as UTF-8 text ({type(error).__name__})"
        ) from None
    return {name: value for name, value in values.items() if value}


def database_url(env: Mapping[str, str]) -> str:
    """DATABASE_URL with its driver. Raises SettingsError."""
    return normal_url(env.get("DATABASE_URL", DEFAULT_DATABASE))


def connections(env: Mapping[str, str]) -> Options:
    """How this process uses its connections to the database. Raises SettingsError."""
    return Options(
        pool_size=_number(env, "GATEWAY_POOL_SIZE", 10, 1, 200),
        statement_timeout=_number(env, "GATEWAY_STATEMENT_TIMEOUT_SECONDS", 30, 1, 3600),
        lock_timeout=_number(env, "GATEWAY_LOCK_TIMEOUT_SECONDS", 10, 1, 3600),
        idle_transaction_timeout=_number(
            env, "GATEWAY_IDLE_TRANSACTION_TIMEOUT_SECONDS", 60, 1, 3600
        ),
        prepared_statements=_number(env, "GATEWAY_PREPARED_STATEMENTS", 200, 0, 10_000),
        application_name=env.get("GATEWAY_APPLICATION_NAME", "gateway"),
    )


def load(env: Mapping[str, str]) -> Settings:
    """All settings. Raises SettingsError."""
    public_url = _url(env, "GATEWAY_PUBLIC_URL", "http://127.0.0.1:8000", "https://pay.example.com")
    level = env.get("GATEWAY_LOG_LEVEL", "info").lower()
    if level not in ("debug", "info", "warning", "error"):
        raise SettingsError("GATEWAY_LOG_LEVEL must be debug, info, warning or error")
    return Settings(
        database_url=database_url(env),
        secret_key=secret_key(env),
        public_url=public_url,
        providers=tuple(configure(discover(), env)),
        connections=connections(env),
        lease_seconds=_number(env, "GATEWAY_LEASE_SECONDS", 40, 1, 600),
        log_level=level,
        allow_loopback_webhooks=_boolean(env, "GATEWAY_ALLOW_LOOPBACK_WEBHOOKS"),
        worker_port=_number(env, "GATEWAY_WORKER_PORT", 0, 0, 65_535),
        otlp_endpoint=_url(env, "GATEWAY_OTLP_ENDPOINT", "", "http://127.0.0.1:4318"),
    )


def secret_key(env: Mapping[str, str]) -> str:
    """GATEWAY_SECRET_KEY, with which API keys are hashed. Raises SettingsError."""
    secret = env.get("GATEWAY_SECRET_KEY", "")
    if len(secret) < _SHORTEST_SECRET:
        what = "is too short" if secret else "is missing"
        raise SettingsError(
            f"GATEWAY_SECRET_KEY {what}: set it to {_SHORTEST_SECRET} or more random characters, "
            "for example from: openssl rand -hex 32"
        )
    return secret


def check_public_url(settings: Settings, modes: Iterable[str]) -> None:
    """Live money goes over HTTPS only. Raises SettingsError. `modes`: those of the providers."""
    if "live" in modes and not settings.public_url.startswith("https://"):
        raise SettingsError(
            "GATEWAY_PUBLIC_URL must be https:// when a provider has live keys, "
            f"not {settings.public_url}"
        )


def _url(env: Mapping[str, str], name: str, default: str, example: str) -> str:
    url = env.get(name, default)
    if not url:
        return url
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises ValueError for a port that is none
    except ValueError:
        parts = urlsplit("")
    plain = not (parts.query or parts.fragment or parts.username)
    if parts.scheme not in ("http", "https") or not parts.hostname or not plain:
        raise SettingsError(f"{name} must be like {example}")
    return url.rstrip("/")


def _number(env: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = env.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise SettingsError(f"{name} must be a number from {low} to {high}, not {text[:20]!r}")
    return int(text)


def _boolean(env: Mapping[str, str], name: str) -> bool:
    text = env.get(name, "false")
    if text not in ("true", "false"):
        raise SettingsError(f"{name} must be true or false, not {text!r}")
    return text == "true"
