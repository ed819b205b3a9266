"""Traces go to a collector when one is named, with ids and without anything personal; logs too."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import structlog
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from structlog.testing import capture_logs

from api.logs import _add_known
from gateway import tracing
from tests.faults.stage import House, Sandbox, open_gateway
from tests.project.files import ROOT

Spans = dict[str, list[dict[str, str]]]


@asynccontextmanager
async def collector() -> AsyncIterator[tuple[str, Spans]]:
    """An OTLP collector on 127.0.0.1: its address, and the attributes of spans by their name."""
    spans: Spans = {}

    async def take(request: web.Request) -> web.Response:
        sent = ExportTraceServiceRequest.FromString(await request.read())
        for resource in sent.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    known = {a.key: a.value.string_value for a in span.attributes}
                    spans.setdefault(span.name, []).append(known)
        return web.Response()

    app = web.Application()
    app.router.add_post("/v1/traces", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}", spans
    finally:
        await runner.cleanup()


async def test_requests_calls_and_jobs_are_traced(house: House, sandbox: Sandbox) -> None:
    async with collector() as (endpoint, spans):
        traced = House(house.environment | {"GATEWAY_OTLP_ENDPOINT": endpoint}, house.key)
        async with open_gateway(traced, sandbox) as gateway:
            order = await gateway.create("stripe", customer_email="buyer@example.com")
            await gateway.sandbox.buyer(order)
            await gateway.sandbox.delivered()
            await gateway.work()
            await gateway.order(order)
    request = spans["POST /v1/orders"][0]
    assert request["gateway.order_id"] == order["id"]
    assert request["gateway.status"] == "201"
    call = spans["create stripe"][0]
    assert call["gateway.outcome"] == "succeeded"
    assert call["gateway.provider_request_id"].startswith("req_")
    assert {one["gateway.order_id"] for one in spans["GET /v1/orders/{order_id}"]} == {order["id"]}
    assert any(one.get("gateway.order_id") == order["id"] for one in spans["apply stripe event"])
    assert "buyer@example.com" not in str(spans)
    assert house.key not in str(spans)


async def test_a_collector_that_is_down_costs_nothing(house: House, sandbox: Sandbox) -> None:
    async with collector() as (endpoint, _):
        pass
    deaf = House(house.environment | {"GATEWAY_OTLP_ENDPOINT": endpoint}, house.key)
    async with asyncio.timeout(20), open_gateway(deaf, sandbox) as gateway:
        assert (await gateway.create("stripe"))["status"] == "open"


def test_without_the_setting_no_package_of_it_is_imported() -> None:
    words = "import sys, api.cli; print([n for n in sys.modules if n.startswith('opentelemetry')])"
    done = subprocess.run(
        [sys.executable, "-c", words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def known(logger: Any, method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    return _add_known(logger, method, dict(event))


async def test_a_log_line_carries_what_is_known_of_the_work() -> None:
    with capture_logs(processors=[known]) as lines:
        with tracing.span("job x", job="x"):
            tracing.note(order_id="ord_1", provider_request_id=None)
            with tracing.span("create y", provider="y"):
                structlog.get_logger().info("call", provider="z")
        structlog.get_logger().info("after")
    first, after = lines
    assert first["order_id"] == "ord_1"
    assert (first["job"], first["provider"]) == ("x", "z")
    assert "provider_request_id" not in first
    assert after == {"event": "after", "log_level": "info"}
