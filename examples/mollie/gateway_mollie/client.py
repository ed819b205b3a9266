"""The wire to Mollie: the official SDK behind one choke point, through which every call goes.

| what happened | becomes |
|---|---|
| no connection: refused, DNS, TLS, connect timeout | Unavailable: nothing was sent |
| 401, 403 | Unavailable: nothing was done, and the operator must cure it |
| 409 (the key is in flight, or a refund just like another one), 429 | Unavailable |
| other 4xx with Mollie's error body | Rejected |
| 400 that says that the key was used with other parameters | OutcomeUnknown |
| 5xx, timeout, anything else | OutcomeUnknown; for a mere read Unavailable |

Of the SDK (mollie-api-py 1.10.20): it retries 429, 5xx and lost connections by itself, each time
under a new key where it is given none; follows redirects; writes headers and bodies into a log when
CLIENT_DEBUG is set; and its errors quote the whole answer. None of that is let through here.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal, TypeVar

import httpx
import msgspec
from mollie import ClientSDK
from mollie import models as mollie
from mollie.utils.logger import NoOpLogger

from gateway.errors import OutcomeUnknown, ProviderError, Rejected, Unavailable
from gateway_mollie.settings import MollieSettings

#: Seconds for a whole call, and for its connection. The core waits and repeats, not we.
TIMEOUT = 15.0
CONNECT_TIMEOUT = 5.0
#: What Mollie lists at most at once; nobody refunds one payment more often.
PAGE_SIZE = 250

T = TypeVar("T")
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_EMAIL = re.compile(r"[^\s'\"<>]+@[^\s'\"<>]+")
_LONGEST_KEY = 64  # Mollie takes a hundred


class _Problem(msgspec.Struct):
    """Mollie's error body."""

    title: str
    detail: str = ""
    field: str | None = None


class Client:
    """Calls of the SDK's operations, with Mollie's errors as ours."""

    def __init__(self, sdk: ClientSDK, timeout: float) -> None:
        self.sdk = sdk
        self._timeout = timeout

    async def write(self, operation: Callable[..., Awaitable[T]], key: str, **arguments: Any) -> T:
        """Do something once per `key`. Raises Rejected, Unavailable or OutcomeUnknown."""
        if len(key) > _LONGEST_KEY:
            key = hashlib.sha256(key.encode()).hexdigest()
        return await self._call(operation, OutcomeUnknown, idempotency_key=key, **arguments)

    async def read(
        self,
        operation: Callable[..., Awaitable[T]],
        doubt: type[ProviderError] = Unavailable,
        **arguments: Any,
    ) -> T:
        """Ask. Raises Rejected, Unavailable, and `doubt` for no answer: what is read after
        something was done is OutcomeUnknown, since it may no longer be called undone."""
        return await self._call(operation, doubt, **arguments)

    async def listed(
        self,
        what: Literal["captures", "refunds", "chargebacks"],
        id: str,
        doubt: type[ProviderError],
    ) -> list[Any]:
        """All of them that the payment `id` has, those of Mollie's dashboard included."""
        operation = getattr(self.sdk, what).list_async
        page = await self.read(operation, doubt, payment_id=id, limit=PAGE_SIZE)
        if page.result.links.next is not None:
            raise doubt(f"Mollie lists more than {PAGE_SIZE} {what} of {id}")
        return list(getattr(page.result.embedded, what))

    async def _call(
        self, operation: Callable[..., Awaitable[T]], doubt: type[ProviderError], **arguments: Any
    ) -> T:
        try:
            async with asyncio.timeout(self._timeout):
                return await operation(**arguments, retries=None)
        except Exception as error:
            failure = _mapped(error, doubt)
        # Outside of the handler: what the SDK's exceptions hold may be personal.
        raise failure


def _mapped(error: Exception, doubt: type[ProviderError]) -> ProviderError:
    if isinstance(error, _NOT_SENT):
        return Unavailable(f"no connection to Mollie ({type(error).__name__})")
    if not isinstance(error, mollie.ClientError):
        return doubt(f"no answer from Mollie, or none to read ({type(error).__name__})")
    status, problem = error.status_code, _problem(error.body)
    code = f"http_{status}"
    if status in (401, 403):
        words = f"Mollie refused the key ({status}): check MOLLIE_API_KEY and its payment methods"
        return Unavailable(words, provider_code=code)
    if status in (409, 429):
        words = f"Mollie cannot take the request now ({status})"
        retry_after = _seconds(error.headers.get("retry-after", ""))
        return Unavailable(words, provider_code=code, retry_after=retry_after)
    if problem is None or not 400 <= status < 500:
        return doubt(f"Mollie answered {status} without saying what it did", provider_code=code)
    words = _EMAIL.sub("[email]", f"{problem.title}: {problem.detail}")[:300]
    if status == 400 and "idempotency" in words.lower():
        return doubt(f"the key was used for another request ({words})", provider_code=code)
    code = {404: "not_found"}.get(status, problem.field or code)
    return Rejected(f"Mollie refused: {words}", provider_code=code)


def _problem(body: str) -> _Problem | None:
    try:
        return msgspec.json.decode(body, type=_Problem)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _seconds(value: str) -> float | None:
    return float(value) if re.fullmatch(r"[0-9]{1,6}", value) else None


@asynccontextmanager
async def open_client(settings: MollieSettings) -> AsyncIterator[Client]:
    """A client with connections of its own, closed on exit."""
    timeout = httpx.Timeout(TIMEOUT, connect=min(TIMEOUT, CONNECT_TIMEOUT))
    tls = httpx.create_ssl_context()
    # Without a second client the SDK makes one of its own, which nobody closes.
    with httpx.Client(verify=tls) as unused:
        async with httpx.AsyncClient(verify=tls, timeout=timeout) as http:
            sdk = ClientSDK(
                security=mollie.Security(api_key=settings.api_key),
                server_url=settings.api_base,
                async_client=http,
                client=unused,
                debug_logger=NoOpLogger(),
            )
            yield Client(sdk, TIMEOUT)
