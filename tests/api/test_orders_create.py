"""POST /v1/orders: what is stored and shown, and what is refused."""

from typing import Any

import pytest

from gateway.errors import OutcomeUnknown, Rejected, Unavailable
from tests.api.conftest import Gateway, code_of, order_body, page_of


async def test_an_order_is_shown_as_the_contract_says(gateway: Gateway) -> None:
    answer = await gateway.post(
        "/v1/orders",
        order_body(
            reference="A-1001",
            customer_email="a@b.c",
            metadata={"cart": "9"},
            expires_in=1800,
            items=[
                {"name": "Engraving", "unit_amount": 500},
                {"name": "Ring", "unit_amount": 4900},
            ],
        ),
    )
    assert answer.status_code == 201
    order = answer.json()
    page = page_of(order)
    assert order == {
        "object": "order",
        "id": order["id"],
        "livemode": False,
        "reference": "A-1001",
        "status": "open",
        "provider": "fake",
        "currency": "USD",
        "amount": 5400,
        "amount_captured": 0,
        "amount_refunded": 0,
        "amount_refundable": 0,
        "amount_disputed": 0,
        "fee": None,
        "net": None,
        "items": [
            {
                "product": None,
                "name": "Engraving",
                "unit_amount": 500,
                "quantity": 1,
                "amount": 500,
            },
            {"product": None, "name": "Ring", "unit_amount": 4900, "quantity": 1, "amount": 4900},
        ],
        "checkout_url": f"https://pay.example/{page}",
        "client_token": order["client_token"],
        "payments": [
            {
                "object": "payment",
                "id": order["payments"][0]["id"],
                "provider": "fake",
                "status": "open",
                "amount": 5400,
                "amount_captured": 0,
                "amount_refunded": 0,
                "provider_order_id": page,
                "provider_payment_id": None,
                "method": None,
                "failure": None,
                "created_at": order["payments"][0]["created_at"],
            }
        ],
        "refunds": [],
        "disputes": [],
        "attention": [],
        "customer_email": "a@b.c",
        "metadata": {"cart": "9"},
        "success_url": "https://shop.example/ok",
        "cancel_url": "https://shop.example/cart",
        "created_at": order["created_at"],
        "updated_at": order["updated_at"],
        "expires_at": order["expires_at"],
        "paid_at": None,
    }
    assert order["id"].startswith("ord_")
    assert order["payments"][0]["id"].startswith("pay_")
    assert order["created_at"].endswith("Z")
    assert await gateway.read(order) == order | {
        "updated_at": (await gateway.read(order))["updated_at"]
    }
    request = gateway.fake.pages[page].request
    assert request.success_url == f"https://pay.example.com/checkout/{order['id']}/return"
    assert request.payment_id == order["payments"][0]["id"]


async def test_catalogue_items_cost_what_the_catalogue_says(gateway: Gateway) -> None:
    product = await _product(gateway, prices=[{"currency": "USD", "unit_amount": 1250}])
    order = await gateway.order(items=[{"product": product["id"], "quantity": 3}])
    assert order["amount"] == 3750
    assert order["items"][0] == {
        "product": product["id"],
        "name": "Lamp",
        "unit_amount": 1250,
        "quantity": 3,
        "amount": 3750,
    }
    await gateway.http.patch(
        f"/v1/products/{product['id']}",
        headers={"Authorization": f"Bearer {gateway.secret}"},
        json={"prices": [{"currency": "USD", "unit_amount": 1}], "name": "Cheap lamp"},
    )
    assert (await gateway.read(order))["items"] == order["items"]


@pytest.mark.parametrize(
    ("fields", "status", "code", "path"),
    [
        ({"provider": "nobody"}, 400, "unknown_provider", "provider"),
        ({"provider": "reallive"}, 400, "unknown_provider", "provider"),
        ({"provider": "other", "currency": "JPY"}, 400, "currency_not_supported", "currency"),
        ({"provider": "other", "capture": "manual"}, 400, "not_supported_by_provider", "provider"),
        ({"currency": "XXX"}, 400, "invalid_amount", "currency"),
        ({"items": [{"product": "prod_none"}]}, 400, "unknown_product", "items"),
        ({"items": [{"name": "Half an item"}]}, 400, "invalid_request", "items[0]"),
        ({"items": [{"quantity": 2}]}, 400, "invalid_request", "items[0]"),
        ({"items": [{"product": "prod_1", "unit_amount": 1}]}, 400, "invalid_request", "items[0]"),
        (
            {"items": [{"name": "Moon", "unit_amount": 10**13, "quantity": 2}]},
            400,
            "invalid_amount",
            "items",
        ),
    ],
)
async def test_what_cannot_be_ordered(
    gateway: Gateway, fields: dict[str, Any], status: int, code: str, path: str
) -> None:
    answer = await gateway.post("/v1/orders", order_body(**fields))
    assert code_of(answer) == (status, code)
    assert [error["path"] for error in answer.json()["errors"]] == [path]
    assert gateway.fake.calls == []
    assert (await gateway.get("/v1/orders")).json()["data"] == []


