"""Stripe's objects as its API shows them, cut down to what could matter, with room to differ."""

import json
from typing import Any

NOW = 1_790_000_000  # 2026-09-21T14:13:20Z
PAYMENT = {"order_id": "ord_1", "payment_id": "pay_1"}

Json = dict[str, Any]


def balance(id: str = "txn_1", **changes: Any) -> Json:
    return {
        "id": id,
        "object": "balance_transaction",
        "amount": 5400,
        "fee": 187,
        "net": 5213,
        "currency": "usd",
        "created": NOW + 5,
        "available_on": NOW + 172_800,
        "exchange_rate": None,
        "status": "pending",
        "type": "charge",
    } | changes


def charge(**changes: Any) -> Json:
    return {
        "id": "ch_1",
        "object": "charge",
        "amount": 5400,
        "amount_captured": 5400,
        "amount_refunded": 0,
        "balance_transaction": "txn_1",
        "billing_details": {"email": "buyer@example.com", "name": "Jenny"},
        "captured": True,
        "created": NOW,
        "currency": "usd",
        "disputed": False,
        "metadata": dict(PAYMENT),
        "paid": True,
        "payment_intent": "pi_1",
        "payment_method_details": {
            "type": "card",
            "card": {"brand": "visa", "last4": "4242", "exp_year": 2031, "wallet": None},
        },
        "refunded": False,
        "status": "succeeded",
    } | changes


def intent(**changes: Any) -> Json:
    return {
        "id": "pi_1",
        "object": "payment_intent",
        "amount": 5400,
        "amount_capturable": 0,
        "amount_received": 5400,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic",
        "created": NOW,
        "currency": "usd",
        "last_payment_error": None,
        "latest_charge": "ch_1",
        "livemode": False,
        "metadata": dict(PAYMENT),
        "status": "succeeded",
    } | changes


def session(**changes: Any) -> Json:
    return {
        "id": "cs_test_1",
        "object": "checkout.session",
        "amount_total": 5400,
        "client_reference_id": "pay_1",
        "created": NOW,
        "currency": "usd",
        "customer_details": {"email": "buyer@example.com"},
        "expires_at": NOW + 1860,
        "livemode": False,
        "metadata": dict(PAYMENT),
        "mode": "payment",
        "payment_intent": "pi_1",
        "payment_status": "paid",
        "status": "complete",
        "url": None,
    } | changes


def open_session(**changes: Any) -> Json:
    return session(
        status="open",
        payment_status="unpaid",
        payment_intent=None,
        url="https://checkout.example/c/cs_test_1",
        **changes,
    )


def refund(**changes: Any) -> Json:
    return {
        "id": "re_1",
        "object": "refund",
        "amount": 400,
        "balance_transaction": "txn_2",
        "charge": "ch_1",
        "created": NOW + 60,
        "currency": "usd",
        "metadata": {**PAYMENT, "refund_id": "ref_1"},
        "payment_intent": "pi_1",
        "reason": None,
        "status": "succeeded",
    } | changes


def dispute(**changes: Any) -> Json:
    return {
        "id": "dp_1",
        "object": "dispute",
        "amount": 5400,
        "balance_transactions": [balance("txn_3", amount=-5400, fee=1500, net=-6900)],
        "charge": "ch_1",
        "created": NOW + 90,
        "currency": "usd",
        "evidence_details": {"due_by": NOW + 800_000, "has_evidence": False},
        "metadata": {},
        "payment_intent": "pi_1",
        "reason": "fraudulent",
        "status": "needs_response",
    } | changes


def event(type: str, object: Json, **changes: Any) -> bytes:
    return json.dumps(
        {
            "id": "evt_1",
            "object": "event",
            "api_version": "2026-05-27.dahlia",
            "created": NOW + 7,
            "data": {"object": object},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": type,
        }
        | changes
    ).encode()
