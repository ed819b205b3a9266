"""The catalogue: products, their prices, and their import from CSV."""

from typing import Any

import httpx
import pytest

from tests.api.conftest import Gateway, code_of

LAMP = {
    "name": "Lamp",
    "description": "Brass",
    "prices": [{"currency": "USD", "unit_amount": 1250}, {"currency": "EUR", "unit_amount": 1150}],
    "metadata": {"sku": "L-1"},
}
CSV = """name,description,currency,unit_amount
Lamp,Brass,USD,1250
Lamp,Brass,JPY,1800
"Mug, large",,EUR,900
"""


async def test_a_product_from_its_addition_to_its_archiving(gateway: Gateway) -> None:
    answer = await gateway.post("/v1/products", LAMP)
    assert answer.status_code == 201
    product = answer.json()
    assert product == LAMP | {
        "object": "product",
        "id": product["id"],
        "livemode": False,
        "active": True,
        "prices": sorted(LAMP["prices"], key=lambda price: price["currency"]),  # type: ignore[index]
        "created_at": product["created_at"],
        "updated_at": product["created_at"],
    }
    path = f"/v1/products/{product['id']}"
    assert (await gateway.get(path)).json() == product

    changed = await _patch(gateway, path, {"name": "Desk lamp", "metadata": {}})
    assert changed == product | {
        "name": "Desk lamp", "metadata": {}, "updated_at": changed["updated_at"],
    }  # fmt: skip
    assert changed["updated_at"] > product["updated_at"]
    repriced = await _patch(gateway, path, {"prices": [{"currency": "USD", "unit_amount": 1}]})
    assert repriced["prices"] == [{"currency": "USD", "unit_amount": 1}]

    answer = await gateway.http.delete(path, headers=_bearer(gateway))
    assert (answer.status_code, answer.json()["active"]) == (200, False)
    assert (await gateway.get(path)).json()["active"] is False
    assert (await gateway.get("/v1/products")).json()["data"] == []
    archived = (await gateway.get("/v1/products", active="false")).json()["data"]
    assert [item["id"] for item in archived] == [product["id"]]
    assert (await _patch(gateway, path, {"active": True}))["active"] is True


async def test_the_list_is_walked_by_cursor(gateway: Gateway) -> None:
    for number in range(5):
        await gateway.post("/v1/products", LAMP | {"name": f"Lamp {number}"})
    seen: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        page = (await gateway.get("/v1/products", limit=2, **cursor)).json()
        seen += [product["name"] for product in page["data"]]
        assert all(product["prices"] for product in page["data"])
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == [f"Lamp {number}" for number in (4, 3, 2, 1, 0)]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"name": ""}, "name"),
        ({"prices": []}, "prices"),
        ({"prices": [{"currency": "XXX", "unit_amount": 1}]}, "prices[0].currency"),
        ({"prices": [{"currency": "USD", "unit_amount": 0}]}, "prices[0].unit_amount"),
        ({"prices": [{"currency": "USD", "unit_amount": 1}] * 2}, "prices"),
        ({"price": 1}, "price"),
    ],
)
async def test_what_is_no_product(refusing: Gateway, fields: dict[str, Any], path: str) -> None:
    answer = await refusing.post("/v1/products", LAMP | fields)
    assert answer.status_code == 400
    assert [error["path"] for error in answer.json()["errors"]] == [path]


async def test_what_is_not_there_cannot_be_changed(gateway: Gateway) -> None:
    product = (await gateway.post("/v1/products", LAMP)).json()
    live = await gateway.key(livemode=True)
    for path, key in (("/v1/products/prod_none", None), (f"/v1/products/{product['id']}", live)):
        headers = _bearer(gateway, key)
        assert code_of(await gateway.get(path, key=key)) == (404, "not_found")
        patched = await gateway.http.patch(path, headers=headers, json={"name": "x"})
        assert code_of(patched) == (404, "not_found")
        assert code_of(await gateway.http.delete(path, headers=headers)) == (404, "not_found")
    assert (await gateway.get(f"/v1/products/{product['id']}")).json() == product


