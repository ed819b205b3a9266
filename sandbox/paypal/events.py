"""PayPal's webhook event envelope."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sandbox.paypal.represent import link, seconds

RESOURCE_TYPES = (
    ("CHECKOUT.", "checkout-order"),
    ("PAYMENT.AUTHORIZATION.", "authorization"),
    ("PAYMENT.CAPTURE.REFUNDED", "refund"),
    ("PAYMENT.CAPTURE.REVERSED", "refund"),
    ("PAYMENT.REFUND.", "refund"),
    ("PAYMENT.CAPTURE.", "capture"),
    ("CUSTOMER.DISPUTE.", "dispute"),
)
"""The first prefix that fits names the resource. REFUNDED and REVERSED carry a refund, not a
capture."""


def event(
    event_id: str,
    event_type: str,
    resource: dict[str, Any],
    summary: str,
    moment: datetime,
    base: str,
) -> dict[str, Any]:
    """The event as it is delivered and as `/v1/notifications/webhooks-events` lists it."""
    kind = next(kind for prefix, kind in RESOURCE_TYPES if event_type.startswith(prefix))
    itself = f"{base}/paypal/v1/notifications/webhooks-events/{event_id}"
    envelope: dict[str, Any] = {
        "id": event_id,
        "event_version": "1.0",
        "create_time": f"{seconds(moment)[:-1]}.{moment.microsecond // 1000:03d}Z",
        "resource_type": kind,
        "event_type": event_type,
        "summary": summary,
        "resource": resource,
        "links": [link(itself, "self", "GET"), link(f"{itself}/resend", "resend", "POST")],
    }
    if kind != "dispute":
        envelope["resource_version"] = "2.0"
    return envelope
