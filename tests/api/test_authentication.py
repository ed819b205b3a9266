"""Keys: three kinds, scopes, modes, merchants; and what each may not see."""

import httpx
import pytest

from api.security import SCOPES
from gateway.errors import GatewayError
from tests.api.conftest import Gateway, code_of, order_body, page_of


@pytest.mark.parametrize(
    "authorization",
    [
        None, "", "Bearer", "Bearer ", "Basic c2s6", "Bearer sk_test_wrong", "sk_test_wrong",
        "Bearer \xe9\xff", "Bearer " + "x" * 5000,
    ],
)  # fmt: skip
async def test_without_a_genuine_key(refusing: Gateway, authorization: str | None) -> None:
    calls = list(refusing.fake.calls)
    given = {} if authorization is None else {"Authorization": authorization}
    headers = httpx.Headers(given, encoding="latin-1")
    for path in ("/v1/orders", "/v1/orders/ord_1", "/v1/refunds", "/v1/products", "/v1/providers"):
        answer = await refusing.http.get(path, headers=headers)
        assert code_of(answer) == (401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    answer = await refusing.http.post("/v1/orders", headers=headers, json=order_body())
    assert code_of(answer) == (401, "unauthenticated")
    assert refusing.fake.calls == calls


async def test_a_revoked_key_is_refused_at_once(gateway: Gateway) -> None:
    key = await gateway.key()
    assert (await gateway.get("/v1/orders", key=key)).status_code == 200
    (record,) = [k for k in await gateway.services.keys.list() if key.endswith(k.hint[-4:])]
    await gateway.services.keys.revoke(record.id)
    assert code_of(await gateway.get("/v1/orders", key=key)) == (401, "unauthenticated")
    assert (await gateway.get("/v1/orders")).status_code == 200
    await gateway.services.keys.revoke(record.id)  # again: nothing changes
    with pytest.raises(GatewayError, match="there is no key"):
        await gateway.services.keys.revoke("key_none")


async def test_keys_are_stored_as_digests_only(gateway: Gateway) -> None:
    for kind, prefix in (("secret", "sk_test_"), ("publishable", "pk_test_")):
        key = await gateway.key(kind)  # type: ignore[arg-type]
        assert key.startswith(prefix)
        assert len(key) == len(prefix) + 48
        records = repr(await gateway.services.keys.list())
        assert key not in records
        assert key[8:20] not in records
    for scopes, kind in (
        ((), "restricted"),
        (("orders:read",), "secret"),
        (("all",), "restricted"),
    ):
        with pytest.raises(GatewayError, match="scopes"):
            await gateway.key(kind, scopes=scopes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/v1/orders", "orders:read"),
        ("GET", "/v1/orders/{order}", "orders:read"),
        ("GET", "/v1/orders/{order}/timeline", "orders:read"),
        ("GET", "/v1/refunds", "orders:read"),
        ("GET", "/v1/refunds/ref_none", "orders:read"),
        ("GET", "/v1/products", "orders:read"),
        ("GET", "/v1/products/prod_none", "orders:read"),
        ("POST", "/v1/orders", "orders:write"),
        ("POST", "/v1/orders/{order}/confirm", "orders:write"),
        ("POST", "/v1/orders/{order}/payments", "orders:write"),
        ("POST", "/v1/orders/{order}/capture", "orders:write"),
        ("POST", "/v1/orders/{order}/cancel", "orders:write"),
        ("POST", "/v1/orders/{order}/refunds", "refunds:write"),
        ("POST", "/v1/products", "catalog:write"),
        ("POST", "/v1/products/import", "catalog:write"),
        ("PATCH", "/v1/products/prod_none", "catalog:write"),
        ("DELETE", "/v1/products/prod_none", "catalog:write"),
    ],
)
async def test_each_call_needs_its_scope(
    refusing: Gateway, method: str, path: str, scope: str
) -> None:
    order = await refusing.order()
    path = path.format(order=order["id"])
    others = tuple(other for other in SCOPES if other != scope)
    for scopes, allowed in (((scope,), True), (others, False)):
        key = await refusing.key("restricted", scopes=scopes)
        headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": refusing.fresh()}
        answer = await refusing.http.request(method, path, headers=headers, json={})
        refused = code_of(answer) == (403, "forbidden") if answer.status_code >= 400 else False
        assert refused is not allowed, answer.text
        if not allowed:
            assert scope in answer.json()["detail"]


