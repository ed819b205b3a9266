"""PayPal's JSON as the tests need it: written for them, in the shapes of its public documents."""

from typing import Any

from gateway.money import Money, exponent, format_decimal

Json = dict[str, Any]
API = "https://api-m.sandbox.paypal.com"
ORDER_ID = "5O190127TN364715T"
CAPTURE_ID = "3C679366HH908993F"
AUTHORIZATION_ID = "0VF52814937998046"
REFUND_ID = "1JU08902781691411"
CREATED = "2026-03-01T10:00:00Z"
UPDATED = "2026-03-01T10:05:00Z"


def amount(value: str = "54.00", currency: str = "USD") -> Json:
    """Money on the wire."""
    return {"currency_code": currency, "value": value}


def wire(money: Money) -> Json:
    """Our money on the wire, for currencies that PayPal counts as ISO does."""
    return amount(format_decimal(money.amount, exponent(money.currency)), money.currency)


def link(rel: str, href: str) -> Json:
    """A HATEOAS link."""
    return {"rel": rel, "href": href, "method": "GET"}


def capture(status: str = "COMPLETED", **changes: Any) -> Json:
    """A capture of 54.00 USD; a pending or failed one has no books yet."""
    body: Json = {
        "id": CAPTURE_ID,
        "status": status,
        "amount": amount(),
        "final_capture": True,
        "custom_id": "pay_1",
        "invoice_id": "pay_1",
        "links": [
            link("self", f"{API}/v2/payments/captures/{CAPTURE_ID}"),
            link("up", f"{API}/v2/checkout/orders/{ORDER_ID}"),
        ],
        "create_time": CREATED,
        "update_time": UPDATED,
    }
    if status in ("COMPLETED", "REFUNDED", "PARTIALLY_REFUNDED"):
        body["seller_receivable_breakdown"] = {
            "gross_amount": amount(),
            "paypal_fee": amount("2.37"),
            "net_amount": amount("51.63"),
        }
    return body | changes


def authorization(status: str = "CREATED", **changes: Any) -> Json:
    """An authorization of 54.00 USD."""
    return {
        "id": AUTHORIZATION_ID,
        "status": status,
        "amount": amount(),
        "custom_id": "pay_1",
        "expiration_time": "2026-03-30T10:00:00Z",
        "links": [link("up", f"{API}/v2/checkout/orders/{ORDER_ID}")],
        "create_time": CREATED,
        "update_time": UPDATED,
    } | changes


def refund(status: str = "COMPLETED", **changes: Any) -> Json:
    """A refund of 10.00 USD that was asked for through us as ref_1."""
    return {
        "id": REFUND_ID,
        "status": status,
        "amount": amount("10.00"),
        "custom_id": "ref_1",
        "invoice_id": "ref_1",
        "seller_payable_breakdown": {
            "gross_amount": amount("10.00"),
            "paypal_fee": amount("0.34"),
            "net_amount": amount("9.66"),
            "total_refunded_amount": amount("10.00"),
        },
        "links": [
            link("self", f"{API}/v2/payments/refunds/{REFUND_ID}"),
            link("up", f"{API}/v2/payments/captures/{CAPTURE_ID}"),
        ],
        "create_time": CREATED,
        "update_time": UPDATED,
    } | changes


def order(status: str = "PAYER_ACTION_REQUIRED", **changes: Any) -> Json:
    """An order of 54.00 USD; `payments` goes into its only purchase unit."""
    unit: Json = {"reference_id": "ord_1", "custom_id": "pay_1", "amount": amount()}
    if payments := changes.pop("payments", None):
        unit["payments"] = payments
    links = [link("self", f"{API}/v2/checkout/orders/{ORDER_ID}")]
    if status in ("CREATED", "SAVED", "PAYER_ACTION_REQUIRED"):
        links.append(link("payer-action", f"https://www.sandbox.paypal.com/checkoutnow?{ORDER_ID}"))
    return {
        "id": ORDER_ID,
        "intent": "CAPTURE",
        "status": status,
        "payment_source": {"paypal": {"email_address": "buyer@example.com", "name": {}}},
        "purchase_units": [unit],
        "create_time": CREATED,
        "update_time": UPDATED,
        "links": links,
    } | changes


def dispute(status: str = "OPEN", **changes: Any) -> Json:
    """A dispute of 54.00 USD about the capture."""
    return {
        "dispute_id": "PP-D-1001",
        "create_time": CREATED,
        "update_time": UPDATED,
        "status": status,
        "reason": "MERCHANDISE_OR_SERVICE_NOT_RECEIVED",
        "dispute_amount": amount(),
        "disputed_transactions": [{"seller_transaction_id": CAPTURE_ID, "custom": "pay_1"}],
        "seller_response_due_date": "2026-03-11T10:00:00Z",
    } | changes


def event(kind: str, resource: Json, **changes: Any) -> Json:
    """A webhook's body."""
    return {
        "id": "WH-58D329510W468432D-8HN650336L201105X",
        "event_version": "1.0",
        "create_time": "2026-03-01T10:05:01.123Z",
        "event_type": kind,
        "resource": resource,
    } | changes


def problem(name: str, issue: str | None = None, **changes: Any) -> Json:
    """An error body."""
    details = [{"issue": issue, "description": f"about {issue}", "value": "someone@example.com"}]
    return {
        "name": name,
        "message": f"message of {name}",
        "debug_id": "debug-1",
        "details": details if issue else [],
    } | changes
