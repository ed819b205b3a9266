"""The pages of money, over real books: lines, payouts, differences, months, the ledger."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any, get_args

import pytest
from msgspec.structs import replace

from api.dashboard.guarding import call
from api.dashboard.passwords import hash_password
from api.dashboard.people import Desk
from gateway.attempts import lock
from gateway.facts import RefundUpdated
from gateway.recording import record
from gateway.settlement import RowKind, StatementRow
from gateway.settling import read
from storage.users import Role
from tests.dashboard.conftest import PASSWORD, Reader
from tests.faults.stage import Gateway
from tests.finance.conftest import (
    _no_quick_tries,
    _quiet,
    _short_look_back,
    gateway,
    house,
    sandbox,
    sandbox_url,
    sqlite_house,
    store_house,
)
from tests.finance.test_settlement_api import settled
from tests.finance.test_settlement_job import move, sell

__all__ = [
    "_no_quick_tries",
    "_quiet",
    "_short_look_back",
    "gateway",
    "house",
    "sandbox",
    "sandbox_url",
    "sqlite_house",
    "store_house",
]


SignIn = Callable[[Role], Awaitable[Reader]]


@pytest.fixture
async def sign_in(gateway: Gateway) -> AsyncIterator[SignIn]:
    """Signs a user of the stage's merchant in, in test mode; made when first asked for."""
    caller = await gateway.services.keys.authenticate(gateway.http.headers["authorization"])
    desk, readers = Desk(gateway.services), []

    async def sign_in(role: Role) -> Reader:
        email = f"{role}@example.com"
        if not await desk.users.by_email(email):
            hashed = hash_password(PASSWORD)
            await desk.users.create(caller.merchant_id, email, role, role, hashed)
        reader = Reader(None, url=gateway.url)
        readers.append(reader)
        assert (await reader.sign_in(email=email, password=PASSWORD)).status_code == 303
        await reader.send("/mode", await reader.get("/account"), mode="test")
        return reader

    yield sign_in
    for reader in readers:
        await reader.http.aclose()


@pytest.fixture
async def books(gateway: Gateway) -> dict[str, Any]:
    """An order that was paid and paid out, whose fee is another one at the provider."""
    return await settled(gateway)


async def test_lines_are_filtered_and_shown(sign_in: SignIn, books: dict[str, Any]) -> None:
    reader = await sign_in("finance")
    page = await reader.get("/balance")
    assert "Charge" in page
    assert "Payout" in page
    assert "$54.00" in page
    only = await reader.get("/balance", type="charge")
    assert re.findall(r'href="/dashboard/balance/(txn_[0-9a-f]+)"', only)
    assert f'href="/dashboard/orders/{books["order"]}"' in only
    assert ">Payout</a>" not in only
    assert "No line fits" in await reader.get("/balance", currency="JPY")
    assert "No line fits" in await reader.get("/balance", order="ord_no")
    assert "Choose a currency" in await reader.get("/balance", amount_min="5")
    of_payout = await reader.get("/balance", payout=books["payout"], columns="payout")
    assert books["payout"] in of_payout
    found = re.search(r'href="/dashboard/balance/(txn_[0-9a-f]+)"', only)
    assert found
    line = await reader.get(f"/balance/{found[1]}")
    assert books["order"] in line
    assert "Net" in line
    await reader.get("/balance/txn_no", 404)


async def test_what_is_not_understood_shows_nothing(sign_in: SignIn, books: dict[str, Any]) -> None:
    reader = await sign_in("finance")
    for path, filters, kind in (
        ("/balance", {"type": "nope"}, "txn"),
        ("/balance", {"status": "paid"}, "txn"),
        ("/balance", {"occurred_from": "2026-01-02", "occurred_to": "2026-01-01"}, "txn"),
        ("/payouts", {"curency": "EUR"}, "pout"),
        ("/reconciliation", {"kind": "nope"}, "exc"),
        ("/reconciliation", {"provder": "stripe", "status": "open"}, "exc"),
    ):
        assert f"{kind}_" in await reader.get(path)
        page = await reader.get(path, **filters)
        assert "Nothing is shown" in page, (path, filters)
        assert f"{kind}_" not in page
    for path, filters in (("/ledger", {"at": "soon"}), ("/ledger/entries", {"acount": "bank:USD"})):
        assert "Bank" in await reader.get(path)
        page = await reader.get(path, **filters)
        assert "Nothing is shown" in page, path
        assert "Bank" not in page


