"""Errors, request ids, health, metrics, logs and the OpenAPI document."""

import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import structlog
from jsonschema import Draft202012Validator

from api import logs
from api.problems import CODES
from tests.api.conftest import PUBLIC_URL, SECRET, Gateway, code_of, order_body, page_of
from tests.api.fake import SIGNING_SECRET
from tests.api.finance_answers import (
    answers_about_books,
    answers_about_exports,
    answers_about_settlement,
)

REQUEST_ID = re.compile(r"req_[0-9a-f]{32}")


def _check_problem(answer: httpx.Response, path: str) -> None:
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert set(problem) - {"errors"} == {
        "type", "title", "status", "detail", "instance", "code", "request_id",
    }  # fmt: skip
    assert problem["status"] == answer.status_code == CODES[problem["code"]].status
    assert problem["title"] == CODES[problem["code"]].title
    assert problem["type"] == f"{PUBLIC_URL}/docs/errors#{problem['code']}"
    assert problem["instance"] == path
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    assert REQUEST_ID.fullmatch(problem["request_id"])


async def test_every_error_is_a_problem_with_the_requests_id(
    one_gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("SELECT password FROM secrets")

    headers = {"Authorization": f"Bearer {one_gateway.secret}"}
    requests: list[tuple[str, str, dict[str, Any], int]] = [
        ("GET", "/nowhere", {}, 404),
        ("PUT", "/v1/orders", {}, 405),
        ("GET", "/webhooks/fake", {}, 405),
        ("GET", "/v1/orders", {"headers": {}}, 401),
        ("GET", "/v1/orders/ord_none", {}, 404),
        ("POST", "/v1/orders", {"json": {}}, 400),
        ("POST", "/v1/orders", {"content": b"x" * 300_000}, 413),
        ("POST", "/webhooks/fake", {"content": b"x" * 300_000}, 413),
        ("GET", "/v1/orders?limit=0", {}, 400),
    ]
    seen = set()
    for method, path, options, status in requests:
        answer = await one_gateway.http.request(method, path, **{"headers": headers} | options)
        assert answer.status_code == status, answer.text
        _check_problem(answer, path.partition("?")[0])
        seen.add(answer.headers["X-Request-Id"])
        if status == 405:
            assert answer.headers["Allow"]
    assert len(seen) == len(requests)

    monkeypatch.setattr(one_gateway.services.queries, "order", broken)
    answer = await one_gateway.http.get("/v1/orders/ord_1", headers=headers)
    assert code_of(answer) == (500, "internal_error")
    _check_problem(answer, "/v1/orders/ord_1")
    assert "SELECT" not in answer.text
    assert "RuntimeError" not in answer.text
    for path in ("/health/live", "/metrics", "/openapi.json"):
        assert REQUEST_ID.fullmatch((await one_gateway.http.get(path)).headers["X-Request-Id"])


async def test_health(gateway: Gateway) -> None:
    assert (await gateway.http.get("/health/live")).json() == {"status": "ok"}
    ready = await gateway.http.get("/health/ready")
    assert ready.status_code == 200
    assert (ready.json()["status"], ready.json()["database"]) == ("ok", "ok")
    assert set(ready.json()["providers"]) == {"fake", "other", "reallive"}


async def test_metrics_count_requests_calls_and_webhooks(one_gateway: Gateway) -> None:
    await one_gateway.order()
    await one_gateway.http.get("/nowhere")
    answer = await one_gateway.http.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert 'gateway_http_request_seconds_count{method="POST",status="201"} 1.0' in answer.text
    assert 'gateway_http_request_seconds_count{method="GET",status="404"} 1.0' in answer.text
    call = (
        'gateway_provider_call_seconds_count{outcome="succeeded",provider="fake",verb="create"} 1.0'
    )
    assert call in answer.text


@pytest.fixture
def log_output() -> Iterator[io.StringIO]:
    """What the service would write to standard error, with its own configuration."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    logs.configure("debug")
    output = io.StringIO()
    for handler in root.handlers:
        assert isinstance(handler, logging.StreamHandler)
        handler.setStream(output)
    yield output
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


async def test_no_secret_and_nothing_personal_is_ever_logged(
    gateway: Gateway, log_output: io.StringIO
) -> None:
    """A whole run, with refusals, a crashing adapter and a crashing database."""
    public = await gateway.key("publishable")
    order = await gateway.order(
        customer_email="ada.secret@example.com",
        metadata={"diary": "personal-words"},
        reference="ref-personal",
    )
    order_token = order["client_token"]
    page = gateway.fake.buyer_pays(page_of(order))
    headers, body = gateway.fake.event(page, "ev_1")
    await gateway.http.post("/webhooks/fake", headers=headers, content=body)
    await gateway.http.post(
        "/webhooks/fake", headers={"Fake-Signature": "forged-signature"}, content=body
    )
    await gateway.work()
    await gateway.get(f"/v1/orders/{order['id']}", key=public, client_token=order_token)
    await gateway.get("/v1/orders", customer_email="ada.secret@example.com")
    await gateway.get("/v1/orders", key="sk_test_a-wrong-but-secret-key")
    await gateway.http.get(f"/checkout/{order['id']}/return?token=provider-token")
    gateway.fake.fail(
        "refund", *[RuntimeError("card 4000056655665556 of ada.secret@example.com")] * 3
    )
    await gateway.post(f"/v1/orders/{order['id']}/refunds", {"reason": "personal-words"})
    await gateway.post("/v1/orders", order_body(customer_email="not-an-address-but-personal"))
    async with gateway.services.store.database.write() as connection:
        await connection.exec_driver_sql("DROP TABLE order_metadata")
    answer = await gateway.post(
        "/v1/orders", order_body(customer_email="ada.secret@example.com", metadata={"diary": "x"})
    )
    assert answer.status_code in (500, 503)

    written = log_output.getvalue()
    lines = [json.loads(line) for line in written.splitlines()]
    assert {"request", "webhook stored", "webhook refused"} <= {line["event"] for line in lines}
    assert all(
        REQUEST_ID.fullmatch(line["request_id"]) for line in lines if line["event"] == "request"
    )
    assert any("exception" in line for line in lines), "the crash itself is logged"
    assert "RuntimeError" in written
    for secret in (
        gateway.secret, public, SECRET, SIGNING_SECRET, order_token, headers["Fake-Signature"],
        "ada.secret", "personal", "4242", "4000056655665556", "forged-signature",
        "a-wrong-but-secret-key", "provider-token", "Bearer",
    ):  # fmt: skip
        assert secret not in written, secret


async def test_every_route_is_documented_and_answers_fit_their_schemas(
    one_gateway: Gateway,
) -> None:
    document = (await one_gateway.http.get("/openapi.json")).json()
    order = await one_gateway.paid(reference="A-1", metadata={"cart": "9"})
    path = f"/v1/orders/{order['id']}"
    product = {"name": "Lamp", "prices": [{"currency": "USD", "unit_amount": 700}]}
    manual = await one_gateway.order(capture="manual")
    one_gateway.fake.buyer_pays(page_of(manual))
    await one_gateway.post(f"/v1/orders/{manual['id']}/confirm")
    open_one = await one_gateway.order()
    refund = (await one_gateway.post(f"{path}/refunds", {"amount": 1})).json()
    made = (await one_gateway.post("/v1/products", product)).json()
    bearer = {"Authorization": f"Bearer {one_gateway.secret}"}
    csv = b"name,description,currency,unit_amount\nPen,,USD,5\n"
    answers = {
        ("post", "/v1/orders"): await one_gateway.post("/v1/orders", order_body()),
        ("get", "/v1/orders"): await one_gateway.get("/v1/orders"),
        ("get", "/v1/orders/{order_id}"): await one_gateway.get(path),
        ("get", "/v1/orders/{order_id}/timeline"): await one_gateway.get(f"{path}/timeline"),
        ("post", "/v1/orders/{order_id}/confirm"): await one_gateway.post(f"{path}/confirm"),
        ("post", "/v1/orders/{order_id}/refunds"): await one_gateway.post(f"{path}/refunds"),
        ("post", "/v1/orders/{order_id}/capture"): await one_gateway.post(
            f"/v1/orders/{manual['id']}/capture"
        ),
        ("post", "/v1/orders/{order_id}/payments"): await one_gateway.post(
            f"/v1/orders/{open_one['id']}/payments", {"provider": "other"}
        ),
        ("post", "/v1/orders/{order_id}/cancel"): await one_gateway.post(
            f"/v1/orders/{open_one['id']}/cancel"
        ),
        ("get", "/v1/refunds"): await one_gateway.get("/v1/refunds"),
        ("get", "/v1/refunds/{refund_id}"): await one_gateway.get(f"/v1/refunds/{refund['id']}"),
        ("get", "/v1/providers"): await one_gateway.get("/v1/providers", currency="JPY"),
        ("get", "/v1/routing"): await one_gateway.get("/v1/routing"),
        ("put", "/v1/routing"): await one_gateway.http.put(
            "/v1/routing", headers=bearer, json={"rules": [{"shares": {"fake": 100}}]}
        ),
        ("post", "/v1/products"): await one_gateway.post("/v1/products", product),
        ("get", "/v1/products"): await one_gateway.get("/v1/products"),
        ("get", "/v1/products/{product_id}"): await one_gateway.get(f"/v1/products/{made['id']}"),
        ("patch", "/v1/products/{product_id}"): await one_gateway.http.patch(
            f"/v1/products/{made['id']}", headers=bearer, json={"name": "Torch"}
        ),
        ("delete", "/v1/products/{product_id}"): await one_gateway.http.delete(
            f"/v1/products/{made['id']}", headers=bearer
        ),
        ("post", "/v1/products/import"): await one_gateway.http.post(
            "/v1/products/import", headers=bearer | {"Content-Type": "text/csv"}, content=csv
        ),
        ("get", "/health/live"): await one_gateway.http.get("/health/live"),
        ("get", "/health/ready"): await one_gateway.http.get("/health/ready"),
        **await _answers_about_events(one_gateway),
        **await _answers_about_attention(one_gateway),
        **await answers_about_books(one_gateway),
        **await answers_about_exports(one_gateway),
        **await answers_about_settlement(one_gateway),
    }
    checked = set()
    for (method, route), answer in answers.items():
        assert answer.is_success, (route, answer.text)
        operation = document["paths"][route][method]
        assert operation["summary"], route
        checked.add((method, route))
        described = operation["responses"][str(answer.status_code)]
        if answer.status_code == 204:
            assert (answer.content, "content" in described) == (b"", False), route
            continue
        schema = described["content"]["application/json"]["schema"]
        Draft202012Validator(schema | {"components": document["components"]}).validate(
            answer.json()
        )

    documented = {
        (method, route)
        for route, operations in document["paths"].items()
        for method in operations
        if method in ("get", "post", "patch", "put", "delete")
    }
    others = {("get", "/metrics"), ("post", "/webhooks/{provider}"),
              ("post", "/webhooks/{provider}/{account}")}  # fmt: skip
    kinds = ("orders", "refunds", "balance_transactions", "{export_id}/file")
    files = {("get", f"/v1/exports/{kind}") for kind in kinds}
    assert documented - others - files == checked
    for route in document["paths"]:
        assert not re.search("stripe|paypal", route)


Answers = dict[tuple[str, str], httpx.Response]


async def _answers_about_events(gateway: Gateway) -> Answers:
    """One of each operation of events, webhook endpoints and deliveries."""
    bearer = {"Authorization": f"Bearer {gateway.secret}"}
    new = {"url": "https://shop.example/hook", "events": ["*"]}
    made = await gateway.post("/v1/webhook_endpoints", new)
    endpoint = f"/v1/webhook_endpoints/{made.json()['id']}"
    sent = await gateway.post(f"{endpoint}/test")
    delivery = f"/v1/deliveries/{sent.json()['id']}"
    events = await gateway.get("/v1/events", type="order.paid")
    event = events.json()["data"][0]["id"]
    one, its = "/v1/webhook_endpoints/{endpoint_id}", "/v1/deliveries/{delivery_id}"
    return {
        ("get", "/v1/events"): events,
        ("get", "/v1/events/{event_id}"): await gateway.get(f"/v1/events/{event}"),
        ("post", "/v1/webhook_endpoints"): made,
        ("get", "/v1/webhook_endpoints"): await gateway.get("/v1/webhook_endpoints"),
        ("get", one): await gateway.get(endpoint),
        ("post", f"{one}/test"): sent,
        ("get", "/v1/deliveries"): await gateway.get("/v1/deliveries"),
        ("get", its): await gateway.get(delivery),
        ("post", f"{its}/resend"): await gateway.post(f"{delivery}/resend"),
        ("post", f"{one}/rotate"): await gateway.post(f"{endpoint}/rotate"),
        ("post", f"{one}/recover"): await gateway.post(
            f"{endpoint}/recover", {"since": "2026-01-01T00:00:00Z"}
        ),
        ("patch", one): await gateway.http.patch(
            endpoint, headers=bearer, json={"status": "disabled"}
        ),
        ("delete", one): await gateway.http.delete(endpoint, headers=bearer),
    }


async def _answers_about_attention(gateway: Gateway) -> Answers:
    order = await gateway.order()
    gateway.fake.buyer_pays(page_of(order)).captured -= 1
    await gateway.post(f"/v1/orders/{order['id']}/confirm")
    items = await gateway.get("/v1/attention", order=order["id"], kind="amount_mismatch")
    item = items.json()["data"][0]["id"]
    return {
        ("get", "/v1/attention"): items,
        ("post", "/v1/attention/{item_id}/resolve"): await gateway.post(
            f"/v1/attention/{item}/resolve", {"note": "settled"}
        ),
    }
