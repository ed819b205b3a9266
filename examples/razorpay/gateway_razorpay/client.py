"""The SDK (razorpay 2.0.1), fenced in: all of the wire and of its errors is here.

The SDK mistakes errors for each other, prints them, has no timeout and follows redirects. So the
session that it is given judges every answer first:

| answer | becomes |
|---|---|
| 2xx with a JSON object | what the SDK returns |
| 4xx with Razorpay's own error body, but 408, and 409 of a kind not known | Rejected |
| 401, 403, 429; 409 for a refund that is still being made | Unavailable |
| refused connection, no such host, untrusted certificate | Unavailable: nothing was sent |
| 5xx, timeout, reset, anything unreadable | OutcomeUnknown; for a mere read Unavailable |
"""

import re
import ssl
from collections.abc import Callable
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from typing import Any, TypeVar

import msgspec
import razorpay  # type: ignore[import-untyped]  # published without types
import requests
import urllib3.exceptions
from anyio import CapacityLimiter, to_thread

from gateway.errors import OutcomeUnknown, ProviderError, Rejected, Unavailable
from gateway_razorpay.settings import RazorpaySettings

#: Seconds for a connection, and without a byte of an answer. The core waits and repeats, not we.
TIMEOUT = (4.0, 10.0)
#: Calls at once, each in a thread of its own; `requests` keeps as many connections.
THREADS = 10

_NOT_SENT = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)
T = TypeVar("T")


class _Error(msgspec.Struct):
    code: str = ""
    description: str = ""


class _Answer(msgspec.Struct):
    error: _Error | None = None


class Client:
    """Typed calls. All raise Rejected and Unavailable; `write` raises OutcomeUnknown too.

    Give the SDK dicts of your own: the default arguments there are shared by all threads, and
    `payment.capture` writes the amount into its one.
    """

    def __init__(self, settings: RazorpaySettings) -> None:
        self._session = _Session()
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        auth = (settings.key_id, settings.key_secret)
        self.sdk = razorpay.Client(self._session, auth, base_url=settings.api_base)
        self._limiter = CapacityLimiter(THREADS)

    async def write(self, kind: type[T], call: Callable[..., Any], *terms: Any, **more: Any) -> T:
        """A call of the SDK that moves something."""
        call = partial(call, *terms, **more)
        answer = await to_thread.run_sync(call, limiter=self._limiter)
        try:
            return msgspec.convert(answer, kind)
        except msgspec.ValidationError:
            raise OutcomeUnknown(f"Razorpay's answer is no {kind.__name__}") from None

    async def read(self, kind: type[T], call: Callable[..., Any], *terms: Any) -> T:
        """A call that changes nothing: what is in doubt may simply be asked again."""
        try:
            return await self.write(kind, call, *terms)
        except OutcomeUnknown as doubt:
            raise Unavailable(doubt.detail, provider_code=doubt.provider_code) from None

    def close(self) -> None:
        """Close every connection now; `requests` leaves that to the garbage collector."""
        for adapter in self._session.adapters.values():
            pools = vars(adapter)["poolmanager"].pools
            for key in pools.keys():  # noqa: SIM118  # it cannot be iterated over
                pools[key].close()


class _Session(requests.Session):
    """Sends as `requests` does, and raises the gateway's errors instead of its own."""

    def request(  # type: ignore[override]  # the SDK gives everything by name
        self, method: str, url: str, **options: Any
    ) -> requests.Response:
        """The answer, if it is a 2xx with a JSON object."""
        options |= {"timeout": TIMEOUT, "allow_redirects": False}
        try:
            response = super().request(method, url, **options)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            # urllib3 says inside of what `requests` raises that the connection never came to be.
            reason = getattr(error.args[0], "reason", None) if error.args else None
            cause = reason.args[0] if isinstance(reason, urllib3.exceptions.SSLError) else None
            unsent = isinstance(reason, _NOT_SENT) or isinstance(
                cause, ssl.SSLCertVerificationError
            )
            raised = Unavailable if unsent else OutcomeUnknown
            raise raised(f"no answer from Razorpay: {type(error).__name__}") from None
        try:
            answer = msgspec.json.decode(response.content, type=_Answer)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise _failure(response, None) from None
        if not 200 <= response.status_code < 300:
            raise _failure(response, answer.error)
        return response


def _failure(response: requests.Response, error: _Error | None) -> ProviderError:
    """What an answer means that is no success."""
    status, told = response.status_code, error or _Error()
    code, words = told.code, told.description[:300]
    detail = f"Razorpay answered {status} {code}: {words}".rstrip(" :")
    if status in (401, 403):
        detail += " (check RAZORPAY_KEY_ID and RAZORPAY_KEY_SECRET)"
    if status in (401, 403, 429) or (status == 409 and "in progress" in words):
        after = response.headers.get("Retry-After", "")
        wait = float(after) if re.fullmatch("[0-9]{1,5}", after) else None
        return Unavailable(detail, provider_code=code, retry_after=wait)
    theirs = code == "BAD_REQUEST_ERROR" or (status == 404 and error)
    undecided = status == 408 or (status == 409 and "Different request" not in words)
    if theirs and 400 <= status < 500 and not undecided:
        return Rejected(detail, provider_code=code or "NOT_FOUND")
    return OutcomeUnknown(detail, provider_code=code)
