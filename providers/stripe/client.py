"""The wire to Stripe: one choke point, through which every call goes."""

import logging
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
import stripe

from gateway import tracing
from gateway.errors import OutcomeUnknown, Unavailable
from gateway.http_date import http_date
from providers.stripe.errors import mapped
from providers.stripe.resources import Event, Listed, Page, RawPage
from providers.stripe.settings import StripeSettings

#: The version that this adapter was checked against; it decides the shape of every answer.
API_VERSION = "2026-05-27.dahlia"
#: Seconds for a whole call, and for its connection. The core waits and repeats, not we.
TIMEOUT = 15.0
CONNECT_TIMEOUT = 5.0
PAGE_SIZE = 100
MOST_PAGES = 20

T = TypeVar("T")


class Identified(Protocol):
    """Whatever a list holds."""

    @property
    def id(self) -> str:
        """Where the next page goes on."""
        ...


Walked = TypeVar("Walked", bound=Identified)


class _HTTPClient(stripe.AIOHTTPClient):
    """The package's own, which leaves connections open when a body breaks off, follows redirects
    and hides what went wrong."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        super().__init__(session=session)
        self._own_session = session

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Send and read; raises whatever aiohttp raises."""
        async with self._own_session.request(
            method, url, headers=headers, data=post_data, allow_redirects=False
        ) as response:
            return await response.read(), response.status, response.headers


class Client:
    """Typed calls to Stripe's API. All raise Rejected, Unavailable or OutcomeUnknown only."""

    def __init__(self, client: stripe.StripeClient) -> None:
        self._client = client

    async def read(self, kind: type[T], *path: str, **params: Any) -> T:
        """GET an object. A read does nothing, so that one without an answer is Unavailable."""
        try:
            return await self._call("get", _body(kind), path, params, None)
        except OutcomeUnknown as unknown:
            failure = Unavailable(
                unknown.detail,
                provider_code=unknown.provider_code,
                request_id=unknown.request_id,
            )
        raise failure

    async def date(self, *path: str, **params: Any) -> datetime | None:
        """GET something for the sake of Stripe's own time, in its answer's Date header."""
        try:
            return await self._call("get", _sent_at, path, params, None)
        except OutcomeUnknown as unknown:
            failure = Unavailable(unknown.detail, request_id=unknown.request_id)
        raise failure

    async def entries(self, kind: type[Page[Listed]], *path: str, **params: Any) -> list[Listed]:
        """All entries of a list, newest first; Unavailable for a list that is too long for that."""
        entries: list[Listed] = []
        for _ in range(MOST_PAGES):
            page = await self.read(kind, *path, limit=PAGE_SIZE, **params)
            entries += page.data
            if not page.has_more or not page.data:
                return entries
            params["starting_after"] = page.data[-1].id
        raise Unavailable(f"Stripe lists more than {MOST_PAGES * PAGE_SIZE} {path[-1]}")

    async def walk(self, kind: type[Walked], *path: str, **params: Any) -> AsyncIterator[Walked]:
        """All entries of a list, newest first, page by page, however many there are."""
        more = True
        while more:
            page = await self.read(RawPage, *path, limit=PAGE_SIZE, **params)
            more = page.has_more and bool(page.data)
            for raw in page.data:
                try:
                    entry = msgspec.json.decode(raw, type=kind)
                except msgspec.MsgspecError:
                    raise Unavailable(
                        f"Stripe lists something that is no {kind.__name__}"
                    ) from None
                params["starting_after"] = entry.id
                yield entry

    async def events(self, **params: Any) -> AsyncIterator[tuple[Event, bytes]]:
        """All events, newest first, each with its bytes; page by page, however many there are."""
        more = True
        while more:
            page = await self.read(RawPage, "events", limit=PAGE_SIZE, **params)
            more = page.has_more and bool(page.data)
            for raw in page.data:
                try:
                    event = msgspec.json.decode(raw, type=Event)
                except msgspec.MsgspecError:
                    raise Unavailable("Stripe lists something that is no event") from None
                params["starting_after"] = event.id
                yield event, bytes(raw)

    async def write(self, kind: type[T], *path: str, key: str, **params: Any) -> T:
        """POST once per idempotency `key`; the answer is the object that was made or changed."""
        return await self._call("post", _body(kind), path, params, key)

    async def _call(
        self,
        method: str,
        read: Callable[[stripe.StripeResponse], T],
        path: tuple[str, ...],
        params: dict[str, Any],
        key: str | None,
    ) -> T:
        """The one call. `path` is what follows /v1, each part quoted."""
        url = "/v1/" + "/".join(quote(part, safe="") for part in path)
        try:
            answer = await self._client.raw_request_async(
                method, url, idempotency_key=key, **params
            )
            tracing.note(provider_request_id=_request_id(answer))
            return read(answer)
        except Exception as error:  # the package leaks TypeError and the like for odd answers
            failure = mapped(error)
        # Outside of the handler: what the foreign exceptions hold may be secret or personal.
        raise failure


def _body(kind: type[T]) -> Callable[[stripe.StripeResponse], T]:
    return lambda answer: msgspec.json.decode(answer.body, type=kind)


def _request_id(answer: stripe.StripeResponse) -> str | None:
    return next((v for name, v in answer.headers.items() if name.lower() == "request-id"), None)


def _sent_at(answer: stripe.StripeResponse) -> datetime | None:
    for name, value in answer.headers.items():
        if name.lower() == "date":
            return http_date(value)
    return None


@asynccontextmanager
async def open_client(
    settings: StripeSettings, *, timeout: float = TIMEOUT
) -> AsyncIterator[Client]:
    """A client with a connection pool of its own, closed on exit. `timeout` in seconds."""
    stripe.enable_telemetry = False  # it writes into the home folder
    logging.getLogger("stripe").setLevel(logging.WARNING)  # below, it logs parameters and bodies
    tls = ssl.create_default_context(cafile=stripe.ca_bundle_path)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=tls),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=timeout, sock_connect=min(timeout, CONNECT_TIMEOUT)),
    ) as session:
        yield Client(
            stripe.StripeClient(
                settings.secret_key,
                stripe_version=API_VERSION,
                base_addresses={"api": settings.api_base},
                max_network_retries=0,
                http_client=_HTTPClient(session),
            )
        )
