"""The SDK (razorpay 2.0.1), fenced in: all of the wire and of its errors is here.

The SDK tells apart three exceptions by a word in the body, so that a rate limit, wrong keys and a
refusal look the same; it prints network errors, has no timeout, follows redirects and reads HTML
and lists as errors of its own. So the session that it is given judges every answer first:

| answer | becomes |
|---|---|
| 2xx with a JSON object | what the SDK returns |
| 4xx with Razorpay's own error body | Rejected |
| 401, 403, 429; 409 for a refund that is still being made | Unavailable |
| refused connection, no such host, untrusted certificate | Unavailable: nothing was sent |
| 5xx, timeout, reset, anything unreadable | OutcomeUnknown; for a mere read Unavailable |
"""

import ssl
from collections.abc import Callable
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
#: Calls at once; each holds a thread while it waits.
THREADS = 16

T = TypeVar("T")
#: One call of the SDK, which it is given first.
Act = Callable[..., Any]


class Client:
    """Typed calls. All raise Rejected and Unavailable; `write` raises OutcomeUnknown too.

    An `act` must hand its own dicts to the SDK: the default arguments there are shared by all
    threads, and `payment.capture` writes the amount into its one.
    """

    def __init__(self, settings: RazorpaySettings) -> None:
        self._session = _Session()
        auth = (settings.key_id, settings.key_secret)
        self._sdk = razorpay.Client(self._session, auth, base_url=settings.api_base)
        self._limiter = CapacityLimiter(THREADS)

    async def read(self, kind: type[T], act: Act, *terms: object) -> T:
        """A call that changes nothing."""
        return await self._call(kind, Unavailable, act, *terms)

    async def write(self, kind: type[T], act: Act) -> T:
        """A call that moves something."""
        return await self._call(kind, OutcomeUnknown, act)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    async def _call(self, kind: type[T], doubt: type[ProviderError], act: Act, *terms: object) -> T:
        answer = await to_thread.run_sync(act, self._sdk, *terms, limiter=self._limiter)
        try:
            return msgspec.convert(answer, kind)
        except msgspec.ValidationError:
            words = f"Razorpay answered with something that is no {kind.__name__}"
            raise doubt(words) from None


class _Session(requests.Session):
    """Sends as `requests` does, and raises the gateway's errors instead of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._adapter = requests.adapters.HTTPAdapter(pool_maxsize=THREADS)
        self.mount("http://", self._adapter)
        self.mount("https://", self._adapter)

    def close(self) -> None:
        """Close every connection now; `requests` leaves that to the garbage collector."""
        pools = self._adapter.poolmanager.pools
        for key in pools.keys():  # noqa: SIM118  # it cannot be iterated over
            pools[key].close()
        super().close()

    def request(  # type: ignore[override]  # the SDK gives everything by name
        self, method: str, url: str, **options: Any
    ) -> requests.Response:
        """The answer, if it is a 2xx with a JSON object."""
        doubt = Unavailable if method.upper() == "GET" else OutcomeUnknown
        options |= {"timeout": TIMEOUT, "allow_redirects": False}
        try:
            response = super().request(method, url, **options)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            if _unsent(error):
                raise Unavailable(f"Razorpay cannot be reached: {type(error).__name__}") from None
            raise doubt(f"no answer from Razorpay: {type(error).__name__}") from None
        try:
            body = response.json()
        except (ValueError, RecursionError):
            body = None
        if not 200 <= response.status_code < 300:
            raise _refusal(response, body.get("error") if isinstance(body, dict) else None, doubt)
        if not isinstance(body, dict):
            raise doubt(f"Razorpay answered {response.status_code} with something unreadable")
        return response


def _unsent(error: Exception) -> bool:
    """Whether the connection never came to be; urllib3 says so inside what `requests` raises."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    cause = reason.args[0] if isinstance(reason, urllib3.exceptions.SSLError) else None
    never = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)
    return isinstance(reason, never) or isinstance(cause, ssl.SSLCertVerificationError)


def _refusal(
    response: requests.Response, error: object, doubt: type[ProviderError]
) -> ProviderError:
    """What an answer that is no 2xx means. `error` is the member of that name of its body."""
    status = response.status_code
    told = error if isinstance(error, dict) else {}
    code, words = str(told.get("code") or ""), str(told.get("description") or "")[:300]
    detail = f"Razorpay answered {status} {code}: {words}".rstrip(" :")
    if status in (401, 403):
        detail += " (check RAZORPAY_KEY_ID and RAZORPAY_KEY_SECRET)"
    if status in (401, 403, 429) or (status == 409 and "in progress" in words):
        after = response.headers.get("Retry-After", "")
        wait = float(after) if after.isascii() and after.isdigit() and len(after) < 6 else None
        return Unavailable(detail, provider_code=code, retry_after=wait)
    theirs = code == "BAD_REQUEST_ERROR" or (status == 404 and isinstance(error, dict))
    if theirs and 400 <= status < 500 and status != 408:
        return Rejected(detail, provider_code=code or "NOT_FOUND")
    return doubt(detail, provider_code=code)
