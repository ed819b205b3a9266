"""Refunds, captures, cancellations, disputes, payouts, and the ledger that follows them."""

from __future__ import annotations

import pytest

from tests.sandbox.conftest import RunningSandbox
from tests.sandbox.stripe_client import StripeApi


def totals(sandbox: RunningSandbox) -> dict[str, int]:
    """The sums in the ledger by kind, of one currency."""
    return {row["kind"]: row["amount"] for row in sandbox.look("ledger")["totals"]}


def test_partial_refunds_add_up_and_stop_at_the_charge(
    sandbox: RunningSandbox, api: StripeApi
) -> None:
    intent = api.paid()
    first = api.post("refunds", {"payment_intent": intent["id"], "amount": 1400})
    assert (first["status"], first["amount"]) == ("succeeded", 1400)
    too_much = api.refused("refunds", {"payment_intent": intent["id"], "amount": 4001})
    assert "greater than unrefunded amount" in too_much["message"]
    second = api.post("refunds", {"charge": intent["latest_charge"]["id"]})
    assert second["amount"] == 4000
    again = api.refused("refunds", {"payment_intent": intent["id"]})
    assert again["code"] == "charge_already_refunded"
    charge = api.get(f"charges/{intent['latest_charge']['id']}")
    assert (charge["refunded"], charge["amount_refunded"]) == (True, 5400)
    listed = api.get("refunds", payment_intent=intent["id"])["data"]
    assert [refund["id"] for refund in listed] == [second["id"], first["id"]]
    assert api.event_types().count("charge.refunded") == 2
    assert totals(sandbox) == {"charge": 5400, "refund": -5400}


def test_a_refund_needs_a_successful_charge(api: StripeApi) -> None:
    assert api.refused("refunds", {"amount": 100})["code"] == "parameter_missing"
    assert api.refused("refunds", {"charge": "ch_none"}, status=404)["code"] == "resource_missing"
    session = api.checkout()
    api.buyer(session, "decline")
    error = api.refused("refunds", {"payment_intent": api.intent(session)["id"]})
    assert "does not have a successful charge" in error["message"]


def test_a_refund_fails_after_it_succeeded(sandbox: RunningSandbox, api: StripeApi) -> None:
    session = api.checkout()
    assert api.by_card(session, "4000 0000 0000 5126").status_code == 303
    intent = api.intent(session)
    refund = api.post("refunds", {"payment_intent": intent["id"], "amount": 400})
    assert refund["status"] == "succeeded"
    sandbox.control("clock", advance_seconds=60)
    failed = api.get(f"refunds/{refund['id']}", **{"expand[]": "failure_balance_transaction"})
    assert failed["status"] == "failed"
    assert failed["failure_balance_transaction"]["amount"] == 400
    assert api.intent(session)["latest_charge"]["amount_refunded"] == 0
    assert api.event_types()[-3:] == ["refund.updated", "charge.refund.updated", "refund.failed"]
    assert totals(sandbox) == {"charge": 5400}


def test_a_pending_refund_succeeds_later(sandbox: RunningSandbox, api: StripeApi) -> None:
    session = api.checkout()
    api.by_card(session, "4000000000007726")
    refund = api.post("refunds", {"payment_intent": api.intent(session)["id"]})
    assert refund["status"] == "pending"
    api.refused(f"refunds/{refund['id']}/cancel")
    sandbox.control("clock", advance_seconds=60)
    assert api.get(f"refunds/{refund['id']}")["status"] == "succeeded"
    assert api.event_types()[-1] == "charge.refund.updated"


def test_a_refund_names_a_charge_of_its_intent(api: StripeApi) -> None:
    intent, other = api.paid(), api.manual()
    both = {"charge": intent["latest_charge"]["id"], "payment_intent": other["id"]}
    assert api.refused("refunds", both)["param"] == "payment_intent"
    held = api.refused("refunds", {"charge": other["latest_charge"]["id"]})
    assert "has not been captured" in held["message"]
    more = {"final_capture": "false"}
    api.refused(f"payment_intents/{other['id']}/capture", more)
    captured = api.post(f"payment_intents/{other['id']}/capture", {"metadata[a]": "b"})
    assert (captured["amount_received"], captured["metadata"]) == (5400, {"a": "b"})


