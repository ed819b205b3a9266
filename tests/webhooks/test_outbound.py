"""api/outbound.py: nothing but public addresses is reached, whatever is asked for."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from api import outbound
from api.outbound import UnsafeUrl, admitted, check_url, open_outbound
from tests.webhooks.receiver import Receiver

PRIVATE = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.1.1",
    "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1",
    "192.168.1.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.1.1.1",
    "240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1",
    "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b:1::1", "100::1", "2001::1", "2001:0:7f00:1::", "2001:db8::1",
    "2002:7f00:1::", "2002:a00:1::1", "3fff::1", "5f00::1", "fc00::1", "fd12:3456::1",
    "fe80::1", "fe80::1%lo", "fec0::1", "ff02::1", "localhost", "", "2130706433", "0177.0.0.1",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "1.1.1.1", "100.128.0.1", "172.32.0.1", "198.20.0.1", "2606:4700::1111"]

#: What leads to this machine, in every spelling; PORT is the canary's.
SPELLINGS = [
    "http://127.0.0.1:PORT/", "http://localhost:PORT/", "http://LOCALHOST.:PORT/",
    "http://127.1:PORT/", "http://127.0.1:PORT/", "http://0:PORT/", "http://0.0.0.0:PORT/",
    "http://2130706433:PORT/", "http://017700000001:PORT/", "http://0177.0.0.1:PORT/",
    "http://0x7f000001:PORT/", "http://0x7f.0.0.1:PORT/", "http://127.0.0.1.:PORT/",
    "http://[::1]:PORT/", "http://[::]:PORT/", "http://[::ffff:127.0.0.1]:PORT/",
    "http://[::ffff:7f00:1]:PORT/", "http://[0:0:0:0:0:ffff:7f00:1]:PORT/",
    "http://[64:ff9b::7f00:1]:PORT/", "http://[2002:7f00:1::]:PORT/", "http://[::127.0.0.1]:PORT/",
    "http://[fe80::1%25lo]:PORT/", "http://①②⑦.⓪.⓪.①:PORT/", "http://127。0。0。1:PORT/",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:PORT/", "http://user@127.0.0.1:PORT/", "http://8.8.8.8@127.0.0.1:PORT/",
    "http://8.8.8.8:80@127.0.0.1:PORT/", "http://127.0.0.1:PORT#@8.8.8.8/",
    "http://127.0.0.1:PORT\\@8.8.8.8/", "http://8.8.8.8\\@127.0.0.1:PORT/",
    "http:127.0.0.1:PORT/", "http:///127.0.0.1:PORT/", "//127.0.0.1:PORT/", "127.0.0.1:PORT",
    "HTTP://127.0.0.1:PORT/", "http://127.0.0.1:PORT /", "http://127.0.0.1%00:PORT/",
    "http://%31%32%37.0.0.1:PORT/", "http://127.0.0.1\t:PORT/", "http://\n127.0.0.1:PORT/",
    "ftp://127.0.0.1:PORT/", "file:///etc/passwd", "gopher://127.0.0.1:PORT/_x", "unix:///x",
    "https://127.0.0.1:PORT/", "", "http://", "http://[", "http://[::1", "http://127.0.0.1:99999/",
]  # fmt: skip


class Canary:
    """Listens on all addresses of this machine, and must never hear anything."""

    def __init__(self) -> None:
        self.listener = socket.create_server(
            ("::", 0), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64
        )
        self.listener.setblocking(False)
        self.port: int = self.listener.getsockname()[1]

    def heard(self) -> bool:
        """Whether anybody has connected."""
        try:
            self.listener.accept()[0].close()
        except BlockingIOError:
            return False
        return True


@pytest.fixture
async def canary() -> AsyncIterator[Canary]:
    """A canary that lives."""
    canary = Canary()
    with closing(canary.listener):
        yield canary
        assert not canary.heard()


class Resolver(AbstractResolver):
    """Answers each question with the next of its answers, the last one for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in answer
        ]

    async def close(self) -> None:
        """Nothing to close."""