async def test_a_payout_is_explained(sign_in: SignIn, books: dict[str, Any]) -> None:
    reader = await sign_in("finance")
    page = await reader.get("/payouts")
    found = re.search(r'href="/dashboard/payouts/(pout_[0-9a-f]+)">([^<]+)<', page)
    assert found
    assert found[2] == books["payout"]
    statement = await reader.get(f"/payouts/{found[1]}")
    assert "Sales" in statement
    assert "Not explained" not in statement
    assert "No payout fits" in await reader.get("/payouts", currency="JPY")
    await reader.get("/payouts/pout_no", 404)


async def test_every_row_of_a_statement_has_a_name(
    sign_in: SignIn, books: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = await sign_in("finance")

    found = re.search(r'href="/dashboard(/payouts/pout_[0-9a-f]+)"', await reader.get("/payouts"))
    assert found

    async def with_all_kinds(*viewer_and_handler: Any, **arguments: Any) -> Any:
        kinds = [StatementRow(kind, 1, 100, 0, 100) for kind in get_args(RowKind)]
        return replace(await call(*viewer_and_handler, **arguments), rows=kinds)

    monkeypatch.setattr("api.dashboard.settlement.call", with_all_kinds)
    page = await reader.get(found[1])
    named = re.findall(r'<th scope="row">([^<]+)</th>', page)
    assert len(set(named)) == len(get_args(RowKind)) + 1
    assert {"Held back or let go", "Payouts that came back", "Paid out"} <= set(named)


async def test_a_late_line_says_in_which_book_it_is(gateway: Gateway, sign_in: SignIn) -> None:
    order = (await sell(gateway, "stripe", 1))[0]
    then = gateway.clock.now()
    await move(gateway, days=40)
    assert (await gateway.post(f"/v1/periods/{then:%Y-%m}/close", body={})).status_code == 200
    ctx, payment = gateway.services.ctx, order["payments"][0]["id"]
    told = RefundUpdated(
        provider_refund_id="re_late", status="succeeded", amount=1000, currency="USD", at=then
    )
    async with ctx.store.transaction() as tx:
        found = await tx.find_payment("stripe", payment, ())
        assert found is not None
        locked, _ = await lock(tx, found[0], order["id"])
        await record(ctx, tx, locked, payment, [told], source="a test")
    opened = ctx.providers.get("stripe")
    assert opened is not None
    await read(ctx, opened, then - timedelta(days=1), then + timedelta(hours=1))
    reader = await sign_in("finance")
    page = await reader.get(f"/reconciliation/months/{then:%Y-%m}")
    rows = re.findall(r'<tr><th scope="row">(.*?)</th><td data-label="Book">(.*?)</td>', page)
    assert len(rows) == 2
    ours, theirs = sorted(rows, key=lambda row: row[1])
    assert theirs == ("Charge", "The provider’s")
    assert ours[1] == "Ours"
    line = re.fullmatch(r'<a href="/dashboard(/balance/txn_[0-9a-f]+)">Refund</a>', ours[0])
    assert line
    assert order["id"] in await reader.get(line[1])


async def test_a_difference_is_worked_by_administrators(
    sign_in: SignIn, books: dict[str, Any]
) -> None:
    finance, admin = await sign_in("finance"), await sign_in("admin")
    assert "Between the providers’ books and yours" in await finance.get("")
    page = await finance.get("/reconciliation")
    assert "Fees differ" in page
    found = re.search(r'href="(/dashboard/reconciliation/exc_[0-9a-f]+)"', page)
    assert found
    path = found[1].removeprefix("/dashboard")
    assert "Resolve" not in await finance.get(path)
    account = await finance.get("/account")
    assert (await finance.send(f"{path}/resolve", account, note="no")).status_code == 403
    page = await admin.get(path)
    assert (await admin.send(f"{path}/note", page, note="")).status_code == 400
    for action, note in (("note", "asked them"), ("resolve", "they paid"), ("reopen", "not so")):
        assert (await admin.send(f"{path}/{action}", page, note=note)).status_code == 303
    page = await admin.get(path)
    assert all(words in page for words in ("asked them", "they paid", "not so", "By the gateway"))
    assert "Fees differ" in await admin.get("/reconciliation", kind="fee")
    assert "No difference fits" in await admin.get("/reconciliation", kind="amount")
    await admin.send(f"{path}/resolve", page)
    assert "All agree" in await admin.get("/reconciliation")
    assert "books agree with yours" in await admin.get("")
    assert "Fees differ" in await admin.get("/reconciliation", status="resolved")
    log = await admin.get("/audit")
    for words in ("noted a difference", "resolved a difference", "reopened a difference"):
        assert words in log
    assert (await admin.send(f"{path}/burn", page)).status_code in (400, 404)


async def test_a_month_is_closed_by_typing_it(
    gateway: Gateway, sign_in: SignIn, books: dict[str, Any]
) -> None:
    admin = await sign_in("admin")
    month = (gateway.clock.now() - timedelta(days=4)).strftime("%Y-%m")
    path = f"/reconciliation/months/{month}"
    this = f"/reconciliation/months/{gateway.clock.now():%Y-%m}"
    page = await admin.get(this)
    early = await admin.send(f"{this}/close", page, typed=this[-7:])
    assert early.status_code == 400
    assert "not over yet" in early.text
    await move(gateway, days=40)
    finance, admin = await sign_in("finance"), await sign_in("admin")
    assert "does not allow" in await finance.get(path)
    assert (
        await finance.send(f"{path}/close", await finance.get("/account"), typed=month)
    ).status_code == 403
    page = await admin.get(path)
    assert "nobody has dealt with" in page
    assert "nobody has dealt with" not in await admin.get("/reconciliation/months/2025-01")
    assert (await admin.send(f"{path}/close", page, typed="2020-01")).status_code == 400
    closed = await admin.send(f"{path}/close", page, typed=month, note="all in order")
    assert closed.status_code == 303
    page = await admin.get(path)
    assert "all in order" in page
    assert "by admin" in page
    assert "Closed" in await admin.get("/reconciliation/months")
    assert "closed a month" in await admin.get("/audit")
    await admin.get("/reconciliation/months/2026-13", 404)


async def test_the_trial_balance_sums_to_nothing(sign_in: SignIn, books: dict[str, Any]) -> None:
    reader = await sign_in("finance")
    page = await reader.get("/ledger")
    total = page.partition('<tr class="total">')[2].partition("</tr>")[0]
    assert re.findall(r">([^<>]*\d)</td>", total)[-1] == "$0.00"
    assert "Bank" in page
    assert "Nothing is booked up to then" in await reader.get("/ledger", at="2020-01-01")
    assert "Give a day" in await reader.get("/ledger", at="soon")
    entries = await reader.get("/ledger/entries", account="bank:USD")
    assert "Payout paid" in entries
    assert "Sales" not in entries
    assert "Sales" in await reader.get("/ledger/entries", order=books["order"])


async def test_support_sees_no_money_of_the_house(sign_in: SignIn, books: dict[str, Any]) -> None:
    support = await sign_in("support")
    overview = await support.get("")
    assert "Conversion" in overview
    for words in ("Captured", "Net", "Fees", "Disputed", "Attention"):
        assert f">{words}<" not in overview
    page = await support.get(f"/orders/{books['order']}")
    assert "Every movement" not in page
    assert re.search(r"<dt>Fee</dt><dd>\$\d", page)  # of the order, as at the API
    assert re.search(r'data-label="Fee">\$\d', await support.get("/orders", columns="fee"))
    for path in ("/balance", "/payouts", "/reconciliation", "/ledger", "/balance/txn_1"):
        await support.get(path, 403)
    finance = await sign_in("finance")
    overview = await finance.get("")
    for words in ("Captured", "Net", "Fees", "Refunded", "Disputed", "Attention"):
        assert f">{words}<" in overview
    assert "$54.00" in overview
