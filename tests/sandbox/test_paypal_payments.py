"""Payments v2 of the sandbox's PayPal: authorizations, captures of them, voids, refunds."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import RunningSandbox
from tests.sandbox.paypal_client import PayPal, first_capture, issue, rel, usd

Json = dict[str, Any]


@pytest.fixture
def paypal(sandbox: RunningSandbox) -> PayPal:
    return PayPal(sandbox)


def capture_held(paypal: PayPal, held: Json, value: str | None = None, **body: Any) -> Any:
    if value is not None:
        body["amount"] = usd(value)
    return paypal.post(f"/v2/payments/authorizations/{held['id']}/capture", body)


def void(paypal: PayPal, held: Json, **options: Any) -> Any:
    return paypal.post(f"/v2/payments/authorizations/{held['id']}/void", **options)


def held_now(paypal: PayPal, held: Json) -> Json:
    state: Json = paypal.get(f"/v2/payments/authorizations/{held['id']}").json()
    return state


def test_authorize_then_capture_in_parts(paypal: PayPal) -> None:
    held = paypal.authorized("100.00", custom_id="pay_1")
    assert (held["status"], held["amount"], held["custom_id"]) == (
        "CREATED",
        usd("100.00"),
        "pay_1",
    )
    assert paypal.ledger() == []
    first = capture_held(paypal, held, "30.00")
    assert first.status_code == 201
    assert first.json()["amount"] == usd("30.00")
    assert first.json()["final_capture"] is False
    assert rel(first.json(), "up") == rel(held, "self")
    assert held_now(paypal, held)["status"] == "PARTIALLY_CAPTURED"
    rest = capture_held(paypal, held, final_capture=True)
    assert rest.json()["amount"] == usd("70.00")
    assert held_now(paypal, held)["status"] == "CAPTURED"
    assert issue(capture_held(paypal, held, "1.00")) == "AUTHORIZATION_ALREADY_CAPTURED"
    assert [row["amount"] for row in paypal.ledger()] == [3000, 7000]


def test_final_capture_ends_the_hold(paypal: PayPal) -> None:
    held = paypal.authorized("100.00")
    capture_held(paypal, held, "10.00", final_capture=True)
    assert held_now(paypal, held)["status"] == "CAPTURED"
    assert issue(void(paypal, held)) == "PREVIOUSLY_CAPTURED"


def test_what_a_hold_does_not_allow(paypal: PayPal) -> None:
    held = paypal.authorized("100.00")
    assert issue(capture_held(paypal, held, "115.01")) == "MAX_CAPTURE_AMOUNT_EXCEEDED"
    euros = {"currency_code": "EUR", "value": "1.00"}
    assert issue(capture_held(paypal, held, amount=euros)) == "AUTH_CAPTURE_CURRENCY_MISMATCH"
    assert issue(capture_held(paypal, held, "0.00")) == "CANNOT_BE_ZERO_OR_NEGATIVE"
    yen = {"currency_code": "JPY", "value": "1.0"}
    assert issue(capture_held(paypal, held, amount=yen)) == "DECIMALS_NOT_SUPPORTED"
    assert issue(capture_held(paypal, held, final_capture="yes"), 400) == "INVALID_PARAMETER_SYNTAX"
    assert capture_held(paypal, held, "115.00").status_code == 201


def test_a_hold_is_captured_ten_times_at_most(paypal: PayPal) -> None:
    held = paypal.authorized("100.00")
    assert {capture_held(paypal, held, "1.00").status_code for _ in range(10)} == {201}
    assert issue(capture_held(paypal, held, "1.00")) == "MAX_CAPTURE_COUNT_EXCEEDED"


def test_orders_do_what_they_were_made_for(paypal: PayPal) -> None:
    to_hold = paypal.approved(intent="AUTHORIZE")
    assert issue(paypal.capture(to_hold)) == "ACTION_DOES_NOT_MATCH_INTENT"
    to_pay = paypal.approved()
    authorize = f"/v2/checkout/orders/{to_pay}/authorize"
    assert issue(paypal.post(authorize)) == "ACTION_DOES_NOT_MATCH_INTENT"
    held = f"/v2/checkout/orders/{to_hold}/authorize"
    assert paypal.post(held).status_code == 201
    assert issue(paypal.post(held)) == "ORDER_ALREADY_AUTHORIZED"


def test_void_gives_the_money_back(paypal: PayPal) -> None:
    held = paypal.authorized()
    order_id = held_now(paypal, held)["supplementary_data"]["related_ids"]["order_id"]
    voided = void(paypal, held, key="void-1")
    assert (voided.status_code, voided.json()["status"]) == (200, "VOIDED")
    again = void(paypal, held, key="void-1", full=False)
    assert (again.status_code, again.content) == (204, b"")
    assert issue(void(paypal, held)) == "PREVIOUSLY_VOIDED"
    assert issue(capture_held(paypal, held)) == "AUTHORIZATION_VOIDED"
    assert paypal.order(order_id)["status"] == "VOIDED"


def test_a_hold_ends_after_29_days(paypal: PayPal) -> None:
    held = paypal.authorized()
    paypal.advance(days=28.9)
    assert held_now(paypal, held)["status"] == "CREATED"
    paypal.advance(days=0.2)
    assert held_now(paypal, held)["status"] == "VOIDED"
    assert issue(capture_held(paypal, held)) == "AUTHORIZATION_EXPIRED"


def test_a_denied_hold_cannot_be_captured(paypal: PayPal) -> None:
    held = paypal.authorized("10.21")
    assert held["status"] == "DENIED"
    assert issue(capture_held(paypal, held)) == "AUTHORIZATION_DENIED"


def test_a_capture_of_a_hold_can_be_pending_and_fail(paypal: PayPal) -> None:
    held = paypal.authorized("100.13")
    capture = capture_held(paypal, held).json()
    assert capture["status"] == "PENDING"
    assert held_now(paypal, held)["status"] == "CAPTURED"
    paypal.buyer(capture["id"], "fail_async")
    assert held_now(paypal, held)["status"] == "CREATED"
    again = capture_held(paypal, held).json()
    order = paypal.buyer(held["id"], "settle")
    assert [c["status"] for c in order["purchase_units"][0]["payments"]["captures"]] == [
        "DECLINED",
        "COMPLETED",
    ]
    assert held_now(paypal, held)["status"] == "CAPTURED"
    paypal.advance(days=30)
    assert held_now(paypal, held)["status"] == "CAPTURED"
    assert paypal.get(f"/v2/payments/captures/{again['id']}").json()["status"] == "COMPLETED"


def test_a_repeated_capture_of_a_hold_has_45_days(paypal: PayPal) -> None:
    held = paypal.authorized("100.00")
    path = f"/v2/payments/authorizations/{held['id']}/capture"
    body = {"amount": usd("10.00")}
    first = paypal.post(path, body, key="hold-1", full=False)
    assert set(first.json()) == {"id", "status", "links"}
    paypal.advance(days=20)
    again = paypal.post(path, body, key="hold-1")
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    assert len(paypal.ledger()) == 1


def test_invoices_of_captures_of_holds(paypal: PayPal) -> None:
    paypal.captured(invoice_id="B-1")
    held = paypal.authorized()
    assert issue(capture_held(paypal, held, "1.00", invoice_id="B-1")) == "DUPLICATE_INVOICE_ID"
    done = capture_held(paypal, held, "1.00", invoice_id="B-2").json()
    assert done["invoice_id"] == "B-2"


def test_refund_in_full(paypal: PayPal) -> None:
    capture = paypal.captured("100.00", custom_id="pay_1", invoice_id="C-1")
    answer = paypal.refund(capture["id"])
    assert answer.status_code == 201
    refund = answer.json()
    assert (refund["status"], refund["amount"]) == ("COMPLETED", usd("100.00"))
    assert (refund["custom_id"], refund["invoice_id"]) == ("pay_1", "C-1")
    assert refund["seller_payable_breakdown"] == {
        "gross_amount": usd("100.00"),
        "paypal_fee": usd("3.49"),
        "net_amount": usd("96.51"),
        "total_refunded_amount": usd("100.00"),
    }
    assert rel(refund, "up") == rel(capture, "self")
    assert paypal.get(f"/v2/payments/refunds/{refund['id']}").json() == refund
    assert paypal.get(f"/v2/payments/captures/{capture['id']}").json()["status"] == "REFUNDED"
    assert issue(paypal.refund(capture["id"], "1.00")) == "CAPTURE_FULLY_REFUNDED"
    assert [(row["amount"], row["fee"]) for row in paypal.ledger()] == [
        (10_000, 398),
        (-10_000, -349),
    ]


def test_refund_in_parts(paypal: PayPal) -> None:
    capture = paypal.captured("10.00")
    part = paypal.refund(capture["id"], "4.00", full=False).json()
    assert set(part) == {"id", "status", "links"}
    now = paypal.get(f"/v2/payments/captures/{capture['id']}").json()
    assert now["status"] == "PARTIALLY_REFUNDED"
    assert issue(paypal.refund(capture["id"], "6.01")) == "REFUND_AMOUNT_EXCEEDED"
    rest = paypal.refund(capture["id"]).json()
    assert rest["amount"] == usd("6.00")
    assert rest["seller_payable_breakdown"]["total_refunded_amount"] == usd("10.00")
    order_id = now["supplementary_data"]["related_ids"]["order_id"]
    unit = paypal.order(order_id)["purchase_units"][0]
    assert [refund["amount"] for refund in unit["payments"]["refunds"]] == [
        usd("4.00"),
        usd("6.00"),
    ]


def test_a_refund_says_its_own_references(paypal: PayPal) -> None:
    capture = paypal.captured(custom_id="pay_1", invoice_id="C-2")
    path = f"/v2/payments/captures/{capture['id']}/refund"
    body = {
        "amount": usd("1.00"),
        "custom_id": "ref_1",
        "invoice_id": "R-1",
        "note_to_payer": "Sorry",
    }
    refund = paypal.post(path, body).json()
    assert (refund["custom_id"], refund["invoice_id"]) == ("ref_1", "R-1")
    assert refund["note_to_payer"] == "Sorry"
    assert issue(paypal.post(path, body)) == "DUPLICATE_INVOICE_ID"


def test_a_repeated_refund_has_45_days(paypal: PayPal) -> None:
    capture = paypal.captured("10.00")
    first = paypal.refund(capture["id"], "4.00", key="refund-1")
    paypal.advance(days=44)
    again = paypal.refund(capture["id"], "4.00", key="refund-1")
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["id"] == first.json()["id"]
    paypal.advance(days=2)
    anew = paypal.refund(capture["id"], "4.00", key="refund-1")
    assert anew.status_code == 201
    assert anew.json()["id"] != first.json()["id"]
    assert len(paypal.ledger()) == 3


def test_refunds_that_are_refused(paypal: PayPal) -> None:
    capture = paypal.captured("10.00")
    path = f"/v2/payments/captures/{capture['id']}/refund"
    euros = {"amount": {"currency_code": "EUR", "value": "1.00"}}
    assert issue(paypal.post(path, euros)) == "REFUND_CAPTURE_CURRENCY_MISMATCH"
    assert issue(paypal.refund(capture["id"], "1.001")) == "DECIMAL_PRECISION"
    assert issue(paypal.refund(capture["id"], "0")) == "CANNOT_BE_ZERO_OR_NEGATIVE"
    assert issue(paypal.refund(capture["id"], "1.29")) == "REFUND_FAILED_INSUFFICIENT_FUNDS"
    assert issue(paypal.post(path, {"note_to_payer": "x" * 256}), 400) == "INVALID_STRING_LENGTH"
    assert issue(paypal.refund("NOSUCHCAPTURE"), 404) == "INVALID_RESOURCE_ID"
    paypal.advance(days=181)
    assert issue(paypal.refund(capture["id"])) == "REFUND_TIME_LIMIT_EXCEEDED"


def test_only_money_that_arrived_can_be_refunded(paypal: PayPal) -> None:
    pending = paypal.captured("10.13")
    assert issue(paypal.refund(pending["id"])) == "PENDING_CAPTURE"
    paypal.buyer(pending["id"], "fail_async")
    assert issue(paypal.refund(pending["id"])) == "REFUND_NOT_ALLOWED"


def test_a_pending_refund_arrives(paypal: PayPal) -> None:
    capture = paypal.captured("50.00")
    refund = paypal.refund(capture["id"], "10.19").json()
    assert (refund["status"], refund["status_details"]) == ("PENDING", {"reason": "ECHECK"})
    path = f"/v2/payments/captures/{capture['id']}"
    assert paypal.get(path).json()["status"] == "COMPLETED"
    assert issue(paypal.refund(capture["id"], "39.82")) == "REFUND_AMOUNT_EXCEEDED"
    order = paypal.buyer(refund["id"], "settle")
    assert first_capture(order)["status"] == "PARTIALLY_REFUNDED"
    assert paypal.get(f"/v2/payments/refunds/{refund['id']}").json()["status"] == "COMPLETED"


def test_a_pending_refund_fails_and_can_be_made_again(paypal: PayPal) -> None:
    capture = paypal.captured("10.19")
    refund = paypal.refund(capture["id"]).json()
    assert issue(paypal.refund(capture["id"])) == "CAPTURE_FULLY_REFUNDED"
    paypal.buyer(capture["id"], "fail_async")
    assert paypal.get(f"/v2/payments/refunds/{refund['id']}").json()["status"] == "FAILED"
    assert paypal.get(f"/v2/payments/captures/{capture['id']}").json()["status"] == "COMPLETED"
    assert paypal.refund(capture["id"], "10.00").json()["status"] == "COMPLETED"


def test_partial_refunds_never_return_more_fee_than_was_taken(paypal: PayPal) -> None:
    capture = paypal.captured("1.00")
    parts = [paypal.refund(capture["id"], "0.33").json() for _ in range(3)]
    returned = [part["seller_payable_breakdown"]["paypal_fee"]["value"] for part in parts]
    assert returned == ["0.01", "0.01", "0.01"]
    assert capture["seller_receivable_breakdown"]["paypal_fee"] == usd("0.52")


def test_bank_transfers_clear_after_three_days_by_the_sandbox_clock(paypal: PayPal) -> None:
    captured, pending = paypal.captured("50.00"), paypal.captured("10.13")
    refund = paypal.refund(captured["id"], "10.19").json()

    def statuses() -> tuple[str, str]:
        capture = paypal.get(f"/v2/payments/captures/{pending['id']}").json()
        returned = paypal.get(f"/v2/payments/refunds/{refund['id']}").json()
        return capture["status"], returned["status"]

    paypal.advance(days=2.9)
    assert statuses() == ("PENDING", "PENDING")
    paypal.advance(days=0.2)
    assert statuses() == ("COMPLETED", "COMPLETED")