def test_a_debit_is_refunded_like_a_card_but_named_otherwise(
    sandbox: RunningSandbox, api: StripeApi
) -> None:
    session = api.checkout()
    api.buyer(session, "pay_async")
    sandbox.control("dispute", 400, provider="stripe", id=session["id"])
    api.buyer(session, "settle")
    intent = api.intent(session)
    assert intent["latest_charge"]["balance_transaction"]["type"] == "payment"
    refund = api.post("refunds", {"payment_intent": intent["id"], "amount": 400})
    booked = api.get(f"balance_transactions/{refund['balance_transaction']}")
    assert (booked["type"], booked["reporting_category"]) == ("payment_refund", "refund")
    failed = sandbox.control("refund", provider="stripe", id=refund["id"], status="failed")
    booked = api.get(f"balance_transactions/{failed['failure_balance_transaction']}")
    assert booked["type"] == "payment_failure_refund"
    again = sandbox.control("refund", provider="stripe", id=refund["id"], status="succeeded")
    assert again["status"] == "failed"
    part = sandbox.control("dispute", provider="stripe", id=intent["id"], amount=100)
    assert part["amount"] == 100


def test_the_dashboard_refunds_and_ends_refunds(sandbox: RunningSandbox, api: StripeApi) -> None:
    intent = api.paid()
    made = sandbox.control("refund", provider="stripe", id=intent["id"], amount=100)
    assert made["status"] == "succeeded"
    ended = sandbox.control("refund", provider="stripe", id=made["id"], status="failed")
    assert ended["status"] == "failed"
    waiting = sandbox.control(
        "refund", provider="stripe", id=intent["id"], amount=100, status="requires_action"
    )
    canceled = api.post(f"refunds/{waiting['id']}/cancel")
    assert canceled["status"] == "canceled"
    assert api.get(f"charges/{intent['latest_charge']['id']}")["amount_refunded"] == 0
    sandbox.control("refund", 400, provider="stripe", id=intent["id"], amount=9999)
    sandbox.control("refund", 400, provider="stripe", id=intent["id"], amount=0)
    sandbox.control("refund", 404, provider="stripe", id="pi_none")
    sandbox.control("refund", 400, provider="stripe", id=made["id"], status="lost")
    sandbox.control("refund", 400, provider="stripe", id=intent["id"], status="lost")
    sandbox.control("dispute", 400, provider="stripe", id=intent["id"], status="closed")
    sandbox.control("dispute", 400, provider="stripe", id=intent["id"], amount=0)


def test_manual_capture_takes_a_part_and_releases_the_rest(
    sandbox: RunningSandbox, api: StripeApi
) -> None:
    intent = api.manual()
    assert (intent["status"], intent["amount_capturable"]) == ("requires_capture", 5400)
    assert intent["latest_charge"]["balance_transaction"] is None
    assert api.get("checkout/sessions")["data"][0]["payment_status"] == "unpaid"
    path = f"payment_intents/{intent['id']}/capture"
    assert api.refused(path, {"amount_to_capture": 5401})["code"] == "amount_too_large"
    captured = api.post(path, {"amount_to_capture": 3000})
    assert (captured["status"], captured["amount_received"]) == ("succeeded", 3000)
    assert api.get("checkout/sessions")["data"][0]["payment_status"] == "paid"
    charge = api.get(f"charges/{intent['latest_charge']['id']}", **{"expand[]": "refunds"})
    assert (charge["amount_captured"], charge["amount_refunded"]) == (3000, 2400)
    assert charge["refunds"]["data"][0]["balance_transaction"] is None
    again = api.refused(path, {})
    assert again["code"] == "payment_intent_unexpected_state"
    assert again["payment_intent"]["status"] == "succeeded"
    assert totals(sandbox) == {"charge": 3000}
    error = api.refused("refunds", {"payment_intent": intent["id"], "amount": 3001})
    assert error["param"] == "amount"


