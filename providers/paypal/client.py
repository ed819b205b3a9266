"""Every call to PayPal ends here, in `_commit`: one place for the wire and for its errors.

How an answer is judged (docs: https://developer.paypal.com/api/rest/responses/):

| answer | becomes |
|---|---|
| 2xx of the expected form | the object |
| 4xx with PayPal's own error body | Rejected, `provider_code` is the issue |
| 401 (after one new token), 403 | Unavailable: an operator has to cure it |
| 409, 429 | Unavailable |
| refused connection, no such host, untrusted certificate | Unavailable: nothing was sent |
| 5xx, timeout, reset, anything unreadable | OutcomeUnknown; for a mere read Unavailable |

A read moves nothing, so whatever befalls it, nothing was done by it.
"""

import ssl
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
import requests
import urllib3.exceptions

from gateway import tracing
from gateway.errors import OutcomeUnknown, ProviderError, Rejected, Unavailable
from gateway.http_date import http_date
from providers.paypal.resources import Detail, Order, Problem, Transaction, TransactionPage
from providers.paypal.sdk import Reply, Sdk, retry_after

T = TypeVar("T")

#: Without it, captures and fees are missing in answers.
_WHOLE = "return=representation"
#: The most that PayPal puts on a page of its report.
_PAGE_SIZE = 500
_NOT_FOUND = frozenset({"RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID"})
_NOTHING_SENT = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    ssl.SSLCertVerificationError,
)


class PayPalClient:
    """PayPal's operations, typed. `key` becomes the PayPal-Request-Id.

    All raise Rejected and Unavailable; those that take a key raise OutcomeUnknown too.
    """

    def __init__(self, sdk: Sdk) -> None:
        self._sdk = sdk

    async def create_order(self, body: str, key: str) -> Order:
        """Open an order with a body of `bodies.order_body`."""
        return await self._commit("orders", "create_order", Order, key, body=body)

    async def get_order(self, order_id: str) -> Order:
        """The order as it is now."""
        return await self._commit("orders", "get_order", Order, None, id=order_id)

    async def capture_order(self, order_id: str, key: str) -> Order:
        """Take the money of an approved order."""
        return await self._commit("orders", "capture_order", Order, key, id=order_id)

    async def authorize_order(self, order_id: str, key: str) -> Order:
        """Hold the money of an approved order."""
        return await self._commit("orders", "authorize_order", Order, key, id=order_id)

    async def get_authorization(self, authorization_id: str) -> Transaction:
        """The authorization as it is now."""
        return await self._commit(
            "payments",
            "get_authorized_payment",
            Transaction,
            None,
            authorization_id=authorization_id,
        )

    async def capture_authorization(
        self, authorization_id: str, body: str, key: str
    ) -> Transaction:
        """Take held money, with a body of `bodies.capture_body`: the capture."""
        return await self._commit(
            "payments",
            "capture_authorized_payment",
            Transaction,
            key,
            authorization_id=authorization_id,
            body=body,
        )

    async def void_authorization(self, authorization_id: str, key: str) -> None:
        """Give back held money."""
        await self._reply("payments", "void_payment", key, authorization_id=authorization_id)

    async def get_capture(self, capture_id: str) -> Transaction:
        """The capture as it is now."""
        return await self._commit(
            "payments", "get_captured_payment", Transaction, None, capture_id=capture_id
        )

    async def refund_capture(self, capture_id: str, body: str, key: str) -> Transaction:
        """Refund with a body of `bodies.refund_body`: the refund."""
        return await self._commit(
            "payments",
            "refund_captured_payment",
            Transaction,
            key,
            capture_id=capture_id,
            body=body,
        )

    async def search_transactions(
        self, since: datetime, until: datetime, page: int
    ) -> TransactionPage:
        """One page of the account's transactions from `since` to `until`, 31 days at most."""
        return await self._commit(
            "transaction_search",
            "search_transactions",
            TransactionPage,
            None,
            start_date=_text(since),
            end_date=_text(until),
            fields="transaction_info",
            page_size=_PAGE_SIZE,
            page=page,
        )

    async def _commit(
        self, controller: str, operation: str, shape: type[T], key: str | None, **options: Any
    ) -> T:
        """Call and decode. No key means that it is a read."""
        reply = await self._reply(controller, operation, key, **options)
        try:
            return msgspec.json.decode(reply.text, type=shape)
        except (msgspec.DecodeError, RecursionError, ValueError):
            raise _doubt(key)(
                f"PayPal answered {reply.status} with something that is no {shape.__name__}",
                request_id=reply.headers.get("paypal-debug-id"),
            ) from None

    async def _reply(
        self, controller: str, operation: str, key: str | None, **options: Any
    ) -> Reply:
        """Call and judge: the answer, if it is a 2xx."""
        if key is not None:
            options |= {"paypal_request_id": key, "prefer": _WHOLE}
        try:
            reply = await self._sdk.exchange(controller, operation, options)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            if _nothing_was_sent(error):
                raise Unavailable(f"PayPal cannot be reached: {type(error).__name__}") from error
            raise _doubt(key)(f"no answer from PayPal: {type(error).__name__}") from error
        tracing.note(provider_request_id=reply.headers.get("paypal-debug-id"))
        if not 200 <= reply.status < 300:
            raise refusal(reply, _doubt(key))
        return reply


class NotThere(Rejected):
    """PayPal says that it has nothing of that id. `told_at`: when, by its own clock."""

    def __init__(self, detail: str, *, told_at: datetime | None, **known: Any) -> None:
        super().__init__(detail, **known)
        self.told_at = told_at


def _text(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _doubt(key: str | None) -> type[ProviderError]:
    """What an answer that says nothing means: a read did nothing, another call may have."""
    return Unavailable if key is None else OutcomeUnknown


def refusal(reply: Reply, doubt: type[ProviderError]) -> ProviderError:
    """The error that a non-2xx answer stands for; `doubt` where it does not say what was done."""
    problem = _problem(reply.text) or Problem(name="")
    first = problem.details[0] if problem.details else Detail()
    code = first.issue or problem.name
    words = first.description or problem.message
    request_id = problem.debug_id or reply.headers.get("paypal-debug-id")
    detail = f"PayPal answered {reply.status} {code}".rstrip() + (
        f": {words[:300]}" if words else ""
    )
    if reply.status in (401, 403, 409, 429):
        if reply.status in (401, 403):
            detail += " (check the PayPal account's credentials and permissions)"
        return Unavailable(
            detail, provider_code=code, request_id=request_id, retry_after=retry_after(reply)
        )
    if problem.name and 400 <= reply.status < 500 and reply.status != 408:
        if code in _NOT_FOUND:
            told_at = http_date(reply.headers.get("date"))
            return NotThere(detail, told_at=told_at, provider_code=code, request_id=request_id)
        return Rejected(detail, provider_code=code, request_id=request_id)
    return doubt(detail, provider_code=code, request_id=request_id)


def _problem(text: str) -> Problem | None:
    """PayPal's error body; None for HTML, an empty body, or anything else."""
    try:
        return msgspec.json.decode(text, type=Problem)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return None


def _nothing_was_sent(error: BaseException) -> bool:
    """Whether the connection never came to be. `requests` and urllib3 wrap the reason in args."""
    seen: list[BaseException] = [error]
    for inner in seen:
        if isinstance(inner, _NOTHING_SENT):
            return True
        wrapped = (*inner.args, getattr(inner, "reason", None), inner.__cause__)
        seen += [w for w in wrapped if isinstance(w, BaseException) and w not in seen]
    return False
