"""Our requests as Stripe's parameters. Pure: the same request always gives the same parameters,
because Stripe refuses a repeated idempotency key whose parameters differ.
"""

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
        "expires_at": int(request.expires_at.timestamp()),
        # The buyer pays in the order's currency: an order is paid by its exact amount only.
        "adaptive_pricing": {"enabled": False},
    }
    if request.customer_email is not None:
        params["customer_email"] = request.customer_email
    return params


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