async def test_importing_a_catalogue(gateway: Gateway) -> None:
    answer = await _import(gateway, CSV.encode("utf-8-sig"))
    assert answer.status_code == 201, answer.text
    lamp, mug = answer.json()["data"]
    assert (lamp["name"], lamp["description"]) == ("Lamp", "Brass")
    assert lamp["prices"] == [
        {"currency": "JPY", "unit_amount": 1800},
        {"currency": "USD", "unit_amount": 1250},
    ]
    assert (mug["name"], mug["description"], len(mug["prices"])) == ("Mug, large", "", 1)
    listed = (await gateway.get("/v1/products")).json()["data"]
    assert listed == [mug, lamp]
    order = await gateway.order(items=[{"product": lamp["id"]}], currency="JPY")
    assert order["amount"] == 1800


async def test_the_columns_may_stand_in_any_order(one_gateway: Gateway) -> None:
    answer = await _import(
        one_gateway, b"currency,unit_amount,name,description\r\nUSD,5,Pen,Blue\r\n"
    )
    (pen,) = answer.json()["data"]
    assert (pen["name"], pen["description"], pen["prices"][0]["unit_amount"]) == ("Pen", "Blue", 5)


async def test_every_wrong_line_is_named_and_nothing_is_imported(gateway: Gateway) -> None:
    lines = [
        "Good,,USD,1",  # 2
        ",,USD,1",  # 3: no name
        "Bad,,XXX,1",  # 4
        "Bad,,USD,1.50",  # 5
        "Bad,,USD,0",  # 6
        "Bad,,USD,99999999999999",  # 7
        "Bad,,USD",  # 8
        "Good,,USD,2",  # 9: a second price in USD
        "Good,other,EUR,2",  # 10: another description
        "",
        "Good,,GBP,2",
        "Bad,,USD,١",  # 13: digits, but not ours
        "Bad\0,,USD,1",  # 14
    ]
    answer = await _import(
        gateway, ("name,description,currency,unit_amount\n" + "\n".join(lines)).encode()
    )
    assert code_of(answer) == (400, "invalid_request")
    wrong = [error["path"] for error in answer.json()["errors"]]
    assert wrong == [f"line {number}" for number in (3, 4, 5, 6, 7, 8, 9, 10, 13, 14)]
    assert (await gateway.get("/v1/products")).json()["data"] == []


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"", "line 1"),
        (b"name,description,currency\n", "line 1"),
        (b'name,description,currency,unit_amount\n"Lamp,x,USD,1\n', "line 2"),
        (b"name,description,currency,unit_amount\n", None),
        (b"name,description,currency,unit_amount\nL\xff,,USD,1\n", None),
    ],
)
async def test_what_is_no_catalogue(refusing: Gateway, body: bytes, path: str | None) -> None:
    answer = await _import(refusing, body)
    assert code_of(answer) == (400, "invalid_request")
    assert [e["path"] for e in answer.json().get("errors", [])] == ([path] if path else [])


async def test_an_import_is_csv_and_needs_its_scope(refusing: Gateway) -> None:
    answer = await _import(refusing, CSV.encode(), kind="application/json")
    assert code_of(answer) == (415, "unsupported_media_type")
    reader = await refusing.key("restricted", scopes=("orders:read",))
    answer = await _import(refusing, CSV.encode(), key=reader)
    assert code_of(answer) == (403, "forbidden")


async def _import(
    gateway: Gateway, body: bytes, *, kind: str = "text/csv", key: str | None = None
) -> httpx.Response:
    headers = _bearer(gateway, key) | {"Content-Type": kind}
    return await gateway.http.post("/v1/products/import", headers=headers, content=body)


async def _patch(gateway: Gateway, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await gateway.http.patch(path, headers=_bearer(gateway), json=body)
    assert answer.status_code == 200, answer.text
    changed: dict[str, Any] = answer.json()
    return changed


def _bearer(gateway: Gateway, key: str | None = None) -> dict[str, str]:
    return {"Authorization": f"Bearer {key or gateway.secret}"}
