"""The dashboard in a real browser: all pages at three widths, by keyboard, and without scripts."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Demo, Watched
from tests.browser.steps import PROVIDERS, at_provider, choose

pytestmark = pytest.mark.browser

PAGES = (
    "",
    "/orders",
    "/orders?currency=USD&amount_min=x",
    "/refunds",
    "/refunds?currency=USD&amount_min=x&columns=imported",
    "/search?q=nothing",
    "/attention",
    "/balance",
    "/balance?currency=EUR&amount_min=x&columns=rate",
    "/exports",
    "/payouts",
    "/reconciliation",
    "/reconciliation/months",
    "/reconciliation/months/2026-01",
    "/ledger",
    "/ledger/entries",
    "/products",
    "/products/new",
    "/products/import",
    "/webhooks",
    "/providers",
    "/routing",
    "/keys",
    "/users",
    "/audit",
    "/account",
)

#: Asks a page for what WCAG AA asks of it; returns what is wrong.
AUDIT = Path(__file__).with_name("audit.js").read_text()


def sign_in(page: Page, demo: Demo) -> None:
    """With the demo's secret key."""
    key = demo.api.headers["authorization"].removeprefix("Bearer ")
    page.goto(f"{demo.url}/dashboard")
    page.get_by_label("Secret or restricted key").fill(key)
    page.get_by_role("button", name="Sign in with the key").click()
    page.wait_for_url("**/dashboard")


@pytest.fixture(scope="module")
def order(demo: Demo) -> dict[str, Any]:
    """A paid order."""
    product = demo.api.get("/v1/products").json()["data"][0]["id"]
    body = {
        "provider": "stripe",
        "currency": "USD",
        "items": [{"product": product, "quantity": 2}],
        "success_url": "https://shop.example/ok",
        "cancel_url": "https://shop.example/cart",
        "reference": "W-1001",
        "customer_email": "ada@example.com",
    }
    made = demo.api.post("/v1/orders", json=body, headers={"Idempotency-Key": "dashboard"}).json()
    page = made["payments"][0]["provider_order_id"]
    buyer = {"provider": "stripe", "id": page, "action": "pay"}
    demo.sandbox.post("/_control/buyer", json=buyer).raise_for_status()
    paid: dict[str, Any] = demo.api.post(f"/v1/orders/{made['id']}/confirm").json()
    return paid


@pytest.mark.parametrize(
    ("width", "scheme"), [(390, "light"), (768, "dark"), (1440, "light"), (1440, "dark")]
)
def test_every_page_is_in_order(
    watched: Watched, demo: Demo, order: dict[str, Any], width: int, scheme: str
) -> None:
    page = watched.open(width=width, color_scheme=scheme)
    page.goto(f"{demo.url}/dashboard/sign-in")
    assert page.evaluate(AUDIT) == []
    sign_in(page, demo)
    own = (f"/orders/{order['id']}", f"/orders/{order['id']}/refund?amount=1")
    for path in (*PAGES, *own):
        page.goto(f"{demo.url}/dashboard{path}")
        page.evaluate("document.querySelectorAll('details').forEach((e) => { e.open = true })")
        assert page.evaluate(AUDIT) == [], path


def test_what_is_broken_would_be_seen(watched: Watched, demo: Demo) -> None:
    page = watched.open()
    page.goto(f"{demo.url}/dashboard/sign-in")
    page.evaluate(
        """() => {
            document.querySelector("label").remove();
            document.querySelector("h1").textContent = "";
            document.querySelector("h2").style.color = "#ccc";
            document.querySelector("button").textContent = "";
            document.querySelector("main").append(document.createElement("h4"));
        }"""
    )
    found = " ".join(page.evaluate(AUDIT))
    for words in ("no label: email", "contrast", "no name", "leap"):
        assert words in found


@pytest.mark.parametrize("scripts", [True, False])
def test_a_refund_from_the_list_to_the_timeline(
    watched: Watched, demo: Demo, order: dict[str, Any], scripts: bool
) -> None:
    page = watched.open(java_script_enabled=scripts, locale="en-US")
    sign_in(page, demo)
    page.get_by_role("searchbox").fill(order["payments"][0]["provider_payment_id"])
    page.get_by_role("searchbox").press("Enter")
    page.wait_for_url(f"**/orders/{order['id']}")
    page.get_by_label("Amount to refund").fill("1.50")
    page.get_by_label("Reason").fill("A scratch")
    page.get_by_role("button", name="Refund…").click()
    page.get_by_label("Type 1.50 to confirm").fill("1.50")
    page.get_by_role("button", name="Refund $1.50").click()
    expect(page.get_by_role("status")).to_contain_text("The refund was made")
    expect(page.locator(".timeline")).to_contain_text("refund reserved $1.50")
    after = demo.api.get(f"/v1/orders/{order['id']}").json()
    assert after["amount_refunded"] == 150 * (1 if scripts else 2)


def test_it_is_used_by_keyboard(watched: Watched, demo: Demo, order: dict[str, Any]) -> None:
    page = watched.open()
    sign_in(page, demo)
    page.goto(f"{demo.url}/dashboard/orders")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the content")
    page.keyboard.press("Enter")
    expect(page.locator("main:focus")).to_have_count(1)
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("W-1001")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/orders/{order['id']}")
    page.get_by_role("link", name="Overview").focus()
    outline = page.locator(":focus").evaluate("e => getComputedStyle(e).outlineStyle")
    assert outline != "none"


def test_what_the_shop_sells_is_in_the_list(watched: Watched, demo: Demo) -> None:
    page = watched.open()
    choose(page, demo, PROVIDERS[1])
    at_provider(page, demo, PROVIDERS[1], "pay")
    bought = demo.order(page)
    sign_in(page, demo)
    page.get_by_role("link", name="Orders", exact=True).click()
    page.get_by_label("Paid", exact=True).first.check()
    page.get_by_role("button", name="Show").click()
    page.wait_for_url(re.compile(r"/orders\?status=paid"))
    row = page.locator("tr", has=page.locator(f'a[href$="{bought["id"]}"]'))
    expect(row).to_contain_text("PayPal")
    expect(row).to_contain_text("Paid")


@pytest.mark.parametrize("role", ["admin", "finance", "support"])
def test_the_people_that_the_demo_names_may_sign_in(
    watched: Watched, demo: Demo, role: str
) -> None:
    page = watched.open()
    page.goto(f"{demo.url}/dashboard")
    page.get_by_label("E-mail address").fill(f"{role}@demo.example")
    page.get_by_label("Password").fill(demo.password)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/dashboard")
    expect(page.get_by_text("Test mode.")).to_be_visible()
    assert page.get_by_role("link", name="Ledger").count() == (role != "support")
    assert page.get_by_role("link", name="Users").count() == (role == "admin")
