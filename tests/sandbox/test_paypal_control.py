"""The sandbox's PayPal from the other side: dashboard, disputes, payouts, books, pay page."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from sandbox.paypal.pages import with_query
from tests.sandbox.conftest import RunningSandbox
from tests.sandbox.paypal_client import PayPal, first_capture, issue, order_body, usd


@pytest.fixture
def paypal(sandbox: RunningSandbox) -> PayPal:
    return PayPal(sandbox)


def test_environment_names_everything_a_client_needs(paypal: PayPal) -> None:
    settings = paypal.sandbox.environment
    assert settings["PAYPAL_API_BASE"] == f"{paypal.sandbox.url}/paypal"
    assert settings["PAYPAL_CERT_HOSTS"] == f"{paypal.sandbox.url}/paypal"
    assert settings["PAYPAL_ENVIRONMENT"] == "sandbox"
    assert re.fullmatch("[A-Z0-9]{17}", settings["PAYPAL_WEBHOOK_ID"])


def test_refund_from_the_dashboard(paypal: PayPal) -> None:
    capture = paypal.captured("10.00")
    order_id = paypal.get(f"/v2/payments/captures/{capture['id']}").json()["supplementary_data"][
        "related_ids"
    ]["order_id"]

    def refund(id: str, expect: int = 200, **options: Any) -> Any:
        return paypal.sandbox.control("refund", expect, provider="paypal", id=id, **options)

    first = refund(capture["id"], amount=400, note_to_payer="Sorry")
    assert (first["amount"], first["note_to_payer"]) == (usd("4.00"), "Sorry")
    assert refund(order_id)["amount"] == usd("6.00")
    assert refund(order_id, 422) == {"error": "CAPTURE_FULLY_REFUNDED"}
    refund(first["id"], 422)
    refund(paypal.create()["id"], 409)
    refund("NOSUCHORDER", 404)
    assert paypal.get(f"/v2/payments/refunds/{first['id']}").json() == first


def test_refund_of_forints_is_given_in_iso_minor_units(paypal: PayPal) -> None:
    capture = paypal.captured("1000", "HUF")
    control = paypal.sandbox.control
    refund = control("refund", provider="paypal", id=capture["id"], amount=40_000)
    assert refund["amount"] == {"currency_code": "HUF", "value": "400"}
    control("refund", 400, provider="paypal", id=capture["id"], amount=40_001)


@pytest.fixture
def dispute(paypal: PayPal) -> Callable[..., Any]:
    def call(id: str, expect: int = 200, **options: Any) -> Any:
        return paypal.sandbox.control("dispute", expect, provider="paypal", id=id, **options)

    return call


def test_a_lost_dispute_takes_the_money_back(paypal: PayPal, dispute: Callable[..., Any]) -> None:
    capture = paypal.captured("40.00", custom_id="pay_9")
    opened = dispute(capture["id"], reason="UNAUTHORISED")
    assert (opened["status"], opened["reason"]) == ("OPEN", "UNAUTHORISED")
    assert opened["dispute_amount"] == usd("40.00")
    assert paypal.get(f"/v1/customer/disputes/{opened['dispute_id']}").json() == opened
    dispute(capture["id"], 409)
    assert issue(paypal.refund(capture["id"], "1.00")) == "TRANSACTION_DISPUTED"
    row = next(row for row in paypal.ledger() if row["kind"] == "dispute")
    assert (row["status"], row["amount"], row["order_ref"]) == ("OPEN", 0, "pay_9")
    closed = dispute(capture["id"], status="lost")
    assert closed["dispute_outcome"]["amount_refunded"] == usd("40.00")
    now = paypal.get(f"/v2/payments/captures/{capture['id']}").json()
    assert (now["status"], now["status_details"]) == ("REFUNDED", {"reason": "CHARGEBACK"})
    rows = [(row["kind"], row["amount"], row["fee"]) for row in paypal.ledger()]
    assert rows == [("charge", 4000, 189), ("dispute", -4000, 0)]
    dispute(capture["id"], 409, status="lost")


def test_a_won_dispute_changes_nothing(paypal: PayPal, dispute: Callable[..., Any]) -> None:
    capture = paypal.captured("40.00")
    dispute(capture["id"], amount=500)
    closed = dispute(capture["id"], status="won")
    assert closed["dispute_outcome"]["outcome_code"] == "RESOLVED_SELLER_FAVOUR"
    assert paypal.get(f"/v2/payments/captures/{capture['id']}").json()["status"] == "COMPLETED"
    assert paypal.refund(capture["id"], "1.00").status_code == 201


def test_disputes_that_make_no_sense(paypal: PayPal, dispute: Callable[..., Any]) -> None:
    capture = paypal.captured("40.00")
    dispute(capture["id"], 409, reason="BAD_MOOD")
    dispute(capture["id"], 409, amount=4001)
    dispute(capture["id"], 400, status="drawn")
    paypal.refund(capture["id"])
    dispute(capture["id"], 409)
    assert paypal.get("/v1/customer/disputes/PP-D-0").status_code == 404


def test_payout_empties_the_balance(paypal: PayPal) -> None:
    control = paypal.sandbox.control
    control("payout", 409, provider="paypal")
    capture = paypal.captured("100.00")
    paypal.captured("1000", "JPY")
    paypal.captured("10.13")
    paypal.refund(capture["id"], "10.00")
    assert paypal.refund(capture["id"], "1.19").json()["status"] == "PENDING"
    control("payout", 400, provider="paypal", amount=1)
    control("payout", 409, provider="paypal", amount=10_000, currency="USD")
    part = control("payout", provider="paypal", amount=1_000, currency="USD")["payouts"]
    assert [payout["amount"] for payout in part] == [usd("10.00")]
    rest = control("payout", provider="paypal")["payouts"]
    assert sorted(payout["amount"]["value"] for payout in rest) == ["76.36", "916"]
    rows = [row for row in paypal.ledger() if row["kind"] == "payout"]
    assert sorted(row["amount"] for row in rows) == [-7636, -1000, -916]
    net = sum(row["amount"] - row["fee"] for row in paypal.ledger() if row["status"] != "PENDING")
    assert net == 0


def test_a_payout_costs_what_is_asked_and_may_come_back(paypal: PayPal) -> None:
    control = paypal.sandbox.control
    paypal.captured("100.00")
    control("payout", 400, provider="paypal", fee=100)
    (made,) = control("payout", provider="paypal", currency="USD", fee=100)["payouts"]
    assert made["amount"] == usd("95.02")
    back = control("payout", provider="paypal", id=made["id"])
    control("payout", 409, provider="paypal", id=made["id"])
    lines = {line["transaction_id"]: line for line in paypal.transactions()}
    gone, returned = lines[made["id"]], lines[back["id"]]
    assert (gone["transaction_status"], gone["fee_amount"]) == ("V", usd("-1.00"))
    assert gone["ending_balance"] == usd("0.00")
    assert (returned["transaction_event_code"], returned["paypal_reference_id"]) == (
        "T1101",
        made["id"],
    )
    assert returned["transaction_amount"] == returned["ending_balance"] == made["amount"]
    (row,) = (row for row in paypal.ledger() if row["kind"] == "payout")
    assert (row["status"], row["fee"]) == ("FAILED", 100)


def test_a_chargeback_costs_a_fee(paypal: PayPal) -> None:
    lost = paypal.captured("80.00")
    told = {"provider": "paypal", "id": lost["id"]}
    paypal.sandbox.control("dispute", **told)
    paypal.sandbox.control("dispute", **told, status="lost", fee=2_000)
    (fee,) = (line for line in paypal.transactions() if line["transaction_event_code"] == "T0106")
    assert fee["transaction_amount"] == usd("-20.00")
    assert fee["paypal_reference_id"] == lost["id"]
    (row,) = (row for row in paypal.ledger() if row["kind"] == "dispute")
    assert (row["amount"], row["fee"]) == (-8_000, 2_000)


def test_a_currency_that_the_account_does_not_hold_is_exchanged(paypal: PayPal) -> None:
    capture = paypal.captured("100.00", currency="DKK")
    books = capture["seller_receivable_breakdown"]
    assert books["net_amount"] == {"currency_code": "DKK", "value": "96.02"}
    assert books["receivable_amount"] == {"currency_code": "EUR", "value": "12.87"}
    assert books["exchange_rate"]["value"] == "0.134"
    refund = paypal.sandbox.control("refund", provider="paypal", id=capture["id"], amount=1_000)
    (gone,) = refund["seller_payable_breakdown"]["net_amount_breakdown"]
    assert gone["converted_amount"] == {"currency_code": "EUR", "value": "1.29"}
    found = [
        (line["paypal_reference_id"], line["transaction_amount"]["value"])
        for line in paypal.transactions()
        if line["transaction_event_code"] == "T0200"
    ]
    assert sorted(found) == sorted(
        [
            (capture["id"], "-96.02"),
            (capture["id"], "12.87"),
            (refund["id"], "9.66"),
            (refund["id"], "-1.29"),
        ]
    )
    paid = paypal.sandbox.control("payout", provider="paypal")["payouts"]
    assert [payout["amount"] for payout in paid] == [{"currency_code": "EUR", "value": "11.58"}]


def test_altered_amounts_are_what_paypal_reports(paypal: PayPal) -> None:
    control = paypal.sandbox.control
    order_id = paypal.approved("10.00")
    control("alter", provider="paypal", id=order_id, amount=900)
    assert paypal.order(order_id)["purchase_units"][0]["amount"] == usd("9.00")
    capture = first_capture(paypal.capture(order_id).json())
    assert capture["amount"] == usd("9.00")
    altered = control("alter", provider="paypal", id=capture["id"], amount=90_000, currency="HUF")
    assert altered["amount"] == {"currency_code": "HUF", "value": "900"}
    control("alter", provider="paypal", id=order_id, currency="EUR")
    order = paypal.order(order_id)
    assert first_capture(order)["amount"]["currency_code"] == "EUR"
    assert order["purchase_units"][0]["amount"]["currency_code"] == "EUR"


def test_transactions_can_be_searched(paypal: PayPal) -> None:
    capture = paypal.captured("10.00", custom_id="pay_1", invoice_id="E-1")
    refund = paypal.refund(capture["id"], "4.00").json()
    pending = paypal.captured("10.13")
    lost = paypal.captured("8.00")
    paypal.sandbox.control("dispute", provider="paypal", id=lost["id"])
    paypal.sandbox.control("dispute", provider="paypal", id=lost["id"], status="lost")
    paypal.sandbox.control("payout", provider="paypal")

    def search(**query: str) -> httpx.Response:
        dates = {"start_date": "2000-01-01T00:00:00Z", "end_date": "2000-01-31T00:00:00-0700"}
        return paypal.get("/v1/reporting/transactions", **(dates | query))

    now = datetime.fromisoformat(capture["create_time"])
    around = {"start_date": now - timedelta(days=1), "end_date": now + timedelta(days=1)}
    day = {name: moment.isoformat() for name, moment in around.items()}
    found = search(**day).json()
    infos = [entry["transaction_info"] for entry in found["transaction_details"]]
    codes = sorted(info["transaction_event_code"] for info in infos)
    assert codes == ["T0006", "T0006", "T0006", "T0400", "T1106", "T1107"]
    by_id = {info["transaction_id"]: info for info in infos}
    charge = by_id[capture["id"]]
    assert (charge["transaction_amount"], charge["fee_amount"]) == (usd("10.00"), usd("-0.84"))
    assert (charge["custom_field"], charge["invoice_id"]) == ("pay_1", "E-1")
    assert by_id[refund["id"]]["transaction_amount"] == usd("-4.00")
    assert by_id[refund["id"]]["paypal_reference_id"] == capture["id"]
    assert by_id[pending["id"]]["transaction_status"] == "P"
    paged = search(**day, page_size="4", page="2").json()
    assert (len(paged["transaction_details"]), paged["total_items"], paged["total_pages"]) == (
        2,
        6,
        2,
    )
    one = search(**day, transaction_id=capture["id"]).json()
    assert one["total_items"] == 1
    assert search().json()["total_items"] == 0
    assert issue(search(end_date="2000-02-02T00:00:00Z"), 400) == "INVALID_PARAMETER_VALUE"
    assert issue(search(page_size="501"), 400) == "INVALID_PARAMETER_VALUE"
    assert issue(search(start_date="today"), 400) == "INVALID_PARAMETER_SYNTAX"
    assert issue(search(start_date="2000-01-01T00:00:00"), 400) == "INVALID_PARAMETER_SYNTAX"
    bare = paypal.get("/v1/reporting/transactions")
    assert issue(bare, 400) == "MISSING_REQUIRED_PARAMETER"


def choose(paypal: PayPal, order_id: str, choice: str) -> httpx.Response:
    return paypal.http.post(f"/pay/paypal/{order_id}", data={"choice": choice})


def test_the_pay_page_shows_the_order_and_needs_no_script(paypal: PayPal) -> None:
    body = order_body("10.00")
    unit = body["purchase_units"][0]
    unit["amount"]["breakdown"] = {"item_total": usd("10.00")}
    unit["items"] = [{"name": "<Mug & cup>", "quantity": "2", "unit_amount": usd("5.00")}]
    body["payment_source"]["paypal"]["experience_context"]["brand_name"] = "Ada's Shop"
    order_id = paypal.post("/v2/checkout/orders", body).json()["id"]
    page = paypal.http.get(f"/pay/paypal/{order_id}")
    assert page.status_code == 200
    assert "<script" not in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "&lt;Mug &amp; cup&gt; × 2" in page.text
    assert "Ada&#39;s Shop" in page.text
    assert "Pay with PayPal" in page.text
    assert page.text.count("10.00 USD") >= 3
    assert "special amount" not in page.text
    special = paypal.create("10.13")["id"]
    assert (
        "special amount: its capture is pending" in paypal.http.get(f"/pay/paypal/{special}").text
    )


def test_paying_sends_the_browser_back_with_token_and_payer(paypal: PayPal) -> None:
    order_id = paypal.create(description="One mug")["id"]
    assert "One mug" in paypal.http.get(f"/pay/paypal/{order_id}").text
    answer = choose(paypal, order_id, "pay")
    assert answer.status_code == 303
    parts = urlsplit(answer.headers["location"])
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == "https://shop.example/ok"
    payer_id = paypal.order(order_id)["payer"]["payer_id"]
    assert parse_qs(parts.query) == {"cart": ["9"], "token": [order_id], "PayerID": [payer_id]}
    assert paypal.capture(order_id).status_code == 201
    assert "closed" in paypal.http.get(f"/pay/paypal/{order_id}").text
    assert choose(paypal, order_id, "pay").status_code == 200


def test_the_other_choices_of_the_pay_page(paypal: PayPal) -> None:
    order_id = paypal.create()["id"]
    left = choose(paypal, order_id, "cancel")
    assert left.headers["location"] == f"https://shop.example/cart?token={order_id}"
    assert paypal.order(order_id)["status"] == "PAYER_ACTION_REQUIRED"
    assert choose(paypal, order_id, "nonsense").status_code == 200
    assert choose(paypal, order_id, "declined").status_code == 303
    assert issue(paypal.capture(order_id)) == "INSTRUMENT_DECLINED"
    assert choose(paypal, order_id, "bank_transfer").status_code == 303
    assert first_capture(paypal.capture(order_id).json())["status"] == "PENDING"


def test_without_addresses_the_pay_page_says_that_it_is_done(paypal: PayPal) -> None:
    order_id = paypal.create(wallet=False)["id"]
    assert "close this page" in choose(paypal, order_id, "cancel").text
    assert "approved" in choose(paypal, order_id, "pay").text
    assert paypal.order(order_id)["status"] == "APPROVED"
    assert choose(paypal, "NOSUCHORDER", "pay").status_code == 404


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.example/x", "https://a.example/x?token=T"),
        ("https://a.example/x?b=1", "https://a.example/x?b=1&token=T"),
        ("https://a.example/x#end", "https://a.example/x?token=T#end"),
    ],
)
def test_parameters_are_added_to_an_address(url: str, expected: str) -> None:
    assert with_query(url, token="T") == expected
