"""The stage of tests/recovery: a gateway, a merchant and the sandbox, on either database."""

from tests.api.conftest import refusing
from tests.recovery.conftest import (
    _no_quick_tries,
    _quiet,
    _short_look_back,
    either,
    gateway,
    house,
    sandbox,
    sandbox_url,
    sqlite_house,
    store_house,
)

__all__ = [
    "_no_quick_tries",
    "_quiet",
    "_short_look_back",
    "either",
    "gateway",
    "house",
    "refusing",
    "sandbox",
    "sandbox_url",
    "sqlite_house",
    "store_house",
]
