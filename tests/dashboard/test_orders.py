"""The list of orders and the search find what the API finds."""

import re
from typing import Any

import pytest

from tests.api.conftest import Gateway
from tests.dashboard.conftest import Reader

_LINK = re.compile(r'href="/dashboard/orders/(ord_[0-9a-f]{32})"')


async def _shown(reader: Reader, **filters: Any) -> list[str]:
    return _LINK.findall(await reader.get("/orders", **filters))


@pytest.fixture
async def three(one_gateway: Gateway) -> list[dict[str, Any]]:
    """A paid one, an open one, and one in another currency at another provider."""
    paid = await one_gateway.paid(reference="W-1", customer_email="ada@example.com")
    waiting = await one_gateway.order(metadata={"cart": "7"})
    other = await one_gateway.order(
        provider="other",
        currency="EUR",
        items=[{"name": "Lamp", "unit_amount": 1250, "quantity": 1}],
    )
    return [await one_gateway.read(order) for order in (paid, waiting, other)]


async def test_each_filter_finds_what_it_says(admin: Reader, three: list[dict[str, Any]]) -> None:
    paid, waiting, other = (order["id"] for order in three)
    everything = [other, waiting, paid]
    cases: list[tuple[dict[str, Any], list[str]]] = [
        ({}, everything),
        ({"status": "paid"}, [paid]),
        ({"status": ["paid", "open"]}, everything),
        ({"provider": "other"}, [other]),
        ({"currency": "eur"}, [other]),
        ({"reference": "W-1"}, [paid]),
        ({"customer_email": "ada@example.com"}, [paid]),
        ({"provider_id": three[1]["payments"][0]["provider_order_id"]}, [waiting]),
        ({"meta_key": "cart", "meta_value": "7"}, [waiting]),
        ({"currency": "EUR", "amount_min": "12.50", "amount_max": "12.50"}, [other]),
        ({"currency": "EUR", "amount_min": "12.51"}, []),
        ({"created_from": "2026-01-01", "created_to": "2026-01-01"}, everything),
        ({"created_to": "2025-12-31"}, []),
        ({"paid_from": "2026-01-01"}, [paid]),
        ({"paid_to": "2025-12-31"}, []),
        ({"attention": "no"}, everything),
        ({"attention": "yes"}, []),
    ]
    for filters, expected in cases:
        assert await _shown(admin, **filters) == expected, filters


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ({"amount_min": "5"}, "Choose a currency for an amount."),
        ({"amount_min": "x", "currency": "USD"}, "is not an amount"),
        ({"amount_max": "5.001", "currency": "USD"}, "more than 2 decimals"),
        ({"created_from": "yesterday"}, "Give a day"),
        ({"paid_to": "9999-12-31"}, "Give a day"),
    ],
)
async def test_what_cannot_be_understood_is_named(
    admin: Reader, filters: dict[str, str], words: str
) -> None:
    page = await admin.get("/orders", **filters)
    assert words in page
    assert 'aria-invalid="true"' in page


async def test_columns_are_chosen(admin: Reader, three: list[dict[str, Any]]) -> None:
    page = await admin.get("/orders", columns=["net", "paid_at"])
    head = page.partition("<thead>")[2].partition("</thead>")[0]
    assert re.findall(r">([A-Z][a-z]+)</th>", head) == ["Order", "Amount", "Net", "Paid"]


async def test_pages_follow_each_other(
    one_gateway: Gateway, admin: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.dashboard.orders.PAGE", 2)
    orders = [await one_gateway.order(customer_email="a+b@example.com") for _ in range(5)]
    seen: list[str] = []
    path = "/orders?customer_email=a%2Bb%40example.com"
    while path:
        page = await admin.get(path)
        seen += _LINK.findall(page)
        found = re.search(r'rel="next" href="/dashboard([^"]+)"', page)
        path = found[1].replace("&amp;", "&") if found else ""
    assert seen == [order["id"] for order in reversed(orders)]
    answer = await admin.http.get("/dashboard/orders?cursor=nonsense")
    assert answer.status_code == 400


async def test_any_id_leads_to_the_order(
    one_gateway: Gateway, admin: Reader, three: list[dict[str, Any]]
) -> None:
    paid = three[0]
    answer = await one_gateway.post(f"/v1/orders/{paid['id']}/refunds", {"amount": 100})
    refund = answer.json()
    payment = paid["payments"][0]
    for known in (
        paid["id"],
        "W-1",
        f"  {payment['id']} ",
        payment["provider_order_id"],
        payment["provider_payment_id"],
        refund["id"],
        refund["provider_refund_id"],
    ):
        found = await admin.http.get("/dashboard/search", params={"q": known})
        assert found.headers["location"] == f"/dashboard/orders/{paid['id']}", known
    mail = await admin.http.get("/dashboard/search", params={"q": "ada@example.com"})
    assert mail.headers["location"] == "/dashboard/orders?customer_email=ada%40example.com"
    assert "Nothing is known by “&lt;b&gt;”" in await admin.get("/search", q="<b>")
    empty = await admin.http.get("/dashboard/search?q=")
    assert empty.headers["location"] == "/dashboard/orders"


async def test_the_overview_sums_up(admin: Reader, three: list[dict[str, Any]]) -> None:
    page = await admin.get("")
    assert "$54.00" in page
    assert "1 paid order in USD" in page
    assert page.count("<rect class=") == 2  # a bar, and its swatch
    assert "EUR" not in page  # nothing was captured in it
    assert ">No such" not in page


@pytest.mark.parametrize(
    ("filters", "named", "words"),
    [
        ({"status": "nope"}, "status", "“nope” is none of open, "),
        ({"status": ["paid", "nope"]}, "status", "“nope” is none of open, "),
        ({"curency": "EUR"}, "curency", "There is no such filter here."),
        ({"<b>": "1"}, "&lt;b&gt;", "There is no such filter here."),
        ({"type": "charge"}, "type", "There is no such filter here."),
        ({"attention": "maybe"}, "attention", "Choose one of yes, no."),
        ({"meta_value": "7"}, "meta_key", "Give the key that has this value."),
        ({"meta_key": "cart"}, "meta_value", "Give the value of this key."),
        ({"currency": ["USD", "EUR"]}, "currency", "Give it once."),
        ({"created_from": "soon"}, "created_from", "Give a day, as in 2026-01-31."),
        (
            {"created_from": "2026-01-02", "created_to": "2026-01-01"},
            "created_to",
            "before the day",
        ),
        ({"paid_from": "2026-01-02", "paid_to": "2026-01-01"}, "paid_to", "before the day"),
        (
            {"currency": "USD", "amount_min": "2", "amount_max": "1"},
            "amount_max",
            "less than the amount",
        ),
    ],
)
async def test_what_is_not_understood_shows_nothing(
    one_gateway: Gateway, admin: Reader, filters: dict[str, Any], named: str, words: str
) -> None:
    await one_gateway.paid()
    page = await admin.get("/orders", **filters)
    assert _LINK.findall(page) == []
    assert "Nothing is shown" in page
    said = page.partition(f"<li><strong>{named}</strong>: ")[2].partition("</li>")[0]
    assert words in said


async def test_fields_left_empty_are_no_filters(one_gateway: Gateway, admin: Reader) -> None:
    order = await one_gateway.paid()
    empty = dict.fromkeys(("currency", "created_from", "attention", "meta_key", "nope"), "")
    assert await _shown(admin, **empty) == [order["id"]]
    assert await _shown(admin, created_from="2026-01-01", created_to="2026-01-01")
