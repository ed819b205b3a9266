"""/v1/webhook_endpoints: making, changing and deleting them, and who may."""

from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from api.outgoing import webhooks
from gateway.endpoints import EVENT_TYPES, DeliveredEvent
from storage import tables as t
from storage.sealing import Sealer
from tests.webhooks.conftest import Gateway
from tests.webhooks.receiver import Receiver

URL = "https://shop.example/hook"
PATH = "/v1/webhook_endpoints"


async def test_a_life(gateway: Gateway) -> None:
    body = {"url": URL, "events": ["order.paid", "order.paid", "order.created"], "description": "x"}
    made = await gateway.post(PATH, body, 201)
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    assert made | {"id": "", "created_at": "", "updated_at": ""} == {
        "object": "webhook_endpoint",
        "id": "",
        "livemode": False,
        "url": URL,
        "events": ["order.created", "order.paid"],
        "description": "x",
        "status": "enabled",
        "disabled_reason": None,
        "circuit": "closed",
        "failing_since": None,
        "created_at": "",
        "updated_at": "",
    }
    path = f"{PATH}/{made['id']}"
    assert await gateway.get(path) == made
    assert await gateway.get(PATH) == {"data": [made], "next_cursor": None}
    changed = (await gateway.http.patch(path, json={"events": ["*"], "status": "disabled"})).json()
    assert (changed["events"], changed["status"]) == (["*"], "disabled")
    assert changed["disabled_reason"] == "disabled by the merchant"
    assert (changed["url"], changed["description"]) == (URL, "x")
    enabled = (await gateway.http.patch(path, json={"status": "enabled"})).json()
    assert (enabled["status"], enabled["disabled_reason"]) == ("enabled", None)
    assert (await gateway.http.delete(path)).status_code == 204
    assert (await gateway.get(PATH))["data"] == []
    for answer in (
        await gateway.http.get(path),
        await gateway.http.patch(path, json={}),
        await gateway.http.delete(path),
        await gateway.http.post(f"{path}/rotate"),
        await gateway.http.post(f"{path}/test"),
        await gateway.http.post(f"{path}/recover", json={"since": "2026-01-01T00:00:00Z"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_pages(lone: Gateway) -> None:
    made = [(await lone.endpoint(f"{URL}/{number}"))["id"] for number in range(3)]
    first = await lone.get(PATH, limit=2)
    assert [item["id"] for item in first["data"]] == made[:0:-1]
    second = await lone.get(PATH, limit=2, cursor=first["next_cursor"])
    assert [item["id"] for item in second["data"]] == made[:1]
    assert second["next_cursor"] is None


async def test_what_is_refused(lone: Gateway) -> None:
    refused: list[Any] = [
        {"url": URL},
        {"url": URL, "events": []},
        {"url": URL, "events": ["order.stolen"]},
        {"url": URL, "events": "*"},
        {"url": 5, "events": ["*"]},
        {"url": URL, "events": ["*"], "secret": "whsec_mine"},
        [],
    ]
    for body in refused:
        assert (await lone.post(PATH, body, 400))["code"] == "invalid_request"
    for url in ("http://10.0.0.1/", "ftp://shop.example/", "https://u:p@shop.example/", ""):
        problem = await lone.post(PATH, {"url": url, "events": ["*"]}, 400)
        assert problem["errors"][0]["path"] == "url"
    assert (await lone.get(PATH))["data"] == []


async def test_live_endpoints_are_https_and_public(lone: Gateway) -> None:
    async with await lone.client(livemode=True) as live:
        for url in ("http://shop.example/hook", "https://127.0.0.1/hook"):
            body = {"url": url, "events": ["*"]}
            assert (await live.post(PATH, json=body)).status_code == 400
        made = await live.post(PATH, json={"url": URL, "events": ["*"]})
        assert made.json()["livemode"] is True
        patched = await live.patch(f"{PATH}/{made.json()['id']}", json={"url": "http://x.example/"})
        assert patched.status_code == 400
    assert (await lone.get(PATH))["data"] == []


async def test_who_may(lone: Gateway, receiver: Receiver) -> None:
    endpoint = await lone.endpoint(receiver.url)
    await lone.tell("order.paid")
    await lone.deliver()
    (delivery,) = await lone.deliveries()
    reads = [PATH, f"{PATH}/{endpoint['id']}", "/v1/deliveries", f"/v1/deliveries/{delivery['id']}"]
    async with await lone.client("orders:read", "orders:write", "finance:read") as http:
        assert {(await http.get(path)).status_code for path in reads} == {403}
        resent = await http.post(f"/v1/deliveries/{delivery['id']}/resend")
        assert resent.status_code == 403
    async with await lone.client("webhooks:write") as http:
        assert {(await http.get(path)).status_code for path in reads} == {200}
    async with await lone.client(name="Another shop") as http:
        codes = [(await http.get(path)).status_code for path in reads]
        assert codes == [200, 404, 200, 404]
        assert (await http.get("/v1/deliveries")).json()["data"] == []
        resent = await http.post(f"/v1/deliveries/{delivery['id']}/resend")
        assert resent.status_code == 404


async def test_there_is_a_limit(lone: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.endpoints.MOST_ENDPOINTS", 2)
    first, _ = [await lone.endpoint(URL) for _ in range(2)]
    assert (await lone.post(PATH, {"url": URL, "events": ["*"]}, 409))["code"] == "conflict"
    await lone.http.delete(f"{PATH}/{first['id']}")
    await lone.endpoint(URL)


async def test_secrets_are_sealed_at_rest(gateway: Gateway) -> None:
    first = await gateway.endpoint(URL)
    second = await gateway.post(f"{PATH}/{first['id']}/rotate")
    async with gateway.services.store.database.read() as connection:
        row = (await connection.execute(select(t.webhook_endpoints))).one()
    for secret in (first["secret"], second["secret"]):
        assert secret.encode() not in row.secret + row.previous_secret
        assert secret not in repr(row)


def test_sealing() -> None:
    sealer = Sealer("a server's secret", "webhook_secrets")
    sealed = sealer.seal("whsec_x")
    assert sealer.unseal(sealed) == "whsec_x"
    assert Sealer("another secret", "webhook_secrets").unseal(sealed) is None
    assert Sealer("a server's secret", "another purpose").unseal(sealed) is None
    assert sealer.unseal(b"garbage") is None
    assert "secret" not in repr(sealer)


async def test_resending_what_is_under_way_changes_nothing(
    gateway: Gateway, receiver: Receiver
) -> None:
    await gateway.endpoint(receiver.url)
    await gateway.tell("order.paid")
    await gateway.services.feed.place()
    now = gateway.clock.now()
    lease = gateway.services.ctx.lease
    (claimed,) = await gateway.services.deliveries.claim(now, now + lease, 10)
    shown = await gateway.post(f"/v1/deliveries/{claimed.id}/resend")
    assert (shown["status"], shown["next_try_at"]) == ("pending", None)
    assert await gateway.services.deliveries.claim(now, now + lease, 10) == []
    assert "whsec" not in repr(claimed)


def test_outgoing_webhooks_are_documented() -> None:
    documented = webhooks()
    assert list(documented) == list(EVENT_TYPES)
    for operation in (item["post"] for item in documented.values()):
        assert operation["summary"]
        assert [p["name"] for p in operation["parameters"]] == [
            "webhook-id",
            "webhook-timestamp",
            "webhook-signature",
        ]
    names = [item["post"]["operationId"] for item in documented.values()]
    assert len(set(names)) == len(names)
    _, schemas = msgspec.json.schema_components([DeliveredEvent])
    assert set(schemas["DeliveredEvent"]["properties"]) == {
        "type",
        "timestamp",
        "sequence",
        "data",
    }
