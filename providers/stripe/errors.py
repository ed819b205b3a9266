"""Whatever a call can raise, as one of the three ways in which a provider call fails.

| what happened | becomes |
|---|---|
| no connection: refused, DNS, TLS, connect timeout | Unavailable: nothing was sent |
| 401, 403 | Unavailable: nothing was done, and the operator must cure it |
| 409 (the key is in flight), 429, 503 that says "retry" | Unavailable, with Retry-After |
| 400, 402, 404 with Stripe's error object | Rejected, with Stripe's code |
| every other answer, timeouts, resets, broken bodies | OutcomeUnknown |
"""

import re
from collections.abc import Mapping
from typing import Any

import aiohttp
import stripe

from gateway.errors import OutcomeUnknown, ProviderError, Rejected, Unavailable

IDEMPOTENCY_ERROR = "idempotency_error"

#: Raised by aiohttp before a byte of the request has left.
_NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)
_REFUSALS = frozenset({400, 402, 404})
_EMAIL = re.compile(r"[^\s'\"<>]+@[^\s'\"<>]+")
_LONGEST_MESSAGE = 300


class ReplayedFailure(OutcomeUnknown):
    """Stripe repeats a failure that it keeps under the key: asking again will never tell more."""


def mapped(error: Exception) -> ProviderError:
    """`error`, raised by a call, as the gateway's own. Pure."""
    if isinstance(error, _NOT_SENT):
        return Unavailable(f"no connection to Stripe ({type(error).__name__})")
    if isinstance(error, stripe.StripeError) and error.http_status is not None:
        return _answered(error, error.http_status)
    return OutcomeUnknown(f"no answer from Stripe, or none to read ({type(error).__name__})")


def _answered(error: stripe.StripeError, status: int) -> ProviderError:
    headers: Mapping[str, str] = error.headers or {}
    told = _error_object(error)
    code, request_id = _code(told) or f"http_{status}", error.request_id
    if status in (401, 403):
        return Unavailable(
            f"Stripe refused the key ({status}): check STRIPE_SECRET_KEY and what it may do",
            provider_code=code,
            request_id=request_id,
        )
    may_retry = headers.get("stripe-should-retry") == "true"
    if status in (409, 429) or (may_retry and (400 <= status < 500 or status == 503)):
        return Unavailable(
            f"Stripe cannot take the request now ({status})",
            provider_code=code,
            request_id=request_id,
            retry_after=_seconds(headers.get("retry-after")),
        )
    if status in _REFUSALS and told:
        words = f"Stripe refused: {_message(told) or code}"
        if code == IDEMPOTENCY_ERROR:
            words = "the gateway used an idempotency key twice, differently: please report this bug"
        return Rejected(words, provider_code=code, request_id=request_id)
    unknown = OutcomeUnknown
    if status >= 500 and headers.get("idempotent-replayed") == "true":
        unknown = ReplayedFailure
    return unknown(
        f"Stripe answered {status} without saying what it did",
        provider_code=code,
        request_id=request_id,
    )


def _error_object(error: stripe.StripeError) -> dict[str, Any]:
    """The `error` member of Stripe's answer; empty for an answer that is not Stripe's."""
    body = error.json_body
    told = body.get("error") if isinstance(body, dict) else None
    return told if isinstance(told, dict) else {}


def _code(told: dict[str, Any]) -> str:
    """The most telling of Stripe's words: why a card was declined, the error's code, its type."""
    if _text(told, "type") == IDEMPOTENCY_ERROR:
        return IDEMPOTENCY_ERROR
    return _text(told, "decline_code") or _text(told, "code") or _text(told, "type")


def _text(told: dict[str, Any], name: str) -> str:
    value = told.get(name)
    return value if isinstance(value, str) else ""


def _message(told: dict[str, Any]) -> str:
    """Stripe's words, which quote what they refuse, without the buyer's address."""
    return _EMAIL.sub("[email]", _text(told, "message"))[:_LONGEST_MESSAGE]


def _seconds(value: str | None) -> float | None:
    """Retry-After in seconds; a date is as good as none."""
    if value is None or not re.fullmatch(r"\d{1,6}(\.\d{1,6})?", value, re.ASCII):
        return None
    return float(value)
