"""GET /v1/orders: every filter, alone and together with walking by cursor; and the timeline."""

from typing import Any

import pytest

from tests.api.conftest import Gateway, code_of, page_of


async def _ids(gateway: Gateway, **filters: Any) -> list[str]:
    answer = await gateway.get("/v1/orders", **filters)
    assert answer.status_code == 200, answer.text
    return [order["id"] for order in answer.json()["data"]]


async def _walk(gateway: Gateway, limit: int, **filters: Any) -> list[str]:
    seen: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        page = (await gateway.get("/v1/orders", limit=limit, **filters, **cursor)).json()
        assert len(page["data"]) <= limit
        seen += [order["id"] for order in page["data"]]
        if page["next_cursor"] is None:
            return seen
        cursor = {"cursor": page["next_cursor"]}


async def test_each_filter_finds_its_orders(gateway: Gateway) -> None:
    plain = await gateway.order()
    rich = await gateway.paid(
        reference="A-1",
        customer_email="ada@example.com",
        metadata={"cart": "9", "shop": "north"},
        items=[{"name": "Piano", "unit_amount": 900_000}],
    )
    euro = await gateway.order(provider="other", currency="EUR", metadata={"cart": "9"})
    all_of_them = [euro["id"], rich["id"], plain["id"]]
    assert await _ids(gateway) == all_of_them

    expected = {
        ("status", "paid"): [rich],
        ("status", "open"): [euro, plain],
        ("status", "refunded"): [],
        ("provider", "other"): [euro],
        ("currency", "EUR"): [euro],
        ("reference", "A-1"): [rich],
        ("reference", "a-1"): [],
        ("customer_email", "ada@example.com"): [rich],
        ("metadata[cart]", "9"): [euro, rich],
        ("metadata[cart]", "8"): [],
        ("metadata[shop]", "north"): [rich],
        ("amount_min", 5401): [rich],
        ("amount_min", 5400): [euro, rich, plain],
        ("amount_max", 5400): [euro, plain],
        ("amount_max", 5399): [],
        ("attention", "true"): [],
        ("attention", "false"): [euro, rich, plain],
        ("created_from", rich["created_at"]): [euro, rich],
        ("created_to", rich["created_at"]): [plain],
        ("paid_from", rich["paid_at"]): [rich],
        ("paid_to", rich["paid_at"]): [],
    }
    for (name, value), orders in expected.items():
        found = await _ids(gateway, **{name: value})
        assert found == [order["id"] for order in orders], (name, value)
    both = await _ids(gateway, **{"metadata[cart]": "9", "metadata[shop]": "north"})
    assert both == [rich["id"]]
    assert await _ids(gateway, status=["open", "paid"]) == all_of_them
    assert await _ids(gateway, status="open", currency="EUR", amount_min=1) == [euro["id"]]


async def test_attention_is_a_filter(gateway: Gateway) -> None:
    await gateway.order()
    order = await gateway.order()
    gateway.fake.buyer_pays(page_of(order)).captured = 5399  # not what was asked for
    shown = (await gateway.post(f"/v1/orders/{order['id']}/confirm")).json()
    assert [item["kind"] for item in shown["attention"]] == ["amount_mismatch"]
    assert shown["status"] != "paid"
    assert await _ids(gateway, attention="true") == [order["id"]]


async def test_an_order_is_found_by_any_id_that_a_provider_gave(gateway: Gateway) -> None:
    await gateway.paid()
    order = await gateway.paid()
    refund = (await gateway.post(f"/v1/orders/{order['id']}/refunds", {"amount": 1})).json()
    page = page_of(order)
    ids = [page, f"int_{page}", f"ch_{page}", f"cap_{page}", refund["provider_refund_id"]]
    for provider_id in ids:
        assert await _ids(gateway, provider_id=provider_id) == [order["id"]], provider_id
        narrowed = await _ids(gateway, provider_id=provider_id, status="partially_refunded")
        assert narrowed == [order["id"]]
    assert await _ids(gateway, provider_id=page[:-1]) == []


async def test_walking_by_cursor_meets_every_order_once_whatever_is_added(
    gateway: Gateway,
) -> None:
    made = [(await gateway.order(metadata={"n": str(n % 2)}))["id"] for n in range(7)]
    assert await _walk(gateway, 1) == made[::-1]
    assert await _walk(gateway, 3) == made[::-1]
    assert await _walk(gateway, 7) == made[::-1]
    assert await _walk(gateway, 2, **{"metadata[n]": "1", "status": "open"}) == made[::-1][1::2]

    first = (await gateway.get("/v1/orders", limit=3)).json()
    await gateway.order()
    rest = await gateway.get("/v1/orders", limit=100, cursor=first["next_cursor"])
    assert [order["id"] for order in rest.json()["data"]] == made[:4][::-1]


