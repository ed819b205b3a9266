"""Our requests as Stripe's parameters. Pure: the same request always gives the same parameters,
because Stripe refuses a repeated idempotency key whose parameters differ.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.money import Money
from gateway.provider import CheckoutRequest, RefundRequest
from providers.stripe.money import to_units

CHARGE = "latest_charge.balance_transaction"
#: What a session is read with: its payment, the last try, its fee, and the refunds of it.
SESSION_EXPAND = (f"payment_intent.{CHARGE}", "payment_intent.latest_charge.refunds")
REFUND_EXPAND = ("balance_transaction", "failure_balance_transaction", "charge")
#: Stripe's own reasons; any other word goes into the metadata.
_REASONS = frozenset({"duplicate", "fraudulent", "requested_by_customer"})
_LONGEST_METADATA = 500
#: Stripe takes 30 minutes to 24 hours from when the session is created. Ten minutes more leave the
#: call the time to be repeated; what is open for longer than was asked is closed by the core.
_SHORTEST, _LONGEST = timedelta(minutes=40), timedelta(hours=24)
_UUID7 = re.compile(r"pay_([0-9a-f]{12})7[0-9a-f]{19}")


def session_params(request: CheckoutRequest) -> dict[str, Any]:
    """Parameters of POST /v1/checkout/sessions. Raises InvalidAmount for an inexact amount."""
    metadata = {"order_id": request.order_id, "payment_id": request.payment_id}
    params: dict[str, Any] = {
        "mode": "payment",
        "line_items": [
            {
                "quantity": item.quantity,
                "price_data": {
                    "currency": request.money.currency.lower(),
                    "unit_amount": to_units(item.unit_amount, request.money.currency),
                    "product_data": {"name": item.name},
                },
            }
            for item in request.items
        ],
        "client_reference_id": request.payment_id,
        "metadata": metadata,
        # A session's metadata does not reach its PaymentIntent, and the events of charges and
        # refunds carry the PaymentIntent's only.
        "payment_intent_data": {"capture_method": request.capture, "metadata": metadata},
        "success_url": request.success_url,
        "cancel_url": request.cancel_url,
        "expires_at": int(_expiry(request).timestamp()),
        # The buyer pays in the order's currency: an order is paid by its exact amount only.
        "adaptive_pricing": {"enabled": False},
    }
    if request.customer_email is not None:
        params["customer_email"] = request.customer_email
    return params


def _expiry(request: CheckoutRequest) -> datetime:
    """When the session ends, moved to what Stripe takes.

    Reckoned from when the payment was made, which its id tells, and not from the present: a
    repeated call must have the same parameters.
    """
    made = _UUID7.fullmatch(request.payment_id)
    if made is None:
        return request.expires_at
    since = datetime.fromtimestamp(int(made[1], 16) // 1000, UTC)
    return min(max(request.expires_at, since + _SHORTEST), since + _LONGEST)


def refund_params(request: RefundRequest) -> dict[str, Any]:
    """Parameters of POST /v1/refunds. Raises InvalidAmount for an inexact amount."""
    metadata = {
        "order_id": request.payment.order_id,
        "payment_id": request.payment.payment_id,
        "refund_id": request.refund_id,
    }
    target = "payment_intent" if request.capture_id.startswith("pi_") else "charge"
    params: dict[str, Any] = {
        target: request.capture_id,
        "amount": to_units(request.money.amount, request.money.currency),
        "metadata": metadata,
        "expand": REFUND_EXPAND,
    }
    if request.reason in _REASONS:
        params["reason"] = request.reason
    elif request.reason:
        metadata["reason"] = request.reason[:_LONGEST_METADATA]
    return params


def capture_params(money: Money) -> dict[str, Any]:
    """Parameters of a capture of `money`; Stripe releases the rest. Raises InvalidAmount."""
    return {
        "amount_to_capture": to_units(money.amount, money.currency),
        "expand": (CHARGE,),
    }
