"""The attention list: in step with the orders, isolated, resolved by people, documented."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from sqlalchemy import select

from api.security import Keys
from gateway import jobs
from gateway.facts import AttentionKind
from gateway.records import ReceivedEvent
from storage import tables as t
from tests.faults.stage import Gateway, client
from tests.recovery.story import Order, attention, merchant_of

DOCUMENT = Path(__file__).parents[2] / "docs" / "attention.md"


def test_every_kind_is_documented_with_what_to_do() -> None:
    text = DOCUMENT.read_text()
    sections = dict(re.findall(r"^### `(\w+)`\n(.+?)(?=^##|\Z)", text, re.DOTALL | re.MULTILINE))
    assert set(sections) == set(get_args(AttentionKind))
    for kind, section in sections.items():
        assert "**Do**" in section, kind


async def mismatched(gateway: Gateway, key: str = "order") -> Order:
    """An order whose provider holds another amount than was asked for."""
    order = await gateway.create("stripe", key=key)
    payment = order["payments"][0]
    await gateway.sandbox.control(
        "alter", provider="stripe", id=payment["provider_order_id"], amount=5300
    )
    await gateway.sandbox.buyer(order)
    await gateway.work()
    order = await gateway.order(order)
    assert [item["kind"] for item in order["attention"]] == ["amount_mismatch"]
    return order


async def test_a_list_of_items_by_kind_state_and_order(either: Gateway) -> None:
    orders = [await mismatched(either, key=str(number)) for number in range(3)]
    disputed = await either.paid("paypal", key="disputed")
    capture = disputed["payments"][0]["provider_payment_id"]
    await either.sandbox.control("dispute", provider="paypal", id=capture)
    await either.work()
    assert len(await attention(either)) == 4
    (dispute,) = await attention(either, kind="dispute")
    assert dispute["order"] == disputed["id"]
    assert dispute["payment"] == disputed["payments"][0]["id"]
    assert dispute["status"] == "open"
    (of_one,) = await attention(either, order=orders[1]["id"])
    assert of_one["detail"] == orders[1]["attention"][0]["detail"]
    pages, cursor = [], None
    while True:
        query = {"limit": "1", "kind": "amount_mismatch"} | ({"cursor": cursor} if cursor else {})
        page = (await either.http.get("/v1/attention", params=query)).json()
        pages += [item["order"] for item in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert pages == [order["id"] for order in reversed(orders)]
    await either.sandbox.control("dispute", provider="paypal", id=capture, status="won")
    await either.work()
    (dispute,) = await attention(either, kind="dispute")
    assert (dispute["status"], dispute["resolved_by"]) == ("resolved", "system")
    assert (await either.http.get("/v1/attention?kind=nothing")).status_code == 400


async def test_resolving_lasts_until_the_item_reads_otherwise(either: Gateway) -> None:
    order = await mismatched(either)
    (item,) = await attention(either, status="open")
    path = f"/v1/attention/{item['id']}/resolve"
    assert (await either.post(path, body={"notes": "x"})).status_code == 400
    assert (await either.post(path, body={"note": "agreed"})).status_code == 200
    for again in ({"note": "agreed"}, {}):  # the answer was lost
        assert (await either.post(path, body=again)).json()["note"] == "agreed"
    refused = await either.post(path, body={"note": "refunded"})
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    await either.confirm(order)  # the provider says the same once more
    assert (await either.order(order))["attention"] == []
    await either.sandbox.control(
        "alter", provider="stripe", id=order["payments"][0]["provider_payment_id"], amount=5200
    )
    await either.confirm(order)
    again = (await either.order(order))["attention"]
    assert [item["kind"] for item in again] == ["amount_mismatch"]
    (reopened,) = await attention(either, status="open")
    assert reopened["id"] == item["id"]
    assert (reopened["note"], reopened["resolved_by"]) == (None, None)


async def test_who_may_see_and_resolve_what(gateway: Gateway) -> None:
    order = await mismatched(gateway)
    await dead_event(gateway)
    (item,) = await attention(gateway, kind="amount_mismatch")
    (unowned,) = await attention(gateway, kind="dead_letter")
    keys: Keys = gateway.services.keys
    own, other = await merchant_of(gateway, order), await keys.merchant("Other")
    expected = {  # merchant, scopes → list, resolve of the order's, resolve of nobody's
        (own, ("finance:read",)): (200, 403, 403),
        (own, ("orders:write",)): (403, 200, 404),
        (other, ("finance:read", "orders:write")): (200, 404, 404),
    }
    for (merchant, scopes), answers in expected.items():
        key = await keys.create(merchant, "restricted", livemode=False, scopes=scopes)
        async with client(gateway.url, authorization=f"Bearer {key}") as http:
            listed = await http.get("/v1/attention")
            statuses = [listed.status_code] + [
                (await http.post(f"/v1/attention/{it['id']}/resolve")).status_code
                for it in (item, unowned)
            ]
            assert tuple(statuses) == answers
            if listed.status_code == 200:
                kinds = [it["kind"] for it in listed.json()["data"]]
                assert kinds == (["amount_mismatch"] if merchant == own else [])
    answer = await gateway.post(f"/v1/attention/{unowned['id']}/resolve")
    assert answer.json()["status"] == "resolved"
    live = await keys.create(own, "secret", livemode=True)
    async with client(gateway.url, authorization=f"Bearer {live}") as http:
        assert (await http.get("/v1/attention")).json()["data"] == []


async def dead_event(gateway: Gateway) -> None:
    """An event that nothing can be made of."""
    ctx = gateway.services.ctx
    event = ReceivedEvent("stripe", "default", "evt_dead", "charge.succeeded", b"{}", ctx.now())
    await ctx.store.store_event(event)
    for _ in range(12):
        await gateway.later(seconds=700)


async def test_a_job_that_always_fails_is_a_dead_letter(
    either: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands in the list, and the others go on."""
    order = await either.create("stripe")
    payment = order["payments"][0]["id"]

    async def fail(*_: Any) -> None:
        raise ValueError("broken")

    monkeypatch.setitem(jobs._HANDLERS, "check_payment", fail)
    for _ in range(13):
        await either.later(hours=1)
    (item,) = await attention(either, kind="dead_letter")
    assert item["subject"] == f"check_payment:{payment}"
    assert "ValueError" in item["detail"]
    async with either.services.store.database.read() as connection:
        dead = await connection.execute(select(t.jobs.c.kind).where(t.jobs.c.status == "dead"))
        assert [row.kind for row in dead] == ["check_payment"]
    assert timedelta() < either.clock.ahead
