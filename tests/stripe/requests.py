"""What the core asks of an adapter, with room to differ."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from gateway.money import Money
from gateway.provider import CheckoutRequest, LineItem, PaymentRef, RefundRequest
from tests.stripe.payloads import NOW

REQUEST = CheckoutRequest(
    order_id="ord_1",
    payment_id="pay_1",
    money=Money(5400, "USD"),
    items=(LineItem("Mug", 2450, 2), LineItem("Engraving & wrapping", 500, 1)),
    success_url="https://pay.example/checkout/ord_1/return?s={CHECKOUT_SESSION_ID}",
    cancel_url="https://pay.example/checkout/ord_1/cancel",
    expires_at=datetime.fromtimestamp(NOW + 3600, UTC),
    customer_email="buyer@example.com",
)
PAYMENT = PaymentRef("ord_1", "pay_1", Money(5400, "USD"), "cs_test_1")
REFUND = RefundRequest(PAYMENT, "ref_1", Money(400, "USD"), "pi_1")


def in_currency(currency: str, unit_amount: int) -> CheckoutRequest:
    """REQUEST for one item of another currency."""
    return msgspec.structs.replace(
        REQUEST,
        money=Money(unit_amount, currency),
        items=(LineItem("Mug", unit_amount, 1),),
    )


def payment(**changes: Any) -> PaymentRef:
    """PAYMENT, but for `changes`."""
    return msgspec.structs.replace(PAYMENT, **changes)


def refund(**changes: Any) -> RefundRequest:
    """REFUND, but for `changes`."""
    return msgspec.structs.replace(REFUND, **changes)
