"""Orders v2 of the sandbox's PayPal: tokens, creating, approving, capturing, and time."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from sandbox.clock import Clock
from sandbox.paypal.errors import Problem
from sandbox.paypal.idempotency import ORDERS_WINDOW, RequestIds
from tests.sandbox.conftest import RunningSandbox
from tests.sandbox.paypal_client import PayPal, first_capture, issue, order_body, rel, usd


@pytest.fixture
def paypal(sandbox: RunningSandbox) -> PayPal:
    return PayPal(sandbox)


def test_token_needs_the_credentials(paypal: PayPal) -> None:
    granted = paypal.grant().json()
    assert granted["token_type"] == "Bearer"
    assert granted["expires_in"] == 32_400
    url = "/paypal/v1/oauth2/token"
    data = {"grant_type": "client_credentials"}
    for wrong in (("x", "y"), (paypal.sandbox.environment["PAYPAL_CLIENT_ID"], "y")):
        answer = paypal.http.post(url, auth=wrong, data=data)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    answer = paypal.http.post(url, headers={"authorization": "Basic %%"}, data=data)
    assert answer.status_code == 401
    answer = paypal.grant(grant_type="password")
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")


def test_token_is_checked_and_expires_by_the_sandbox_clock(paypal: PayPal) -> None:
    order = paypal.create()
    path = f"/v2/checkout/orders/{order['id']}"
    bare = paypal.http.get(f"/paypal{path}")
    assert (bare.status_code, bare.json()["name"]) == (401, "AUTHENTICATION_FAILURE")
    good = paypal.token
    for token in ("nonsense", f"{good}x", good[:-2], "A21AA"):
        headers = {"authorization": f"Bearer {token}"}
        answer = paypal.http.get(f"/paypal{path}", headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
    paypal.sandbox.control("clock", advance_seconds=32_399 - 60)
    assert paypal.get("/v1/notifications/webhooks").status_code == 200
    paypal.sandbox.control("clock", advance_seconds=61)
    answer = paypal.get("/v1/notifications/webhooks")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
    paypal.token = paypal.grant().json()["access_token"]
    assert paypal.get("/v1/notifications/webhooks").status_code == 200


def test_token_call_can_be_made_to_fail(paypal: PayPal) -> None:
    paypal.sandbox.control("faults", provider="paypal", operation="token", fault="http_503")
    failed = paypal.grant()
    assert failed.status_code == 503
    assert failed.headers["retry-after"] == "1"
    assert failed.json()["debug_id"] == failed.headers["paypal-debug-id"]
    assert paypal.grant().status_code == 200


def test_order_with_a_wallet_waits_for_the_payer(paypal: PayPal) -> None:
    order = paypal.create("12.50", custom_id="pay_1", invoice_id="A-1")
    assert order["status"] == "PAYER_ACTION_REQUIRED"
    assert order["payment_source"] == {"paypal": {}}
    assert rel(order, "payer-action") == f"{paypal.sandbox.url}/pay/paypal/{order['id']}"
    assert rel(order, "approve") is None
    unit = order["purchase_units"][0]
    assert unit["reference_id"] == "default"
    assert unit["amount"] == usd("12.50")
    assert (unit["custom_id"], unit["invoice_id"]) == ("pay_1", "A-1")
    assert len(order["id"]) == 17
    assert order["id"].isupper()


def test_order_without_a_wallet_has_an_approve_link(paypal: PayPal) -> None:
    order = paypal.create(wallet=False)
    assert order["status"] == "CREATED"
    assert rel(order, "approve") == f"{paypal.sandbox.url}/pay/paypal/{order['id']}"
    assert rel(order, "payer-action") is None
    assert "payment_source" not in order


def test_minimal_answers_have_no_amounts_and_no_captures(paypal: PayPal) -> None:
    created = paypal.post("/v2/checkout/orders", order_body(), full=False).json()
    assert set(created) == {"id", "status", "payment_source", "links"}
    paypal.buyer(created["id"], "approve")
    captured = paypal.capture(created["id"], full=False).json()
    assert set(captured) == {"id", "status", "payment_source", "links"}
    assert captured["status"] == "COMPLETED"
    assert first_capture(paypal.order(created["id"]))["status"] == "COMPLETED"


def test_approve_and_capture(paypal: PayPal) -> None:
    order_id = paypal.create("100.00", custom_id="pay_1", invoice_id="A-2")["id"]
    assert issue(paypal.capture(order_id)) == "ORDER_NOT_APPROVED"
    state = paypal.buyer(order_id, "approve")
    assert state["status"] == "APPROVED"
    assert state["payer"]["payer_id"] == state["payment_source"]["paypal"]["account_id"]
    assert rel(state, "capture")
    answer = paypal.capture(order_id)
    assert answer.status_code == 201
    assert answer.json()["status"] == "COMPLETED"
    capture = first_capture(answer.json())
    assert capture["status"] == "COMPLETED"
    assert capture["amount"] == usd("100.00")
    assert (capture["custom_id"], capture["invoice_id"]) == ("pay_1", "A-2")
    assert capture["seller_receivable_breakdown"] == {
        "gross_amount": usd("100.00"),
        "paypal_fee": usd("3.98"),
        "net_amount": usd("96.02"),
    }
    assert issue(paypal.capture(order_id)) == "ORDER_ALREADY_CAPTURED"
    alone = paypal.get(f"/v2/payments/captures/{capture['id']}").json()
    assert alone["supplementary_data"]["related_ids"] == {"order_id": order_id}
    assert rel(alone, "up") == f"{paypal.sandbox.url}/paypal/v2/checkout/orders/{order_id}"


def test_several_purchase_units_are_captured_each(paypal: PayPal) -> None:
    body = order_body()
    body["purchase_units"] = [
        {"reference_id": name, "amount": usd(value)} for name, value in (("a", "1"), ("b", "2.5"))
    ]
    order_id = paypal.post("/v2/checkout/orders", body).json()["id"]
    paypal.buyer(order_id, "approve")
    units = paypal.capture(order_id).json()["purchase_units"]
    amounts = [unit["payments"]["captures"][0]["amount"]["value"] for unit in units]
    assert amounts == ["1.00", "2.50"]


def test_only_json_is_understood(paypal: PayPal) -> None:
    headers = {"authorization": f"Bearer {paypal.token}", "content-type": "text/plain"}
    answer = paypal.http.post("/paypal/v2/checkout/orders", content=b"{}", headers=headers)
    assert (answer.status_code, answer.json()["name"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    missing = paypal.http.post("/paypal/v2/nothing", headers=headers)
    assert missing.status_code == 404


def test_unknown_order_is_not_found(paypal: PayPal) -> None:
    answer = paypal.get("/v2/checkout/orders/NOSUCHORDER")
    assert issue(answer, 404) == "INVALID_RESOURCE_ID"
    assert answer.json()["name"] == "RESOURCE_NOT_FOUND"


def test_repeats_answer_with_the_latest_state_for_six_hours(paypal: PayPal) -> None:
    def create() -> httpx.Response:
        return paypal.post("/v2/checkout/orders", order_body(), key="create-1")

    first, second = create(), create()
    order_id = first.json()["id"]
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json()["id"] == order_id
    paypal.buyer(order_id, "approve")
    assert create().json()["status"] == "APPROVED"
    assert paypal.capture(order_id, key="capture-1").status_code == 201
    again = paypal.capture(order_id, key="capture-1")
    assert (again.status_code, again.json()["status"]) == (200, "COMPLETED")
    assert issue(paypal.capture(order_id, key="capture-2")) == "ORDER_ALREADY_CAPTURED"
    assert len(paypal.ledger()) == 1
    paypal.advance(hours=6.01)
    anew = create()
    assert anew.status_code == 201
    assert anew.json()["id"] != order_id
    assert issue(paypal.capture(order_id, key="capture-1")) == "ORDER_ALREADY_CAPTURED"


def test_a_refusal_is_not_remembered(paypal: PayPal) -> None:
    order_id = paypal.create()["id"]
    assert issue(paypal.capture(order_id, key="capture-3")) == "ORDER_NOT_APPROVED"
    paypal.buyer(order_id, "approve")
    assert paypal.capture(order_id, key="capture-3").status_code == 201


def test_of_simultaneous_calls_one_runs(paypal: PayPal) -> None:
    order_id = paypal.approved()
    with ThreadPoolExecutor(16) as pool:
        calls = [pool.submit(paypal.capture, order_id, key="race") for _ in range(16)]
        answers = [call.result() for call in calls]
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(201) == 1
    assert set(statuses) <= {200, 201, 409}
    assert len(paypal.ledger()) == 1


def test_a_call_in_progress_turns_its_repeat_away() -> None:
    async def two_at_once() -> list[Any]:
        ids = RequestIds(Clock(), processing_seconds=0.02)
        calls = [ids.once("refund", "CAPTURE", "k", ORDERS_WINDOW, object) for _ in range(2)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        return [*results, await ids.once("refund", "CAPTURE", "k", ORDERS_WINDOW, object)]

    first, second, third = asyncio.run(two_at_once())
    assert isinstance(second, Problem)
    assert (second.issue, second.status) == ("PREVIOUS_REQUEST_IN_PROGRESS", 409)
    assert second.body("d")["name"] == "RESOURCE_CONFLICT"
    assert third == (first[0], False)


def test_an_answer_lost_on_the_way_is_found_by_its_request_id(paypal: PayPal) -> None:
    order_id = paypal.approved()
    paypal.sandbox.control(
        "faults", provider="paypal", operation="capture_order", fault="timeout_after", seconds=0.05
    )
    with pytest.raises(httpx.TransportError):
        paypal.capture(order_id, key="lost")
    assert paypal.order(order_id)["status"] == "COMPLETED"
    assert paypal.capture(order_id, key="lost").status_code == 200


def test_an_http_fault_changes_nothing(paypal: PayPal) -> None:
    order_id = paypal.approved()
    paypal.sandbox.control("faults", provider="paypal", operation="capture_order", fault="http_500")
    failed = paypal.capture(order_id, key="retry")
    assert (failed.status_code, failed.json()["name"]) == (500, "INTERNAL_SERVER_ERROR")
    assert paypal.order(order_id)["status"] == "APPROVED"
    assert paypal.capture(order_id, key="retry").status_code == 201


def test_an_invoice_is_paid_once(paypal: PayPal) -> None:
    paypal.captured(invoice_id="A-3")
    other = paypal.approved(invoice_id="A-3")
    assert issue(paypal.capture(other)) == "DUPLICATE_INVOICE_ID"
    assert paypal.order(other)["status"] == "APPROVED"
    declined = paypal.approved("1.21", invoice_id="A-4")
    assert first_capture(paypal.capture(declined).json())["status"] == "DECLINED"
    assert paypal.captured(invoice_id="A-4")["status"] == "COMPLETED"


def test_unapproved_orders_are_gone_after_six_hours(paypal: PayPal) -> None:
    order_id = paypal.create()["id"]
    paypal.advance(hours=5.9)
    assert paypal.order(order_id)["status"] == "PAYER_ACTION_REQUIRED"
    paypal.advance(hours=0.2)
    assert issue(paypal.get(f"/v2/checkout/orders/{order_id}"), 404) == "INVALID_RESOURCE_ID"
    assert paypal.http.get(f"/pay/paypal/{order_id}").status_code == 404


def test_approved_orders_are_gone_six_hours_later(paypal: PayPal) -> None:
    order_id = paypal.create()["id"]
    paypal.advance(hours=5)
    paypal.buyer(order_id, "approve")
    paypal.advance(hours=5)
    assert paypal.order(order_id)["status"] == "APPROVED"
    paypal.advance(hours=1.1)
    assert issue(paypal.capture(order_id), 404) == "INVALID_RESOURCE_ID"


def test_paid_orders_stay(paypal: PayPal) -> None:
    order_id = paypal.approved()
    paypal.capture(order_id)
    paypal.advance(days=90)
    assert paypal.order(order_id)["status"] == "COMPLETED"


def test_a_declined_instrument_sends_the_buyer_back(paypal: PayPal) -> None:
    order_id = paypal.create("10.17")["id"]
    paypal.buyer(order_id, "approve")
    refused = paypal.capture(order_id)
    assert issue(refused) == "INSTRUMENT_DECLINED"
    page = f"{paypal.sandbox.url}/pay/paypal/{order_id}"
    assert rel(refused.json(), "redirect") == page
    assert issue(paypal.capture(order_id)) == "INSTRUMENT_DECLINED"
    assert "declined" in paypal.http.get(page).text
    paypal.buyer(order_id, "approve")
    assert first_capture(paypal.capture(order_id).json())["status"] == "COMPLETED"


def test_a_buyer_with_a_bad_card_can_be_tried_ten_times(paypal: PayPal) -> None:
    order_id = paypal.create()["id"]
    paypal.buyer(order_id, "decline")
    issues = [issue(paypal.capture(order_id)) for _ in range(11)]
    assert set(issues[:10]) == {"INSTRUMENT_DECLINED"}
    assert issues[10] == "MAX_NUMBER_OF_PAYMENT_ATTEMPTS_EXCEEDED"


def test_a_capture_may_need_the_buyer_once_more(paypal: PayPal) -> None:
    order_id = paypal.approved("10.23")
    refused = paypal.capture(order_id)
    assert issue(refused) == "PAYER_ACTION_REQUIRED"
    assert rel(refused.json(), "payer-action")
    assert paypal.order(order_id)["status"] == "PAYER_ACTION_REQUIRED"
    assert issue(paypal.capture(order_id)) == "ORDER_NOT_APPROVED"
    paypal.buyer(order_id, "approve")
    assert paypal.capture(order_id).status_code == 201


def test_a_completed_order_can_hold_a_pending_capture(paypal: PayPal) -> None:
    order = paypal.capture(paypal.approved("10.13")).json()
    assert order["status"] == "COMPLETED"
    capture = first_capture(order)
    assert capture["status"] == "PENDING"
    assert capture["status_details"] == {"reason": "ECHECK"}
    assert "seller_receivable_breakdown" not in capture
    paypal.buyer(capture["id"], "settle")
    assert first_capture(paypal.order(order["id"]))["status"] == "COMPLETED"
    paypal.sandbox.control("buyer", 409, provider="paypal", id=order["id"], action="settle")


def test_a_pending_capture_can_fail(paypal: PayPal) -> None:
    order_id = paypal.create()["id"]
    paypal.buyer(order_id, "pay_async")
    assert first_capture(paypal.capture(order_id).json())["status"] == "PENDING"
    paypal.buyer(order_id, "fail_async")
    assert first_capture(paypal.order(order_id))["status"] == "DECLINED"


def test_a_completed_order_can_hold_a_declined_capture(paypal: PayPal) -> None:
    order = paypal.capture(paypal.approved("10.21")).json()
    assert (order["status"], first_capture(order)["status"]) == ("COMPLETED", "DECLINED")
    assert [row["fee"] for row in paypal.ledger()] == [0]


def test_buyer_actions_that_make_no_sense(paypal: PayPal) -> None:
    order_id = paypal.create()["id"]
    assert paypal.buyer(order_id, "abandon")["status"] == "PAYER_ACTION_REQUIRED"
    control = paypal.sandbox.control
    control("buyer", 400, provider="paypal", id=order_id, action="dance")
    control("buyer", 404, provider="paypal", id="NOSUCHORDER", action="approve")
    paypal.buyer(order_id, "pay")
    paypal.capture(order_id)
    control("buyer", 409, provider="paypal", id=order_id, action="approve")
