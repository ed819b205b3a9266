"""Disputes: a buyer's bank takes the money back, and perhaps returns it."""

from __future__ import annotations

from sandbox.stripe import balance
from sandbox.stripe.account import DAY, Account, Object

FEE = 1500
"""What a dispute costs, in minor units of the settlement currency; it is never given back."""
ANSWER_WITHIN = 9 * DAY
OPEN = ("needs_response", "under_review", "warning_needs_response", "warning_under_review")
EVIDENCE_FIELDS = (
    "access_activity_log billing_address cancellation_policy cancellation_policy_disclosure "
    "cancellation_rebuttal customer_communication customer_email_address customer_name "
    "customer_purchase_ip customer_signature duplicate_charge_documentation "
    "duplicate_charge_explanation duplicate_charge_id product_description receipt refund_policy "
    "refund_policy_disclosure refund_refusal_explanation service_date service_documentation "
    "shipping_address shipping_carrier shipping_date shipping_documentation "
    "shipping_tracking_number uncategorized_file uncategorized_text"
)


def of_charge(account: Account, charge: Object) -> Object | None:
    """The open dispute of a charge."""
    for dispute in account.newest("dispute"):
        if dispute["charge"] == charge["id"] and dispute["status"] in OPEN:
            return dispute
    return None


def start(
    account: Account, charge: Object, amount: int | None = None, reason: str = "fraudulent"
) -> Object:
    """The bank disputes a captured charge and withdraws the amount and a fee."""
    card = charge["payment_method_details"].get("card")
    dispute = account.add(
        "dispute",
        amount=charge["amount_captured"] if amount is None else amount,
        balance_transactions=[],
        charge=charge["id"],
        currency=charge["currency"],
        enhanced_eligibility_types=[],
        evidence={**dict.fromkeys(EVIDENCE_FIELDS.split()), "enhanced_evidence": {}},
        evidence_details={
            "due_by": account.now() + ANSWER_WITHIN,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        is_charge_refundable=False,
        metadata={},
        payment_intent=charge["payment_intent"],
        reason=reason,
        status="needs_response",
    )
    if card is not None:
        shown = {"brand": card["brand"], "case_type": "chargeback", "network_reason_code": "10.4"}
        dispute["payment_method_details"] = {"card": shown, "type": "card"}
    _book(account, dispute, -dispute["amount"], FEE, "dispute")
    charge["disputed"] = True
    account.emit("charge.dispute.created", dispute)
    account.emit("charge.dispute.funds_withdrawn", dispute)
    return dispute


def close(account: Account, dispute: Object, status: str) -> Object:
    """The dispute ends `won` (the money comes back, the fee does not) or `lost`."""
    previous = {"status": dispute["status"]}
    dispute["status"] = status
    if status == "won":
        dispute["is_charge_refundable"] = True
        _book(account, dispute, dispute["amount"], 0, "dispute_reversal")
        account.emit("charge.dispute.funds_reinstated", dispute)
    account.emit("charge.dispute.closed", dispute, previous)
    return dispute


def _book(account: Account, dispute: Object, amount: int, fee: int, category: str) -> None:
    booked = balance.record(
        account,
        "adjustment",
        dispute["id"],
        amount,
        dispute["currency"],
        fee=fee,
        category=category,
        fee_text="Dispute fee",
    )
    dispute["balance_transactions"].append(dict(booked))
