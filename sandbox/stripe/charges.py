"""Charges: the attempts of a PaymentIntent to move money, with the method that was used."""

from __future__ import annotations

from typing import Any

from sandbox.stripe import balance
from sandbox.stripe.account import Account, Object
from sandbox.stripe.cards import DECLINES, Method

NO_ADDRESS = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))


def billing(email: str | None, name: str | None) -> Object:
    """`billing_details` of what the buyer typed."""
    return {
        "address": dict(NO_ADDRESS),
        "email": email,
        "name": name,
        "phone": None,
        "tax_id": None,
    }


def payment_method(account: Account, method: Method, details: Object) -> Object:
    """Keep the PaymentMethod object of this attempt."""
    shown = method.details(account.world.ids.text(16))
    return account.add(
        "payment_method",
        allow_redisplay="limited",
        billing_details=details,
        customer=None,
        customer_account=None,
        metadata={},
        type=method.type,
        **{method.type: _as_payment_method(method, shown[method.type])},
    )


def _as_payment_method(method: Method, shown: Object) -> Object:
    if method.type == "card":
        uses = {
            "three_d_secure_usage": {"supported": True},
            "networks": None,
            "generated_from": None,
        }
        left_out = ("three_d_secure", "installments", "mandate", "network", "network_token")
        return (
            {k: v for k, v in shown.items() if k not in left_out}
            | uses
            | {"display_brand": method.brand}
        )
    if method.type == "sepa_debit":
        kept = {k: v for k, v in shown.items() if k != "mandate"}
        return kept | {"generated_from": {"charge": None, "setup_attempt": None}}
    kept = {k: v for k, v in shown.items() if k != "payment_reference"}
    return kept | {"financial_connections_account": None, "networks": None, "status_details": None}


def create(
    account: Account, intent: Object, method: Method, paid_with: Object, *, status: str
) -> Object:
    """A charge of the whole intent: `succeeded` (money authorized), `pending` or `failed`.

    Money is only booked by `capture`.
    """
    failed = status == "failed"
    made = account.add(
        "charge",
        amount=intent["amount"],
        amount_captured=0,
        amount_refunded=0,
        application=None,
        application_fee=None,
        application_fee_amount=None,
        balance_transaction=None,
        billing_details=paid_with["billing_details"],
        calculated_statement_descriptor="SANDBOX",
        captured=False,
        currency=intent["currency"],
        customer=None,
        description=intent["description"],
        disputed=False,
        failure_balance_transaction=None,
        failure_code="card_declined" if failed else None,
        failure_message=DECLINES[method.decline] if failed and method.decline else None,
        fraud_details={},
        metadata=dict(intent["metadata"]),
        on_behalf_of=None,
        outcome=_outcome(method, status),
        paid=not failed,
        payment_intent=intent["id"],
        payment_method=paid_with["id"],
        payment_method_details=method.details(_fingerprint(paid_with)),
        receipt_email=intent["receipt_email"],
        receipt_number=None,
        receipt_url=None,
        refunded=False,
        review=None,
        shipping=intent["shipping"],
        source_transfer=None,
        statement_descriptor=intent["statement_descriptor"],
        statement_descriptor_suffix=intent["statement_descriptor_suffix"],
        status=status,
        transfer_data=None,
        transfer_group=intent["transfer_group"],
    )
    if method.later:
        account.later[made["id"]] = method.later
    return made


def capture(account: Account, charge: Object, amount: int) -> None:
    """Take `amount` of an authorized charge: the money and its fee are booked."""
    type = "charge" if "card" in charge["payment_method_details"] else "payment"
    booked = balance.record(
        account,
        type,
        charge["id"],
        amount,
        charge["currency"],
        with_charge_fee=True,
        category="charge",
        description=charge["description"],
    )
    charge.update(
        status="succeeded",
        captured=True,
        amount_captured=amount,
        balance_transaction=booked["id"],
    )


def fail(charge: Object, code: str, message: str) -> None:
    """A pending charge that did not clear."""
    charge.update(status="failed", paid=False, failure_code=code, failure_message=message)


def _fingerprint(paid_with: Object) -> str:
    return str(paid_with[paid_with["type"]]["fingerprint"])


def _outcome(method: Method, status: str) -> dict[str, Any]:
    if status == "failed":
        return {
            "advice_code": "try_again_later",
            "network_advice_code": None,
            "network_decline_code": None,
            "network_status": "declined_by_network",
            "reason": method.decline,
            "risk_level": "normal",
            "seller_message": "The bank did not return any further details with this decline.",
            "type": "issuer_declined",
        }
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "approved_by_network",
        "reason": None,
        "risk_level": "normal",
        "seller_message": "Payment complete.",
        "type": "authorized",
    }
