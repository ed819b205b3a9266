"""Errors as RFC 9457 problem details. `CODES` is the whole vocabulary (docs/errors.md lists it)."""

import re
from typing import Any, NamedTuple

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.exceptions import ValidationException as LitestarValidation

from api.choices import with_choices
from api.logs import log, request_id
from gateway.errors import GatewayError, InvalidRequest, Unavailable


class Code(NamedTuple):
    """One code: the status it is answered with, its title, and what the caller should do."""

    status: int
    title: str
    cure: str


CODES: dict[str, Code] = {
    "invalid_request": Code(400, "Invalid request", "Correct what `errors` names."),
    "invalid_amount": Code(
        400, "Invalid amount", "Send an integer of minor units that is exact in its currency."
    ),
    "unknown_provider": Code(
        400, "Unknown provider", "Choose one of GET /v1/providers, in the mode of your key."
    ),
    "no_provider": Code(
        400, "No provider can take it", "See `detail`; change the order, or your routing policy."
    ),
    "currency_not_supported": Code(
        400, "Currency not supported", "Choose another currency or another provider."
    ),
    "unknown_product": Code(400, "Unknown product", "Use an active product of GET /v1/products."),
    "no_price_in_currency": Code(
        400, "No price in this currency", "Give the product a price in it, or choose another."
    ),
    "not_supported_by_provider": Code(
        400, "Not supported by the provider", "See its capabilities in GET /v1/providers."
    ),
    "idempotency_key_required": Code(
        400, "Idempotency key required", "Send a fresh Idempotency-Key with every new request."
    ),
    "webhook_invalid": Code(
        400, "Not a genuine webhook", "Check the signing secret; forged deliveries end here."
    ),
    "unauthenticated": Code(401, "Not authenticated", "Send a valid API key as a bearer token."),
    "forbidden": Code(403, "Not allowed", "Use a key that has the scope which `detail` names."),
    "not_found": Code(404, "Not found", "Check the id, and that your key is of its mode."),
    "method_not_allowed": Code(405, "Method not allowed", "See the API reference."),
    "idempotency_in_flight": Code(
        409, "The first request is still running", "Repeat it with the same key in a few seconds."
    ),
    "reference_taken": Code(
        409, "Reference taken", "Look the order up by its reference, or choose another."
    ),
    "order_already_paid": Code(409, "Order already paid", "Show it as paid; refund it if need be."),
    "order_closed": Code(409, "Order closed", "Create a new order."),
    "order_not_authorized": Code(
        409, "Order not authorized", "Only an order in status `authorized` can be captured."
    ),
    "nothing_to_refund": Code(
        409, "Nothing to refund", "See `amount_refundable` and `refunds` of the order."
    ),
    "payment_in_doubt": Code(
        409, "Payment in doubt", "Repeat the request with the same key in a minute."
    ),
    "export_not_ready": Code(
        409, "No file to fetch", "Read the export: its `status` says whether to wait or ask anew."
    ),
    "conflict": Code(409, "Conflict", "Read the object again and decide anew."),
    "payload_too_large": Code(413, "Payload too large", "Send less at once."),
    "unsupported_media_type": Code(415, "Unsupported media type", "Send application/json."),
    "idempotency_mismatch": Code(
        422, "Idempotency key used for another request", "Use a new key for a new request."
    ),
    "refund_exceeds_captured": Code(
        422, "Refund exceeds what is left", "Refund at most `amount_refundable`."
    ),
    "capture_exceeds_authorized": Code(
        422, "Capture exceeds the authorization", "Capture at most the order's amount."
    ),
    "export_too_large": Code(
        422, "Too large an export", "Have a job make it: POST /v1/exports; or restrict the time."
    ),
    "refused": Code(422, "Refused", "See `detail`."),
    "provider_rejected": Code(
        422, "The provider refused", "See `detail`; another provider may accept it."
    ),
    "too_many_requests": Code(429, "Too many requests", "Wait, then repeat with the same key."),
    "internal_error": Code(
        500, "Internal error", "Repeat with the same key; report the request id if it stays."
    ),
    "provider_outcome_unknown": Code(
        502, "The provider's answer is not clear", "Read the order again in a few seconds."
    ),
    "provider_error": Code(502, "Provider error", "Repeat with the same key."),
    "provider_unavailable": Code(
        503, "Provider not reachable", "Nothing was done. Repeat with the same key, or use another."
    ),
    "store_unavailable": Code(
        503, "Store not available", "Repeat with the same key: nothing is done twice."
    ),
}
_BY_STATUS = {
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "payload_too_large",
    415: "unsupported_media_type",
    429: "too_many_requests",
}


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one field; `path` is like `items[0].quantity`."""

    path: str
    message: str


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    errors: list[FieldError] | None = None


class InvalidLines(InvalidRequest):
    """Several things are wrong with a request at once; `errors` are all of them."""

    def __init__(self, detail: str, errors: list[FieldError]) -> None:
        super().__init__(detail)
        self.errors = errors


def problem(error: GatewayError, *, base_url: str, instance: str) -> Problem:
    """The problem that an error is to its caller."""
    code = error.code if error.code in CODES else "internal_error"
    detail = error.detail if code == error.code else "something went wrong on our side"
    errors = error.errors if isinstance(error, InvalidLines) else None
    if isinstance(error, InvalidRequest) and error.path:
        errors = [FieldError(error.path, error.detail)]
    return Problem(
        type=f"{base_url}/docs/errors#{code}",
        title=CODES[code].title,
        status=CODES[code].status,
        detail=detail,
        instance=instance,
        code=code,
        request_id=request_id.get(),
        errors=errors,
    )


def _response(
    request: Request[Any, Any, Any], error: GatewayError, allow: str | None = None
) -> Response[bytes]:
    base_url = request.app.state.services.settings.public_url
    body = problem(error, base_url=base_url, instance=request.url.path)
    headers = {"Allow": allow} if allow else {}
    if body.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if body.status in (409, 503):
        retry_after = error.retry_after if isinstance(error, Unavailable) else None
        headers["Retry-After"] = str(max(1, round(retry_after or 2)))
    return Response(
        msgspec.json.encode(body),
        status_code=body.status,
        media_type="application/problem+json",
        headers=headers,
    )


def gateway_error(request: Request[Any, Any, Any], error: GatewayError) -> Response[bytes]:
    """Our own errors."""
    return _response(request, error)


#: How Litestar says that a required parameter was not given.
_MISSING = re.compile("Missing required query parameter '([^']+)'")


def http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Litestar's errors: unknown routes, wrong methods, bad query parameters."""
    if isinstance(error, LitestarValidation):
        extra = error.extra if isinstance(error.extra, list) else []
        fields = [item for item in extra if isinstance(item, dict)]
        path = ", ".join(str(item.get("key", "")) for item in fields)
        words = "; ".join(_words(request, item) for item in fields)
        if missing := _MISSING.match(error.detail):
            path, words = missing[1], "it is missing"
        if path == "data":  # that is our handler's word for the body
            path, words = "", "a JSON object is needed as the body"
        return _response(request, InvalidRequest(words or "the request is not valid", path=path))
    code = _BY_STATUS.get(error.status_code)
    if code is None:
        code = "invalid_request" if error.status_code < 500 else "internal_error"
    detail = error.detail if error.status_code < 500 else "something went wrong on our side"
    allow = (error.headers or {}).get("allow")  # a 405 owes it (RFC 9110)
    return _response(request, GatewayError(detail, code=code), allow)


def _words(request: Request[Any, Any, Any], item: dict[str, Any]) -> str:
    """What is wrong with a parameter, and what it may be where there are few choices."""
    message, name = str(item.get("message", "")), str(item.get("key", ""))
    parameters = request.route_handler.parsed_fn_signature.parameters
    if name not in parameters:
        return message
    return with_choices(message, parameters[name].annotation, "")


def unexpected_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """A bug: logged with its trace, answered without it."""
    log.exception("unexpected error", error=type(error).__name__, path=request.url.path)
    return _response(request, GatewayError("something went wrong on our side"))
