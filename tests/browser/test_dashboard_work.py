"""What people do in the dashboard, in a real browser, with scripts and without."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from storage.users import Role
from tests.browser.books import Books
from tests.browser.conftest import Watched
from tests.browser.test_dashboard_axe import books, demo, sign_in
from tests.faults.conftest import sandbox_url

__all__ = ["books", "demo", "sandbox_url"]

pytestmark = pytest.mark.browser


#: What takes the focus; of some radio buttons, the chosen one.
REACHABLE = (
    "main :is(a[href], button, select, input:not([type=hidden], [type=radio]:not(:checked)))"
)


@pytest.fixture(params=[True, False], ids=["scripts", "plain"])
def scripts(request: pytest.FixtureRequest) -> bool:
    """With scripts, and without."""
    return bool(request.param)


def as_role(watched: Watched, books: Books, role: Role, scripts: bool = True) -> Page:
    """A page of somebody who is signed in and looks at test mode."""
    page = watched.open(java_script_enabled=scripts, locale="en-US")
    page.on("dialog", lambda dialog: dialog.accept())
    sign_in(page, books, role)
    page.get_by_role("button", name="Test").click()
    page.wait_for_url("**/dashboard")
    return page


def test_a_difference_is_worked_off(watched: Watched, books: Books, scripts: bool) -> None:
    page = as_role(watched, books, "admin", scripts)
    page.get_by_role("link", name="Reconciliation").click()
    page.get_by_role("link", name="Amounts differ").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Amounts differ")
    page.get_by_label("Note").fill("Asked the provider")
    page.get_by_role("button", name="Only note").click()
    expect(page.get_by_role("status")).to_have_text("Noted.")
    page.get_by_label("Note").fill("They have paid the rest")
    page.get_by_role("button", name="Resolve").click()
    expect(page.locator(".timeline")).to_contain_text("Admin: They have paid the rest")
    page.get_by_role("button", name="Put it back on the list").click()
    expect(page.locator("main .pill").first).to_have_text("Open")


def test_what_is_seen_is_exported(
    watched: Watched, books: Books, scripts: bool, tmp_path: Path
) -> None:
    page = as_role(watched, books, "finance", scripts)
    page.get_by_role("link", name="Balance").click()
    page.get_by_label("Refund", exact=True).first.check()
    page.get_by_role("button", name="Show").click()
    page.wait_for_url(re.compile("type=refund"))
    rows = page.locator("tbody tr").count()
    page.get_by_text("Export", exact=True).last.click()
    with page.expect_download() as waited:
        page.get_by_role("link", name="CSV").click()
    file = tmp_path / "lines.csv"
    waited.value.save_as(file)
    assert waited.value.suggested_filename.startswith("balance_transactions_")
    assert len(file.read_text().splitlines()) == rows + 1 > 1


def test_a_refund_leads_to_its_order(watched: Watched, books: Books, scripts: bool) -> None:
    page = as_role(watched, books, "support", scripts)
    page.get_by_role("link", name="Refunds", exact=True).click()
    page.get_by_label("Succeeded").check()
    page.get_by_role("button", name="Show").click()
    page.wait_for_url(re.compile("status=succeeded"))
    page.get_by_role("rowheader").get_by_role("link").click()
    page.wait_for_url(f"**/orders/{books.refunded}#refunds")
    expect(page.get_by_role("region", name="Refunds")).to_contain_text("$5.00")


def test_a_product_is_added(watched: Watched, books: Books, scripts: bool) -> None:
    page = as_role(watched, books, "admin", scripts)
    name = "Lamp" if scripts else "Plain lamp"
    page.get_by_role("link", name="Products").click()
    page.get_by_role("link", name="Add a product").click()
    page.get_by_label("Name").fill(name)
    for row, (currency, amount) in enumerate((("EUR", "12.50"), ("jpy", "1,900")), 1):
        page.get_by_label(f"Currency {row}").fill(currency)
        page.get_by_label(f"Price {row}").fill(amount)
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("status")).to_have_text("Saved.")
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    expect(page.get_by_label("Price 2")).to_have_value("1900")


def test_a_view_is_kept_and_used(watched: Watched, books: Books, scripts: bool) -> None:
    page = as_role(watched, books, "finance", scripts)
    page.get_by_role("link", name="Orders", exact=True).click()
    page.get_by_label("Paid", exact=True).first.check()
    page.get_by_role("button", name="Show").click()
    page.wait_for_url(re.compile("status=paid"))
    page.get_by_text("Keep this view").click()
    page.get_by_label("Name of the view").fill(f"Paid {scripts}")
    page.get_by_role("button", name="Keep", exact=True).click()
    page.get_by_role("link", name="All", exact=True).click()
    page.get_by_role("link", name=f"Paid {scripts}").click()
    assert set(page.locator("tbody .pill").all_inner_texts()) >= {"Paid"}
    expect(page.get_by_label("Paid", exact=True).first).to_be_checked()
    page.get_by_role("button", name="Delete the view").click()
    expect(page.get_by_role("link", name=f"Paid {scripts}")).to_have_count(0)


def test_times_are_told_in_the_zone_that_was_chosen(
    watched: Watched, books: Books, scripts: bool
) -> None:
    page = as_role(watched, books, "support", scripts)
    page.goto(f"{books.url}/dashboard/orders/{books.order}")
    page.get_by_role("contentinfo").get_by_role("link").click()
    page.get_by_label("Zone", exact=True).select_option("America/St_Johns")
    page.get_by_role("button", name="Use this zone").click()
    expect(page.get_by_role("contentinfo")).to_contain_text("America/St Johns")
    page.get_by_label("Zone", exact=True).select_option("UTC")
    page.get_by_role("button", name="Use this zone").click()


def test_a_person_is_invited_chooses_a_password_and_is_disabled(
    watched: Watched, books: Books, scripts: bool
) -> None:
    page, email = as_role(watched, books, "admin", scripts), f"eve{scripts}@example.com".lower()
    page.get_by_role("link", name="Users").click()
    page.get_by_label("E-mail address").fill(email)
    page.get_by_role("radio", name="Support").check()
    page.get_by_role("button", name="Add").click()
    link = page.locator("code.secret").inner_text()
    eve = watched.open(java_script_enabled=scripts)
    eve.goto(books.url + link[link.index("/dashboard") :])
    for label in ("New password", "Once more"):
        eve.get_by_label(label).fill("a sentence that is hers")
    eve.get_by_role("button", name="Keep it").click()
    eve.get_by_label("E-mail address").fill(email)
    eve.get_by_label("Password").fill("a sentence that is hers")
    eve.get_by_role("button", name="Sign in", exact=True).click()
    eve.wait_for_url("**/dashboard")
    expect(eve.get_by_role("link", name="Ledger")).to_have_count(0)
    page.get_by_role("link", name="I have kept it").click()
    page.get_by_role("button", name=f"Disable {email}").click()
    expect(page.get_by_role("status")).to_contain_text("signed out everywhere")
    eve.get_by_role("link", name="Orders", exact=True).click()
    expect(eve.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_every_action_is_reached_by_keyboard(watched: Watched, books: Books) -> None:
    page = as_role(watched, books, "admin")
    for path in (
        f"/reconciliation/{books.difference}",
        "/users",
        "/orders",
        "/refunds",
        "/balance",
    ):
        page.goto(f"{books.url}/dashboard{path}")
        page.evaluate("document.querySelectorAll('details').forEach((e) => { e.open = true })")
        wanted = page.locator(REACHABLE).count()
        reached: set[str] = set()
        for _ in range(400):
            page.keyboard.press("Tab")
            where = page.evaluate(
                """() => {
                    const all = [...document.querySelectorAll("*")];
                    const one = document.activeElement;
                    if (one === document.body) return "";
                    const style = getComputedStyle(one);
                    const seen = style.outlineStyle !== "none" || one.closest(".chip");
                    return `${all.indexOf(one)} ${Boolean(seen)} ${Boolean(one.closest("main"))}`;
                }"""
            )
            if not where:  # past the last
                break
            reached.add(where)
        assert not [one for one in reached if " false " in one], path
        assert len([one for one in reached if one.endswith("true")]) >= wanted, path


def test_the_menu_is_folded_on_a_phone(watched: Watched, books: Books) -> None:
    page = watched.open(width=390)
    sign_in(page, books, "finance")
    expect(page.get_by_role("link", name="Ledger")).to_be_hidden()
    page.get_by_text("Menu").click()
    page.get_by_role("link", name="Ledger").click()
    page.wait_for_url("**/ledger")
