"""The filters of orders, refunds and balance transactions, and the search, over the API."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import update

from gateway.attempts import lock
from gateway.facts import DisputeUpdated
from gateway.recording import record
from storage import tables as t
from tests.api.conftest import Gateway, code_of, open_gateway

REFUNDS, LINES, ORDERS = "/v1/refunds", "/v1/balance_transactions", "/v1/orders"


@pytest.fixture
async def gateway(database_url: str) -> AsyncIterator[Gateway]:
    """On SQLite and on PostgreSQL."""
    async with open_gateway(database_url) as opened:
        yield opened


async def ids(gateway: Gateway, path: str, **filters: Any) -> list[str]:
    answer = await gateway.get(path, **filters)
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()["data"]]


async def refunded(gateway: Gateway, amount: int, **fields: Any) -> tuple[Any, Any]:
    """An order that was paid, and the refund of a part of it."""
    order = await gateway.paid(**fields)
    answer = await gateway.post(f"/v1/orders/{order['id']}/refunds", {"amount": amount})
    assert answer.status_code == 201, answer.text
    return order, answer.json()


async def two(gateway: Gateway) -> tuple[Any, Any, Any, Any]:
    """One of everything, and another one of everything."""
    ada, small = await refunded(
        gateway, 100, reference="A-1", customer_email="ada@example.com", metadata={"cart": "9"}
    )
    bob, large = await refunded(
        gateway,
        2000,
        provider="other",
        currency="EUR",
        reference="B-1",
        customer_email="bob@example.com",
        metadata={"cart": "10"},
    )
    return ada, small, bob, large


async def test_each_filter_finds_its_refunds(gateway: Gateway) -> None:
    ada, small, bob, large = await two(gateway)
    expected = {
        ("order", ada["id"]): [small],
        ("order", "ord_none"): [],
        ("payment", bob["payments"][0]["id"]): [large],
        ("status", small["status"]): [large, small],
        ("status", "failed"): [],
        ("provider", "fake"): [small],
        ("currency", "EUR"): [large],
        ("reference", "A-1"): [small],
        ("customer_email", "bob@example.com"): [large],
        ("provider_id", small["provider_refund_id"]): [small],
        ("metadata[cart]", "10"): [large],
        ("created_from", large["created_at"]): [large],
        ("created_to", large["created_at"]): [small],
        ("amount_min", 101): [large],
        ("amount_max", 100): [small],
        ("imported", "true"): [],
        ("imported", "false"): [large, small],
        ("search", ada["id"]): [small],
        ("search", bob["payments"][0]["provider_payment_id"]): [large],
    }
    for (name, value), found in expected.items():
        assert await ids(gateway, REFUNDS, **{name: value}) == [refund["id"] for refund in found], (
            name,
            value,
        )
    both = {"status": [small["status"], "failed"], "provider": "other", "amount_min": 2000}
    assert await ids(gateway, REFUNDS, **both) == [large["id"]]


async def test_each_filter_finds_its_balance_transactions(gateway: Gateway) -> None:
    ada, small, bob, large = await two(gateway)
    every = (await gateway.get(LINES)).json()["data"]
    assert len(every) >= 4
    of_ada = [line for line in every if line["order"] == ada["id"]]
    of_bob = [line for line in every if line["order"] == bob["id"]]
    charges = [line for line in every if line["type"] == "charge"]
    refunds = [line for line in every if line["type"] == "refund"]
    first = min(line["created_at"] for line in of_bob)
    expected = {
        ("order", ada["id"]): of_ada,
        ("payment", bob["payments"][0]["id"]): of_bob,
        ("type", "charge"): charges,
        ("provider", "other"): of_bob,
        ("currency", "USD"): of_ada,
        ("payout", "po_none"): [],
        ("reference", "B-1"): of_bob,
        ("customer_email", "ada@example.com"): of_ada,
        ("provider_id", small["provider_refund_id"]): [
            line for line in refunds if line["refund"] == small["id"]
        ],
        ("metadata[cart]", "9"): of_ada,
        ("created_from", first): of_bob,
        ("created_to", first): of_ada,
        ("amount_max", -100): refunds,
        ("amount_min", 5400): charges,
        ("search", large["id"]): of_bob,
        ("search", of_ada[0]["id"]): of_ada,
        ("search", of_bob[0]["id"].replace("txn_", "ltx_")): of_bob,
    }
    for (name, value), found in expected.items():
        assert await ids(gateway, LINES, **{name: value}) == [line["id"] for line in found], (
            name,
            value,
        )
    both = [line for line in every if line["type"] in ("charge", "refund")]
    assert await ids(gateway, LINES, type=["charge", "refund"]) == [line["id"] for line in both]


async def test_an_order_is_found_by_any_id_that_anybody_holds(gateway: Gateway) -> None:
    ada, small, *_ = await two(gateway)
    ctx = gateway.services.ctx
    dispute = DisputeUpdated(
        dispute_id="dp_1", status="needs_response", amount=10, currency="USD", at=ctx.now()
    )
    async with ctx.store.transaction() as tx:
        locked, _ = await lock(tx, gateway.merchant, ada["id"])
        await record(ctx, tx, locked, ada["payments"][0]["id"], [dispute], source="a test")
    ada = await gateway.read(ada)
    lines = (await gateway.get(LINES, order=ada["id"])).json()["data"]
    events = (await gateway.get("/v1/events")).json()["data"]
    attention = (await gateway.get("/v1/attention")).json()["data"]
    async with gateway.services.store.database.write() as connection:
        c = t.balance_transactions.c
        mine = update(t.balance_transactions).where(c.order_id == ada["id"])
        await connection.execute(mine.values(payout_id="po_1", provider_balance_id="txn_theirs"))
    payment = ada["payments"][0]
    held = [
        ada["id"],
        "A-1",
        "ada@example.com",
        payment["id"],
        payment["provider_order_id"],
        payment["provider_payment_id"],
        small["id"],
        small["provider_refund_id"],
        ada["disputes"][0]["id"],
        "dp_1",
        lines[0]["id"],
        lines[0]["provider_id"],
        "txn_theirs",
        "po_1",
        next(event["id"] for event in events if event["data"]["id"] == ada["id"]),
        next(item["id"] for item in attention if item["order"] == ada["id"]),
    ]
    for text in held:
        assert await ids(gateway, ORDERS, search=text) == [ada["id"]], text
    for nothing in ("A-", "a-1", "pay_", "ord_none", "%", "'", "dsp_1", "pout_1"):
        assert await ids(gateway, ORDERS, search=nothing) == [], nothing
    assert await ids(gateway, ORDERS, search="A-1", currency="EUR") == []
    other = await gateway.key(merchant=await gateway.services.keys.merchant("Bob"))
    for text in held:
        found = await gateway.get(ORDERS, key=other, search=text)
        assert found.json()["data"] == []


@pytest.mark.parametrize(
    ("path", "params", "at"),
    [
        (ORDERS, {"currency": ["EUR", "USD"]}, "currency"),
        (ORDERS, {"reference": ""}, "reference"),
        (ORDERS, {"metadata[cart]": ["1", "2"]}, "metadata[cart]"),
        (ORDERS, {"metadata": "1"}, "metadata"),
        (ORDERS, {"metadata[]": "1"}, "metadata[]"),
        (ORDERS, {"search": "x" * 321}, "search"),
        (REFUNDS, {"paid_from": "2026-01-01T00:00:00Z"}, "paid_from"),
        (REFUNDS, {"amount_min": "-1"}, "amount_min"),
        (REFUNDS, {"created_from": "2026-01-01T00:00:00"}, "created_from"),
        (LINES, {"created_to": "0001-01-01T00:00:00+14:00"}, "created_to"),
        (LINES, {"type": "tip"}, "type"),
        ("/v1/providers", {"currency": ["EUR", "USD"]}, "currency"),
        ("/v1/providers", {"country": ""}, "country"),
        ("/v1/providers", {"limit": "5"}, "limit"),
        ("/v1/providers", {"cursor": "x"}, "cursor"),
    ],
)
async def test_a_filter_that_is_none_is_refused(
    gateway: Gateway, path: str, params: dict[str, Any], at: str
) -> None:
    answer = await gateway.get(path, **params)
    assert code_of(answer) == (400, "invalid_request"), answer.text
    assert answer.json()["errors"][0]["path"] == at


@pytest.mark.parametrize("path", [ORDERS, REFUNDS, LINES])
@pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
async def test_the_ends_of_time_are_times(gateway: Gateway, path: str, at: str) -> None:
    await refunded(gateway, 100)
    names = ["created", "paid"] if path == ORDERS else ["created"]
    for name in [*names, "occurred"] if path == LINES else names:
        everything, nothing = ("_from", "_to") if at < "1" else ("_to", "_from")
        assert await ids(gateway, path, **{name + everything: at}) != []
        assert await ids(gateway, path, **{name + nothing: at}) == []
