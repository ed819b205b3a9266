"""What each role sees and may do, and that one merchant and one mode never see another's."""

import pytest

from storage.users import Role
from tests.api.conftest import Gateway
from tests.dashboard.conftest import Reader, reader_as

#: Path → who may open it.
PAGES: dict[str, tuple[Role, ...]] = {
    "": ("admin", "finance", "support"),
    "/orders": ("admin", "finance", "support"),
    "/refunds": ("admin", "finance", "support"),
    "/attention": ("admin", "finance"),
    "/exports": ("admin", "finance", "support"),
    "/balance": ("admin", "finance"),
    "/payouts": ("admin", "finance"),
    "/reconciliation": ("admin", "finance"),
    "/reconciliation/months": ("admin", "finance"),
    "/reconciliation/months/2025-12": ("admin", "finance"),
    "/ledger": ("admin", "finance"),
    "/ledger/entries": ("admin", "finance"),
    "/products": ("admin", "finance", "support"),
    "/products/new": ("admin",),
    "/products/import": ("admin",),
    "/webhooks": ("admin",),
    "/providers": ("admin", "finance", "support"),
    "/routing": ("admin", "finance", "support"),
    "/keys": ("admin",),
    "/users": ("admin",),
    "/audit": ("admin",),
    "/account": ("admin", "finance", "support"),
}


@pytest.mark.parametrize("role", ["admin", "finance", "support"])
async def test_pages_by_role(one_gateway: Gateway, role: Role) -> None:
    reader = await reader_as(one_gateway, role)
    for path, roles in PAGES.items():
        page = await reader.get(path, 200 if role in roles else 403)
        assert page.count("<h1") == 1, path
        assert page.count("<main") == 1, path
    navigation = (await reader.get("/account")).partition("<nav")[2].partition("</nav>")[0]
    for path, roles in PAGES.items():
        if path.count("/") > 1 or path in ("/account", "/routing"):  # reached from another page
            continue
        assert (f'href="/dashboard{path}"' in navigation) == (role in roles), path


async def test_finance_reads_and_support_refunds(one_gateway: Gateway) -> None:
    order = await one_gateway.paid()
    for role, allowed in (("finance", False), ("support", True)):
        reader = await reader_as(one_gateway, role)  # type: ignore[arg-type]
        page = await reader.get(f"/orders/{order['id']}")
        assert ("Refund…" in page) == allowed
        await reader.get(f"/orders/{order['id']}/refund", 200 if allowed else 403)
        account = await reader.get("/account")
        sent = await reader.send(
            f"/orders/{order['id']}/refund", account, typed="1.00", units="100", token="t"
        )
        assert sent.status_code == (303 if allowed else 403)
    assert (await one_gateway.read(order))["amount_refunded"] == 100


async def test_a_role_cannot_do_by_hand_what_it_has_no_button_for(one_gateway: Gateway) -> None:
    support = await reader_as(one_gateway, "support")
    account = await support.get("/account")
    for path in (
        "/keys",
        "/keys/key_1/revoke",
        "/attention/att_1/resolve",
        "/webhooks",
        "/deliveries/dlv_1/resend",
        "/products/prod_1",
        "/products",
        "/products/import",
    ):
        fields = {"kind": "secret", "url": "https://shop.example/hook", "text": "x", "name": "x"}
        answer = await support.send(path, account, **fields)
        assert answer.status_code in (403, 404), path
    assert len(await one_gateway.services.keys.list()) == 1


async def test_another_merchants_order_is_not_there(one_gateway: Gateway, admin: Reader) -> None:
    other = await one_gateway.services.keys.merchant("Bob's shop")
    key = await one_gateway.key(merchant=other)
    answer = await one_gateway.post(
        "/v1/orders",
        {
            "provider": "fake",
            "currency": "USD",
            "items": [{"name": "Chair", "unit_amount": 2700, "quantity": 2}],
            "success_url": "https://shop.example/ok",
            "cancel_url": "https://shop.example/cart",
            "reference": "BOB-1",
        },
        key=key,
    )
    theirs = answer.json()["id"]
    await admin.get(f"/orders/{theirs}", 404)
    await admin.get(f"/orders/{theirs}/refund", 404)
    assert theirs not in await admin.get("/orders")
    assert "Nothing is known" in await admin.get("/search", q=theirs)
    assert "Nothing is known" in await admin.get("/search", q="BOB-1")
    keys = await one_gateway.services.keys.list(other)
    page = await admin.get("/keys")
    assert keys[0].hint not in page
    for action in ("roll", "revoke"):
        assert (await admin.send(f"/keys/{keys[0].id}/{action}", page)).status_code == 404
    assert (await one_gateway.get("/v1/orders", key=key)).status_code == 200


async def test_the_mode_is_switched_and_its_banner_says_so(one_gateway: Gateway) -> None:
    reader = await reader_as(one_gateway, "admin")
    order = await one_gateway.order()
    assert "Test mode." in await reader.get(f"/orders/{order['id']}")
    page = await reader.get("/account")
    assert (await reader.send("/mode", page, mode="live")).status_code == 303
    assert "Live mode." in await reader.get("/orders")
    await reader.get(f"/orders/{order['id']}", 404)


async def test_a_key_stays_in_its_mode(admin: Reader) -> None:
    page = await admin.get("/account")
    assert 'class="switch"' not in page
    assert (await admin.send("/mode", page, mode="live")).status_code == 403
    assert "Test mode." in await admin.get("/orders")
