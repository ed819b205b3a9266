"""Payouts, differences and months through the API: who sees what, and what people do is kept."""

from datetime import datetime, timedelta

from gateway.attempts import lock
from gateway.facts import RefundUpdated
from gateway.recording import record
from gateway.settling import read
from tests.faults.stage import Gateway
from tests.finance.test_settlement_job import move, payment_of, sell, settle


async def settled(gateway: Gateway) -> dict[str, str]:
    """One order with a fee that differs, paid out, and read. The order's id and the payout's."""
    order = (await sell(gateway, "stripe", 1))[0]
    await gateway.sandbox.control(
        "discrepancy", provider="stripe", id=payment_of(order), kind="fee"
    )
    await move(gateway, days=3)
    made = await gateway.sandbox.control("payout", provider="stripe")
    await move(gateway, hours=4)
    await settle(gateway, "stripe")
    return {"order": order["id"], "payout": made["data"][0]["id"]}


async def test_a_payout_is_explained(either: Gateway) -> None:
    made = await settled(either)
    (payout,) = (await either.http.get("/v1/payouts")).raise_for_status().json()["data"]
    assert payout["provider_payout_id"] == made["payout"]
    told = (await either.http.get(f"/v1/payouts/{payout['id']}")).raise_for_status().json()
    assert told["exact"] is True
    assert sum(row["net"] for row in told["rows"]) == payout["amount"] == told["payout"]["amount"]
    assert [(row["kind"], row["count"], row["gross"]) for row in told["rows"]] == [
        ("charge", 1, 5400)
    ]
    assert (await either.http.get("/v1/payouts?currency=EUR")).json()["data"] == []
    assert (await either.http.get("/v1/payouts/pout_no")).status_code == 404
    answer = await either.http.get("/v1/balance_transactions", params={"payout": made["payout"]})
    lines = answer.raise_for_status().json()["data"]
    assert {(line["type"], line["order"]) for line in lines} == {
        ("charge", made["order"]),
        ("payout", None),
    }
    assert all(line["settled_at"] for line in lines)
    answer = await either.http.get("/v1/ledger/accounts")
    accounts = {row["account"]: row["balance"] for row in answer.json()["data"]}
    assert accounts["bank:USD"] == payout["amount"]
    assert accounts["payouts_in_transit:USD"] == 0
    assert accounts["provider_clearing:stripe:USD"] == 1, "the fee that was planted"


async def test_a_difference_is_worked_and_its_story_kept(either: Gateway) -> None:
    made = await settled(either)
    (item,) = (await either.http.get("/v1/reconciliation?status=open")).json()["data"]
    assert (item["kind"], item["order"]) == ("fee", made["order"])
    assert item["actual"] == item["expected"] + 1
    path = f"/v1/reconciliation/{item['id']}"
    for action, status in (("note", "open"), ("resolve", "resolved"), ("reopen", "open")):
        answer = await either.post(f"{path}/{action}", body={"note": f"{action}!"})
        assert answer.status_code == 200, answer.text
        assert answer.json()["status"] == status
    story = [(n["action"], n["note"]) for n in (await either.http.get(path)).json()["notes"]]
    assert story == [
        ("found", None),
        ("noted", "note!"),
        ("resolved", "resolve!"),
        ("reopened", "reopen!"),
    ]
    notes = (await either.http.get(path)).json()["notes"]
    assert notes[0]["by"] == "settlement"
    assert all(note["by"].startswith("key_") and note["at"] for note in notes[1:])
    await either.post(f"{path}/resolve", body={})
    await settle(either, "stripe")  # it is known, and stays resolved
    assert (await either.http.get(path)).json()["status"] == "resolved"
    assert (await either.post(f"{path}/note", body={})).status_code == 400
    assert (
        await either.post("/v1/reconciliation/exc_no/note", body={"note": "x"})
    ).status_code == 404


async def test_differences_of_a_time(either: Gateway) -> None:
    await settled(either)
    (item,) = (await either.http.get("/v1/reconciliation")).json()["data"]
    at = datetime.fromisoformat(item["occurred_at"])
    second = timedelta(seconds=1)
    for since, until, found in (
        (at, at + second, [item["id"]]),
        (at - second, at, []),
        (at + second, None, []),
        (at, None, [item["id"]]),
    ):
        times = {"occurred_from": since.isoformat()}
        if until is not None:
            times["occurred_to"] = until.isoformat()
        answer = await either.http.get("/v1/reconciliation", params=times)
        assert [one["id"] for one in answer.json()["data"]] == found, times
    answer = await either.http.get(
        "/v1/reconciliation", params={"occurred_from": "2026-01-01T00:00:00"}
    )
    assert answer.status_code == 400


async def test_a_month_is_closed_once_and_what_comes_later_is_late(gateway: Gateway) -> None:
    await sell(gateway, "stripe", 1)
    now = gateway.clock.now()
    month = now.strftime("%Y-%m")
    answer = await gateway.post(f"/v1/periods/{month}/close", body={})
    assert answer.status_code == 400, answer.text
    for wrong in ("2026-13", "2026-1", "٢٠٢٦-01", "2026-01 "):
        assert (await gateway.http.get(f"/v1/periods/{wrong}")).status_code == 404, wrong
    await move(gateway, days=40)
    answer = await gateway.post(f"/v1/periods/{month}/close", body={"note": "done"})
    assert answer.status_code == 200, answer.text
    closed = answer.json()
    assert (closed["status"], closed["note"], closed["late"]) == ("closed", "done", [])
    again = (await gateway.post(f"/v1/periods/{month}/close", body={"note": "other"})).json()
    assert again == closed
    opened = gateway.services.ctx.providers.get("stripe")
    assert opened is not None
    await move(gateway, hours=1)
    await read(gateway.services.ctx, opened, now - timedelta(days=1), now + timedelta(hours=1))
    (late,) = (await gateway.http.get(f"/v1/periods/{month}")).json()["late"]
    assert (late["kind"], late["gross"]) == ("charge", 5400)
    assert late["read_at"] > closed["closed_at"] > late["occurred_at"]
    assert (late["book"], late["balance_transaction"]) == ("provider", None)


async def test_what_is_booked_into_a_closed_month_is_late_on_our_side(gateway: Gateway) -> None:
    order = (await sell(gateway, "stripe", 1))[0]
    then = gateway.clock.now()
    period = f"/v1/periods/{then:%Y-%m}"
    await move(gateway, days=40)
    assert (await gateway.post(f"{period}/close", body={})).json()["late"] == []

    ctx, payment = gateway.services.ctx, order["payments"][0]["id"]
    told = RefundUpdated(
        provider_refund_id="re_late", status="succeeded", amount=1000, currency="USD", at=then
    )
    async with ctx.store.transaction() as tx:
        found = await tx.find_payment("stripe", payment, ())
        assert found is not None
        locked, _ = await lock(tx, found[0], order["id"])
        await record(ctx, tx, locked, payment, [told], source="a test")

    (late,) = (await gateway.http.get(period)).json()["late"]
    assert (late["book"], late["kind"], late["gross"]) == ("ours", "refund", -1000)
    line = await gateway.http.get(f"/v1/balance_transactions/{late['balance_transaction']}")
    assert line.json()["occurred_at"] == late["occurred_at"]
    assert line.json()["created_at"] == late["read_at"]
