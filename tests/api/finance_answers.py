"""One answer of each operation of finance, for the check against the OpenAPI document."""

from datetime import timedelta

import httpx

from gateway.expectations import Expected
from gateway.provider_books import ProviderPayout, ProviderTransaction
from gateway.settlement import match
from gateway.settlement_store import Side
from tests.api.conftest import Gateway

Answers = dict[tuple[str, str], httpx.Response]


async def answers_about_books(gateway: Gateway) -> Answers:
    """Of a gateway in which an order was paid already."""
    lines = await gateway.get("/v1/balance_transactions")
    one = f"/v1/balance_transactions/{lines.json()['data'][0]['id']}"
    time = {"from": "2026-01-01", "to": "2026-01-03"}
    reports = {
        ("get", f"/v1/reports/{name}"): await gateway.get(f"/v1/reports/{name}", **time, **more)
        for name, more in (
            ("summary", {"group_by": "day,provider,status"}),
            ("conversion", {"group_by": "provider"}),
            ("balance", {}),
        )
    }
    return {
        **reports,
        ("get", "/v1/balance_transactions"): lines,
        ("get", "/v1/balance_transactions/{line_id}"): await gateway.get(one),
        ("get", "/v1/ledger/accounts"): await gateway.get("/v1/ledger/accounts"),
        ("get", "/v1/ledger/entries"): await gateway.get("/v1/ledger/entries"),
    }


async def answers_about_settlement(gateway: Gateway) -> Answers:
    """Of a payout with one line, which is nobody's, and a month that is over."""
    at = gateway.clock.now() - timedelta(days=40)
    side = Side("default", "acme", False)
    line = ProviderTransaction(
        id="line_1", kind="charge", gross=500, fee=20, net=480, currency="USD", at=at,
        object_id="cap_of_nobody", payout_id="po_1",
    )  # fmt: skip
    none: list[Expected] = []
    async with gateway.services.store.transaction() as tx:
        await tx.save_records(side, [line], at)
        await tx.save_payout(side, ProviderPayout("po_1", 480, "USD", "paid", at), at)
        await tx.save_matching(side, [], [line], match(none, [line], at), at)
    payouts = await gateway.get("/v1/payouts")
    payout = payouts.json()["data"][0]["id"]
    found = await gateway.get("/v1/reconciliation")
    one = f"/v1/reconciliation/{found.json()['data'][0]['id']}"
    month = f"/v1/periods/{at:%Y-%m}"
    route = "/v1/reconciliation/{exception_id}"
    return {
        ("get", "/v1/payouts"): payouts,
        ("get", "/v1/payouts/{payout_id}"): await gateway.get(f"/v1/payouts/{payout}"),
        ("get", "/v1/reconciliation"): found,
        ("post", f"{route}/note"): await gateway.post(f"{one}/note", {"note": "whose?"}),
        ("post", f"{route}/resolve"): await gateway.post(f"{one}/resolve", {"note": "ours"}),
        ("post", f"{route}/reopen"): await gateway.post(f"{one}/reopen", {}),
        ("get", route): await gateway.get(one),
        ("post", "/v1/periods/{period}/close"): await gateway.post(f"{month}/close", {}),
        ("get", "/v1/periods/{period}"): await gateway.get(month),
    }


async def answers_about_exports(gateway: Gateway) -> Answers:
    """Of an export that is asked for and canceled; files are looked at in tests/finance."""
    asked = await gateway.post("/v1/exports", {"kind": "orders", "filters": {"status": ["paid"]}})
    one = f"/v1/exports/{asked.json()['id']}"
    headers = {"Authorization": f"Bearer {gateway.secret}"}
    return {
        ("post", "/v1/exports"): asked,
        ("get", "/v1/exports"): await gateway.get("/v1/exports"),
        ("get", "/v1/exports/{export_id}"): await gateway.get(one),
        ("delete", "/v1/exports/{export_id}"): await gateway.http.delete(one, headers=headers),
    }
