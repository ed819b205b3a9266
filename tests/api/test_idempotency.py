"""Idempotency-Key: one effect per key, the first answer again, and nothing else under it."""

import asyncio
from datetime import timedelta
from functools import partial

import httpx
import pytest

from gateway.errors import OutcomeUnknown, Unavailable
from tests.api.conftest import Gateway, code_of, order_body, page_of


@pytest.mark.parametrize("verb", ["", "/payments", "/capture", "/cancel", "/refunds"])
async def test_every_call_that_may_move_money_needs_a_key(one_gateway: Gateway, verb: str) -> None:
    order = await one_gateway.order()
    path = f"/v1/orders/{order['id']}{verb}" if verb else "/v1/orders"
    body = order_body() if not verb else {"provider": "fake"} if verb == "/payments" else {}
    calls = list(one_gateway.fake.calls)
    headers = {"Authorization": f"Bearer {one_gateway.secret}"}
    for missing in ({}, {"Idempotency-Key": ""}):
        answer = await one_gateway.http.post(path, headers=headers | missing, json=body)
        assert code_of(answer) == (400, "idempotency_key_required")
    for bad in ("x" * 256, '""', " ", "a\tb", "\xe9"):
        odd = httpx.Headers(headers | {"Idempotency-Key": bad}, encoding="latin-1")
        answer = await one_gateway.http.post(path, headers=odd, json=body)
        assert code_of(answer) == (400, "invalid_request"), bad
    assert one_gateway.fake.calls == calls


async def test_a_repetition_gets_the_same_bytes(gateway: Gateway) -> None:
    first = await gateway.post("/v1/orders", order_body(), idempotency="x" * 255)
    gateway.fake.buyer_pays(page_of(first.json()))
    await gateway.post(f"/v1/orders/{first.json()['id']}/confirm")
    again = await gateway.post("/v1/orders", order_body(), idempotency="x" * 255)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Content-Type"] == first.headers["Content-Type"] == "application/json"
    assert again.headers["X-Request-Id"] != first.headers["X-Request-Id"]
    assert "Idempotent-Replayed" not in first.headers
    assert gateway.fake.count("create") == 1


async def test_a_key_is_the_same_bare_and_quoted_and_however_the_body_is_spelt(
    gateway: Gateway,
) -> None:
    first = await gateway.post("/v1/orders", order_body(), idempotency="k-1")
    reordered = dict(reversed(order_body().items()))
    again = await gateway.post("/v1/orders", reordered, idempotency='"k-1"')
    assert again.content == first.content
    assert again.headers["Idempotent-Replayed"] == "true"
    spelt = order_body(capture="automatic", metadata={}, reference=None)
    assert (await gateway.post("/v1/orders", spelt, idempotency="k-1")).content == first.content


async def test_another_payload_path_or_caller_is_a_mismatch(gateway: Gateway) -> None:
    first = await gateway.order()
    await gateway.post("/v1/orders", order_body(), idempotency="k-1")
    calls = list(gateway.fake.calls)
    another = await gateway.post("/v1/orders", order_body(reference="B"), idempotency="k-1")
    assert code_of(another) == (422, "idempotency_mismatch")
    elsewhere = await gateway.post(f"/v1/orders/{first['id']}/cancel", {}, idempotency="k-1")
    assert code_of(elsewhere) == (422, "idempotency_mismatch")
    colleague = await gateway.key()
    by_other = await gateway.post("/v1/orders", order_body(), idempotency="k-1", key=colleague)
    assert code_of(by_other) == (422, "idempotency_mismatch")
    assert gateway.fake.calls == calls
    assert (await gateway.read(first))["status"] == "open"


async def test_another_merchants_and_another_modes_keys_are_apart(gateway: Gateway) -> None:
    first = await gateway.post("/v1/orders", order_body(), idempotency="k-1")
    stranger = await gateway.key(merchant=await gateway.services.keys.merchant("Bob's shop"))
    theirs = await gateway.post("/v1/orders", order_body(), idempotency="k-1", key=stranger)
    live = await gateway.post(
        "/v1/orders",
        order_body(provider="reallive"),
        idempotency="k-1",
        key=await gateway.key(livemode=True),
    )
    assert {first.status_code, theirs.status_code, live.status_code} == {201}
    assert len({first.json()["id"], theirs.json()["id"], live.json()["id"]}) == 3


async def test_twenty_at_once_make_one_order(gateway: Gateway) -> None:
    gateway.fake.hold()
    post = partial(gateway.post, "/v1/orders", order_body(), idempotency="k-1")
    running = {asyncio.create_task(post()) for _ in range(20)}
    refused: list[httpx.Response] = []
    while len(running) > 1:
        done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        refused += [task.result() for task in done]
    gateway.fake.let_go()
    assert (await running.pop()).status_code == 201
    assert [answer.status_code for answer in refused] == [409] * 19
    assert {answer.json()["code"] for answer in refused} == {"idempotency_in_flight"}
    assert {int(answer.headers["Retry-After"]) > 0 for answer in refused} == {True}
    assert gateway.fake.count("create") == 1
    (order,) = (await gateway.get("/v1/orders")).json()["data"]
    again = await gateway.post("/v1/orders", order_body(), idempotency="k-1")
    assert again.json()["id"] == order["id"]


