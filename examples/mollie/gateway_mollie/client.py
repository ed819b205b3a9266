"""The wire to Mollie: the official SDK behind one choke point, through which every call goes.

| what happened | becomes |
|---|---|
| no connection: refused, DNS, TLS, connect timeout | Unavailable: nothing was sent |
| 401, 403 | Unavailable: nothing was done, and the operator must cure it |
| 409 (the key is in flight, or a refund just like another one), 429 | Unavailable |
| other 4xx with Mollie's error body | Rejected |
| 400 that says that the key was used with other parameters | OutcomeUnknown |
| 408, 5xx, timeout, anything else | OutcomeUnknown; for a mere read Unavailable |

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
from pydantic_core import to_jsonable_python

from gateway.errors import OutcomeUnknown, ProviderError, Rejected, Unavailable
from gateway_mollie.mapping import Entry, Page
from gateway_mollie.settings import MollieSettings

#: Seconds for a whole call, and for its connection. The core waits and repeats, not we.
TIMEOUT = 15.0
CONNECT_TIMEOUT = 5.0
#: What Mollie lists at most at once; nobody refunds one payment more often.
PAGE_SIZE = 250

T = TypeVar("T")
Doubt = type[ProviderError]
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

    def __init__(self, sdk: ClientSDK) -> None:
        self.sdk = sdk

    async def write(
        self, kind: type[T], operation: Callable[..., Awaitable[Any]], key: str, **arguments: Any
    ) -> T:
        """Do something once per `key`. Raises Rejected, Unavailable or OutcomeUnknown."""
        if len(key) > _LONGEST_KEY:
            key = hashlib.sha256(key.encode()).hexdigest()
        return await self.read(kind, operation, OutcomeUnknown, idempotency_key=key, **arguments)

    async def read(
        self,
        kind: type[T],
        operation: Callable[..., Awaitable[Any]],
        doubt: Doubt = Unavailable,
        **arguments: Any,
    ) -> T:
        """Ask. Raises Rejected, Unavailable, and `doubt` for no answer: what is read after
        something was done is OutcomeUnknown, since it may no longer be called undone."""
        try:
            async with asyncio.timeout(TIMEOUT):
                answer = await operation(**arguments, retries=None)
            return decoded(getattr(answer, "result", answer), kind)  # of a list, its page
        except Exception as error:
            failure = _mapped(error, doubt)
        # Outside of the handler: what the SDK's exceptions hold may be personal.
        raise failure

    async def listed(
        self, what: Literal["captures", "refunds", "chargebacks"], id: str, doubt: Doubt
    ) -> list[Entry]:
        """All of them that the payment `id` has, those of Mollie's dashboard included."""
        operation = getattr(self.sdk, what).list_async
        page = await self.read(Page, operation, doubt, payment_id=id, limit=PAGE_SIZE)
        if page.links.get("next"):
            raise doubt(f"Mollie lists more than {PAGE_SIZE} {what} of {id}")
        return page.entries[what]


def decoded(answer: object, kind: type[T]) -> T:
    """One of the SDK's models as one of ours. Raises msgspec.ValidationError."""
    return msgspec.convert(to_jsonable_python(answer, by_alias=True), kind)


def _mapped(error: Exception, doubt: Doubt) -> ProviderError:
    if isinstance(error, _NOT_SENT):
        return Unavailable(f"no connection to Mollie ({type(error).__name__})")
    if not isinstance(error, mollie.ClientError):
        return doubt(f"no answer from Mollie, or none to read ({type(error).__name__})")
    status, code = error.status_code, f"http_{error.status_code}"
    if status in (401, 403, 409, 429):
        cure = "try again later" if status > 403 else "check MOLLIE_API_KEY and its payment methods"
        after = error.headers.get("retry-after", "")
        wait = float(after) if re.fullmatch(r"[0-9]{1,6}", after) else None
        words = f"Mollie turned the request away ({status}): {cure}"
        return Unavailable(words, provider_code=code, retry_after=wait)
    try:
        problem = msgspec.json.decode(error.body, type=_Problem)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        problem = None
    if problem is None or status == 408 or not 400 <= status < 500:
        return doubt(f"Mollie answered {status} without saying what it did", provider_code=code)
    words = _EMAIL.sub("[email]", f"{problem.title}: {problem.detail}")[:300]
    if status == 400 and "idempotency" in words.lower():
        return doubt(f"the key was used for another request ({words})", provider_code=code)
    code = "not_found" if status == 404 else problem.field or code
    return Rejected(f"Mollie refused: {words}", provider_code=code)


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
            yield Client(sdk)
