"""Reports through the API: they agree with the rest; who may read them; what is refused."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.attempts import lock
from gateway.facts import Captured, DisputeUpdated, Fact, Fee, RefundUpdated
from gateway.recording import record
from tests.api.conftest import Gateway, code_of, open_gateway, page_of

AT = datetime(2026, 1, 1, 13, tzinfo=UTC)
DAY = {"from": "2026-01-01", "to": "2026-01-02"}
REPORTS = ("summary", "conversion", "balance")


@pytest.fixture
async def gateway(database_url: str) -> AsyncIterator[Gateway]:
    """On SQLite and on PostgreSQL."""
    async with open_gateway(database_url) as opened:
        yield opened


async def report(gateway: Gateway, name: str, **asked: Any) -> dict[str, Any]:
    answer = await gateway.get(f"/v1/reports/{name}", **{**DAY, **asked})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def tell(gateway: Gateway, order: dict[str, Any], *facts: Fact) -> None:
    """The provider says something about the order's payment."""
    ctx = gateway.services.ctx
    async with ctx.store.transaction() as tx:
        locked, _ = await lock(tx, gateway.merchant, order["id"])
        await record(ctx, tx, locked, order["payments"][0]["id"], facts, source="a test")


async def sold(gateway: Gateway) -> list[dict[str, Any]]:
    """Orders of two providers and currencies: refunded, disputed, unpaid, of another mode."""
    orders = [await gateway.paid() for _ in range(3)]
    orders += [await gateway.paid(provider="other", currency="EUR"), await gateway.order()]
    await tell(
        gateway,
        orders[0],
        RefundUpdated(
            provider_refund_id="re_1", status="succeeded", amount=2000, currency="USD", at=AT
        ),
    )
    dispute = DisputeUpdated(
        dispute_id="dp_1", status="needs_response", amount=1000, currency="USD", at=AT
    )
    fee = Fee(object_id="dp_1", fee=1500, net=-2500, currency="USD", balance_id="bt_1")
    await tell(gateway, orders[1], dispute, fee)
    live = await gateway.key(livemode=True)
    await gateway.order(key=live, provider="reallive")
    return [await gateway.read(order) for order in orders]


async def test_the_summary_is_the_sum_of_the_orders(gateway: Gateway) -> None:
    orders = await sold(gateway)
    for by in ("paid", "created"):
        found = await report(gateway, "summary", by=by)
        for row in found["data"]:
            own = [order for order in orders if order["currency"] == row["currency"]]
            for name in ("amount_captured", "amount_refunded", "amount_disputed", "fee", "net"):
                assert row[name] == sum(order[name] or 0 for order in own), name
        assert found["data"] == found["totals"]
        dollars = next(row for row in found["data"] if row["currency"] == "USD")
        assert dollars["orders"] == {"paid": 3, "created": 4}[by]
        assert (dollars["paid_orders"], dollars["average"]) == (3, 5400)
        assert (dollars["refunded_orders"], dollars["disputed_orders"]) == (1, 1)
        assert dollars["refund_percent_by_count"] == "33.3333"
        assert dollars["refund_percent_by_amount"] == "12.3457"
        assert dollars["dispute_percent_by_amount"] == "6.1728"
    by_provider = await report(gateway, "summary", group_by="provider,day,status")
    assert by_provider["group_by"] == ["day", "provider", "status"]
    assert {(row["provider"], row["status"], row["period"]) for row in by_provider["data"]} == {
        ("fake", "paid", "2026-01-01"),
        ("fake", "partially_refunded", "2026-01-01"),
        ("other", "paid", "2026-01-01"),
    }


async def test_movements_are_summed_when_they_happen(gateway: Gateway) -> None:
    await sold(gateway)
    lines = (await gateway.get("/v1/balance_transactions", limit=100)).json()["data"]
    found = await report(gateway, "summary", by="occurred")
    for row in found["data"]:
        own = [line for line in lines if line["currency"] == row["currency"]]
        assert row["net"] == sum(line["net"] for line in own)
        assert row["fee"] == sum(line["fee"] for line in own)
    dollars = next(row for row in found["data"] if row["currency"] == "USD")
    assert (dollars["orders"], dollars["refunded_orders"], dollars["disputed_orders"]) == (3, 1, 1)


async def test_fees_are_no_percentage_of_what_was_captured_in_another_currency(
    gateway: Gateway,
) -> None:
    async def percentages() -> dict[str, tuple[Any, ...]]:
        found = await report(gateway, "summary", by="occurred")
        assert found["data"] == found["totals"]
        names = ("fee_percent", "orders_without_fee", "amount_without_fee")
        return {row["currency"]: tuple(row[name] for name in names) for row in found["totals"]}

    def captured(number: int, currency: str) -> Captured:
        return Captured(capture_id=f"c{number}", amount=5400, currency=currency, at=AT)

    euros, crowns = [await gateway.order(currency=name) for name in ("EUR", "DKK")]
    fee = Fee(object_id="c1", fee=54, net=5346, currency="EUR")
    await tell(gateway, euros, captured(1, "EUR"), fee)
    await tell(gateway, crowns, captured(2, "DKK"))
    # Not told yet is not free of charge.
    assert await percentages() == {"EUR": ("1.0000", 0, 0), "DKK": (None, 1, 5400)}
    settled = Fee(object_id="c2", fee=10, net=714, currency="EUR", balance_id="b2", rate="0.134")
    await tell(gateway, crowns, settled)
    assert await percentages() == {"EUR": (None, 0, 0), "DKK": (None, 1, 5400)}
    found = await report(gateway, "summary", by="occurred")
    assert {row["currency"]: (row["fee"], row["net"]) for row in found["totals"]} == {
        "EUR": (64, 5346 + 714),
        "DKK": (0, 0),
    }