def test_an_authorization_is_canceled_by_hand_or_after_a_week(
    sandbox: RunningSandbox, api: StripeApi
) -> None:
    intent, other = api.manual(), api.manual()
    canceled = api.post(
        f"payment_intents/{intent['id']}/cancel", {"cancellation_reason": "abandoned"}
    )
    assert (canceled["status"], canceled["cancellation_reason"]) == ("canceled", "abandoned")
    sandbox.control("clock", advance_seconds=7 * 86400)
    assert api.get(f"payment_intents/{other['id']}")["cancellation_reason"] == "automatic"
    reasons = {refund["reason"] for refund in api.get("refunds")["data"]}
    assert reasons == {None, "expired_uncaptured_charge"}
    assert api.event_types().count("payment_intent.canceled") == 2
    assert totals(sandbox) == {}
    api.refused(f"payment_intents/{intent['id']}/capture")


def test_money_that_moved_cannot_be_canceled(api: StripeApi) -> None:
    error = api.refused(f"payment_intents/{api.paid()['id']}/cancel")
    assert error["code"] == "payment_intent_unexpected_state"
    session = api.checkout()
    api.buyer(session, "decline")
    error = api.refused(f"payment_intents/{api.intent(session)['id']}/cancel")
    assert "Expire the Checkout Session" in error["message"]
    api.post(f"checkout/sessions/{session['id']}/expire")
    assert api.intent(session)["status"] == "canceled"


@pytest.mark.parametrize(("status", "kept"), [("won", 0), ("lost", -5400)])
def test_a_dispute_withdraws_and_may_return_the_money(
    sandbox: RunningSandbox, api: StripeApi, status: str, kept: int
) -> None:
    intent = api.paid()
    dispute = sandbox.control("dispute", provider="stripe", id=intent["id"])
    assert dispute["status"] == "needs_response"
    charge = intent["latest_charge"]["id"]
    assert api.get(f"charges/{charge}")["disputed"] is True
    error = api.refused("refunds", {"charge": charge})
    assert error["code"] == "charge_disputed"
    sandbox.control("dispute", 400, provider="stripe", id=intent["id"])
    sandbox.control("dispute", provider="stripe", id=dispute["id"], status=status)
    shown = api.get(f"disputes/{dispute['id']}")
    booked = [entry["amount"] for entry in shown["balance_transactions"]]
    assert (shown["status"], sum(booked)) == (status, kept)
    assert totals(sandbox)["dispute"] == kept
    assert api.event_types()[-1] == "charge.dispute.closed"
    listed = api.get("disputes", payment_intent=intent["id"])["data"]
    assert [item["id"] for item in listed] == [dispute["id"]]
    refund = api.send("POST", "refunds", {"charge": charge})
    assert refund.status_code == (200 if status == "won" else 400)


def test_a_card_and_an_amount_are_disputed_at_once(api: StripeApi) -> None:
    api.by_card(api.checkout(), "4000000000000259")
    api.buyer(api.checkout(77702), "pay")
    assert len(api.get("disputes")["data"]) == 2
    declined = api.checkout(77701)
    api.buyer(declined, "pay")
    assert api.get(f"checkout/sessions/{declined['id']}")["status"] == "open"


def test_a_payout_bundles_what_is_available(sandbox: RunningSandbox, api: StripeApi) -> None:
    intent = api.paid()
    api.post("refunds", {"payment_intent": intent["id"], "amount": 400})
    sandbox.control("payout", 400, provider="stripe")
    sandbox.control("clock", advance_seconds=2 * 86400)
    payout = sandbox.control("payout", provider="stripe")["data"][0]
    assert payout["amount"] == 5400 - 187 - 400
    inside = api.get("balance_transactions", payout=payout["id"])["data"]
    assert sorted(entry["type"] for entry in inside) == ["charge", "payout", "refund"]
    assert sum(entry["net"] for entry in inside) == 0
    assert {entry["status"] for entry in inside} == {"available"}
    assert api.event_types()[-1] == "payout.paid"
    sandbox.control("payout", 400, provider="stripe")
    assert api.get("payouts")["data"][0]["id"] == payout["id"]
    assert totals(sandbox) == {"charge": 5400, "payout": -4813, "refund": -400}


def test_a_payout_that_costs_something(sandbox: RunningSandbox, api: StripeApi) -> None:
    api.paid()
    sandbox.control("clock", advance_seconds=2 * 86_400)
    (payout,) = sandbox.control("payout", provider="stripe", fee=100)["data"]
    own = api.get(f"balance_transactions/{payout['balance_transaction']}")
    assert (own["amount"], own["fee"], own["net"]) == (-5113, 100, -5213)
    assert api.get(f"payouts/{payout['id']}")["amount"] == payout["amount"] == 5113
    assert [detail["amount"] for detail in own["fee_details"]] == [100]
    assert totals(sandbox)["payout"] == -5113


