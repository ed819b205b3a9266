"""Refusals in PayPal's error format: `{name, message, debug_id, details, links}`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

NAMES = {
    400: (
        "INVALID_REQUEST",
        "Request is not well-formed, syntactically incorrect, or violates schema.",
    ),
    401: (
        "AUTHENTICATION_FAILURE",
        (
            "Authentication failed due to missing authorization header, or invalid authentication "
            "credentials."
        ),
    ),
    403: (
        "NOT_AUTHORIZED",
        "Authorization failed due to insufficient permissions.",
    ),
    404: ("RESOURCE_NOT_FOUND", "The specified resource does not exist."),
    405: ("METHOD_NOT_SUPPORTED", "The server does not implement the requested HTTP method."),
    409: (
        "RESOURCE_CONFLICT",
        "The server has detected a conflict while processing this request.",
    ),
    415: (
        "UNSUPPORTED_MEDIA_TYPE",
        "The server does not support the request payload's media type.",
    ),
    422: (
        "UNPROCESSABLE_ENTITY",
        (
            "The requested action could not be performed, semantically incorrect, or failed "
            "business validation."
        ),
    ),
    429: ("RATE_LIMIT_REACHED", "Too many requests. Blocked due to rate limiting."),
    500: ("INTERNAL_SERVER_ERROR", "An internal server error has occurred."),
    503: ("SERVICE_UNAVAILABLE", "Service Unavailable."),
}
"""The wire's `name` and `message` for each status."""

SYNTAX = {
    "INVALID_ARRAY_MAX_ITEMS": "Too many items in the array.",
    "INVALID_ARRAY_MIN_ITEMS": "Too few items in the array.",
    "INVALID_PARAMETER_SYNTAX": "The value is not of the expected form.",
    "INVALID_PARAMETER_VALUE": "The value is not one of those allowed.",
    "INVALID_STRING_LENGTH": "The value is too short or too long.",
    "MALFORMED_REQUEST_JSON": "The body is no well-formed JSON object.",
    "MISSING_REQUIRED_PARAMETER": "A required field is missing.",
    "PAYPAL_REQUEST_ID_REQUIRED": "A payment_source needs a PayPal-Request-Id header.",
}
"""Issues of status 400."""

