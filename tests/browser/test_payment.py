"""Buying, paying and refunding in the shop, with each provider, by clicking."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Demo, Watched
from tests.browser.steps import PROVIDERS, at_provider, choose, decline, refund, sees_paid

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("provider", PROVIDERS)
def test_pays_and_is_refunded_in_two_parts(page: Page, demo: Demo, provider: str) -> None:
    choose(page, demo, provider, quantity=2)
    at_provider(page, demo, provider, "pay")
    sees_paid(page)
    order = demo.order(page)
    assert (order["status"], order["amount"], order["provider"]) == ("paid", 3600, provider)
    assert order["fee"] > 0
    assert order["net"] == 3600 - order["fee"]
    expect(page.locator("main")).to_contain_text("$36.00")

    refund(page, "5.00", "A chip in the glaze")
    expect(page.locator(".verdict .pill")).to_have_text("Partly refunded")
    expect(page.locator("[data-status]")).to_contain_text("$5.00 of $36.00")
    refund(page, "")
    expect(page.locator(".verdict .pill")).to_have_text("Refunded")
    expect(page.get_by_role("button", name="Refund…")).to_have_count(0)

    order = demo.order(page)
    assert order["status"] == "refunded"
    assert [item["amount"] for item in order["refunds"]] == [500, 3100]
    assert order["refunds"][0]["reason"] == "A chip in the glaze"
    assert _moved_at_provider(demo, order) == [-3100, -500, 3600]


def _moved_at_provider(demo: Demo, order: dict[str, Any]) -> list[int]:
    """What the provider's own ledger says of this order, smallest first."""
    payment, refunds = order["payments"][0], order["refunds"]
    ids = {payment["id"], order["id"], *(item["provider_refund_id"] for item in refunds)}
    lines = demo.sandbox.get("/_control/ledger").json()["data"]
    return sorted(line["amount"] for line in lines if ids & {line["id"], line["order_ref"]})


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_decline_is_followed_by_success(watched: Watched, demo: Demo, provider: str) -> None:
    page = watched.open()
    choose(page, demo, provider)
    decline(page, provider)
    if "/demo/" in page.url:
        page.get_by_role("link", name=re.compile("^Pay ")).click()
    watched.complaints.clear()  # the provider's page answers 402 to the declined card
    at_provider(page, demo, provider, "pay")
    sees_paid(page)
    assert demo.order(page)["amount_captured"] == 1800


@pytest.mark.parametrize("provider", PROVIDERS)
def test_comes_back_without_paying_and_pays_after_all(
    page: Page, demo: Demo, provider: str
) -> None:
    choose(page, demo, provider)
    at_provider(page, demo, provider, "cancel")
    expect(page.locator(".verdict .pill")).to_have_text("Waiting for payment")
    expect(page.locator(".verdict")).to_contain_text("You came back without paying")
    page.get_by_role("link", name=re.compile(r"^Pay \$18.00 with")).click()
    at_provider(page, demo, provider, "pay")
    sees_paid(page)


@pytest.mark.parametrize(("first", "second"), [PROVIDERS, PROVIDERS[::-1]])
def test_pays_the_same_order_with_another_provider(
    page: Page, demo: Demo, first: str, second: str
) -> None:
    choose(page, demo, first, name="Wool blanket")
    at_provider(page, demo, first, "cancel")
    page.get_by_role("button", name=re.compile("instead$")).click()
    page.wait_for_url(f"{demo.sandbox_url}/**")
    at_provider(page, demo, second, "pay")
    sees_paid(page)
    order = demo.order(page)
    assert [payment["provider"] for payment in order["payments"]] == [first, second]
    assert order["amount_captured"] == order["amount"] == 12900


@pytest.mark.parametrize("provider", PROVIDERS)
def test_yen_have_no_decimals(page: Page, demo: Demo, provider: str) -> None:
    choose(page, demo, provider, currency="JPY")
    at_provider(page, demo, provider, "pay")
    sees_paid(page)
    expect(page.locator("main")).to_contain_text("¥2,600")
    page.get_by_label("Amount").fill("10.5")
    page.get_by_role("button", name="Refund…").click()
    expect(page.get_by_role("alert")).to_contain_text("is not an amount of JPY")
    assert demo.order(page)["amount_refunded"] == 0


def test_cancels_an_open_order(page: Page, demo: Demo) -> None:
    choose(page, demo, PROVIDERS[0])
    at_provider(page, demo, PROVIDERS[0], "cancel")
    page.get_by_text("Cancel the order").click()
    page.get_by_role("button", name="Yes, cancel it").click()
    expect(page.locator(".verdict .pill")).to_have_text("Canceled")
    assert demo.order(page)["status"] == "canceled"


def test_all_orders_are_one_kind_of_record(page: Page, demo: Demo) -> None:
    for provider in PROVIDERS:
        choose(page, demo, provider, name="Linen notebook")
        at_provider(page, demo, provider, "pay")
        sees_paid(page)
    page.get_by_role("link", name="Orders", exact=True).click()
    rows = page.locator(".orders tbody tr")
    for row, provider in zip((rows.nth(0), rows.nth(1)), PROVIDERS[::-1], strict=True):
        expect(row).to_contain_text("1 × Linen notebook")
        expect(row.locator("[data-label='Paid with']")).to_have_text(
            re.compile(provider, re.IGNORECASE)
        )
        expect(row.locator("[data-label=Amount]")).to_have_text("$24.00")
        expect(row.locator("[data-label=Net]")).to_have_text(re.compile(r"^\$2\d\.\d\d$"))