def test_what_a_payout_by_hand_holds_is_not_told(sandbox: RunningSandbox, api: StripeApi) -> None:
    api.paid()
    sandbox.control("clock", advance_seconds=2 * 86_400)
    sandbox.control("payout", 400, provider="stripe", automatic="no")
    payout = sandbox.control("payout", provider="stripe", automatic=False)["data"][0]
    assert (payout["automatic"], payout["reconciliation_status"]) == (False, "not_applicable")
    answer = api.send("GET", "balance_transactions", {"payout": payout["id"]})
    assert answer.status_code == 400
    assert "not manual" in answer.json()["error"]["message"]
    booked = api.get("balance_transactions", type="payout")["data"]
    assert [entry["source"] for entry in booked] == [payout["id"]]
    sandbox.control("payout", 400, provider="stripe")  # it is gone, whatever it was


def test_a_payout_that_the_bank_returns_goes_out_again(
    sandbox: RunningSandbox, api: StripeApi
) -> None:
    api.paid()
    sandbox.control("clock", advance_seconds=2 * 86_400)
    first = sandbox.control("payout", provider="stripe")["data"][0]
    failed = sandbox.control("payout", provider="stripe", id=first["id"])
    assert failed["status"] == "failed"
    back = api.get(f"balance_transactions/{failed['failure_balance_transaction']}")
    assert (back["type"], back["net"], back["source"]) == (
        "payout_failure",
        first["amount"],
        first["id"],
    )
    assert "payout" not in totals(sandbox)
    assert api.event_types()[-1] == "payout.failed"
    sandbox.control("payout", 400, provider="stripe", id=first["id"])
    sandbox.control("payout", 400, provider="stripe", id="pi_no")
    again = sandbox.control("payout", provider="stripe")["data"][0]
    assert again["amount"] == first["amount"]


def test_a_foreign_currency_is_converted_into_the_balance(
    sandbox: RunningSandbox, api: StripeApi
) -> None:
    intent = api.paid(10000, "dkk")
    booked = intent["latest_charge"]["balance_transaction"]
    assert (booked["amount"], booked["currency"]) == (1340, "eur")
    assert booked["exchange_rate"] == 0.134
    assert booked["fee"] == 69  # 2.9% of 13.40 is 0.3886, and 0.30
    rows = {row["kind"]: row for row in sandbox.look("ledger")["data"]}
    assert (rows["charge"]["amount"], rows["charge"]["currency"]) == (10000, "DKK")
    assert (rows["fee"]["amount"], rows["fee"]["currency"]) == (-69, "EUR")


@pytest.mark.parametrize(
    ("currency", "stripe_amount", "iso_amount"),
    [("isk", 12300, 123), ("mga", 500, 50000), ("jpy", 500, 500), ("usd", 500, 500)],
)
def test_the_ledger_counts_in_iso_minor_units(
    sandbox: RunningSandbox, api: StripeApi, currency: str, stripe_amount: int, iso_amount: int
) -> None:
    intent = api.paid(stripe_amount, currency)
    row = sandbox.look("ledger")["data"][0]
    assert (row["kind"], row["amount"], row["order_ref"]) == ("charge", iso_amount, "pay_1")
    made = sandbox.control("refund", provider="stripe", id=intent["id"], amount=iso_amount)
    assert made["amount"] == stripe_amount


def test_the_provider_reports_another_amount(sandbox: RunningSandbox, api: StripeApi) -> None:
    session = api.checkout()
    sandbox.control("alter", provider="stripe", id=session["id"], amount=5300, currency="EUR")
    api.buyer(session, "pay")
    intent = api.intent(session)
    assert (intent["amount_received"], intent["currency"]) == (5300, "eur")
    sandbox.control("alter", provider="stripe", id=intent["id"], amount=1)
    altered = api.intent(session)
    assert (altered["amount"], altered["amount_capturable"]) == (1, 0)
    assert altered["latest_charge"]["amount_captured"] == 1
