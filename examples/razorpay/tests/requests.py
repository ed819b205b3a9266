"""Requests as the core makes them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from gateway.money import Money
from gateway.provider import Checkout, CheckoutRequest, LineItem, PaymentRef, RefundRequest

PAYMENT_ID = "pay_01a20ff818027ee1b10aed6b26a0c29e"
KEY = f"{PAYMENT_ID}-create"
MONEY = Money(5400, "INR")


def request(**changes: Any) -> CheckoutRequest:
    """54 rupees for a mug."""
    made = CheckoutRequest(
        order_id="ord_01a20ff817fb73fa89fb657b1f8962b6",
        payment_id=PAYMENT_ID,
        money=MONEY,
        items=(LineItem("Mug", 5400, 1),),
        success_url="https://shop.example/return",
        cancel_url="https://shop.example/cancel",
        expires_at=datetime.now(UTC) + timedelta(hours=1),
    )
    return msgspec.structs.replace(made, **changes)


def ref(checkout: Checkout, **changes: Any) -> PaymentRef:
    """The payment that the checkout was opened for."""
    made = PaymentRef("ord_1", PAYMENT_ID, MONEY, checkout.provider_order_id)
    return msgspec.structs.replace(made, **changes)


def refund(payment: PaymentRef, capture_id: str, amount: int, number: int = 1) -> RefundRequest:
    """A refund of part of it."""
    return RefundRequest(payment, f"ref_{number}", Money(amount, "INR"), capture_id)
