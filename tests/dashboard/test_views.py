"""Views of a list that are kept: one's own, and those that all use."""

import re
from urllib.parse import parse_qs

import pytest

from storage import saved_views
from tests.api.conftest import Gateway
from tests.dashboard.conftest import Reader, reader_as

SHOWN = {"status": "paid", "columns": ["net", "fee"], "created_from": "2026-01-01"}
QUERY = "columns=fee&columns=net&created_from=2026-01-01&status=paid"


async def keep(reader: Reader, name: str, list_: str = "orders", **fields: str) -> str:
    """Keep a view of what is shown; where the answer leads."""
    page = await reader.get(f"/{list_}", **SHOWN)
    answer = await reader.send(f"/views/{list_}", page, name=name, **fields)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def test_a_view_is_kept_used_and_deleted(one_gateway: Gateway) -> None:
    await one_gateway.paid()
    reader = await reader_as(one_gateway, "support")
    where = await keep(reader, "Paid <1>")
    assert where == f"/dashboard/orders?{QUERY}&done=kept"
    page = await reader.get("/orders")
    assert "Paid &lt;1&gt;</a>" in page
    shown = await reader.get("/orders", **SHOWN)
    found = re.search(r'action="/dashboard(/views/orders/view_[0-9a-f]+/delete)"', shown)
    assert found
    assert parse_qs(QUERY)["columns"] == ["fee", "net"]
    assert "Keep this view" not in shown
    assert (await reader.send(found[1], shown)).status_code == 303
    assert "Paid &lt;1&gt;" not in await reader.get("/orders")
    assert (await reader.send(found[1], shown)).status_code == 404


async def test_own_views_are_ones_own_and_shared_ones_are_everybodys(
    one_gateway: Gateway, admin: Reader
) -> None:
    await one_gateway.paid()
    support = await reader_as(one_gateway, "support")
    finance = await reader_as(one_gateway, "finance")
    await keep(support, "Mine")
    await keep(support, "Ours", shared="1", query=QUERY)
    page = await finance.get("/orders")
    assert "Ours" in page
    assert "Mine" not in page
    assert "Ours" not in await finance.get("/balance")
    shown = await support.get("/orders", **SHOWN)
    assert "Delete the view" in shown
    finance_shown = await finance.get("/orders", **SHOWN)
    assert "Delete the view" not in finance_shown
    admin_shown = await admin.get("/orders", **SHOWN)
    found = re.search(r'action="/dashboard(/views/orders/view_[0-9a-f]+/delete)"', admin_shown)
    assert found
    assert (await finance.send(found[1], finance_shown)).status_code == 404
    assert (await admin.send(found[1], admin_shown)).status_code == 303
    assert "Ours" not in await support.get("/orders")


async def test_what_is_no_view_is_not_kept(one_gateway: Gateway) -> None:
    await one_gateway.paid()
    support = await reader_as(one_gateway, "support")
    page = await support.get("/orders", **SHOWN)
    for name in ("", "x" * 101):
        assert (await support.send("/views/orders", page, name=name)).status_code == 400
    for list_ in ("balance", "keys"):  # a list that this role does not see, and none
        assert (await support.send(f"/views/{list_}", page, name="x")).status_code == 403
    evil = "cursor=x&done=kept&//evil.example=1&status=paid"
    answer = await support.send("/views/orders", page, name="x", query=evil)
    where = answer.headers["location"]
    assert where == "/dashboard/orders?%2F%2Fevil.example=1&status=paid&done=kept"


async def test_there_is_an_end_to_them(
    one_gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saved_views, "MOST", 2)
    await one_gateway.paid()
    support = await reader_as(one_gateway, "support")
    page = await support.get("/orders", **SHOWN)
    codes = [
        (await support.send("/views/orders", page, name=f"{number}")).status_code
        for number in range(3)
    ]
    assert codes == [303, 303, 409]
