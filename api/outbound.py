"""HTTP to addresses that a stranger chose, without reaching anything but the public Internet.

Every socket is made here, by `_Sockets`, for the very address that is then connected to: whatever a
name resolves to, however often it changes, however a URL spells an address, nothing that is not
public is connected to. Redirects are not followed, so the URL that was checked is all there is.
"""

import asyncio
import contextlib
import errno
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import LooseHeaders
from yarl import URL

from gateway.deliveries import Reply

SECONDS = 15.0
#: The most that is read of an answer.
MOST_BYTES = 4096
_LONGEST_URL = 2000
_LONGEST_NAME = 253
_LABEL = re.compile(r"[a-z0-9_-]{1,63}", re.ASCII | re.IGNORECASE)
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-9]\d\d)[ \r\n]")
#: Threads that ask the resolver: names that do not answer must not hold up those that do.
_RESOLVERS = 32

# The special-purpose registries of IANA (RFC 6890 and its successors), spelt out since Python's own
# list differs from release to release. Of IPv6, 2000::/3 alone is global unicast.
_NOT_PUBLIC_4 = [
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24",
        "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24",
        "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    )
]  # fmt: skip
_GLOBAL_6 = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC_6 = [
    ipaddress.IPv6Network(network)
    # Teredo and others, documentation, 6to4 (which wraps any IPv4 address), AS112, documentation.
    for network in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
]


class UnsafeUrl(ValueError):
    """A URL that we do not send to; says why."""


def admitted(address: str, *, loopback: bool) -> bool:
    """Whether an IP address may be connected to: public, or loopback where that is allowed."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if loopback and parsed.is_loopback:
        return True
    if isinstance(parsed, ipaddress.IPv4Address):
        return not any(parsed in network for network in _NOT_PUBLIC_4)
    return parsed in _GLOBAL_6 and not any(parsed in network for network in _NOT_PUBLIC_6)


def check_url(url: str, *, livemode: bool, loopback: bool) -> URL:
    """The URL as it will be used. Raises UnsafeUrl.

    What a host name resolves to is not looked at here but at every connection.
    """
    try:
        parsed = URL(url)
        host = parsed.raw_host or ""
    except ValueError:
        raise UnsafeUrl("it is not a URL") from None
    schemes = ("https",) if livemode else ("https", "http")
    if parsed.scheme not in schemes:
        raise UnsafeUrl(f"it must start with {' or '.join(f'{s}://' for s in schemes)}")
    if parsed.raw_user is not None or parsed.raw_password is not None:
        raise UnsafeUrl("it must not hold a user name or password")
    if not host or any(c.isspace() or not c.isprintable() for c in url) or len(url) > _LONGEST_URL:
        raise UnsafeUrl(
            f"it must name a host, without spaces, in at most {_LONGEST_URL} characters"
        )
    if "#" in url or "\\" in url:
        raise UnsafeUrl("it must not hold # or \\")
    if parsed.explicit_port == 0:
        raise UnsafeUrl("its port is not one that can be connected to")
    if ":" not in host and not _is_name(host):
        raise UnsafeUrl("its host is not a name")
    if _is_numeric(host) and not admitted(host, loopback=loopback and not livemode):
        raise UnsafeUrl("its address is not a public one")
    return parsed


def _is_numeric(host: str) -> bool:
    """An IP address, or what some resolver would take for one (127.1, 0177.0.0.1, 0x7f000001)."""
    last = host.rstrip(".").rpartition(".")[2].lower()
    return ":" in host or last.isdigit() or last.startswith("0x")


def _is_name(host: str) -> bool:
    """What the domain name system can hold: labels of 1 to 63 characters."""
    name = host.removesuffix(".")
    return len(name) <= _LONGEST_NAME and all(map(_LABEL.fullmatch, name.split(".")))


class _Answer(ResponseHandler):
    """Tells the status even where the rest is not HTTP, as after a 204 that has a body."""

    _beginning = b""

    def data_received(self, data: bytes) -> None:
        """Pass on what came; errors get the status line's code instead of aiohttp's own."""
        self._beginning = (self._beginning + data)[:16]
        super().data_received(data)
        error = self.exception()
        if isinstance(error, HttpProcessingError):
            line = _STATUS_LINE.match(self._beginning)
            error.code = int(line[1]) if line else 0


class _Sockets:
    """Makes sockets for admitted addresses only. Raises PermissionError for others."""

    def __init__(self, *, loopback: bool) -> None:
        self._loopback = loopback

    def __call__(self, info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, address = info
        if not admitted(address[0], loopback=self._loopback):
            raise PermissionError(errno.EACCES, "the address is not a public one")
        return socket.socket(family, kind, protocol)


class _Resolver(AbstractResolver):
    """The system's resolver in threads of its own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_RESOLVERS, thread_name_prefix="resolver")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """All addresses of a host."""
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads,
            lambda: socket.getaddrinfo(host, port, family, socket.SOCK_STREAM),
        )
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=family,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for family, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Wait for no name any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class Outbound:
    """Sends POST requests. Made by `open_outbound`."""

    def __init__(
        self, public: aiohttp.ClientSession, with_loopback: aiohttp.ClientSession | None
    ) -> None:
        self._public = public
        self._with_loopback = with_loopback

    @property
    def loopback(self) -> bool:
        """Whether endpoints of test mode may be on this machine."""
        return self._with_loopback is not None

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, *, livemode: bool
    ) -> Reply:
        """Send and tell what came of it; never raises for what the other side does."""
        started = time.perf_counter()

        def reply(status: int | None, **parts: Any) -> Reply:
            milliseconds = round((time.perf_counter() - started) * 1000)
            return Reply(status, milliseconds, **parts)

        try:
            checked = check_url(url, livemode=livemode, loopback=self.loopback)
        except UnsafeUrl as error:
            return reply(None, error=f"not sent: {error}")
        session = self._public if livemode else self._with_loopback or self._public
        given: LooseHeaders = headers
        try:
            async with session.post(
                checked, headers=given, data=body, allow_redirects=False
            ) as response:
                content = await _beginning(response)
                return reply(
                    response.status,
                    body=content,
                    retry_after=response.headers.get("Retry-After", "")[:64],
                    error=_failure(response.status),
                )
        except TimeoutError:
            return reply(None, error=f"no answer within {SECONDS:.0f} seconds")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if isinstance(error, aiohttp.ClientResponseError) and error.status:
                return reply(error.status, error=_failure(error.status))
            return reply(None, error=_reason(error))


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    """The first bytes of the body. One that breaks off is no failure: the status has been told."""
    content = b""
    with contextlib.suppress(aiohttp.ClientError, TimeoutError):
        while len(content) < MOST_BYTES:
            chunk = await response.content.read(MOST_BYTES - len(content))
            if not chunk:
                break
            content += chunk
    return content


