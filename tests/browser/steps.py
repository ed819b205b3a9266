"""What a person does in the shop and on the providers' pages."""

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import Demo

#: How each provider's page is left: the buttons of the sandbox's pages, by what a buyer wants.
BUTTONS: dict[str, dict[str, str | re.Pattern[str]]] = {
    "stripe": {"pay": re.compile(r"^Pay "), "cancel": "Cancel and go back"},
    "paypal": {"pay": re.compile(r"^Pay \d"), "cancel": re.compile("^Cancel and return")},
}
PROVIDERS = tuple(BUTTONS)


def choose(
    page: Page,
    demo: Demo,
    provider: str,
    *,
    name: str = "Ceramic mug",
    quantity: int = 1,
    currency: str = "USD",
) -> None:
    """From the shop's front page to the provider's."""
    page.goto(f"{demo.url}/demo")
    page.get_by_role("link", name=currency, exact=True).click()
    page.get_by_role("link", name=re.compile(name)).click()
    page.get_by_label("Quantity").fill(str(quantity))
    page.locator(f"input[name=provider][value={provider}]").check()
    page.get_by_role("button", name="Continue to payment").click()
    page.wait_for_url(f"{demo.sandbox_url}/**")


def at_provider(page: Page, demo: Demo, provider: str, want: str) -> None:
    """Pay, or cancel, and come back to the shop."""
    name = BUTTONS[provider][want]
    role = page.get_by_role("button", name=name).or_(page.get_by_role("link", name=name))
    role.first.click()
    page.wait_for_url(f"{demo.url}/demo/orders/*")


def decline(page: Page, provider: str) -> None:
    """Try to pay in a way that is declined."""
    if provider == "stripe":
        page.get_by_label("Card number").fill("4000 0000 0000 0002")
        page.get_by_role("button", name=BUTTONS[provider]["pay"]).click()
        page.get_by_label("Card number").fill("4242 4242 4242 4242")
    else:
        page.get_by_role("button", name="Pay with a card that will be declined").click()


def sees_paid(page: Page) -> None:
    """The shop's page follows the order by itself until the webhook has confirmed it."""
    expect(page.locator(".verdict .pill")).to_have_text("Paid")
    expect(page.locator("[data-status]")).to_contain_text("webhook at")


def refund(page: Page, amount: str, reason: str = "") -> None:
    """Refund from the order's page; `amount` empty is all that is left."""
    page.get_by_label("Amount").fill(amount)
    page.get_by_label("Reason").fill(reason)
    page.get_by_role("button", name="Refund…").click()
    page.get_by_role("button", name=re.compile("^Yes, refund")).click()
    page.wait_for_url("**/demo/orders/*")