async def test_twenty_refunds_at_once_under_one_key_are_one_refund(gateway: Gateway) -> None:
    order = await gateway.paid()
    path = f"/v1/orders/{order['id']}/refunds"
    answers = await asyncio.gather(
        *(gateway.post(path, {"amount": 100}, idempotency="r-1") for _ in range(20))
    )
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    order = await gateway.read(order)
    assert (order["amount_refunded"], len(order["refunds"])) == (100, 1)
    assert gateway.fake.count("refund") == 1


async def test_a_replay_does_not_care_about_the_catalogue(gateway: Gateway) -> None:
    product = (
        await gateway.post(
            "/v1/products", {"name": "Lamp", "prices": [{"currency": "USD", "unit_amount": 700}]}
        )
    ).json()
    body = order_body(items=[{"product": product["id"]}])
    first = await gateway.post("/v1/orders", body, idempotency="k-1")
    bearer = {"Authorization": f"Bearer {gateway.secret}"}
    await gateway.http.delete(f"/v1/products/{product['id']}", headers=bearer)
    again = await gateway.post("/v1/orders", body, idempotency="k-1")
    assert (again.status_code, again.content) == (201, first.content)


async def test_a_resumed_run_does_not_care_about_the_catalogue_either(gateway: Gateway) -> None:
    product = (
        await gateway.post(
            "/v1/products", {"name": "Lamp", "prices": [{"currency": "USD", "unit_amount": 700}]}
        )
    ).json()
    body = order_body(items=[{"product": product["id"]}])
    gateway.fake.fail("create", *[Unavailable("busy")] * 3)
    refused = await gateway.post("/v1/orders", body, idempotency="k-1")
    assert code_of(refused) == (503, "provider_unavailable")
    bearer = {"Authorization": f"Bearer {gateway.secret}"}
    await gateway.http.delete(f"/v1/products/{product['id']}", headers=bearer)
    resumed = await gateway.post("/v1/orders", body, idempotency="k-1")
    assert (resumed.status_code, resumed.json()["amount"]) == (201, 700)


async def test_a_request_that_was_not_valid_leaves_its_key_free(gateway: Gateway) -> None:
    for body in (order_body(currency="XXX"), order_body(provider="nobody"), {"provider": "fake"}):
        assert (await gateway.post("/v1/orders", body, idempotency="k-1")).status_code == 400
    await gateway.order(reference="A-1")
    taken = await gateway.post("/v1/orders", order_body(reference="A-1"), idempotency="k-1")
    assert code_of(taken) == (409, "reference_taken")
    wrong_key = await gateway.post("/v1/orders", order_body(), idempotency="k-1", key="sk_test_no")
    assert wrong_key.status_code == 401
    assert (await gateway.post("/v1/orders", order_body(), idempotency="k-1")).status_code == 201


async def test_a_run_that_was_cut_short_is_carried_on(gateway: Gateway) -> None:
    """The process died during the provider call: the key's lease ends, the same order goes on."""
    gateway.fake.hold()
    running = asyncio.create_task(gateway.post("/v1/orders", order_body(), idempotency="k-1"))
    await gateway.fake.called()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    gateway.fake.let_go()
    early = await gateway.post("/v1/orders", order_body(), idempotency="k-1")
    assert code_of(early) == (409, "idempotency_in_flight")
    gateway.clock.advance(seconds=gateway.services.ctx.lease.total_seconds())
    resumed = await gateway.post("/v1/orders", order_body(), idempotency="k-1")
    assert resumed.status_code == 201
    assert len({key for verb, key in gateway.fake.calls if verb == "create"}) == 1
    assert len(gateway.fake.pages) == 1
    (order,) = (await gateway.get("/v1/orders")).json()["data"]
    assert order["id"] == resumed.json()["id"]


async def test_an_unclear_outcome_is_an_answer_that_is_kept(gateway: Gateway) -> None:
    gateway.fake.fail("create", *[OutcomeUnknown("no answer")] * 3)
    first = await gateway.post("/v1/orders", order_body(), idempotency="k-1")
    assert (first.status_code, first.json()["status"]) == (201, "processing")
    again = await gateway.post("/v1/orders", order_body(), idempotency="k-1")
    assert again.content == first.content


async def test_keys_live_for_at_least_thirty_days(gateway: Gateway) -> None:
    first = await gateway.post("/v1/orders", order_body(), idempotency="k-1")
    gateway.clock.advance(seconds=timedelta(days=30).total_seconds())
    await gateway.work()
    again = await gateway.post("/v1/orders", order_body(), idempotency="k-1")
    assert again.content == first.content
