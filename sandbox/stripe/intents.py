"""PaymentIntents of Checkout Sessions: from the buyer's first attempt to the captured money."""

from __future__ import annotations

from typing import Any

from sandbox.stripe import charges, currencies, refunds
from sandbox.stripe.account import DAY, Account, Object
from sandbox.stripe.cards import DECLINES, Method
from sandbox.stripe.errors import StripeError, unexpected_state

AUTHORIZATION_LASTS = 7 * DAY
DEBIT_CLEARS_AFTER = 3 * DAY
DEBIT_FAILED = "The customer's bank account has insufficient funds for this debit."


def create(account: Account, session: Object) -> Object:
    """The intent of a session, made when the buyer first tries to pay.

    It takes its metadata from `payment_intent_data` alone: the session's own does not reach it.
    """
    data = account.intent_data[session["id"]]
    id = account.new_id("payment_intent")
    made = account.add(
        "payment_intent",
        id=id,
        amount=session["amount_total"],
        amount_capturable=0,
        amount_details={"tip": {}},
        amount_received=0,
        application=None,
        application_fee_amount=None,
        automatic_payment_methods=None,
        canceled_at=None,
        cancellation_reason=None,
        capture_method=data.get("capture_method", "automatic_async"),
        client_secret=f"{id}_secret_{account.world.ids.text(25)}",
        confirmation_method="automatic",
        currency=session["currency"],
        customer=None,
        customer_account=None,
        description=data.get("description"),
        excluded_payment_method_types=None,
        last_payment_error=None,
        latest_charge=None,
        metadata=dict(data.get("metadata", {})),
        next_action=None,
        on_behalf_of=None,
        payment_method=None,
        payment_method_configuration_details=None,
        payment_method_options={},
        payment_method_types=list(session["payment_method_types"]),
        processing=None,
        receipt_email=data.get("receipt_email"),
        review=None,
        setup_future_usage=data.get("setup_future_usage"),
        shipping=data.get("shipping"),
        statement_descriptor=data.get("statement_descriptor"),
        statement_descriptor_suffix=data.get("statement_descriptor_suffix"),
        status="requires_payment_method",
        transfer_data=None,
        transfer_group=data.get("transfer_group"),
    )
    account.session_of[id] = session["id"]
    account.emit("payment_intent.created", made)
    return made


def attempt(account: Account, intent: Object, method: Method, details: Object) -> bool:
    """The buyer confirms with a method; False when it is declined, which leaves the intent open."""
    paid_with = charges.payment_method(account, method, details)
    if method.decline:
        charge = charges.create(account, intent, method, paid_with, status="failed")
        intent["latest_charge"] = charge["id"]
        account.emit("charge.failed", charge)
        message = DECLINES[method.decline]
        _failed(account, intent, charge, paid_with, "card_declined", message, method.decline)
        return False
    status = "pending" if method.delayed else "succeeded"
    charge = charges.create(account, intent, method, paid_with, status=status)
    intent.update(
        latest_charge=charge["id"], payment_method=paid_with["id"], last_payment_error=None
    )
    if method.delayed:
        intent["status"] = "processing"
        account.emit("charge.pending", charge)
        account.emit("payment_intent.processing", intent)
    elif intent["capture_method"] == "manual":
        intent.update(status="requires_capture", amount_capturable=intent["amount"])
        account.emit("charge.succeeded", charge)
        account.emit("payment_intent.amount_capturable_updated", intent)
        due = account.now() + AUTHORIZATION_LASTS
        account.agenda.add(due, lambda: _authorization_expired(account, intent))
    else:
        _succeed(account, intent, charge)
    return True


def _succeed(account: Account, intent: Object, charge: Object) -> None:
    charges.capture(account, charge, intent["amount"])
    intent.update(status="succeeded", amount_received=intent["amount"])
    account.emit("charge.succeeded", charge)
    account.emit("payment_intent.succeeded", intent)


def settle(account: Account, intent: Object) -> None:
    """A delayed debit has cleared."""
    _succeed(account, intent, account.get("charge", intent["latest_charge"]))