def test_public_addresses_alone_are_admitted() -> None:
    assert [address for address in PRIVATE if admitted(address, loopback=False)] == []
    assert [address for address in PUBLIC if admitted(address, loopback=False)] == PUBLIC


def test_the_setting_admits_loopback_and_nothing_else() -> None:
    loopback = [address for address in PRIVATE if admitted(address, loopback=True)]
    assert loopback == ["127.0.0.1", "127.255.255.254", "::1"]


@pytest.mark.parametrize("livemode", [False, True])
async def test_no_spelling_reaches_this_machine(canary: Canary, livemode: bool) -> None:
    async with open_outbound(loopback=False) as client:
        for spelling in SPELLINGS:
            for url in (spelling, spelling.replace("http:", "https:")):
                url = url.replace("PORT", str(canary.port))
                reply = await client.post(url, {}, b"{}", livemode=livemode)
                assert reply.status is None, url
                assert reply.error, url


async def test_live_mode_never_reaches_this_machine(canary: Canary) -> None:
    async with open_outbound(loopback=True) as client:
        for host in ("127.0.0.1", "localhost", "[::1]"):
            url = f"https://{host}:{canary.port}/"
            reply = await client.post(url, {}, b"{}", livemode=True)
            assert reply.error.startswith("not sent:"), url


async def test_names_of_private_addresses_lead_nowhere(canary: Canary) -> None:
    addresses = [a.partition("%")[0] for a in PRIVATE if ":" in a or a.count(".") == 3]
    resolver = Resolver(*([address] for address in addresses))
    async with open_outbound(loopback=False, resolver=resolver) as client:
        for address in addresses:
            url = f"http://rebound.example:{canary.port}/"
            reply = await client.post(url, {}, b"{}", livemode=False)
            assert reply.status is None, address
            assert reply.error == "not sent: the host has no public address", address
    assert resolver.asked == len(addresses)


