"""Reads the fields of a request and refuses what PayPal would, in PayPal's words.

Paths are JSON pointers, as PayPal reports them. Unknown fields are ignored, as PayPal does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from sandbox.paypal.errors import Problem
from sandbox.paypal.money import DECIMAL, ISO_4217, LARGEST, SUPPORTED, Money, places

Json = dict[str, Any]


def document(raw: bytes, *, optional: bool = False) -> Json:
    """The JSON object in a body; an `optional` body may be empty.

    Raises:
        Problem: MALFORMED_REQUEST_JSON.
    """
    if optional and not raw.strip():
        return {}
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        raise Problem("MALFORMED_REQUEST_JSON") from None
    if not isinstance(value, dict):
        raise Problem("MALFORMED_REQUEST_JSON")
    return value


def child(parent: Json, name: str, path: str, *, required: bool = False) -> Json | None:
    """A nested object. Raises Problem MISSING_REQUIRED_PARAMETER or INVALID_PARAMETER_SYNTAX."""
    value = parent.get(name)
    if value is None:
        if required:
            raise Problem("MISSING_REQUIRED_PARAMETER", f"{path}/{name}")
        return None
    if not isinstance(value, dict):
        raise Problem("INVALID_PARAMETER_SYNTAX", f"{path}/{name}")
    return value


def children(parent: Json, name: str, path: str, most: int) -> list[Json]:
    """An array of objects that may be missing. Raises Problem INVALID_ARRAY_MAX_ITEMS or syntax."""
    value = parent.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise Problem("INVALID_PARAMETER_SYNTAX", f"{path}/{name}")
    if len(value) > most:
        raise Problem("INVALID_ARRAY_MAX_ITEMS", f"{path}/{name}")
    return value


def text(
    parent: Json, name: str, path: str, longest: int, *, shortest: int = 1, required: bool = False
) -> str | None:
    """A string within its lengths.

    Raises:
        Problem: MISSING_REQUIRED_PARAMETER, INVALID_STRING_LENGTH or INVALID_PARAMETER_SYNTAX.
    """
    value = parent.get(name)
    if value is None:
        if required:
            raise Problem("MISSING_REQUIRED_PARAMETER", f"{path}/{name}")
        return None
    if not isinstance(value, str):
        raise Problem("INVALID_PARAMETER_SYNTAX", f"{path}/{name}", str(value))
    if not shortest <= len(value) <= longest:
        raise Problem("INVALID_STRING_LENGTH", f"{path}/{name}", value[:200])
    return value


def choice(
    parent: Json, name: str, path: str, allowed: tuple[str, ...], *, required: bool = False
) -> str | None:
    """One of some words. Raises Problem INVALID_PARAMETER_VALUE, or as `text` does."""
    value = text(parent, name, path, 255, required=required)
    if value is not None and value not in allowed:
        raise Problem("INVALID_PARAMETER_VALUE", f"{path}/{name}", value)
    return value


def address(parent: Json, name: str, path: str) -> str | None:
    """An http or https URL. Raises Problem INVALID_PARAMETER_SYNTAX, or as `text` does."""
    value = text(parent, name, path, 4000)
    if value is None:
        return None
    try:
        parts = urlsplit(value)
    except ValueError:
        raise Problem("INVALID_PARAMETER_SYNTAX", f"{path}/{name}", value) from None
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise Problem("INVALID_PARAMETER_SYNTAX", f"{path}/{name}", value)
    return value


def money(
    parent: Json,
    name: str,
    path: str,
    *,
    positive: bool = True,
    whole_only: str = "DECIMALS_NOT_SUPPORTED",
) -> Money | None:
    """A money object that may be missing; `positive` also refuses zero.

    `whole_only` is the issue for decimals in a currency without them: the Orders API says
    DECIMAL_PRECISION, the Payments API DECIMALS_NOT_SUPPORTED.

    Raises:
        Problem: one of the issues about amounts and currencies.
    """
    value = child(parent, name, path)
    return None if value is None else amount(value, f"{path}/{name}", positive, whole_only)


def amount(value: Json, path: str, positive: bool, whole_only: str) -> Money:
    """The money in an object that has `currency_code` and `value`; see `money`."""
    currency = text(value, "currency_code", path, 3, shortest=3, required=True) or ""
    written = text(value, "value", path, 32, required=True) or ""
    if not DECIMAL.fullmatch(written):
        raise Problem("INVALID_PARAMETER_SYNTAX", f"{path}/value", written)
    if currency not in ISO_4217:
        raise Problem("INVALID_CURRENCY_CODE", f"{path}/currency_code", currency)
    if currency not in SUPPORTED:
        raise Problem("CURRENCY_NOT_SUPPORTED", f"{path}/currency_code", currency)
    whole, _, decimals = written.partition(".")
    allowed = places(currency)
    if len(decimals) > allowed:
        issue = "DECIMAL_PRECISION" if allowed else whole_only
        raise Problem(issue, f"{path}/value", written)
    units = int(whole + decimals.ljust(allowed, "0"))
    if units < 0 or (positive and units == 0):
        issue = "CANNOT_BE_ZERO_OR_NEGATIVE" if positive else "CANNOT_BE_NEGATIVE"
        raise Problem(issue, f"{path}/value", written)
    if units > LARGEST:
        raise Problem("MAX_VALUE_EXCEEDED", f"{path}/value", written)
    return Money(units, currency)


def moment(query: Mapping[str, str], name: str) -> datetime | None:
    """A time with its zone in a query, if it is there. Raises Problem."""
    value = query.get(name)
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(value.replace(" ", "+"))
    except ValueError:
        raise Problem("INVALID_PARAMETER_SYNTAX", f"/{name}", value, "query") from None
    if found.tzinfo is None:
        raise Problem("INVALID_PARAMETER_SYNTAX", f"/{name}", value, "query")
    return found.astimezone(UTC)


def number(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    """A number from 1 to `most` in a query. Raises Problem."""
    value = query.get(name, str(default))
    if not (value.isascii() and value.isdigit() and len(value) < 11 and 1 <= int(value) <= most):
        raise Problem("INVALID_PARAMETER_VALUE", f"/{name}", value, "query")
    return int(value)
