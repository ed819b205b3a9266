"""Keys, attention, webhooks, products, providers: read and done as at the API."""

import json
import re
from typing import Any

import pytest

from tests.api.conftest import Gateway
from tests.dashboard.conftest import OWN, Reader, reader_as

_CSRF = re.compile(r'name="csrf" value="([0-9a-f]{64})"')


async def test_a_key_is_made_shown_once_and_works(one_gateway: Gateway, admin: Reader) -> None:
    page = await admin.get("/keys")
    made = await admin.send(
        "/keys", page, kind="restricted", name="ci", scopes=["orders:read", "refunds:write"]
    )
    key = re.search(r"rk_test_[0-9a-f]{48}", made.text)
    assert key
    assert (await one_gateway.get("/v1/orders", key=key[0])).status_code == 200
    assert key[0] not in await admin.get("/keys")
    assert key[0] not in await admin.get("/audit")


async def test_a_key_is_rolled_and_revoked(one_gateway: Gateway, admin: Reader) -> None:
    key = await one_gateway.key()
    key_id = (await one_gateway.services.keys.list())[-1].id
    page = await admin.get("/keys")
    rolled = await admin.send(f"/keys/{key_id}/roll", page)
    new = re.search(r"sk_test_[0-9a-f]{48}", rolled.text)
    assert new
    for good in (key, new[0]):
        assert (await one_gateway.get("/v1/orders", key=good)).status_code == 200
    assert (await admin.send(f"/keys/{key_id}/revoke", page)).status_code == 303
    assert (await one_gateway.get("/v1/orders", key=key)).status_code == 401


async def test_a_key_of_no_known_kind_is_refused(one_gateway: Gateway, admin: Reader) -> None:
    page = await admin.get("/keys")
    for fields in ({"kind": "root"}, {"kind": "restricted"}, {"kind": "secret", "name": "\0"}):
        assert (await admin.send("/keys", page, **fields)).status_code == 400
    assert len(await one_gateway.services.keys.list()) == 1


async def test_an_item_is_taken_off_the_list(one_gateway: Gateway, admin: Reader) -> None:
    async with one_gateway.services.store.transaction() as tx:
        await tx.add_attention(
            one_gateway.merchant,
            False,
            "dead_letter",
            "job-1",
            "A job failed <too> often.",
            one_gateway.clock.now(),
        )
    page = await admin.get("/attention")
    assert "A job failed &lt;too&gt; often." in page
    assert '<span class="count">1<' in page
    item = re.search(r"/attention/(att_[0-9a-f]{32})/resolve", page)
    assert item
    answer = await admin.send(f"/attention/{item[1]}/resolve", page, note="Looked at it")
    assert answer.headers["location"] == "/dashboard/attention?done=resolved"
    assert "Nothing waits for you" in await admin.get("/attention")
    assert "Looked at it" in await admin.get("/attention", status="resolved")


async def test_an_endpoint_is_added_disabled_and_enabled(
    one_gateway: Gateway, admin: Reader
) -> None:
    page = await admin.get("/webhooks")
    made = await admin.send(
        "/webhooks", page, url="https://93.184.215.14/hook", events="order.paid"
    )
    assert re.search(r"whsec_[A-Za-z0-9+/=]+", made.text), made.text
    page = await admin.get("/webhooks")
    assert "whsec_" not in page
    endpoint = re.search(r"/webhooks/(whe_[0-9a-f]{32})/disable", page)
    assert endpoint
    for action, words in (("disable", "Disabled"), ("enable", "Enabled")):
        assert (await admin.send(f"/webhooks/{endpoint[1]}/{action}", page)).status_code == 303
        assert words in await admin.get("/webhooks")
    refused = await admin.send("/webhooks", page, url="http://10.0.0.1/x")
    assert refused.status_code == 400


async def test_a_delivery_is_looked_at_and_sent_again(one_gateway: Gateway, admin: Reader) -> None:
    page = await admin.get("/webhooks")
    await admin.send("/webhooks", page, url="https://93.184.215.14/hook")
    page = await admin.get("/webhooks")
    endpoint = re.search(r"/webhooks/(whe_[0-9a-f]{32})/test", page)
    assert endpoint
    tested = await admin.send(f"/webhooks/{endpoint[1]}/test", page)
    assert tested.headers["location"].endswith("done=tested")
    page = await admin.get("/webhooks")
    delivery = re.search(r"/deliveries/(dlv_[0-9a-f]{32})", page)
    assert delivery
    shown = await admin.get(f"/deliveries/{delivery[1]}")
    assert "endpoint.test" in shown
    sent = await admin.send(f"/deliveries/{delivery[1]}/resend", shown)
    assert sent.headers["location"].endswith("done=resent")


CSV = "name,description,currency,unit_amount\nMug,Of clay,EUR,1250\nMug,Of clay,JPY,1900\n"


async def test_a_file_is_looked_at_before_it_is_taken(one_gateway: Gateway, admin: Reader) -> None:
    page = await admin.get("/products/import")
    csrf = _CSRF.findall(page)[0]
    preview = await admin.http.post(
        "/dashboard/products/import",
        data={"csrf": csrf},
        files={"file": ("c.csv", b"\xef\xbb\xbf" + CSV.encode(), "text/csv")},
        headers=OWN,
    )
    assert "1 product would be added" in preview.text
    assert "€12.50" in preview.text
    assert "¥1,900" in preview.text
    assert "No products here" in await admin.get("/products")
    text = re.search(r"<textarea name=\"text\"[^>]*>\n?(.*?)</textarea>", preview.text, re.DOTALL)
    assert text
    done = await admin.send("/products/import", preview.text, text=text[1], confirmed="1")
    assert done.headers["location"] == "/dashboard/products?done=imported"
    assert "Mug" in await admin.get("/products")


