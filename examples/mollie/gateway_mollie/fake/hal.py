"""What the fake answers: its books as Mollie's JSON, and its pay page. Pure."""

from datetime import datetime
from html import escape
from typing import Any

from gateway_mollie.fake.books import (
    CARD,
    EXPIRY,
    HOLD,
    Entry,
    Payment,
    Refused,
    amount_json,
    is_cancelable,
)

_DOCS = {"href": "https://docs.mollie.com/reference", "type": "text/html"}
_TITLES = {
    400: "Bad Request",
    401: "Unauthorized Request",
    404: "Not Found",
    409: "Conflict",
    422: "Unprocessable Entity",
}


def payment(payment: Payment, url: str) -> dict[str, Any]:
    """A payment, with the times that it has reached."""
    request, moments = payment.request, payment.moments
    self_link = _link(f"{url}/v2/payments/{payment.id}")
    links = {"self": self_link, "dashboard": _link(f"{url}/dashboard/{payment.id}")}
    body: dict[str, Any] = {
        "resource": "payment",
        "id": payment.id,
        "mode": "test",
        "createdAt": _time(payment.created),
        "amount": amount_json(payment.amount, payment.currency),
        "description": request["description"],
        "method": payment.method,
        "metadata": request.get("metadata"),
        "status": payment.status,
        "details": CARD if payment.method == "creditcard" and moments else None,
        "profileId": "pfl_FakeOfMollie",
        "sequenceType": "oneoff",
        "redirectUrl": request.get("redirectUrl"),
        "cancelUrl": request.get("cancelUrl"),
        "webhookUrl": request.get("webhookUrl"),
        "captureMode": request.get("captureMode", "automatic"),
        "_links": links,
    }
    for status, name in (("authorized", "authorizedAt"), ("paid", "paidAt")):
        if status in moments:
            body[name] = _time(moments[status])
    if payment.status in ("canceled", "expired", "failed"):
        body[f"{payment.status}At"] = _time(moments[payment.status])
    if payment.status in ("open", "pending", "authorized"):
        body["isCancelable"] = is_cancelable(payment)
    if payment.status == "open":
        links["checkout"] = _link(f"{url}/checkout/{payment.id}", "text/html")
        body["expiresAt"] = _time(payment.created + EXPIRY)
    if payment.status == "authorized":
        body["captureBefore"] = _time(moments["authorized"] + HOLD)
    if payment.manual and "authorized" in moments:
        body["amountCaptured"] = amount_json(payment.captured, payment.currency)
    if payment.captured:
        left = payment.captured - payment.refunded
        body["amountRefunded"] = amount_json(payment.refunded, payment.currency)
        body["amountRemaining"] = amount_json(left, payment.currency)
    if payment.chargebacks:
        back = sum(entry.amount for entry in payment.chargebacks if not entry.reversed)
        body["amountChargedBack"] = amount_json(back, payment.currency)
    return body


def capture(payment: Payment, entry: Entry, url: str) -> dict[str, Any]:
    """A capture of `payment`."""
    return _entry("capture", payment, entry, url)


def refund(payment: Payment, entry: Entry, url: str) -> dict[str, Any]:
    """A refund of `payment`."""
    return _entry("refund", payment, entry, url)


def chargeback(payment: Payment, entry: Entry, url: str) -> dict[str, Any]:
    """A chargeback of `payment`."""
    body = _entry("chargeback", payment, entry, url)
    body["reversedAt"] = _time(entry.reversed) if entry.reversed else None
    return body


def _entry(resource: str, payment: Payment, entry: Entry, url: str) -> dict[str, Any]:
    address = f"{url}/v2/payments/{payment.id}"
    return {
        "resource": resource,
        "id": entry.id,
        "mode": "test",
        "amount": amount_json(entry.amount, payment.currency),
        "status": entry.status,
        "description": entry.description or "",
        "metadata": entry.metadata,
        "paymentId": payment.id,
        "createdAt": _time(entry.created),
        "_links": {
            "self": _link(f"{address}/{resource}s/{entry.id}"),
            "payment": _link(address),
            "documentation": _DOCS,
        },
    }


def page(name: str, entries: list[dict[str, Any]], url: str) -> dict[str, Any]:
    """A list, whole."""
    links = {"self": _link(url), "previous": None, "next": None, "documentation": _DOCS}
    return {"count": len(entries), "_embedded": {name: entries}, "_links": links}


def error(refused: Refused) -> dict[str, Any]:
    """Mollie's error body."""
    body: dict[str, Any] = {
        "status": refused.status,
        "title": _TITLES.get(refused.status, "Error"),
        "detail": refused.detail,
        "_links": {"documentation": _DOCS},
    }
    return body | ({"field": refused.field} if refused.field else {})


def checkout_page(payment: Payment) -> str:
    """The hosted page: what a buyer can press."""
    amount = amount_json(payment.amount, payment.currency)
    buttons = (
        ("pay", "creditcard", "Pay by card"),
        ("pay", "ideal", "Pay with iDEAL"),
        ("pay_later", "paypal", "Pay later"),
        ("decline", "creditcard", "Pay by a card that is declined"),
        ("cancel", "", "Cancel"),
    )
    forms = "".join(
        f'<form method="post"><input type="hidden" name="method" value="{method}">'
        f'<button name="action" value="{action}">{label}</button></form>'
        for action, method, label in buttons
    )
    told = escape(f"{payment.request['description']}: {amount['value']} {amount['currency']}")
    what = forms if payment.status == "open" else f"<p>This payment is {payment.status}.</p>"
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Fake Mollie</title>'
        f"<h1>Fake Mollie: no real money</h1><p>{told}</p>{what}</html>"
    )


def _link(href: str, type: str = "application/hal+json") -> dict[str, str]:
    return {"href": href, "type": type}


def _time(at: datetime) -> str:
    return at.isoformat()
