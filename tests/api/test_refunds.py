"""Refunds: made once, never above what is left, listed and read."""

import asyncio

from gateway.errors import OutcomeUnknown, Rejected
from tests.api.conftest import Gateway, code_of


async def test_a_part_then_the_rest(gateway: Gateway) -> None:
    order = await gateway.paid()
    path = f"/v1/orders/{order['id']}/refunds"
    answer = await gateway.post(
        path, {"amount": 400, "reason": "scratched", "metadata": {"ticket": "7"}}
    )
    assert answer.status_code == 201
    refund = answer.json()
    assert refund == {
        "object": "refund",
        "id": refund["id"],
        "order": order["id"],
        "payment": order["payments"][0]["id"],
        "provider": "fake",
        "provider_refund_id": refund["provider_refund_id"],
        "status": "succeeded",
        "amount": 400,
        "currency": "USD",
        "reason": "scratched",
        "failure": None,
        "imported": False,
        "metadata": {"ticket": "7"},
        "created_at": refund["created_at"],
    }
    assert refund["id"].startswith("ref_")
    shown = await gateway.read(order)
    assert (shown["status"], shown["amount_refunded"], shown["amount_refundable"]) == (
        "partially_refunded", 400, 5000,
    )  # fmt: skip
    assert shown["refunds"] == [refund]

    rest = await gateway.post(path)  # no body: all that is left
    assert (rest.status_code, rest.json()["amount"]) == (201, 5000)
    shown = await gateway.read(order)
    assert (shown["status"], shown["amount_refunded"], shown["amount_refundable"]) == (
        "refunded", 5400, 0,
    )  # fmt: skip
    assert code_of(await gateway.post(path)) == (409, "nothing_to_refund")


async def test_what_cannot_be_refunded(gateway: Gateway) -> None:
    unpaid = await gateway.order()
    answer = await gateway.post(f"/v1/orders/{unpaid['id']}/refunds", {"amount": 1})
    assert code_of(answer) == (409, "nothing_to_refund")
    order = await gateway.paid()
    path = f"/v1/orders/{order['id']}/refunds"
    assert code_of(await gateway.post(path, {"amount": 5401})) == (422, "refund_exceeds_captured")
    assert code_of(await gateway.post(path, {"amount": 0})) == (400, "invalid_request")
    assert code_of(await gateway.post("/v1/orders/ord_none/refunds")) == (404, "not_found")
    assert gateway.fake.count("refund") == 0


async def test_twenty_at_once_never_exceed_what_was_captured(gateway: Gateway) -> None:
    order = await gateway.paid()
    path = f"/v1/orders/{order['id']}/refunds"
    answers = await asyncio.gather(*(gateway.post(path, {"amount": 1000}) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [201] * 5 + [422] * 15
    shown = await gateway.read(order)
    assert (shown["amount_refunded"], shown["amount_refundable"]) == (5000, 400)
    assert sum(refund.money.amount for refund in gateway.fake.refunds.values()) == 5000


async def test_a_refused_refund_frees_its_amount(gateway: Gateway) -> None:
    order = await gateway.paid()
    path = f"/v1/orders/{order['id']}/refunds"
    gateway.fake.fail("refund", Rejected("the account is short of money", provider_code="short"))
    key = gateway.fresh()
    answer = await gateway.post(path, {"amount": 5400}, idempotency=key)
    assert code_of(answer) == (422, "provider_rejected")
    shown = await gateway.read(order)
    assert (shown["status"], shown["amount_refundable"]) == ("paid", 5400)
    assert (shown["refunds"][0]["status"], shown["refunds"][0]["failure"]["code"]) == (
        "failed",
        "short",
    )
    assert (await gateway.post(path, {"amount": 5400}, idempotency=key)).content == answer.content
    assert (await gateway.post(path, {"amount": 5400})).status_code == 201


async def test_an_unclear_refund_is_pending_and_counts_until_it_is_known(gateway: Gateway) -> None:
    order = await gateway.paid()
    path = f"/v1/orders/{order['id']}/refunds"
    gateway.fake.fail("refund", *[OutcomeUnknown("no answer")] * 3)
    answer = await gateway.post(path, {"amount": 5000})
    assert (answer.status_code, answer.json()["status"]) == (201, "pending")
    assert code_of(await gateway.post(path, {"amount": 401})) == (422, "refund_exceeds_captured")
    gateway.clock.advance(minutes=2)
    await gateway.work()
    shown = (await gateway.get(f"/v1/refunds/{answer.json()['id']}")).json()
    assert (shown["status"], len(gateway.fake.refunds)) == ("succeeded", 1)


async def test_refunds_are_listed_and_read(gateway: Gateway) -> None:
    first, second = await gateway.paid(), await gateway.paid()
    made = []
    for order in (first, first, second):
        answer = await gateway.post(f"/v1/orders/{order['id']}/refunds", {"amount": 10})
        made.append(answer.json())
    newest_first = made[::-1]
    assert (await gateway.get("/v1/refunds")).json() == {"data": newest_first, "next_cursor": None}
    of_first = await gateway.get("/v1/refunds", order=first["id"])
    assert of_first.json()["data"] == newest_first[1:]
    assert (await gateway.get("/v1/refunds", status="failed")).json()["data"] == []
    page = (await gateway.get("/v1/refunds", limit=2)).json()
    assert page["data"] == newest_first[:2]
    page = (await gateway.get("/v1/refunds", limit=2, cursor=page["next_cursor"])).json()
    assert page == {"data": newest_first[2:], "next_cursor": None}
    assert (await gateway.get(f"/v1/refunds/{made[1]['id']}")).json() == made[1]
    assert code_of(await gateway.get("/v1/refunds/ref_none")) == (404, "not_found")
    assert code_of(await gateway.get("/v1/refunds", status="gone")) == (400, "invalid_request")
