"""PayPal's SDK, fenced in: the only module that touches it, and the only one without its types.

What is done here about the SDK (2.4.0) and why:

- Its answers pass through `jsonpickle.decode`, which runs code found in the text, and HTML, a list
  or an empty body make it return or raise odd things. So the hook that it calls with each raw
  answer raises `_Answered` and takes the answer away before the SDK reads it.
- It fetches tokens without a lock, keeps one that was refused, and takes local time for UTC when it
  judges their age: `_Tokens` is its token provider.
- It follows redirects, keeps cookies and lets a netrc file replace the token: the session does not.
- It retries nothing (we ask for that), and every call has a timeout.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from http.cookiejar import DefaultCookiePolicy
from threading import Lock
from typing import Any

import msgspec
import requests
import urllib3.exceptions
from anyio import CapacityLimiter, to_thread
from paypalserversdk.configuration import Configuration
from paypalserversdk.http.auth.o_auth_2 import ClientCredentialsAuthCredentials
from paypalserversdk.http.http_call_back import HttpCallBack
from paypalserversdk.models.o_auth_token import OAuthToken
from paypalserversdk.paypal_serversdk_client import PaypalServersdkClient
from requests.adapters import HTTPAdapter

from gateway.errors import Unavailable
from providers.paypal.resources import Token
from providers.paypal.settings import PayPalSettings

CONNECT_TIMEOUT = 5.0
#: Seconds without a byte of an answer.
READ_TIMEOUT = 15.0
#: Calls at once; each holds a thread while it waits.
THREADS = 24
#: A token is renewed this long before its end.
TOKEN_MARGIN = 60


class Reply(msgspec.Struct, frozen=True):
    """An answer as it came: header names are lower case. `bearer` is the token that was used."""

    status: int
    headers: Mapping[str, str]
    text: str
    bearer: str


class _Answered(Exception):
    """Carries an answer past the SDK's own reading of it."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


class _TakeAnswer(HttpCallBack):  # type: ignore[misc]  # the SDK has no types
    def on_before_request(self, request: Any) -> None:
        """Nothing to do: the request is as we want it."""

    def on_after_response(self, response: Any) -> None:
        """Raises _Answered, always."""
        raise _Answered(
            Reply(
                status=response.status_code,
                headers={name.lower(): value for name, value in response.headers.items()},
                text=response.text,
                bearer=response.request.headers.get("Authorization", ""),
            )
        )


class _Configuration(Configuration):  # type: ignore[misc]  # the SDK has no types
    """The SDK's configuration with a base address of ours."""

    def __init__(self, base: str, **options: Any) -> None:
        self._base = base
        super().__init__(**options)

    def get_base_uri(self, server: Any = None) -> str:
        """The address before every path."""
        return self._base


class _Tokens:
    """One access token for all threads, fetched by one of them at a time."""

    def __init__(self, fetch: Callable[[], Reply]) -> None:
        self._fetch = fetch
        self._lock = Lock()
        self._token: Any = None
        self._fetches = 0
        self._failure: Unavailable | None = None

    def provide(self, _stale: Any = None, _auth: Any = None) -> Any:
        """A token that is good by its own word. Raises Unavailable: no call was made with it.

        Those who waited for a fetch that failed share its failure instead of queueing for more.
        """
        before = self._fetches
        with self._lock:
            if self._token is None or self._token.expiry < time.time():
                if self._failure is not None and self._fetches != before:
                    failure = self._failure
                    raise Unavailable(
                        failure.detail,
                        provider_code=failure.provider_code,
                        request_id=failure.request_id,
                        retry_after=failure.retry_after,
                    )
                self._token = self._fetched()
            return self._token

    def refuse(self, bearer: str) -> None:
        """PayPal did not accept `bearer`: if it is still the current token, it is over."""
        with self._lock:
            if self._token is not None and bearer == f"Bearer {self._token.access_token}":
                self._token.expiry = 0  # the SDK holds the same object and looks at this field
                self._token = None

    def _fetched(self) -> Any:
        try:
            reply = self._fetch()
            token = _read_token(reply)
        except Unavailable as error:
            self._failure = error
            raise
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            self._failure = Unavailable(f"PayPal's token service: {type(error).__name__}")
            raise self._failure from error
        finally:
            self._fetches += 1  # after the fetch: whoever came during it, waited for it
        self._failure = None
        expiry = int(time.time()) + max(token.expires_in - TOKEN_MARGIN, 1)
        return OAuthToken(
            access_token=token.access_token,
            token_type="Bearer",
            expires_in=token.expires_in,
            expiry=expiry,
        )