async def test_a_publishable_key_orders_from_the_catalogue_and_sees_its_order_only(
    gateway: Gateway,
) -> None:
    product = (
        await gateway.post(
            "/v1/products", {"name": "Lamp", "prices": [{"currency": "USD", "unit_amount": 700}]}
        )
    ).json()
    public = await gateway.key("publishable")
    order = await gateway.order(key=public, items=[{"product": product["id"]}])
    path, token = f"/v1/orders/{order['id']}", order["client_token"]

    assert (await gateway.get(path, key=public, client_token=token)).json()["amount"] == 700
    answer = await gateway.http.post(
        f"{path}/confirm",
        params={"client_token": token},
        headers={"Authorization": f"Bearer {public}"},
    )
    assert answer.status_code == 200
    gateway.fake.buyer_pays(page_of(order))
    assert (await gateway.post(f"{path}/confirm")).json()["fee"] == 70
    paid = (await gateway.get(path, key=public, client_token=token)).json()
    assert (paid["status"], paid["fee"], paid["net"]) == ("paid", None, None)  # not the buyer's
    other = await gateway.order()
    for wrong in (None, "", "ct_wrong", other["client_token"], token.upper(), token + "é"):
        params = {} if wrong is None else {"client_token": wrong}
        assert code_of(await gateway.get(path, key=public, **params)) == (404, "not_found")
        answer = await gateway.http.post(
            f"{path}/confirm", params=params, headers={"Authorization": f"Bearer {public}"}
        )
        assert code_of(answer) == (404, "not_found")

    for verb in ("payments", "capture", "cancel", "refunds"):
        answer = await gateway.post(f"{path}/{verb}", {"provider": "fake"}, key=public)
        assert code_of(answer) == (403, "forbidden")
    for closed in ("/v1/orders", f"{path}/timeline", "/v1/refunds", "/v1/products"):
        assert code_of(await gateway.get(closed, key=public)) == (403, "forbidden")
    assert (await gateway.get("/v1/providers", key=public)).status_code == 200


@pytest.mark.parametrize("kind", ["publishable", "restricted"])
async def test_an_ad_hoc_price_needs_a_secret_key(one_gateway: Gateway, kind: str) -> None:
    scopes = ("orders:write",) if kind == "restricted" else ()
    key = await one_gateway.key(kind, scopes=scopes)  # type: ignore[arg-type]
    answer = await one_gateway.post("/v1/orders", order_body(), key=key)
    assert code_of(answer) == (403, "forbidden")
    assert one_gateway.fake.calls == []


async def test_another_merchants_objects_are_not_there(gateway: Gateway) -> None:
    order = await gateway.paid(reference="A-1", metadata={"cart": "9"})
    refund = (await gateway.post(f"/v1/orders/{order['id']}/refunds", {"amount": 1})).json()
    product = (
        await gateway.post(
            "/v1/products", {"name": "Lamp", "prices": [{"currency": "USD", "unit_amount": 7}]}
        )
    ).json()
    stranger = await gateway.key(merchant=await gateway.services.keys.merchant("Bob's shop"))
    live = await gateway.key(livemode=True)
    calls = list(gateway.fake.calls)
    for key in (stranger, live):
        path = f"/v1/orders/{order['id']}"
        for closed in (path, f"{path}/timeline", f"/v1/refunds/{refund['id']}",
                       f"/v1/products/{product['id']}"):  # fmt: skip
            assert code_of(await gateway.get(closed, key=key)) == (404, "not_found")
        for verb in ("confirm", "capture", "cancel", "refunds"):
            answer = await gateway.post(f"{path}/{verb}", {}, key=key)
            assert code_of(answer) == (404, "not_found"), verb
        answer = await gateway.post(f"{path}/payments", {"provider": "fake"}, key=key)
        assert code_of(answer) == (404, "not_found")
        for listing in ("/v1/orders", "/v1/refunds", "/v1/products"):
            assert (await gateway.get(listing, key=key)).json()["data"] == []
        page = order["payments"][0]["provider_order_id"]
        for wanted in ({"provider_id": page}, {"metadata[cart]": "9"}, {"reference": "A-1"}):
            assert (await gateway.get("/v1/orders", key=key, **wanted)).json()["data"] == []
        answer = await gateway.post(
            "/v1/orders", order_body(items=[{"product": product["id"]}]), key=stranger
        )
        assert code_of(answer) == (400, "unknown_product")
    assert gateway.fake.calls == calls


async def test_providers_are_those_of_the_keys_mode(gateway: Gateway) -> None:
    listed = (await gateway.get("/v1/providers")).json()["data"]
    assert [provider["name"] for provider in listed] == ["fake", "other"]
    assert listed[0] == {
        "name": "fake",
        "display_name": "Fake",
        "mode": "test",
        "currencies": None,
        "capabilities": {
            "manual_capture": True, "partial_capture": True, "partial_refund": True,
            "multiple_refunds": True, "cancel": True, "disputes": False, "settlement": False,
        },
        "proven": None,
        "health": "unknown",
        "reason": None,
    }  # fmt: skip
    assert listed[1]["currencies"] == ["EUR", "USD"]
    live = (await gateway.get("/v1/providers", key=await gateway.key(livemode=True))).json()["data"]
    assert [(provider["name"], provider["mode"]) for provider in live] == [("reallive", "live")]
    await gateway.order()
    assert (await gateway.get("/v1/providers")).json()["data"][0]["health"] == "ok"
