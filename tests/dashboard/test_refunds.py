"""The list of refunds finds what the API finds, and leads to the orders."""

import csv
import io
import re
from typing import Any

import pytest

from tests.api.conftest import Gateway
from tests.dashboard.conftest import Reader, reader_as

_ROW = re.compile(r'href="/dashboard/orders/(ord_[0-9a-f]{32})#refunds">…([0-9a-f]{10})<')


@pytest.fixture
async def two(one_gateway: Gateway) -> list[dict[str, Any]]:
    """Two refunds of two orders, in two currencies at two providers; the older one first."""
    dollars = await one_gateway.paid(
        reference="W-1", customer_email="ada@example.com", metadata={"cart": "7"}
    )
    euros = await one_gateway.paid(
        provider="other",
        currency="EUR",
        items=[{"name": "Lamp", "unit_amount": 1250, "quantity": 1}],
    )
    made = []
    for order, body in ((dollars, {"amount": 100, "reason": "A <scratch>"}), (euros, {})):
        answer = await one_gateway.post(f"/v1/orders/{order['id']}/refunds", body)
        assert answer.status_code == 201, answer.text
        made.append(answer.json())
    return made


async def _shown(reader: Reader, **filters: Any) -> list[tuple[str, str]]:
    return _ROW.findall(await reader.get("/refunds", **filters))


async def test_each_filter_finds_what_it_says(admin: Reader, two: list[dict[str, Any]]) -> None:
    first, second = ((one["order"], one["id"][-10:]) for one in two)
    everything = [second, first]
    cases: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
        ({}, everything),
        ({"status": two[0]["status"]}, everything),
        ({"status": "failed"}, []),
        ({"provider": "other"}, [second]),
        ({"currency": "eur"}, [second]),
        ({"currency": "USD", "amount_min": "1.00", "amount_max": "1.00"}, [first]),
        ({"currency": "USD", "amount_min": "1.01"}, []),
        ({"order": two[1]["order"]}, [second]),
        ({"payment": two[0]["payment"]}, [first]),
        ({"reference": "W-1"}, [first]),
        ({"customer_email": "ada@example.com"}, [first]),
        ({"provider_id": two[1]["provider_refund_id"]}, [second]),
        ({"meta_key": "cart", "meta_value": "7"}, [first]),
        ({"search": "W-1"}, [first]),
        ({"created_from": "2026-01-01", "created_to": "2026-01-01"}, everything),
        ({"created_to": "2025-12-31"}, []),
        ({"imported": "no"}, everything),
        ({"imported": "yes"}, []),
    ]
    for filters, expected in cases:
        assert await _shown(admin, **filters) == expected, filters


async def test_it_shows_what_was_refunded_and_leads_there(
    admin: Reader, two: list[dict[str, Any]]
) -> None:
    page = await admin.get("/refunds")
    assert "$1.00" in page
    assert "€12.50" in page
    assert "A &lt;scratch&gt;" in page
    order = await admin.get(f"/orders/{two[0]['order']}")
    assert 'id="refunds"' in order
    assert two[0]["id"] in order
    assert "Choose a currency" in await admin.get("/refunds", amount_min="5")
    page = await admin.get("/refunds", columns=["provider_refund_id", "imported"])
    head = page.partition("<thead>")[2].partition("</thead>")[0]
    named = re.findall(r">([^<>]+)</th>", head)
    assert named == ["Refund", "Amount", "Provider’s refund", "Made at the provider"]
    assert two[0]["provider_refund_id"] in page


async def test_pages_follow_each_other(
    admin: Reader, two: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.dashboard.refunds.PAGE", 1)
    seen: list[tuple[str, str]] = []
    path = "/refunds?imported=no"
    while path:
        page = await admin.get(path)
        seen += _ROW.findall(page)
        found = re.search(r'rel="next" href="/dashboard([^"]+)"', page)
        path = found[1].replace("&amp;", "&") if found else ""
    assert [refund for _, refund in seen] == [one["id"][-10:] for one in reversed(two)]


async def test_what_is_seen_is_exported_and_kept(
    one_gateway: Gateway, two: list[dict[str, Any]]
) -> None:
    support = await reader_as(one_gateway, "support")
    page = await support.get("/refunds", currency="USD")
    assert "/dashboard/export/refunds?format=parquet&amp;currency=USD" in page
    for format_, start in (("xlsx", b"PK"), ("jsonl", b"{"), ("parquet", b"PAR1")):
        answer = await support.http.get(f"/dashboard/export/refunds?format={format_}")
        assert answer.status_code == 200, format_
        assert answer.content.startswith(start)
    answer = await support.http.get("/dashboard/export/refunds?format=csv&currency=USD")
    (row,) = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))
    assert (row["id"], row["order"]) == (two[0]["id"], two[0]["order"])
    answer = await support.send("/views/refunds", page, name="Dollars")
    assert answer.headers["location"] == "/dashboard/refunds?currency=USD&done=kept"
    assert "Dollars</a>" in await support.get("/refunds")


async def test_with_nothing_there_it_says_so(one_gateway: Gateway, admin: Reader) -> None:
    await one_gateway.paid()
    assert "No refunds yet" in await admin.get("/refunds")
    assert "No refund fits" in await admin.get("/refunds", currency="JPY")


async def test_what_is_not_understood_shows_nothing(
    admin: Reader, two: list[dict[str, Any]]
) -> None:
    for filters in (
        {"status": "paid"},
        {"imported": "maybe"},
        {"ordr": two[0]["order"]},
        {"created_from": "2026-01-02", "created_to": "2026-01-01"},
    ):
        page = await admin.get("/refunds", **filters)
        assert _ROW.findall(page) == [], filters
        assert "Nothing is shown" in page
