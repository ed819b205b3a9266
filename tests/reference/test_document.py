"""The OpenAPI document: valid, complete, and in words that readers expect."""

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from api.app import create_app
from api.problems import CODES
from api.settings import load
from api.wiring import open_services
from gateway.endpoints import EVENT_TYPES

KEYED = {"createOrder", "createPayment", "captureOrder", "cancelOrder", "createRefund"}
URL = "https://pay.example.com"


@pytest.fixture
async def client(store_url: str) -> AsyncIterator[httpx.AsyncClient]:
    settings = load(
        {
            "DATABASE_URL": store_url,
            "GATEWAY_SECRET_KEY": "s" * 32,
            "GATEWAY_PUBLIC_URL": URL,
        }
    )
    async with open_services(settings) as services:
        transport = httpx.ASGITransport(create_app(services))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url=URL) as opened:
            yield opened


@pytest.fixture
async def document(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.get("/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def schemas(value: Any) -> Iterator[dict[str, Any]]:
    """Every schema that stands where OpenAPI puts one."""
    if isinstance(value, dict):
        if isinstance(value.get("schema"), dict):
            yield value["schema"]
        for item in value.values():
            yield from schemas(item)
    elif isinstance(value, list):
        for item in value:
            yield from schemas(item)


async def test_it_is_valid(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    named = document["components"]["schemas"].values()
    for schema in [*named, *schemas(document["paths"])]:
        Draft202012Validator.check_schema(schema)
    for reference in set(references(document)):
        found = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
    for path, method, operation in operations(document):
        in_path = {item["name"] for item in operation["parameters"] if item["in"] == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", path)), (method, path)
        named_twice = [(item["in"], item["name"]) for item in operation["parameters"]]
        assert len(named_twice) == len(set(named_twice)), (method, path)
        for status, answer in operation["responses"].items():
            assert re.fullmatch(r"[1-5]\d\d|default", status)
            assert "$ref" in answer or answer["description"], (method, path, status)


async def test_names_are_what_a_generated_client_should_have(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))
    assert [name for name in names if not re.fullmatch(r"[a-z][A-Za-z]+", name)] == []
    schemas = document["components"]["schemas"]
    assert {"Order", "OrderPage", "Payment", "Refund", "NewOrder", "Problem"} <= set(schemas)
    odd = [name for name in schemas if not re.fullmatch(r"([A-Z][a-z]+)+", name)]
    assert odd == []
    assert [name for name in schemas if name.endswith(("Resource", "Body", "RequestBody"))] == []


async def test_every_operation_says_what_it_does(document: dict[str, Any]) -> None:
    tags = {tag["name"] for tag in document["tags"]}
    for path, method, operation in operations(document):
        assert operation["summary"], (path, method)
        assert operation["description"], (path, method)
        assert set(operation["tags"]) <= tags, (path, method)


async def test_what_is_delivered_to_merchants_is_documented(document: dict[str, Any]) -> None:
    assert list(document["webhooks"]) == list(EVENT_TYPES)
    for name, methods in document["webhooks"].items():
        schema = methods["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert schema["allOf"][0] == {"$ref": "#/components/schemas/DeliveredEvent"}, name
        Draft202012Validator.check_schema(schema)


async def test_keys_problems_and_headers_are_documented(document: dict[str, Any]) -> None:
    assert document["security"] == [{"key": []}]
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    for path, method, operation in operations(document):
        answers = operation["responses"]
        assert "default" in answers, (path, method)
        if path.startswith("/v1/"):
            assert "security" not in operation, path
            assert {"401", "403"} <= set(answers), path
        else:
            assert operation["security"] == [], path
        for status, answer in answers.items():
            if status[0] in "45":
                assert list(answer["content"]) == ["application/problem+json"], (path, status)
            elif status[0] == "2":
                assert "X-Request-Id" in answer["headers"], path


async def test_idempotent_calls_say_so(document: dict[str, Any]) -> None:
    keyed = set()
    for _, _, operation in operations(document):
        headers = [item for item in operation["parameters"] if item["in"] == "header"]
        if headers:
            assert [(item["name"], item["required"]) for item in headers] == [
                ("Idempotency-Key", True)
            ]
            keyed.add(operation["operationId"])
            success = next(iter(operation["responses"].values()))
            assert "Idempotent-Replayed" in success["headers"]
            assert {"409", "422", "502", "503"} <= set(operation["responses"])
    assert keyed == KEYED


async def test_bodies_are_documented_and_some_may_be_left_out(document: dict[str, Any]) -> None:
    bodies = {
        operation["operationId"]: operation["requestBody"]["required"]
        for _, _, operation in operations(document)
        if "requestBody" in operation
    }
    assert {name: bodies[name] for name in KEYED} == {
        "createOrder": True,
        "createPayment": True,
        "captureOrder": False,
        "cancelOrder": False,
        "createRefund": False,
    }
    order = document["components"]["schemas"]["NewOrder"]
    assert order["additionalProperties"] is False
    assert "amount" not in order["properties"]


async def test_examples_fit_their_schemas(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    seen = 0
    for _, _, operation in operations(document):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        if "example" not in content:
            continue
        seen += 1
        schema = schemas[content["schema"]["$ref"].rpartition("/")[2]]
        example = content["example"]
        assert set(schema.get("required", [])) <= set(example) <= set(schema["properties"])
    assert seen >= len(KEYED)


async def test_every_code_that_an_operation_names_exists(document: dict[str, Any]) -> None:
    for path, _, operation in operations(document):
        for status, answer in operation["responses"].items():
            if status[0] in "45":
                codes = re.findall(r"`(\w+)`", answer["description"])
                assert codes, (path, status)
                assert {CODES[code].status for code in codes} == {int(status)}


async def test_the_pages_are_made_of_it(
    client: httpx.AsyncClient, document: dict[str, Any]
) -> None:
    page = await client.get("/docs")
    assert page.status_code == 200
    for _, _, operation in operations(document):
        assert f'<article id="{operation["operationId"]}">' in page.text
    for name in document["components"]["schemas"]:
        assert f'<article id="schema-{name}">' in page.text
    for name in document["webhooks"]:
        assert f'<th scope="row"><code>{name}</code></th>' in page.text
    assert f"curl -X POST {URL}/v1/orders" in page.text
    assert "<script" not in page.text
    assert set(re.findall(r'(?:src|href)="(https?:[^"]*)"', page.text)) == set()
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert (await client.get("/docs/openapi.json")).json() == document


async def test_a_problem_leads_to_its_cure(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/orders")
    page, anchor = answer.json()["type"].split("#")
    shown = await client.get(page)
    assert shown.status_code == 200
    assert f'id="{anchor}"' in shown.text
    assert CODES[anchor].title in shown.text


async def test_there_are_no_other_pages(client: httpx.AsyncClient) -> None:
    """Litestar's own load their scripts from elsewhere."""
    for path in ("/schema", "/redoc", "/swagger", "/docs/redoc", "/docs/swagger", "/"):
        assert (await client.get(path)).status_code == 404
