"""What a list shows, as a file: the same rows, in the reader's zone, for whoever may see them."""

import csv
import io
import re

import httpx
import pytest

from api.exporting import files
from api.exporting.making import Exporter
from tests.api.conftest import Gateway
from tests.dashboard.conftest import Reader, reader_as


async def export(reader: Reader, list_: str, **params: str) -> httpx.Response:
    return await reader.http.get(f"/dashboard/export/{list_}", params=params)


def rows(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


async def test_a_file_has_what_the_page_shows(one_gateway: Gateway) -> None:
    for number in range(3):
        await one_gateway.paid(reference=f"W-{number}")
    await one_gateway.order(reference="W-open")
    reader = await reader_as(one_gateway, "finance")
    await reader.send("/account/zone", await reader.get("/account"), zone="Asia/Kolkata")
    page = await reader.get("/orders", status="paid")
    assert "/dashboard/export/orders?format=csv&amp;status=paid" in page
    answer = await export(reader, "orders", status="paid", format="csv")
    assert re.search(
        r'filename="orders_.*Asia-Kolkata\.csv"', answer.headers["content-disposition"]
    )
    found = rows(answer)
    assert [row["reference"] for row in found] == ["W-2", "W-1", "W-0"]
    assert {row["time_zone"] for row in found} == {"Asia/Kolkata"}
    assert found[0]["created_at"].endswith("+05:30")
    assert all(f'/orders/{row["id"]}"' in page for row in found)
    lines = rows(await export(reader, "balance", type="charge"))
    assert {row["order_reference"] for row in lines} == {"W-0", "W-1", "W-2"}
    admin = Reader(one_gateway)
    await admin.sign_in(key=one_gateway.secret)
    assert "exported" in await admin.get("/audit")


async def test_each_format_can_be_had(one_gateway: Gateway, admin: Reader) -> None:
    await one_gateway.paid()
    for format_, start in (("xlsx", b"PK"), ("jsonl", b"{"), ("parquet", b"PAR1")):
        answer = await export(admin, "orders", format=format_)
        assert answer.status_code == 200, format_
        assert answer.content.startswith(start)
    assert (await export(admin, "orders", format="pdf")).status_code == 400


async def test_what_cannot_be_made_here_is_not_offered(
    one_gateway: Gateway, admin: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    await one_gateway.paid()
    assert "format=parquet" in await admin.get("/orders")
    monkeypatch.setattr(files, "find_spec", lambda _: None)
    page = await admin.get("/orders")
    assert "format=xlsx" in page
    assert "parquet" not in page.lower()


async def test_a_filter_that_is_not_understood_exports_nothing(
    one_gateway: Gateway, admin: Reader
) -> None:
    await one_gateway.paid()
    for list_, params in (
        ("orders", {"created_from": "soon"}),
        ("orders", {"amount_min": "5"}),
        ("orders", {"status": "nope"}),
        ("orders", {"curency": "EUR"}),
        ("orders", {"nope": "1"}),
        ("orders", {"attention": "maybe"}),
        ("orders", {"meta_value": "7"}),
        ("orders", {"meta_key": "cart"}),
        ("orders", {"type": "charge"}),
        ("orders", {"created_from": "2026-01-02", "created_to": "2026-01-01"}),
        ("refunds", {"status": "paid"}),
        ("refunds", {"imported": "maybe"}),
        ("balance", {"type": "nope"}),
        ("balance", {"status": "paid"}),
    ):
        answer = await export(admin, list_, **params)
        assert answer.status_code == 400, (list_, params)
        assert "Nothing is exported" in answer.text
        assert any(name in answer.text for name in (*params, "meta_key", "meta_value"))
    answer = await admin.http.get("/dashboard/export/orders?currency=USD&currency=EUR")
    assert answer.status_code == 400
    page = await admin.get("/orders")
    answer = await admin.send("/export/orders?created_from=soon", page, format="csv")
    assert answer.status_code == 400


async def test_support_exports_orders_and_no_money(one_gateway: Gateway) -> None:
    await one_gateway.paid()
    support = await reader_as(one_gateway, "support")
    assert (await export(support, "orders")).status_code == 200
    assert (await export(support, "balance")).status_code == 403
    assert (await export(support, "keys")).status_code == 404
    page = await support.get("/orders")
    assert (await support.send("/export/balance", page, format="csv")).status_code == 403


async def test_a_large_one_is_made_in_the_background(one_gateway: Gateway, admin: Reader) -> None:
    await one_gateway.paid(reference="W-7")
    page = await admin.get("/orders", status="paid")
    asked = await admin.send("/export/orders?status=paid", page, format="csv")
    assert asked.headers["location"] == "/dashboard/exports?done=making"
    assert "Waiting" in await admin.get("/exports")
    support = await reader_as(one_gateway, "support")
    assert "Waiting" in await support.get("/exports")
    await Exporter(one_gateway.services).run_due()
    page = await admin.get("/exports")
    assert "Ready" in page
    link = re.search(r'href="(/v1/exports/exp_[0-9a-f]+/file\?token=[^"]+)"', page)
    assert link
    assert [row["reference"] for row in rows(await admin.http.get(link[1]))] == ["W-7"]
    found = re.search(r'action="/dashboard(/exports/exp_[0-9a-f]+/end)"', page)
    assert found
    assert (await admin.send(found[1], page)).status_code == 303
    assert "/file?token=" not in await admin.get("/exports")


async def test_no_export_of_money_is_seen_or_ended_by_support(
    one_gateway: Gateway, admin: Reader
) -> None:
    await one_gateway.paid()
    await admin.send("/export/balance", await admin.get("/balance"), format="csv")
    page = await admin.get("/exports")
    found = re.search(r'action="/dashboard(/exports/exp_[0-9a-f]+/end)"', page)
    assert found
    support = await reader_as(one_gateway, "support")
    assert "No exports yet" in await support.get("/exports")
    assert (await support.send(found[1], await support.get("/account"))).status_code == 404
