"""Deliveries from providers: genuine ones are durable before 200, others leave nothing."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import func, select

from gateway.errors import StoreUnavailable
from gateway.records import ReceivedEvent
from storage import tables as t
from tests.api.conftest import Gateway, code_of, page_of
from tests.api.fake import signature_of


async def _stored(gateway: Gateway) -> int:
    async with gateway.services.store.database.read() as connection:
        return await connection.scalar(select(func.count()).select_from(t.inbox)) or 0


async def test_a_genuine_delivery_is_stored_and_applied_by_the_worker(gateway: Gateway) -> None:
    order = await gateway.order()
    headers, body = gateway.fake.event(gateway.fake.buyer_pays(page_of(order)), "ev_1")
    answer = await gateway.http.post("/webhooks/fake", headers=headers, content=body)
    assert (answer.status_code, answer.json()) == (200, {"received": True})
    assert (await gateway.read(order))["status"] == "open"
    assert await _stored(gateway) == 1
    await gateway.work()
    assert (await gateway.read(order))["status"] == "paid"
    assert gateway.fake.count("confirm") == 0

    named = await gateway.http.post("/webhooks/fake/default", headers=headers, content=body)
    assert named.status_code == 200


async def test_fifty_deliveries_of_one_event_at_once_have_one_effect(gateway: Gateway) -> None:
    order = await gateway.order()
    headers, body = gateway.fake.event(gateway.fake.buyer_pays(page_of(order)), "ev_1")
    answers = await asyncio.gather(
        *(gateway.http.post("/webhooks/fake", headers=headers, content=body) for _ in range(50))
    )
    assert {answer.status_code for answer in answers} == {200}
    assert await _stored(gateway) == 1
    await gateway.work()
    shown = await gateway.read(order)
    assert (shown["status"], shown["amount_captured"]) == ("paid", 5400)


async def test_an_event_that_asks_for_the_truth(gateway: Gateway) -> None:
    order = await gateway.order()
    page = gateway.fake.buyer_pays(page_of(order))
    headers, body = gateway.fake.event(page, "ev_1", kind="approved")
    await gateway.http.post("/webhooks/fake", headers=headers, content=body)
    await gateway.work()
    assert (await gateway.read(order))["status"] == "paid"
    assert gateway.fake.count("confirm") == 1


@pytest.mark.parametrize("event_id", ["ev_\0", "ev_1"])
async def test_a_genuine_event_that_the_database_cannot_hold_is_refused(
    gateway: Gateway, event_id: str
) -> None:
    """PostgreSQL stores no NUL character: better a 400 on arrival than a dead letter."""
    page = gateway.fake.buyer_pays(page_of(await gateway.order()))
    headers, body = gateway.fake.event(page, event_id)
    answer = await gateway.http.post("/webhooks/fake", headers=headers, content=body)
    genuine = event_id == "ev_1"
    assert answer.status_code == (200 if genuine else 400)
    assert await _stored(gateway) == int(genuine)


@pytest.mark.parametrize("content", [{"type": "weather"}, {"type": "paid", "page": "pg_stranger"}])
async def test_events_that_concern_no_order_are_kept_and_disturb_nobody(
    gateway: Gateway, content: dict[str, Any]
) -> None:
    order = await gateway.order()
    strange = gateway.fake.signed({"id": "ev_strange"} | content)
    genuine = gateway.fake.event(gateway.fake.buyer_pays(page_of(order)), "ev_1")
    for headers, body in (strange, genuine):
        answer = await gateway.http.post("/webhooks/fake", headers=headers, content=body)
        assert answer.status_code == 200
    for _ in range(8):
        await gateway.work()
        gateway.clock.advance(minutes=15)
    assert (await gateway.read(order))["status"] == "paid"
    async with gateway.services.store.database.read() as connection:
        rows = await connection.execute(select(t.inbox.c.event_id, t.inbox.c.status))
        statuses = {row.event_id: row.status for row in rows}
    assert statuses["ev_1"] == "applied"
    assert statuses["ev_strange"] in ("ignored", "orphan")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b"[]", b"null", b'{"id": 1}', b"x" * 200_000, b"\0"]
)
async def test_what_is_not_genuine_is_400_and_not_stored(one_gateway: Gateway, body: bytes) -> None:
    for signature in (None, "", "0" * 64, signature_of(body)):
        headers = {} if signature is None else {"Fake-Signature": signature}
        answer = await one_gateway.http.post("/webhooks/fake", headers=headers, content=body)
        assert code_of(answer) == (400, "webhook_invalid")
    assert await _stored(one_gateway) == 0
    metrics = (await one_gateway.http.get("/metrics")).text
    assert 'gateway_webhooks_total{outcome="refused",provider="fake"} 4.0' in metrics


async def test_a_delivery_above_256_kib_and_one_just_below(one_gateway: Gateway) -> None:
    headers, body = one_gateway.fake.signed({"id": "ev_1", "type": "big", "x": "x" * 262_100})
    assert len(body) <= 256 * 1024
    answer = await one_gateway.http.post("/webhooks/fake", headers=headers, content=body)
    assert answer.status_code == 200
    headers, body = one_gateway.fake.signed({"id": "ev_2", "type": "big", "x": "x" * 262_144})
    answer = await one_gateway.http.post("/webhooks/fake", headers=headers, content=body)
    assert code_of(answer) == (413, "payload_too_large")
    assert await _stored(one_gateway) == 1


@pytest.mark.parametrize("path", ["/webhooks/nobody", "/webhooks/fake/acct_2", "/webhooks/FAKE"])
async def test_an_unknown_provider_or_account(one_gateway: Gateway, path: str) -> None:
    headers, body = one_gateway.fake.signed({"id": "ev_1", "type": "paid"})
    answer = await one_gateway.http.post(path, headers=headers, content=body)
    assert code_of(answer) == (404, "not_found")
    assert "nobody" not in (await one_gateway.http.get("/metrics")).text


async def test_a_store_that_cannot_take_it_is_503(
    one_gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(_: ReceivedEvent) -> bool:
        raise StoreUnavailable("the database cannot be used now; try again")

    monkeypatch.setattr(one_gateway.services.store, "store_event", full)
    headers, body = one_gateway.fake.signed({"id": "ev_1", "type": "paid"})
    answer = await one_gateway.http.post("/webhooks/fake", headers=headers, content=body)
    assert code_of(answer) == (503, "store_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