async def test_a_product_without_a_price_in_the_currency_or_archived(gateway: Gateway) -> None:
    product = await _product(gateway, prices=[{"currency": "EUR", "unit_amount": 1250}])
    items = [{"product": product["id"]}]
    answer = await gateway.post("/v1/orders", order_body(items=items))
    assert code_of(answer) == (400, "no_price_in_currency")
    assert "EUR" in answer.json()["detail"]
    await gateway.http.delete(
        f"/v1/products/{product['id']}", headers={"Authorization": f"Bearer {gateway.secret}"}
    )
    answer = await gateway.post("/v1/orders", order_body(items=items, currency="EUR"))
    assert code_of(answer) == (400, "unknown_product")


async def test_a_reference_is_unique_per_merchant_and_mode(gateway: Gateway) -> None:
    first = await gateway.order(reference="A-1")
    answer = await gateway.post("/v1/orders", order_body(reference="A-1"))
    assert code_of(answer) == (409, "reference_taken")
    live = await gateway.key(livemode=True)
    assert (await gateway.order(key=live, provider="reallive", reference="A-1"))["livemode"] is True
    stranger = await gateway.services.keys.merchant("Bob's shop")
    theirs = await gateway.order(key=await gateway.key(merchant=stranger), reference="A-1")
    assert theirs["id"] != first["id"]


async def test_a_refusal_of_the_provider_is_an_answer_and_fails_the_payment(
    gateway: Gateway,
) -> None:
    gateway.fake.fail("create", Rejected("no such currency here", provider_code="bad_currency"))
    key = gateway.fresh()
    answer = await gateway.post("/v1/orders", order_body(), idempotency=key)
    assert code_of(answer) == (422, "provider_rejected")
    again = await gateway.post("/v1/orders", order_body(), idempotency=key)
    assert again.content == answer.content
    assert again.headers["Idempotent-Replayed"] == "true"
    assert gateway.fake.count("create") == 1
    (order,) = (await gateway.get("/v1/orders")).json()["data"]
    payment = order["payments"][0]
    assert (payment["status"], payment["failure"]["code"]) == ("failed", "bad_currency")
    assert answer.json()["instance"] == f"/v1/orders/{order['id']}"


@pytest.mark.parametrize(("currency", "amount"), [("HUF", 12345), ("KWD", 1001)])
async def test_an_amount_that_the_provider_cannot_express_is_refused_before_anything_is_kept(
    gateway: Gateway, currency: str, amount: int
) -> None:
    item = {"name": "Lamp", "unit_amount": amount}
    body = order_body(currency=currency, items=[item], reference="A-1")
    answer = await gateway.post("/v1/orders", body)
    assert code_of(answer) == (400, "invalid_amount")
    assert (gateway.fake.count("create"), (await gateway.get("/v1/orders")).json()["data"]) == (
        0,
        [],
    )
    body["items"] = [{"name": "Lamp", "unit_amount": 12300}]
    assert (await gateway.post("/v1/orders", body)).status_code == 201


async def test_a_provider_that_is_down_lets_the_same_key_try_again(gateway: Gateway) -> None:
    gateway.fake.fail("create", *[Unavailable("busy", retry_after=9)] * 3)
    key = gateway.fresh()
    answer = await gateway.post("/v1/orders", order_body(), idempotency=key)
    assert code_of(answer) == (503, "provider_unavailable")
    assert answer.headers["Retry-After"] == "9"
    calls = gateway.fake.count("create")
    gateway.fake._script.clear()
    again = await gateway.post("/v1/orders", order_body(), idempotency=key)
    assert again.status_code == 201
    assert "Idempotent-Replayed" not in again.headers
    assert gateway.fake.count("create") == calls + 1
    assert len({called for verb, called in gateway.fake.calls if verb == "create"}) == 1
    assert len((await gateway.get("/v1/orders")).json()["data"]) == 1


async def test_an_unclear_outcome_is_processing_and_the_worker_finds_out(gateway: Gateway) -> None:
    gateway.fake.fail("create", *[OutcomeUnknown("no answer")] * 3)
    order = await gateway.order()
    assert (order["status"], order["checkout_url"]) == ("processing", None)
    gateway.clock.advance(minutes=2)
    await gateway.work()
    order = await gateway.read(order)
    assert (order["status"], order["attention"]) == ("open", [])
    assert order["checkout_url"] == f"https://pay.example/{page_of(order)}"
    assert len({key for _, key in gateway.fake.calls}) == 1


async def test_a_webhook_that_overtakes_our_commit_is_kept(gateway: Gateway) -> None:
    headers, body = gateway.fake.signed({"id": "ev_early", "type": "paid", "page": "pg_fake_0001"})
    answer = await gateway.http.post("/webhooks/fake", headers=headers, content=body)
    assert answer.status_code == 200
    await gateway.work()
    order = await gateway.order()
    gateway.fake.buyer_pays(page_of(order))
    gateway.clock.advance(minutes=1)
    await gateway.work()
    assert (await gateway.read(order))["status"] == "paid"


async def _product(gateway: Gateway, **fields: Any) -> dict[str, Any]:
    answer = await gateway.post("/v1/products", {"name": "Lamp"} | fields)
    assert answer.status_code == 201, answer.text
    product: dict[str, Any] = answer.json()
    return product
