"""`auto` for another attempt on an order: whom the buyer has not tried, or has not failed with."""

from typing import Any

import httpx

from tests.api.conftest import Gateway, code_of, order_body
from tests.routing.test_api import put
from tests.routing.test_auto import DOWN, NO, TRIES, statuses


async def change(
    gateway: Gateway, order: dict[str, Any], key: str = "change", **more: str
) -> httpx.Response:
    """POST …/payments with `auto`."""
    path = f"/v1/orders/{order['id']}/payments"
    return await gateway.post(path, {"provider": "auto", **more}, idempotency=key)


async def test_another_attempt_goes_elsewhere(gateway: Gateway) -> None:
    order = await gateway.order(provider="auto")
    answer = await change(gateway, order)
    assert answer.status_code == 201, answer.text
    assert statuses(answer.json()) == [("fake", "canceled"), ("other", "open")]
    assert (await change(gateway, order)).content == answer.content
    back = await change(gateway, order, key="back")  # neither has failed: the other one again
    assert statuses(back.json())[-1] == ("fake", "open")


async def test_another_attempt_leaves_out_who_has_failed(gateway: Gateway) -> None:
    gateway.fake.fail("create", NO)
    refused = await gateway.post("/v1/orders", order_body())
    order = {"id": refused.json()["instance"].rpartition("/")[2]}
    answer = await change(gateway, order)
    assert statuses(answer.json()) == [("fake", "failed"), ("other", "open")]
    alone = await change(gateway, order, key="alone")  # nobody else is left
    assert statuses(alone.json()) == [
        ("fake", "failed"), ("other", "canceled"), ("other", "open")
    ]  # fmt: skip


async def test_another_attempt_falls_over_too(gateway: Gateway) -> None:
    gateway.other.fail("create", *[DOWN] * TRIES)
    order = await gateway.order()
    answer = await change(gateway, order)
    assert answer.status_code == 201, answer.text
    assert statuses(answer.json()) == [
        ("fake", "canceled"), ("other", "failed"), ("fake", "open")
    ]  # fmt: skip
    assert (await change(gateway, order)).content == answer.content
    pages = [page.status for page in gateway.fake.pages.values()]
    assert pages == ["canceled", "open"]


async def test_another_attempt_when_all_have_failed(gateway: Gateway) -> None:
    gateway.fake.fail("create", NO)
    gateway.other.fail("create", NO)
    refused = await gateway.post("/v1/orders", order_body(provider="auto"))
    order = {"id": refused.json()["instance"].rpartition("/")[2]}
    answer = await change(gateway, order)
    assert code_of(answer) == (400, "no_provider")
    assert "it has failed for this order" in answer.json()["detail"]


async def test_its_country_counts(one_gateway: Gateway) -> None:
    rules = [{"countries": ["DE"], "providers": ["other"]}, {"providers": ["fake"]}]
    await put(one_gateway, {"rules": rules})
    order = await one_gateway.order(provider="fake")
    answer = await change(one_gateway, order, country="DE")
    assert statuses(answer.json())[-1] == ("other", "open")