def fail_debit(account: Account, intent: Object) -> None:
    """A delayed debit has bounced."""
    charge = account.get("charge", intent["latest_charge"])
    paid_with = account.get("payment_method", charge["payment_method"])
    charges.fail(charge, "insufficient_funds", DEBIT_FAILED)
    intent["payment_method"] = None
    account.emit("charge.failed", charge)
    code = "payment_intent_payment_attempt_failed"
    _failed(account, intent, charge, paid_with, code, DEBIT_FAILED, None)


def _failed(
    account: Account,
    intent: Object,
    charge: Object,
    paid_with: Object,
    code: str,
    message: str,
    decline_code: str | None,
) -> None:
    error: dict[str, Any] = {
        "charge": charge["id"],
        "code": code,
        "doc_url": f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}",
        "message": message,
        "payment_method": paid_with,
        "type": "card_error" if decline_code else "invalid_request_error",
    }
    if decline_code:
        error |= {"advice_code": "try_again_later", "decline_code": decline_code}
    intent.update(status="requires_payment_method", last_payment_error=error)
    account.emit("payment_intent.payment_failed", intent)


def capture(account: Account, intent: Object, params: Object) -> Object:
    """Capture an authorization, once; what is left of it is released.

    Raises StripeError for any other status, and for more than was authorized.
    """
    if intent["status"] != "requires_capture":
        raise unexpected_state(intent, "captured", "requires_capture")
    if params.get("final_capture") is False:
        raise StripeError(
            "This PaymentIntent is not eligible for multiple captures.", param="final_capture"
        )
    authorized: int = intent["amount_capturable"]
    amount: int = params.get("amount_to_capture", authorized)
    if amount > authorized:
        raise StripeError(
            "The payment could not be captured because the requested capture amount is greater "
            "than the authorized amount.",
            code="amount_too_large",
            param="amount_to_capture",
        )
    currencies.check_precision(amount, intent["currency"], "amount_to_capture")
    charge = account.get("charge", intent["latest_charge"])
    charges.capture(account, charge, amount)
    intent.update(status="succeeded", amount_capturable=0, amount_received=amount)
    intent["metadata"] |= params.get("metadata", {})
    account.get("checkout.session", account.session_of[intent["id"]])["payment_status"] = "paid"
    account.emit("charge.captured", charge)
    account.emit("payment_intent.succeeded", intent)
    if amount < authorized:
        refunds.release(account, charge, authorized - amount)
    return intent


def cancel(account: Account, intent: Object, reason: str | None) -> Object:
    """Cancel an intent that holds no money yet; an authorization is released.

    Raises StripeError where money is on its way or the session is still open.
    """
    if intent["status"] not in ("requires_capture", "requires_payment_method"):
        raise unexpected_state(
            intent, "canceled", "requires_payment_method, requires_capture, requires_confirmation, "
            "requires_action, processing"
        )  # fmt: skip
    session = account.get("checkout.session", account.session_of[intent["id"]])
    if session["status"] == "open":
        raise StripeError(
            "You cannot cancel this PaymentIntent because it belongs to a Checkout Session that "
            "is still open. Expire the Checkout Session instead.",
            code="payment_intent_unexpected_state",
        )
    return close(account, intent, reason)


def close(account: Account, intent: Object, reason: str | None) -> Object:
    """Cancel without asking, as Stripe does by itself."""
    authorized = intent["amount_capturable"]
    intent.update(
        status="canceled",
        amount_capturable=0,
        canceled_at=account.now(),
        cancellation_reason=reason,
    )
    if authorized:
        expired = "expired_uncaptured_charge" if reason == "automatic" else None
        charge = account.get("charge", intent["latest_charge"])
        refunds.release(account, charge, authorized, expired)
    account.emit("payment_intent.canceled", intent)
    return intent


def _authorization_expired(account: Account, intent: Object) -> None:
    if intent["status"] == "requires_capture":
        close(account, intent, "automatic")
