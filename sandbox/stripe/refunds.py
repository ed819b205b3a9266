"""Refunds: of a charge, in whole or in parts, and what may become of them later."""

from __future__ import annotations

from sandbox.stripe import balance, currencies
from sandbox.stripe.account import Account, Object
from sandbox.stripe.errors import StripeError, required

CHANGES_AFTER = 60
"""Seconds until a refund of one of the special cards fails or succeeds."""
CLOSED = ("failed", "canceled")


def create(account: Account, params: Object) -> Object:
    """`POST /v1/refunds`. Raises StripeError for whatever Stripe would refuse."""
    charge = _charge_of(account, params)
    return issue(
        account, charge, params.get("amount"), params.get("reason"), params.get("metadata")
    )


def _charge_of(account: Account, params: Object) -> Object:
    if "charge" in params:
        charge = account.get("charge", params["charge"], "charge", 404)
        if params.get("payment_intent", charge["payment_intent"]) != charge["payment_intent"]:
            message = "The charge does not belong to the PaymentIntent."
            raise StripeError(message, param="payment_intent")
        return charge
    if "payment_intent" not in params:
        raise required("payment_intent")
    intent = account.get("payment_intent", params["payment_intent"], "payment_intent", 404)
    if intent["status"] != "succeeded":
        message = (
            f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."
        )
        raise StripeError(message, param="payment_intent")
    return account.get("charge", intent["latest_charge"])


def issue(
    account: Account,
    charge: Object,
    amount: int | None,
    reason: str | None = None,
    metadata: dict[str, str] | None = None,
    status: str | None = None,
) -> Object:
    """Refund `amount` of a charge, or all that is left of it.

    `status` is the first status of a refund that does not succeed at once.
    """
    left = charge["amount"] - charge["amount_refunded"]
    if not charge["captured"]:
        message = f"Charge {charge['id']} has not been captured and cannot be refunded."
        raise StripeError(message, param="charge")
    if not left:
        message = f"Charge {charge['id']} has already been refunded."
        raise StripeError(message, code="charge_already_refunded")
    if _charged_back(account, charge):
        message = f"Charge {charge['id']} has been charged back; cannot issue a refund."
        raise StripeError(message, code="charge_disputed")
    if amount is not None and amount > left:
        currency = charge["currency"]
        raise StripeError(
            f"Refund amount ({currencies.text(amount, currency)}) is greater than unrefunded "
            f"amount on charge ({currencies.text(left, currency)})",
            param="amount",
        )
    amount = left if amount is None else amount
    currencies.check_precision(amount, charge["currency"], "amount")
    later = account.later.get(charge["id"])
    first = status or ("pending" if later == "refund_pends" else "succeeded")
    refund = _add(account, charge, amount, reason, metadata or {}, first)
    type = "refund" if "card" in charge["payment_method_details"] else "payment_refund"
    booked = balance.record(
        account, type, refund["id"], -amount, charge["currency"], category="refund"
    )
    refund["balance_transaction"] = booked["id"]
    _announce(account, charge, refund)
    if later in ("refund_fails", "refund_pends"):
        due = account.now() + CHANGES_AFTER
        outcome = "failed" if later == "refund_fails" else "succeeded"
        account.agenda.add(due, lambda: change(account, refund, outcome))
    return refund


def _charged_back(account: Account, charge: Object) -> bool:
    """Whether a dispute holds the money, or has taken it."""
    return (
        any(
            dispute["charge"] == charge["id"] and dispute["status"] != "won"
            for dispute in account.all("dispute")
        )
        if charge["disputed"]
        else False
    )


def release(account: Account, charge: Object, amount: int, reason: str | None = None) -> Object:
    """Give back what was authorized and will not be captured.

    Stripe shows this as a refund, although no money ever moved: there is no balance transaction.
    """
    refund = _add(account, charge, amount, reason, {}, "succeeded")
    _announce(account, charge, refund)
    return refund


def _add(
    account: Account,
    charge: Object,
    amount: int,
    reason: str | None,
    metadata: dict[str, str],
    status: str,
) -> Object:
    refund = account.add(
        "refund",
        amount=amount,
        balance_transaction=None,
        charge=charge["id"],
        currency=charge["currency"],
        metadata=metadata,
        payment_intent=charge["payment_intent"],
        reason=reason,
        receipt_number=None,
        source_transfer_reversal=None,
        status=status,
        transfer_reversal=None,
    )
    if "card" in charge["payment_method_details"]:
        destination = {"reference_status": "pending", "reference_type": "acquirer_reference_number"}
        refund["destination_details"] = {"card": destination | {"type": "refund"}, "type": "card"}
    if status == "pending":
        refund["pending_reason"] = "processing"
    account.refunds_of.setdefault(charge["id"], []).append(refund)
    _count(charge, amount)
    return refund


def _count(charge: Object, amount: int) -> None:
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]


def _announce(account: Account, charge: Object, refund: Object) -> None:
    account.emit("refund.created", refund)
    previous = {"amount_refunded": charge["amount_refunded"] - refund["amount"]}
    if charge["refunded"]:
        previous["refunded"] = False
    account.emit("charge.refunded", charge, previous)


def change(account: Account, refund: Object, status: str) -> Object:
    """A refund ends otherwise than it began: `succeeded`, `failed` or `canceled`; money that
    did not arrive comes back to the balance. A refund that has ended so stays as it is."""
    if refund["status"] in (*CLOSED, status):
        return refund
    previous = {"status": refund["status"]}
    refund["status"] = status
    refund.pop("pending_reason", None)
    if status in CLOSED:
        charge = account.get("charge", refund["charge"])
        _count(charge, -refund["amount"])
        type = (
            "refund_failure"
            if "card" in charge["payment_method_details"]
            else "payment_failure_refund"
        )
        returned = balance.record(
            account,
            type,
            refund["id"],
            refund["amount"],
            refund["currency"],
            category="refund_failure",
        )
        refund["failure_balance_transaction"] = returned["id"]
        refund["failure_reason"] = (
            "expired_or_canceled_card" if status == "failed" else "merchant_request"
        )
    account.emit("refund.updated", refund, previous)
    account.emit("charge.refund.updated", refund, previous)
    if status == "failed":
        account.emit("refund.failed", refund)
    return refund


def cancel(account: Account, refund: Object) -> Object:
    """`POST /v1/refunds/{id}/cancel`: only while the buyer has to act."""
    if refund["status"] != "requires_action":
        raise StripeError(
            f"This refund cannot be canceled because it has a status of {refund['status']}. Only "
            "refunds with a status of requires_action can be canceled."
        )
    return change(account, refund, "canceled")
