"""Over a socket, as it is served: uvicorn, its limits, and a database that its worker shares."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from api import worker
from api.app import create_app
from api.serving import http_server
from tests.api.conftest import Gateway, code_of, order_body, page_of, until


@pytest.fixture
async def wire(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the served application."""
    server = http_server(create_app(gateway.services), "127.0.0.1", 0)
    task = asyncio.create_task(server.serve())

    async def started() -> bool:
        return server.started

    await until(started)
    port = server.servers[0].sockets[0].getsockname()[1]
    headers = {"Authorization": f"Bearer {gateway.secret}"}
    async with (
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers) as client,
        worker.running(gateway.services),
    ):
        yield client
    server.should_exit = True
    await task


async def test_from_an_order_to_a_refund(gateway: Gateway, wire: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "k-1"}
    created = await wire.post("/v1/orders", json=order_body(), headers=key)
    assert created.status_code == 201
    order = created.json()
    headers, body = gateway.fake.event(gateway.fake.buyer_pays(page_of(order)), "ev_1")
    deliveries = await asyncio.gather(
        *(wire.post("/webhooks/fake", headers=headers, content=body) for _ in range(20))
    )
    assert {answer.status_code for answer in deliveries} == {200}

    async def paid() -> bool:
        return bool((await wire.get(f"/v1/orders/{order['id']}")).json()["status"] == "paid")

    await until(paid)
    path = f"/v1/orders/{order['id']}/refunds"
    refunds = [await wire.post(path, json={"amount": 400}, headers=key | {"Idempotency-Key": "r"})
               for _ in range(2)]  # fmt: skip
    assert [answer.status_code for answer in refunds] == [201, 201]
    assert refunds[0].content == refunds[1].content
    assert (await wire.get(f"/v1/orders/{order['id']}")).json()["amount_refunded"] == 400
    again = await wire.post("/v1/orders", json=order_body(), headers=key)
    assert (again.content, again.headers["Idempotent-Replayed"]) == (created.content, "true")
    assert "server" not in again.headers


async def test_what_is_too_large_or_not_there(wire: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"x" * 10_000  # without a Content-Length

    for answer in (
        await wire.post("/webhooks/fake", content=b"x" * 300_000),
        await wire.post("/webhooks/fake", content=chunks()),
        await wire.post("/v1/orders", content=chunks(), headers={"Idempotency-Key": "k"}),
    ):
        assert code_of(answer) == (413, "payload_too_large")
        assert answer.headers["X-Request-Id"].startswith("req_")
    assert code_of(await wire.get("/nowhere")) == (404, "not_found")
    assert code_of(await wire.put("/v1/orders")) == (405, "method_not_allowed")
    assert code_of(await wire.get("/v1/orders/%00")) == (400, "invalid_request")
