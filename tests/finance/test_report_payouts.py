"""A payout in the balance report: what went to the bank is no longer at the provider."""

from datetime import timedelta

from tests.faults.stage import Gateway
from tests.finance.test_settlement_job import move, sell, settle


async def test_what_was_paid_out_is_in_the_balance(either: Gateway) -> None:
    since = either.clock.now() - timedelta(days=1)
    orders = await sell(either, "stripe", 4)
    await move(either, days=3)
    await either.sandbox.control("payout", provider="stripe")
    await move(either, hours=4)
    await settle(either, "stripe")
    payouts = (await either.http.get("/v1/payouts")).raise_for_status().json()["data"]
    paid_out = {payout["currency"]: payout["amount"] for payout in payouts}
    assert len(payouts) == len(paid_out) > 1
    asked = {"from": since.isoformat(), "to": (either.clock.now() + timedelta(days=1)).isoformat()}
    sold: dict[str, int] = {}
    for by in ("occurred", "booked"):
        answer = await either.http.get("/v1/reports/balance", params={**asked, "by": by})
        rows = answer.raise_for_status().json()["data"]
        assert {row["currency"]: -row["payouts"]["net"] for row in rows} == paid_out
        for row in rows:
            (sales,) = row["movements"]
            its = [order for order in orders if order["currency"] == row["currency"]]
            assert (sales["category"], sales["gross"]) == ("sales", sum(o["amount"] for o in its))
            assert row["closing"] == row["opening"] + sales["net"] + row["payouts"]["net"] == 0
            sold[row["currency"]] = sales["net"]
    answer = await either.http.get("/v1/reports/summary", params={**asked, "by": "occurred"})
    totals = answer.raise_for_status().json()["totals"]
    assert {total["currency"]: total["net"] for total in totals} == sold