def _read_token(reply: Reply) -> Token:
    request_id = reply.headers.get("paypal-debug-id")
    if reply.status in (400, 401, 403):
        raise Unavailable(
            "PayPal does not accept PAYPAL_CLIENT_ID and PAYPAL_CLIENT_SECRET",
            provider_code="invalid_client",
            request_id=request_id,
        )
    if reply.status != 200:
        raise Unavailable(
            f"PayPal's token service answered {reply.status}",
            request_id=request_id,
            retry_after=retry_after(reply),
        )
    try:
        return msgspec.json.decode(reply.text, type=Token)
    except (msgspec.DecodeError, RecursionError):
        raise Unavailable("PayPal's token service sent no token", request_id=request_id) from None


def retry_after(reply: Reply) -> float | None:
    """The seconds of `Retry-After`, where the answer names them."""
    value = reply.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() and len(value) < 7 else None


class Sdk:
    """Exchanges one request for one answer, in a bounded pool of threads."""

    def __init__(self, settings: PayPalSettings) -> None:
        self._session = _session()
        self._limiter = CapacityLimiter(THREADS)
        self._tokens = _Tokens(self._fetch_token)
        self._client = PaypalServersdkClient(
            config=_Configuration(
                settings.api_base,
                http_client_instance=self._session,
                http_call_back=_TakeAnswer(),
                timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
                max_retries=0,
                client_credentials_auth_credentials=ClientCredentialsAuthCredentials(
                    o_auth_client_id=settings.client_id,
                    o_auth_client_secret=settings.client_secret,
                    o_auth_token_provider=self._tokens.provide,
                ),
            )
        )

    async def exchange(self, controller: str, operation: str, options: Mapping[str, Any]) -> Reply:
        """Call `operation` of the SDK's `controller`; on a 401 once more, with a new token.

        Raises Unavailable when there is no token, and whatever `requests` raises.
        """
        return await to_thread.run_sync(
            self._exchange, controller, operation, dict(options), limiter=self._limiter
        )

    async def bearer(self) -> str:
        """The header value for a call that the SDK does not know. Raises Unavailable."""
        token = await to_thread.run_sync(self._tokens.provide, limiter=self._limiter)
        return f"Bearer {token.access_token}"

    async def refuse(self, bearer: str) -> None:
        """The header value was not accepted: do not give it out again."""
        await to_thread.run_sync(self._tokens.refuse, bearer, limiter=self._limiter)

    def close(self) -> None:
        """Close the connections now; left to itself, urllib3 waits for the garbage collector."""
        adapters: Iterable[Any] = self._session.adapters.values()
        for adapter in adapters:
            pools = adapter.poolmanager.pools
            for key in pools.keys():  # noqa: SIM118  # it cannot be iterated over
                pools[key].close()
        self._session.close()

    def _exchange(self, controller: str, operation: str, options: dict[str, Any]) -> Reply:
        reply = self._once(controller, operation, options)
        if reply.status == 401:
            self._tokens.refuse(reply.bearer)
            reply = self._once(controller, operation, options)
        return reply

    def _once(self, controller: str, operation: str, options: dict[str, Any]) -> Reply:
        try:
            getattr(getattr(self._client, controller), operation)(options)
        except _Answered as answered:
            return answered.reply
        raise AssertionError("the SDK returned without showing us the answer")

    def _fetch_token(self) -> Reply:
        basic = self._client.oauth_2.build_basic_auth_header()
        return self._once("o_auth_authorization", "request_token", {"authorization": basic})


def _session() -> requests.Session:
    session = requests.Session()
    adapter = HTTPAdapter(pool_connections=4, pool_maxsize=THREADS, max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.max_redirects = 0
    session.auth = _keep_authorization
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.hooks["response"].append(_read_as_utf8)
    return session


def _keep_authorization(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _read_as_utf8(response: requests.Response, *_: Any, **__: Any) -> None:
    """JSON is UTF-8; left alone, `requests` would guess the charset of every answer."""
    response.encoding = "utf-8"
