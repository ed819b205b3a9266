"""What holds for the pages themselves: without scripts, on a phone, against other sites."""

import json
import re
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from api.problems import CODES
from tests.browser.conftest import WIDTHS, Demo, Watched
from tests.browser.steps import PROVIDERS, at_provider, choose, refund

pytestmark = pytest.mark.browser


def test_everything_works_without_scripts(watched: Watched, demo: Demo) -> None:
    page = watched.open(java_script_enabled=False)
    choose(page, demo, PROVIDERS[0])
    at_provider(page, demo, PROVIDERS[0], "pay")
    expect(page.locator("[data-status]")).to_contain_text("webhook at")
    refund(page, "1.50")
    expect(page.locator(".verdict .pill")).to_have_text("Partly refunded")
    assert demo.order(page)["amount_refunded"] == 150


def test_a_form_that_is_sent_twice_is_one_order(page: Page, demo: Demo) -> None:
    page.goto(f"{demo.url}/demo")
    page.get_by_role("link", name=re.compile("Desk lamp")).click()
    sent = page.evaluate(
        """async () => {
            const body = new URLSearchParams(new FormData(document.querySelector("main form")));
            const send = () => fetch("/demo/checkout", {method: "POST", body, redirect: "manual"});
            return (await Promise.all([send(), send(), send()])).map((answer) => answer.type);
        }"""
    )
    assert sent == ["opaqueredirect"] * 3
    lamps = demo.api.get("/v1/orders", params={"amount_min": 8900, "amount_max": 8900}).json()
    assert len(lamps["data"]) == 1


@pytest.mark.parametrize("field", ["amount", "total"])
def test_an_amount_from_a_browser_is_refused(watched: Watched, demo: Demo, field: str) -> None:
    page = watched.open()
    page.goto(f"{demo.url}/demo")
    product = demo.api.get("/v1/products").json()["data"][0]["id"]
    body = {
        "provider": PROVIDERS[0],
        "currency": "USD",
        "items": [{"product": product}],
        "success_url": f"{demo.url}/demo",
        "cancel_url": f"{demo.url}/demo",
        field: 1,
    }
    headers = {"Authorization": f"Bearer {demo.publishable_key}", "Idempotency-Key": field}
    answer = page.evaluate(
        """async ([headers, body]) => {
            const answer = await fetch("/v1/orders", {method: "POST", headers, body});
            return [answer.status, await answer.json()];
        }""",
        [headers, json.dumps(body)],
    )
    assert answer[0] == 400
    assert answer[1]["code"] == "invalid_request"
    assert field in answer[1]["detail"]
    watched.complaints.clear()


def test_another_site_cannot_order(watched: Watched, demo: Demo) -> None:
    page = watched.open()
    page.goto(demo.sandbox_url)
    page.evaluate(
        """(action) => {
            const form = Object.assign(document.createElement("form"), {method: "post", action});
            document.body.append(form);
            form.submit();
        }""",
        f"{demo.url}/demo/checkout",
    )
    expect(page.get_by_role("heading", level=1)).to_have_text("Not from here")
    watched.complaints.clear()


def test_a_problem_is_told_in_words(watched: Watched, demo: Demo) -> None:
    page = watched.open()
    page.goto(f"{demo.url}/demo/orders/ord_nowhere")
    expect(page.get_by_role("heading", level=1)).to_have_text("Not found")
    page.get_by_role("link", name="not_found").click()
    expect(page.locator("#not_found")).to_be_in_viewport()
    watched.complaints.clear()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS.values(), ids=list(WIDTHS))
def test_no_page_is_wider_than_the_window(
    watched: Watched, demo: Demo, width: int, scheme: str
) -> None:
    page = watched.open(width=width, color_scheme=scheme)
    choose(page, demo, PROVIDERS[0])
    assert _overflow(page) == 0
    at_provider(page, demo, PROVIDERS[0], "pay")
    order = page.url
    shop = f"{demo.url}/demo"
    product = demo.api.get("/v1/products").json()["data"][0]["id"]
    paths = [
        shop,
        f"{shop}/products/{product}",
        order,
        f"{order}/refund?{urlencode({'amount': 'x' * 200})}",
        f"{shop}/orders",
        f"{demo.url}/docs",
        f"{demo.url}/docs/errors",
        demo.sandbox_url,
    ]
    wide = {}
    for path in paths:
        page.goto(path)
        if overflow := _overflow(page):
            wide[path] = overflow
    assert wide == {}


def _overflow(page: Page) -> int:
    found: int = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return max(0, found)


def test_the_address_alone_leads_to_the_shop(page: Page, demo: Demo) -> None:
    page.goto(demo.url)
    expect(page).to_have_url(f"{demo.url}/demo")


def test_the_reference_has_every_operation_and_error(page: Page, demo: Demo) -> None:
    document = demo.api.get("/openapi.json").json()
    operations = {
        operation["operationId"]
        for methods in document["paths"].values()
        for operation in methods.values()
    }
    page.goto(f"{demo.url}/docs")
    assert operations <= set(_ids(page))
    assert _broken(page) == []
    page.goto(f"{demo.url}/docs/errors")
    assert set(CODES) <= set(_ids(page))
    assert _broken(page) == []


def _ids(page: Page) -> list[str]:
    found: list[str] = page.eval_on_selector_all("[id]", "all => all.map((one) => one.id)")
    assert len(found) == len(set(found))
    return found


def _broken(page: Page) -> list[str]:
    """Links within the page that lead nowhere."""
    broken: list[str] = page.eval_on_selector_all(
        "a[href^='#']",
        "all => all.map((one) => one.hash.slice(1)).filter((id) => !document.getElementById(id))",
    )
    return broken
