"""An order that is paid twice: one payment is kept, the other goes back, exactly once."""

import asyncio
from typing import Any

import pytest

from gateway.duplicates import refund_duplicate
from gateway.operations import Settlement, perform
from gateway.records import Job
from tests.faults.stage import Gateway
from tests.recovery.story import (
    Order,
    attention,
    events,
    hear,
    merchant_of,
    pay_both,
    two_pages,
)


async def assert_settled(gateway: Gateway, order: Order, kept: int) -> Order:
    """One payment is kept, the other has gone back once, and nobody needs to look any more."""
    order = await gateway.order(order)
    other = order["payments"][1 - kept]
    assert order["status"] == "paid"
    assert order["attention"] == []
    went = [r for r in order["refunds"] if r["status"] != "failed"]
    assert [(r["payment"], r["amount"], r["status"]) for r in went] == [
        (other["id"], 5400, "succeeded")
    ]
    assert order["payments"][kept]["amount_refunded"] == 0
    assert order["amount_refundable"] == 5400
    await gateway.sandbox.agrees(order)
    assert await attention(gateway, status="open") == []
    return order


@pytest.mark.parametrize(
    ("first", "second", "known"),
    [
        ("stripe", "paypal", 0),
        ("stripe", "paypal", 1),
        ("paypal", "stripe", 0),
        ("paypal", "stripe", 1),
        ("stripe", "stripe", 1),
        ("paypal", "paypal", 0),
    ],
)
async def test_the_second_payment_goes_back(
    gateway: Gateway, first: str, second: str, known: int
) -> None:
    """Whichever we hear of first is kept, also when it is the later attempt."""
    order = await pay_both(gateway, await two_pages(gateway, first, second), known)
    await hear(gateway)
    order = await assert_settled(gateway, order, known)
    told = await events(gateway, order)
    assert told.count("order.paid") == 1
    assert told.count("order.attention") == 1
    assert told.count("refund.created") == told.count("refund.succeeded") == 1
    (item,) = await attention(gateway, kind="paid_twice")
    assert (item["status"], item["resolved_by"]) == ("resolved", "system")
    assert order["payments"][known]["id"] in item["detail"]
    story = [line["summary"] for line in await gateway.timeline(order)]
    assert "paid twice" in story
    assert any(line.startswith("refund at") for line in story)


@pytest.mark.parametrize("fault", ["garbage", "http_503"])
async def test_once_when_the_answer_is_lost_or_the_provider_is_busy(
    either: Gateway, fault: str
) -> None:
    order = await pay_both(either, await two_pages(either, "paypal", "stripe"), 1)
    await either.sandbox.fault("paypal", "refund", fault, 2)
    await hear(either, "drop")
    assert [item["kind"] for item in await attention(either)] == ["paid_twice"]
    for _ in range(3):
        await either.later(seconds=60)
    await assert_settled(either, order, 1)


async def test_once_when_many_workers_do_it_and_one_dies_before_the_call(
    either: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reservation is what counts: who comes later finds it, and its own job sees to it."""
    order = await pay_both(either, await two_pages(either, "stripe", "paypal"), 1)
    calls = []

    async def die(*terms: Any, **options: Any) -> Settlement:
        calls.append(terms)
        if len(calls) == 1:
            raise RuntimeError("the worker dies here")
        return await perform(*terms, **options)

    monkeypatch.setattr("gateway.duplicates.perform", die)
    await hear(either)
    merchant, payment = await merchant_of(either, order), order["payments"][0]["id"]
    job = Job("job_x", merchant, "refund_duplicate", payment, either.clock.now())
    await asyncio.gather(
        *(refund_duplicate(either.services.ctx, job, order["id"]) for _ in range(8))
    )
    await either.later(seconds=41)
    await assert_settled(either, order, 1)
    assert len(calls) == 1
    assert len(await either.sandbox.calls("stripe", "refund")) == 1


async def test_a_merchant_who_refunds_meanwhile_refunds_the_kept_payment(
    gateway: Gateway,
) -> None:
    order = await pay_both(gateway, await two_pages(gateway, "stripe", "stripe"), 1)
    assert (await gateway.refund(order, 1000)).status_code == 201
    await hear(gateway)
    order = await gateway.order(order)
    assert order["status"] == "partially_refunded"
    assert order["attention"] == []
    given = {(r["payment"], r["amount"]) for r in order["refunds"]}
    first, second = (payment["id"] for payment in order["payments"])
    assert given == {(first, 5400), (second, 1000)}
    await gateway.sandbox.agrees(order)


async def test_one_that_went_back_in_the_providers_dashboard_is_left_alone(
    gateway: Gateway,
) -> None:
    order = await pay_both(gateway, await two_pages(gateway, "stripe", "stripe"), 1)
    await gateway.sandbox.control(
        "refund", provider="stripe", id=order["payments"][0]["provider_order_id"]
    )
    await hear(gateway)
    order = await assert_settled(gateway, order, 1)
    # Ours, if it was on its way before we heard of theirs, was refused: "already refunded".
    assert [r["imported"] for r in order["refunds"] if r["status"] == "succeeded"] == [True]


async def test_a_refused_refund_stays_on_the_list_until_a_person_resolves_it(
    either: Gateway,
) -> None:
    order = await pay_both(either, await two_pages(either, "paypal", "stripe"), 1)
    await hear_refusing(either)
    (item,) = await attention(either, status="open", order=order["id"])
    assert "has failed" in item["detail"]
    assert item["payment"] == order["payments"][0]["id"]
    path = f"/v1/attention/{item['id']}/resolve"
    answer = await either.post(path, body={"note": "sent by bank transfer"})
    assert answer.status_code == 200, answer.text
    resolved = answer.json()
    assert resolved["status"] == "resolved"
    assert resolved["note"] == "sent by bank transfer"
    assert resolved["resolved_by"].startswith("key_")
    assert (await either.post(path)).json() == resolved
    assert (await either.order(order))["attention"] == []
    assert await attention(either, status="open") == []
    assert (await either.http.get("/v1/orders?attention=true")).json()["data"] == []
    await either.later(hours=7)
    assert len(await either.sandbox.ledger("refund")) == 0
    lines = [line for line in await either.timeline(order) if line["kind"] == "operator"]
    assert [line["summary"] for line in lines] == ["paid_twice resolved"]


async def hear_refusing(gateway: Gateway) -> None:
    """As `hear`, with a provider that does not take the refund: 181 days have passed there."""
    await gateway.sandbox.webhooks("release")
    await gateway.sandbox.webhooks("drop")
    await gateway.sandbox.control("clock", advance_seconds=181 * 86400)
    await gateway.work()
    await gateway.later(seconds=41)