async def test_balances_are_those_of_the_ledger(gateway: Gateway) -> None:
    await sold(gateway)
    middle = gateway.clock.now()
    gateway.clock.advance(hours=1)
    await gateway.paid()
    end = gateway.clock.now() + timedelta(minutes=1)
    accounts: dict[str, dict[str, int]] = {}
    for name, at in (("opening", middle), ("closing", end)):
        answer = await gateway.get("/v1/ledger/accounts", at=at.isoformat())
        accounts[name] = {one["account"]: one["balance"] for one in answer.json()["data"]}
    found = await report(
        gateway, "balance", by="booked", **{"from": middle.isoformat(), "to": end.isoformat()}
    )
    assert {(row["provider"], row["currency"]) for row in found["data"]} == {
        ("fake", "USD"),
        ("other", "EUR"),
    }
    for row in found["data"]:
        account = f"provider_clearing:{row['provider']}:{row['currency']}"
        assert row["opening"] == accounts["opening"][account]
        assert row["closing"] == accounts["closing"][account]
        moved = sum(part["net"] for part in (*row["movements"], row["payouts"]))
        assert row["opening"] + moved == row["closing"]
    dollars = next(row for row in found["data"] if row["currency"] == "USD")
    assert [part["category"] for part in dollars["movements"]] == ["sales"]
    assert (await report(gateway, "balance", currency="EUR"))["data"][0]["currency"] == "EUR"
    assert (await report(gateway, "balance", currency="JPY"))["data"] == []


async def test_an_order_that_changed_its_provider_counts_once_and_each_attempt_once(
    gateway: Gateway,
) -> None:
    await gateway.paid()
    order = await gateway.order()
    answer = await gateway.post(f"/v1/orders/{order['id']}/payments", {"provider": "other"})
    assert answer.status_code == 201, answer.text
    gateway.other.buyer_pays(page_of(answer.json()))
    await gateway.post(f"/v1/orders/{order['id']}/confirm")
    found = await report(gateway, "conversion", group_by="provider")
    orders = {row["provider"]: (row["created"], row["paid"]) for row in found["orders"]}
    assert orders == {"fake": (1, 1), "other": (1, 1)}
    attempts = {
        row["provider"]: (row["created"], row["paid"], row["canceled"]) for row in found["attempts"]
    }
    assert attempts == {"fake": (2, 1, 1), "other": (1, 1, 0)}
    assert (found["orders_total"]["created"], found["attempts_total"]["created"]) == (2, 3)
    assert found["orders_total"]["paid_percent"] == "100.0000"
    assert found["attempts_total"]["paid_percent"] == "66.6667"


async def test_reports_are_for_finance_and_of_one_merchant_and_mode(gateway: Gateway) -> None:
    await gateway.paid()
    other = await gateway.services.keys.merchant("Bob's shop")
    stranger = await gateway.key(merchant=other)
    live = await gateway.key(livemode=True)
    orders_only = await gateway.key("restricted", scopes=("orders:read",))
    finance = await gateway.key("restricted", scopes=("finance:read",))
    for name in REPORTS:
        path = f"/v1/reports/{name}"
        assert code_of(await gateway.get(path, key=orders_only, **DAY)) == (403, "forbidden")
        assert (await gateway.http.get(path, params=DAY)).status_code == 401
        assert (await gateway.get(path, key=finance, **DAY)).status_code == 200
        for key in (stranger, live):
            found = (await gateway.get(path, key=key, **DAY)).json()
            assert found.get("data", found.get("orders")) in ([], found.get("orders"))
            assert found.get("orders_total", {"created": 0})["created"] == 0


@pytest.mark.parametrize(
    ("name", "asked", "path"),
    [
        ("summary", {"tz": "Mars"}, "tz"),
        ("summary", {"from": "2026-01-02"}, "to"),
        ("summary", {"to": None}, "to"),
        ("summary", {"from": "soon"}, "from"),
        ("summary", {"to": "2028-01-01", "group_by": "day"}, "to"),
        ("summary", {"group_by": "status", "by": "occurred"}, "group_by"),
        ("summary", {"group_by": "day,month"}, "group_by"),
        ("summary", {"by": "settled"}, "by"),
        ("summary", {"provider": "fake"}, "provider"),
        ("conversion", {"group_by": "status"}, "group_by"),
        ("conversion", {"tz": ""}, "tz"),
        ("balance", {"by": "paid"}, "by"),
        ("balance", {"group_by": "day"}, "group_by"),
    ],
)
async def test_what_is_refused_is_named(
    refusing: Gateway, name: str, asked: dict[str, str | None], path: str
) -> None:
    given = {key: value for key, value in {**DAY, **asked}.items() if value is not None}
    answer = await refusing.get(f"/v1/reports/{name}", **given)
    assert code_of(answer) == (400, "invalid_request"), answer.text
    assert [error["path"] for error in answer.json()["errors"]] == [path]