BUSINESS = {
    "ACTION_DOES_NOT_MATCH_INTENT": "The order was created with the other intent.",
    "AMOUNT_MISMATCH": "The amount is not the sum of its breakdown.",
    "AUTHORIZATION_ALREADY_CAPTURED": "The authorization has been captured before.",
    "AUTHORIZATION_DENIED": "The authorization was denied.",
    "AUTHORIZATION_EXPIRED": "The authorization has expired.",
    "AUTHORIZATION_VOIDED": "The authorization has been voided.",
    "AUTH_CAPTURE_CURRENCY_MISMATCH": "The authorization is in another currency.",
    "CANNOT_BE_NEGATIVE": "The amount must not be negative.",
    "CANNOT_BE_ZERO_OR_NEGATIVE": "The amount must be greater than zero.",
    "CAPTURE_FULLY_REFUNDED": "Nothing is left of this capture.",
    "CURRENCY_NOT_SUPPORTED": "PayPal does not handle this currency.",
    "DECIMALS_NOT_SUPPORTED": "The currency has no decimals here.",
    "DECIMAL_PRECISION": "Too many decimals for the currency.",
    "DUPLICATE_INVOICE_ID": "The invoice_id has been paid or refunded before.",
    "DUPLICATE_REFERENCE_ID": "Each purchase unit needs its own reference_id.",
    "INSTRUMENT_DECLINED": "The buyer's bank or card refused; the buyer may choose another.",
    "INVALID_CURRENCY_CODE": "There is no such currency.",
    "ITEM_TOTAL_MISMATCH": "item_total is not the sum of the items.",
    "ITEM_TOTAL_REQUIRED": "Items need a breakdown with item_total.",
    "MAX_CAPTURE_AMOUNT_EXCEEDED": "More than 115 % of the authorization.",
    "MAX_CAPTURE_COUNT_EXCEEDED": "The authorization allows no further capture.",
    "MAX_NUMBER_OF_PAYMENT_ATTEMPTS_EXCEEDED": "The order has been tried too often.",
    "MAX_VALUE_EXCEEDED": "The amount is too large.",
    "MULTI_CURRENCY_ORDER": "All amounts of an order must be in one currency.",
    "ORDER_ALREADY_AUTHORIZED": "The order has been authorized before.",
    "ORDER_ALREADY_CAPTURED": "The order has been captured before.",
    "ORDER_NOT_APPROVED": "The buyer has not approved the order.",
    "PAYER_ACTION_REQUIRED": "The buyer must return to PayPal first.",
    "PENDING_CAPTURE": "A pending capture cannot be refunded.",
    "PREVIOUSLY_CAPTURED": "The authorization has been captured.",
    "PREVIOUSLY_VOIDED": "The authorization has been voided before.",
    "REFERENCE_ID_REQUIRED": "Several purchase units need a reference_id each.",
    "REFUND_AMOUNT_EXCEEDED": "More than what is left of the capture.",
    "REFUND_CAPTURE_CURRENCY_MISMATCH": "The capture is in another currency.",
    "REFUND_FAILED_INSUFFICIENT_FUNDS": "The merchant's balance does not cover the refund.",
    "REFUND_NOT_ALLOWED": "This capture cannot be refunded.",
    "REFUND_TIME_LIMIT_EXCEEDED": "The capture is older than 180 days.",
    "TAX_TOTAL_MISMATCH": "tax_total is not the sum of the items' taxes.",
    "TAX_TOTAL_REQUIRED": "Taxed items need a breakdown with tax_total.",
    "TRANSACTION_DISPUTED": "A disputed capture can only be refunded in full.",
}
"""Issues of status 422."""

OTHER = {
    "INVALID_RESOURCE_ID": (404, "There is no such id; check it and try again."),
    "PREVIOUS_REQUEST_IN_PROGRESS": (409, "An earlier request is still in progress."),
}


@dataclass
class Problem(Exception):
    """A refusal: `issue` decides the HTTP status. `where` is a JSON pointer into the request."""

    issue: str
    where: str | None = None
    value: str | None = None
    location: str = "body"
    links: list[dict[str, str]] = field(default_factory=list)

    @property
    def status(self) -> int:
        """The HTTP status that belongs to the issue."""
        if self.issue in SYNTAX:
            return 400
        return 422 if self.issue in BUSINESS else OTHER[self.issue][0]

    def body(self, debug_id: str) -> dict[str, Any]:
        """The JSON body of the answer."""
        texts = SYNTAX | BUSINESS
        detail = {"issue": self.issue, "description": texts.get(self.issue) or OTHER[self.issue][1]}
        if self.where is not None:
            detail |= {"field": self.where, "location": self.location}
        if self.value is not None:
            detail["value"] = self.value
        return envelope(self.status, debug_id, [detail], self.links)


class Unauthorized(Exception):
    """No bearer token (`invalid` False), or one that is not, or no longer, good."""

    def __init__(self, invalid: bool) -> None:
        super().__init__("invalid token" if invalid else "no token")
        self.invalid = invalid

    def body(self, debug_id: str) -> dict[str, Any]:
        """PayPal answers a bad token as OAuth does and a missing one in its own format."""
        if self.invalid:
            return {"error": "invalid_token", "error_description": "Token is unknown or expired"}
        return envelope(401, debug_id)


def envelope(
    status: int,
    debug_id: str,
    details: list[dict[str, str]] | None = None,
    links: list[dict[str, str]] | None = None,
) -> dict[str, Any]:
    """PayPal's error body for a status; one that it has no name for is called a 400 or a 500."""
    name, message = NAMES.get(status) or NAMES[500 if status >= 500 else 400]
    body: dict[str, Any] = {"name": name, "message": message, "debug_id": debug_id}
    if details:
        body["details"] = details
    return body | {"links": links or []}
