"""The fault-making proxy does what it is told, and otherwise nothing."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web

from gateway.conformance import Fault, FaultProxy, open_proxy
from gateway.conformance.proxy import Kind

DATE = "Sat, 01 Jan 2000 00:00:00 GMT"


@dataclass
class Upstream:
    """A provider that counts and echoes."""

    url: str = ""
    acts: list[str] = field(default_factory=list)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.text()
        self.acts.append(f"{request.method} {request.path_qs} {body}".strip())
        names = sorted(name.lower() for name in request.headers)
        said = {"act": len(self.acts), "body": body, "headers": names, "self": f"{self.url}/me"}
        return web.json_response(said, headers={"X-Act": str(len(self.acts)), "Date": DATE})


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    provider = Upstream()
    runner = web.ServerRunner(web.Server(provider.handle), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}/api"
    yield provider
    await runner.cleanup()


@pytest.fixture
async def proxy(upstream: Upstream) -> AsyncIterator[FaultProxy]:
    async with open_proxy(upstream.url, let_through=["/token"]) as opened:
        yield opened


@pytest.fixture
async def http(proxy: FaultProxy) -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=0.3)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        yield session


async def test_it_passes_on_what_it_is_given(
    proxy: FaultProxy, upstream: Upstream, http: aiohttp.ClientSession
) -> None:
    headers = {"Idempotency-Key": "k", "Content-Type": "application/odd"}
    async with http.put(f"{proxy.url}/a/b%2Fc?d=e&f", data=b"body", headers=headers) as answer:
        said = await answer.json()
        assert answer.headers["X-Act"] == "1"
        assert answer.headers.getall("Date") == [DATE], "the provider's time, not the proxy's"
    assert upstream.acts == ["PUT /api/a/b%2Fc?d=e&f body"]
    assert {"idempotency-key", "content-type"} <= set(said["headers"])
    assert said["self"] == f"{proxy.url}/me", "what the provider links to leads through the proxy"
    async with http.post(f"{proxy.url}/empty") as answer:
        assert (await answer.json())["body"] == ""
    assert [(seen.method, seen.path, seen.answered) for seen in proxy.seen] == [
        ("PUT", "/a/b/c", 200),
        ("POST", "/empty", 200),
    ]
    assert proxy.count() == 2
    assert proxy.count("/empty") == 1


@pytest.mark.parametrize(
    ("kind", "acts", "error"),
    [
        ("lose_request", 0, aiohttp.ServerDisconnectedError),
        ("lose_answer", 1, aiohttp.ServerDisconnectedError),
        ("cut", 1, aiohttp.ClientPayloadError),
        ("silence", 0, TimeoutError),
        ("silence_after", 1, TimeoutError),
    ],
)
async def test_what_is_lost(
    proxy: FaultProxy,
    upstream: Upstream,
    http: aiohttp.ClientSession,
    kind: Kind,
    acts: int,
    error: type[Exception],
) -> None:
    proxy.arm(Fault(kind))
    with pytest.raises(error):
        async with http.post(f"{proxy.url}/pay") as answer:
            await answer.read()
    assert len(upstream.acts) == acts
    async with http.post(f"{proxy.url}/pay") as answer:
        assert answer.status == 200, "the fault was for one request"
    assert len(upstream.acts) == acts + 1


@pytest.mark.parametrize(
    ("kind", "acts"), [("duplicate", 2), ("delay", 1), ("replace", 1), ("answer", 0)]
)
async def test_what_is_answered(
    proxy: FaultProxy, upstream: Upstream, http: aiohttp.ClientSession, kind: Kind, acts: int
) -> None:
    own = kind in ("replace", "answer")
    proxy.arm(Fault(kind, status=503, headers={"Retry-After": "7"}, body=b"no", seconds=0.01))
    async with http.post(f"{proxy.url}/pay") as answer:
        assert answer.status == (503 if own else 200)
        assert answer.headers.get("Retry-After") == ("7" if own else None)
        if not own:
            assert (await answer.json())["act"] == acts
    assert len(upstream.acts) == acts


async def test_faults_for_writes_leave_reads_and_tokens_alone(
    proxy: FaultProxy, upstream: Upstream, http: aiohttp.ClientSession
) -> None:
    fault = Fault("answer", status=500, times=2)
    proxy.arm(fault)
    statuses = []
    for method, path in (("GET", "/a"), ("POST", "/token"), ("POST", "/a"), ("DELETE", "/a")):
        async with http.request(method, proxy.url + path) as answer:
            statuses.append(answer.status)
    assert statuses == [200, 200, 500, 500]
    assert fault.met.is_set()
    proxy.arm(Fault("answer", status=500, writes=False), Fault("answer", status=501))
    async with http.get(f"{proxy.url}/a") as answer:
        assert answer.status == 500, "first come, first served"
    proxy.clear()
    async with http.post(f"{proxy.url}/a") as answer:
        assert answer.status == 200, "forgotten"


async def test_rewriting(
    proxy: FaultProxy, upstream: Upstream, http: aiohttp.ClientSession
) -> None:
    with proxy.rewriting((b'"act": 1', b'"act": 9')):
        async with http.post(f"{proxy.url}/pay") as answer:
            assert (await answer.json())["act"] == 9
    async with http.post(f"{proxy.url}/pay") as answer:
        assert (await answer.json())["act"] == 2


async def test_silence_ends_when_the_proxy_is_cleared(
    proxy: FaultProxy, upstream: Upstream, http: aiohttp.ClientSession
) -> None:
    fault = Fault("silence")
    proxy.arm(fault)
    asked = asyncio.create_task(_post(http, f"{proxy.url}/pay"))
    await fault.met.wait()
    assert proxy.connections == 1
    proxy.clear()
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await asked
    assert upstream.acts == []


async def _post(http: aiohttp.ClientSession, url: str) -> int:
    async with http.post(url) as answer:
        return answer.status
