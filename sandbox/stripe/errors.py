"""Stripe's errors: one exception, and the ones that several calls share."""

from __future__ import annotations

from typing import Any

INVALID = "invalid_request_error"


class StripeError(Exception):
    """An answer of the kind `{"error": {...}}`; `extra` are further members of the error object."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type: str = INVALID,
        code: str | None = None,
        param: str | None = None,
        headers: dict[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.error: dict[str, Any] = {"message": message, "type": type}
        if code is not None:
            self.error["code"] = code
            self.error["doc_url"] = f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"
        if param is not None:
            self.error["param"] = param
        self.error |= extra


def missing(kind: str, id: str, param: str = "id", status: int = 404) -> StripeError:
    """There is no such object; a reference inside the parameters is a 400, an address a 404."""
    message = f"No such {kind}: '{id}'"
    return StripeError(message, status=status, code="resource_missing", param=param)


def required(param: str) -> StripeError:
    """A parameter that the call cannot do without."""
    return StripeError(f"Missing required param: {param}.", code="parameter_missing", param=param)


def not_simulated(param: str) -> StripeError:
    """Stripe knows this; the sandbox does not pretend to."""
    message = f"The sandbox does not simulate this: {param}."
    return StripeError(message, code="sandbox_not_simulated", param=param)


def unexpected_state(intent: dict[str, Any], verb: str, allowed: str) -> StripeError:
    """The PaymentIntent is in a status from which this cannot be done."""
    return StripeError(
        f"This PaymentIntent could not be {verb} because it has a status of {intent['status']}. "
        f"Only a PaymentIntent with one of the following statuses may be {verb}: {allowed}.",
        code="payment_intent_unexpected_state",
        payment_intent=intent,
    )


FAULTS: dict[int, tuple[str, str | None, str]] = {
    401: ("Invalid API Key provided.", None, INVALID),
    404: ("Unrecognized request URL.", None, INVALID),
    405: ("Unrecognized request method for this URL.", None, INVALID),
    429: ("Request rate limit exceeded.", "rate_limit", INVALID),
    500: ("An unknown error occurred.", None, "api_error"),
    503: ("The service is temporarily unavailable.", None, "api_error"),
}


def by_status(status: int) -> StripeError:
    """The error that belongs to a bare HTTP status: a fault, or an unknown address."""
    message, code, type = FAULTS.get(status, FAULTS[404])
    headers: dict[str, str] = {}
    if status in (429, 503):
        headers = {"stripe-should-retry": "true", "retry-after": "1"}
    if status == 429:
        headers["stripe-rate-limited-reason"] = "global-rate"
    return StripeError(message, status=status, code=code, type=type, headers=headers)