def _failure(status: int) -> str:
    return "" if 200 <= status < 300 else f"answered {status}"


def _reason(error: Exception) -> str:
    """In words, without what the other side may have put into the message."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return "no trusted TLS connection"
    # One answer for both, lest it tells which names an inner network knows.
    nowhere = "not sent: the host has no public address"
    if isinstance(error, aiohttp.ClientConnectorDNSError | aiohttp.InvalidURL):
        return nowhere
    if isinstance(error, aiohttp.ClientConnectorError):
        return nowhere if isinstance(error.os_error, PermissionError) else "no connection"
    return "the connection broke off"


@asynccontextmanager
async def open_outbound(
    *, loopback: bool, resolver: AbstractResolver | None = None
) -> AsyncIterator[Outbound]:
    """Open it. `loopback`: endpoints of test mode may be on this machine.

    `resolver` stands in for the system's, in tests.
    """
    resolver = resolver or _Resolver()
    tls = ssl.create_default_context()
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(resolver.close)

        async def session(*, loopback: bool) -> aiohttp.ClientSession:
            connector = aiohttp.TCPConnector(
                resolver=resolver,
                socket_factory=_Sockets(loopback=loopback),
                use_dns_cache=False,
                force_close=True,  # a connection serves one delivery: nothing is left to be reused
                limit=0,  # the callers are bounded
                ssl=tls,
            )
            # aiohttp has no public way to name the protocol; tests/webhooks sees that this one is.
            protocol: type[ResponseHandler] = _Answer
            connector._factory = partial(protocol, loop=asyncio.get_running_loop())
            return await stack.enter_async_context(
                aiohttp.ClientSession(
                    connector=connector,
                    timeout=aiohttp.ClientTimeout(total=SECONDS),
                    cookie_jar=aiohttp.DummyCookieJar(),
                    auto_decompress=False,
                    trust_env=False,
                )
            )

        public = await session(loopback=False)
        yield Outbound(public, await session(loopback=True) if loopback else None)
