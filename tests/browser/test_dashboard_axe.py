"""Every page of the dashboard, for every role, before axe: nothing that WCAG A or AA forbids."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from storage.users import Role
from tests.browser.books import PASSWORD, Books, open_books
from tests.browser.conftest import Demo, Watched
from tests.browser.test_dashboard import PAGES
from tests.faults.conftest import sandbox_url

__all__ = ["sandbox_url"]

pytestmark = pytest.mark.browser

OPTIONS: dict[str, Any] = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}
_COLOURS = OPTIONS | {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
#: Widths and schemes. Another scheme at the same width has other colours, and nothing else.
LOOKS: tuple[tuple[int, Literal["light", "dark"], dict[str, Any]], ...] = (
    (1440, "light", OPTIONS),
    (1440, "dark", _COLOURS),
    (390, "dark", OPTIONS),
    (390, "light", _COLOURS),
)
_ADMINS = (
    *("/products/new", "/products/import", "/webhooks", "/deliveries"),
    *("/keys", "/users", "/audit"),
)
#: Parts of the dashboard that a role does not see.
CLOSED: dict[Role, tuple[str, ...]] = {
    "admin": (),
    "finance": _ADMINS,
    "support": (
        *_ADMINS,
        *("/attention", "/balance", "/payouts", "/reconciliation", "/ledger"),
    ),
}
_axe = Axe()


@pytest.fixture(scope="module")
def books(
    sqlite_template: Path, sandbox_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Books]:
    """One for the module."""
    copy = tmp_path_factory.mktemp("books") / "gateway.db"
    copy.write_bytes(sqlite_template.read_bytes())
    with open_books(f"sqlite+aiosqlite:///{copy}", sandbox_url) as opened:
        yield opened


@pytest.fixture(scope="module")
def demo(books: Books, sandbox_url: str) -> Iterator[Demo]:
    """What `watched` knows as ours."""
    with httpx.Client(base_url=books.url) as api, httpx.Client(base_url=sandbox_url) as sandbox:
        yield Demo(books.url, sandbox_url, "", api, sandbox)


def sign_in(page: Page, books: Books, role: Role) -> None:
    """As one of the people."""
    page.goto(f"{books.url}/dashboard/sign-in")
    page.get_by_label("E-mail address").fill(f"{role}@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/dashboard")


def pages(books: Books) -> list[str]:
    """The address of every page."""
    return [
        *PAGES,
        f"/orders/{books.order}",
        f"/orders/{books.refunded}/refund?amount=1",
        f"/balance/{books.line}",
        f"/payouts/{books.payout}",
        f"/reconciliation/{books.difference}",
        f"/deliveries/{books.delivery}",
        f"/products/{books.product}",
    ]


def violations(page: Page, options: dict[str, Any] = OPTIONS) -> list[str]:
    """What axe finds, with where it is."""
    found = _axe.run(page, options=options).response["violations"]
    return [
        f"{one['id']}: {node['html'][:160]} {node['failureSummary'][:300]}"
        for one in found
        for node in one["nodes"]
    ]


def look(page: Page, books: Books, path: str) -> list[str]:
    """A page with everything unfolded, in each of LOOKS: what is wrong with it."""
    page.goto(f"{books.url}/dashboard{path}")
    page.evaluate("document.querySelectorAll('details').forEach((e) => { e.open = true })")
    found = []
    for width, scheme, options in LOOKS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        wrong = violations(page, options)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wrong.append("wider than the screen")
        found += [f"{width} {scheme} {one}" for one in wrong]
    return found


def test_axe_finds_nothing(watched: Watched, books: Books) -> None:
    page = watched.open(width=1440, bypass_csp=True)
    assert look(page, books, "/sign-in") == []
    sign_in(page, books, "admin")
    page.get_by_role("button", name="Test").click()
    found = {path: look(page, books, path) for path in pages(books)}
    assert {path: what for path, what in found.items() if what} == {}


@pytest.mark.parametrize("role", ["finance", "support"])
def test_each_role_has_its_pages(watched: Watched, books: Books, role: Role) -> None:
    page = watched.open(bypass_csp=True)
    sign_in(page, books, role)
    page.get_by_role("button", name="Test").click()
    for path in pages(books):
        answer = page.goto(f"{books.url}/dashboard{path}")
        assert answer is not None
        closed = path.startswith(CLOSED[role])
        closed |= path.endswith("/refund?amount=1") and role == "finance"
        assert answer.status == (403 if closed else 200), path
        assert violations(page) == [], path
    watched.complaints.clear()  # those of the pages that are closed
    linked = page.locator("nav a").evaluate_all("all => all.map((one) => one.pathname)")
    parts = [path.removeprefix("/dashboard") for path in linked]
    assert not [path for path in parts if path and path.startswith(CLOSED[role])]


def test_axe_would_find_it(watched: Watched, books: Books) -> None:
    page = watched.open(bypass_csp=True)
    page.goto(f"{books.url}/dashboard/sign-in")
    page.evaluate(
        """() => {
            document.querySelector("label").remove();
            document.querySelector("h2").style.color = "#ccc";
            document.querySelector("button").textContent = "";
        }"""
    )
    found = " ".join(violations(page))
    for rule in ("label:", "color-contrast:", "button-name:"):
        assert rule in found