@pytest.mark.parametrize(
    ("params", "path"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "501"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"cursor": "nonsense"}, "cursor"),
        ({"cursor": "b3JkXzE="}, "cursor"),
        ({"cursor": "é"}, "cursor"),
        ({"status": "payed"}, "status"),
        ({"created_from": "yesterday"}, "created_from"),
        ({"created_from": "2026-01-01T00:00:00"}, "created_from"),
        ({"paid_to": "2026-01-01"}, "paid_to"),
        ({"amount_min": "1.5"}, "amount_min"),
        ({"amount_max": "9" * 30}, "amount_max"),
        ({"amount_min": "-1"}, "amount_min"),
        ({"attention": "perhaps"}, "attention"),
        ({"currency": "eur"}, "currency"),
        ({"currency": "EURO"}, "currency"),
        ({"currency": "\u2603"}, "currency"),
        ({"provider": "Stripe"}, "provider"),
        ({"refrence": "A-1"}, "refrence"),
        ({"metadata": "9"}, "metadata"),
        ({"metadata[]": "9"}, "metadata[]"),
    ],
)
async def test_a_filter_that_is_not_right(
    refusing: Gateway, params: dict[str, str], path: str
) -> None:
    answer = await refusing.get("/v1/orders", **params)
    assert code_of(answer) == (400, "invalid_request"), answer.text
    assert [error["path"] for error in answer.json()["errors"]] == [path]


@pytest.mark.parametrize("path", ["/v1/refunds", "/v1/products"])
async def test_no_list_ignores_a_misspelt_filter(refusing: Gateway, path: str) -> None:
    answer = await refusing.get(path, statsu="x")
    assert code_of(answer) == (400, "invalid_request")
    assert answer.json()["errors"][0]["path"] == "statsu"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/refunds",
        "/v1/balance_transactions",
        "/v1/payouts",
        "/v1/reports/balance?from=2026-01-01&to=2026-02-01",
        "/v1/exports/orders",
        "/v1/exports/balance_transactions",
    ],
)
async def test_no_list_takes_a_currency_that_there_is_not(refusing: Gateway, path: str) -> None:
    answer = await refusing.get(f"{path}{'&' if '?' in path else '?'}currency=eur")
    assert code_of(answer) == (400, "invalid_request")
    assert [error["path"] for error in answer.json()["errors"]] == ["currency"]


async def test_odd_text_in_filters_finds_nothing_and_breaks_nothing(gateway: Gateway) -> None:
    await gateway.order()
    for text in ("%", "_", "'; DROP TABLE orders; --", "\u2603", "\\", "\x01", "x" * 2000):
        for name in ("reference", "customer_email", "provider_id", "metadata[k]"):
            assert await _ids(gateway, **{name: text}) == []
    for moment in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1e30"):
        answer = await gateway.get("/v1/orders", created_from=moment)
        assert answer.status_code in (200, 400), (moment, answer.text)
    for path in (
        "/v1/orders?reference=%00",
        "/v1/orders/%00",
        "/v1/refunds/x%00",
        "/v1/orders/%ff",
    ):
        answer = await gateway.get(path)
        assert answer.status_code in (400, 404), path


async def test_the_timeline_tells_the_orders_story(gateway: Gateway) -> None:
    order = await gateway.order(customer_email="ada@example.com")
    page = gateway.fake.buyer_pays(page_of(order))
    for _ in range(2):
        headers, body = gateway.fake.event(page, "ev_1")
        assert (await gateway.http.post("/webhooks/fake", headers=headers, content=body)).is_success
    await gateway.work()
    await gateway.post(f"/v1/orders/{order['id']}/refunds", {"amount": 400})
    answer = await gateway.get(f"/v1/orders/{order['id']}/timeline")
    story = answer.json()
    assert (story["order"], story["status"]) == (order["id"], "partially_refunded")
    told = [(line["kind"], line["summary"]) for line in story["data"]]
    expected = [
        ("call", "create at fake: succeeded"),
        ("webhook", "paid from fake"),
        ("fact", "captured 5400 USD"),
        ("status", "open → paid"),
        ("fact", "refund reserved 400 USD"),
        ("call", "refund at fake: succeeded"),
        ("status", "paid → partially_refunded"),
    ]
    assert [line for line in told if line in expected] == expected
    (webhook,) = [line for line in story["data"] if line["kind"] == "webhook"]
    assert webhook["data"]["event"] == "ev_1"
    assert webhook["data"]["deliveries"] == 2
    assert webhook["rule"]
    assert [line["at"] for line in story["data"]] == sorted(line["at"] for line in story["data"])
    assert "ada@example.com" not in answer.text