async def test_wrong_lines_are_named(admin: Reader) -> None:
    page = await admin.get("/products/import")
    wrong = CSV + "Lamp,,XXX,5\nLamp,,EUR,0.5\n"
    answer = await admin.send("/products/import", page, text=wrong, confirmed="1")
    assert answer.status_code == 400
    assert "2 things are wrong" in answer.text
    assert "No products here" in await admin.get("/products")


async def test_a_product_is_changed_and_archived(one_gateway: Gateway, admin: Reader) -> None:
    body: dict[str, Any] = {"name": "Mug", "prices": [{"currency": "EUR", "unit_amount": 1250}]}
    product = (await one_gateway.post("/v1/products", body)).json()
    path = f"/products/{product['id']}"
    page = await admin.get(path)
    fields = {"name": "Big mug", "description": "", "currency": ["EUR", "jpy", ""]}
    csrf = _CSRF.findall(page)[0]
    sent = fields | {"csrf": csrf, "amount": ["13.00", "1900", ""]}
    changed = await admin.http.post(f"/dashboard{path}", data=sent, headers=OWN)
    assert changed.headers["location"] == f"/dashboard{path}?done=saved"
    after = (await one_gateway.get(f"/v1{path}")).json()
    assert after["name"] == "Big mug"
    prices = {price["currency"]: price["unit_amount"] for price in after["prices"]}
    assert prices == {"EUR": 1300, "JPY": 1900}
    bad = await admin.http.post(
        f"/dashboard{path}", data=sent | {"amount": ["1.234", "1", ""]}, headers=OWN
    )
    assert bad.status_code == 400
    assert "more than 2 decimals" in bad.text
    archived = await admin.http.post(
        f"/dashboard{path}", data={"csrf": csrf, "active": "false"}, headers=OWN
    )
    assert archived.headers["location"].endswith("done=archived")
    assert "Big mug" in await admin.get("/products", show="archived")


async def test_a_product_is_added(one_gateway: Gateway, admin: Reader) -> None:
    assert 'href="/dashboard/products/new"' in await admin.get("/products")
    page = await admin.get("/products/new")
    fields = {"name": " Mug ", "description": "Of <clay>", "currency": ["EUR", "jpy", ""]}
    sent = await admin.send("/products", page, **fields, amount=["12.50", "1900", ""])
    found = re.fullmatch(
        r"/dashboard(/products/prod_[0-9a-f]+)\?done=saved", sent.headers["location"]
    )
    assert found
    made = (await one_gateway.get(f"/v1{found[1]}")).json()
    assert (made["name"], made["description"], made["active"]) == ("Mug", "Of <clay>", True)
    prices = {price["currency"]: price["unit_amount"] for price in made["prices"]}
    assert prices == {"EUR": 1250, "JPY": 1900}
    assert "added a product" in await admin.get("/audit")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"amount": ["1.234", "", ""]}, "more than 2 decimals"),
        ({"amount": ["", "", ""]}, "Give it a price"),
        ({"currency": ["", "", ""]}, "Each price needs its currency"),
        ({"currency": ["EUR", "EUR", ""], "amount": ["1", "2", ""]}, "One price per currency"),
        ({"currency": ["XXQ", "", ""]}, "XXQ"),
        ({"name": " "}, "Give it a name"),
    ],
)
async def test_a_wrong_product_is_not_added(
    admin: Reader, changed: dict[str, Any], words: str
) -> None:
    page = await admin.get("/products/new")
    fields = {"name": "Mug", "description": "Of clay", "currency": ["EUR", "", ""]}
    answer = await admin.send("/products", page, **(fields | {"amount": ["5", "", ""]} | changed))
    assert answer.status_code == 400
    told = answer.text.partition('role="alert">')[2].partition("</p>")[0]
    assert words in told
    assert "Of clay</textarea>" in answer.text
    assert answer.text.count('name="amount"') == 3
    assert "No products here" in await admin.get("/products")


async def test_providers_stand_side_by_side(admin: Reader) -> None:
    page = await admin.get("/providers")
    assert "Rules kept" in page
    assert "Multiple refunds" in page


async def test_there_is_no_such_page(admin: Reader) -> None:
    assert "Not found" in await admin.get("/nowhere/at/all", 404)
    assert (await admin.http.get("/dashboard/static/../layout.html")).status_code == 404
    assert (await admin.http.delete("/dashboard/orders")).status_code == 405


async def test_the_routing_policy_is_told_and_changed(one_gateway: Gateway, admin: Reader) -> None:
    page = await admin.get("/routing")
    assert "whoever can serve, by name" in page
    policy = json.dumps(
        {
            "rules": [
                {"currencies": ["EUR"], "max_amount": 1000, "shares": {"fake": 30, "other": 70}},
                {"providers": ["other", "*"]},
            ],
            "avoid_degraded": False,
        }
    )
    assert (await admin.send("/routing", page, policy=policy)).status_code == 303
    page = await admin.get("/routing")
    for words in (
        "Orders in EUR of at most €10.00",
        "30 %",
        ", then all others",
        "keep their place",
    ):
        assert words in page
    for wrong in ("{", "[]", '{"rules": [{"providers": ["nobody"]}]}', '{"rules": []}'):
        answer = await admin.send("/routing", page, policy=wrong)
        assert answer.status_code == 400, wrong
        assert 'role="alert"' in answer.text
    assert "changed the routing policy" in await admin.get("/audit")
    support = await reader_as(one_gateway, "support")
    page = await support.get("/routing")
    assert "Change the policy" not in page
    assert (await support.send("/routing", page, policy=policy)).status_code == 403