async def test_a_name_that_changes_between_check_and_connection(
    canary: Canary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First a public address, later this machine: what was checked is connected to."""
    monkeypatch.setattr(outbound, "SECONDS", 0.2)
    connected: list[str] = []
    made = outbound._Sockets.__call__

    def watch(self: Any, info: tuple[Any, ...]) -> socket.socket:
        sock = made(self, info)
        connected.append(info[4][0])
        sock.close()  # no packet leaves this machine
        raise ConnectionRefusedError(111, "refused by the test")

    monkeypatch.setattr(outbound._Sockets, "__call__", watch)
    resolver = Resolver(["8.8.8.8"], ["127.0.0.1"], ["127.0.0.1", "8.8.4.4"])
    async with open_outbound(loopback=False, resolver=resolver) as client:
        url = f"http://rebound.example:{canary.port}/"
        errors = [(await client.post(url, {}, b"{}", livemode=False)).error for _ in range(3)]
    assert set(connected) == {"8.8.8.8", "8.8.4.4"}
    assert errors[:2] == ["no connection", "not sent: the host has no public address"]


async def test_redirects_are_not_followed(canary: Canary, receiver: Receiver) -> None:
    async with open_outbound(loopback=True) as client:
        for status in (301, 302, 303, 307, 308):
            receiver.always(status, Location=f"http://127.0.0.1:{canary.port}/")
            reply = await client.post(receiver.url, {}, b"{}", livemode=False)
            assert (reply.status, reply.error) == (status, f"answered {status}")
    assert len(receiver.got) == 5


async def test_the_answer_is_cut(receiver: Receiver) -> None:
    receiver.answer = lambda _: web.Response(body=b"x" * 1_000_000)
    async with open_outbound(loopback=True) as client:
        reply = await client.post(receiver.url, {"a": "b"}, b"{}", livemode=False)
    assert (reply.status, reply.body) == (200, b"x" * 4096)
    assert receiver.got[0].headers["a"] == "b"


async def test_a_body_that_never_ends_is_a_receipt_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outbound, "SECONDS", 0.2)

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"so far")
        if request.path == "/abort":
            assert request.transport is not None
            request.transport.abort()
        await asyncio.sleep(1)
        return response

    app = web.Application()
    app.router.add_post("/{path}", drip)
    runner = web.AppRunner(app, shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    try:
        async with open_outbound(loopback=True) as client:
            for path in ("drip", "abort"):
                url = f"http://127.0.0.1:{port}/{path}"
                reply = await client.post(url, {}, b"{}", livemode=False)
                assert (reply.status, reply.body, reply.error) == (200, b"so far", "")
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("answer", "status", "error"),
    [
        (b"204 No Content\r\nContent-Length: 5\r\n\r\nhello", 204, ""),
        (b"200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200, ""),
        (b"202 Accepted\r\nno header\r\n\r\n", 202, ""),
        (b"500 Oops\r\nno header\r\n\r\n", 500, "answered 500"),
        (b"2xx OK\r\n\r\n", None, "the connection broke off"),
        (b"2000 OK\r\n\r\n", None, "the connection broke off"),
    ],
)
async def test_a_status_line_counts_whatever_comes_after_it(
    answer: bytes, status: int | None, error: str
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(b"HTTP/1.1 ")
        await writer.drain()
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with (
        await asyncio.start_server(serve, "127.0.0.1", 0) as server,
        open_outbound(loopback=True) as client,
    ):
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        reply = await client.post(url, {}, b"{}", livemode=False)
    assert (reply.status, reply.error) == (status, error)


async def test_what_goes_wrong_is_told_in_words(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound, "SECONDS", 0.2)
    with closing(socket.create_server(("127.0.0.1", 0))) as unused:
        closed = unused.getsockname()[1]
    async with open_outbound(loopback=True) as client:

        async def error(url: str) -> str:
            return (await client.post(url, {}, b"{}", livemode=False)).error

        assert await error(f"http://127.0.0.1:{closed}/") == "no connection"
        assert await error(receiver.url.replace("http:", "https:")) == "no trusted TLS connection"
        receiver.gate.clear()
        assert await error(receiver.url) == "no answer within 0 seconds"


@pytest.mark.parametrize(
    ("url", "livemode", "loopback", "why"),
    [
        ("https://example.com/hook?a=b", True, False, None),
        ("https://example.com:8443/", True, False, None),
        ("https://bücher.example/", True, False, None),
        ("https://8.8.8.8/", True, False, None),
        ("http://example.com/", False, False, None),
        ("http://127.0.0.1:3000/hook", False, True, None),
        ("http://[::1]:3000/hook", False, True, None),
        ("http://example.com/", True, False, "https://"),
        ("http://127.0.0.1:3000/hook", False, False, "public"),
        ("https://127.0.0.1:3000/hook", True, True, "public"),
        ("http://10.0.0.1/", False, True, "public"),
        ("https://me:secret@example.com/", True, False, "user name"),
        ("https://example.com/#x", True, False, "#"),
        ("https://example.com/a b", True, False, "spaces"),
        ("https://example.com/" + "a" * 2000, True, False, "2000"),
        ("example.com", True, False, "https://"),
        ("https://under_score.example./", True, False, None),
        (f"https://{'a' * 63}.example/", True, False, None),
        (f"https://{'a' * 64}.example/", True, False, "name"),
        (f"https://{'a.' * 127}aa/", True, False, "name"),
        ("http://a..b/", False, True, "name"),
        ("http://.example/", False, True, "name"),
        ("http://127.0.0.1%00.x.example/", False, True, "name"),
        ("http://x.example:0/", False, True, "port"),
    ],
)
def test_urls(url: str, livemode: bool, loopback: bool, why: str | None) -> None:
    if why is None:
        check_url(url, livemode=livemode, loopback=loopback)
    else:
        with pytest.raises(UnsafeUrl, match=why):
            check_url(url, livemode=livemode, loopback=loopback)
