"""Stripe's objects as facts. Pure.

The same occurrence gives the same facts whether its object came in an event or was read: keys are
built from ids, statuses and amounts only. `as_of` is when the object was as it is here (the event's
time, or the present for a read); it dates what the object itself does not.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from gateway.facts import (
    Authorized,
    BuyerApproved,
    Canceled,
    Captured,
    CheckoutOpened,
    Declined,
    DisputeStatus,
    DisputeUpdated,
    Expired,
    Failed,
    Fee,
    PaidWith,
    Pending,
    ProviderFact,
    ProviderIds,
    RefundStatus,
    RefundUpdated,
    Unrecognized,
)
from providers.stripe.money import to_money
from providers.stripe.resources import (
    BalanceTransaction,
    Charge,
    Dispute,
    PaymentError,
    PaymentIntent,
    Refund,
    Session,
)

Facts = Iterator[ProviderFact]

_REFUND_STATUSES: Mapping[str | None, RefundStatus] = {
    "pending": "pending",
    "requires_action": "pending",  # Stripe waits for the buyer's bank details
    "succeeded": "succeeded",
    "failed": "failed",
    "canceled": "canceled",
}
_DISPUTE_STATUSES: Mapping[str, DisputeStatus] = {
    "warning_needs_response": "warning",
    "warning_under_review": "warning",
    "warning_closed": "prevented",  # the bank's inquiry ended without taking the money
    "needs_response": "needs_response",
    "under_review": "under_review",
    "appeal_needs_response": "needs_response",
    "appeal_under_review": "under_review",
    "appeal_won": "won",
    "appeal_lost": "lost",
    "won": "won",
    "lost": "lost",
    "prevented": "prevented",
}
#: Stripe's own reasons to cancel a PaymentIntent because its time ran out.
_RAN_OUT = frozenset({"automatic", "expired"})
_LONGEST_MESSAGE = 200


def time(seconds: int | None) -> datetime | None:
    """Unix time as UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def session_facts(session: Session, as_of: datetime) -> Facts:
    """What a session says, and its PaymentIntent where it is expanded.

    Judged by `payment_status` and by the money that the PaymentIntent received, never by the method
    or the mere completion.
    """
    intent = session.payment_intent
    yield ProviderIds(ids=(session.id,))
    match session.status:
        case "open":
            if session.url is not None:
                yield CheckoutOpened(
                    provider_order_id=session.id,
                    url=session.url,
                    expires_at=time(session.expires_at),
                )
        case "expired":
            yield Expired(object_id=session.id, at=min(time(session.expires_at) or as_of, as_of))
        case "complete":
            yield from _completed(session, as_of)
        case _:
            yield _unknown("session", session.id, session.status, as_of)
    if isinstance(intent, PaymentIntent):
        yield from intent_facts(intent, as_of, completed=session.status == "complete")
    elif intent is not None:
        yield ProviderIds(ids=(intent,), payment_id=intent)


def _completed(session: Session, as_of: datetime) -> Facts:
    """A completed session's own word; a PaymentIntent at hand knows the money better."""
    intent = session.payment_intent
    if session.payment_status is None:  # events of old API versions do not tell
        return
    if session.payment_status == "unpaid":
        yield BuyerApproved(provider_order_id=session.id, at=as_of)
    elif session.payment_status != "paid" or intent is None:
        yield _unknown("session", session.id, f"complete {session.payment_status}", as_of)
    elif isinstance(intent, str):
        yield _captured(intent, session.amount_total, session.currency, as_of)


def intent_facts(intent: PaymentIntent, as_of: datetime, *, completed: bool = False) -> Facts:
    """What a PaymentIntent says. `completed`: its session is over, so the buyer cannot retry."""
    yield ProviderIds(ids=(intent.id,), payment_id=intent.id)
    charge = intent.latest_charge if isinstance(intent.latest_charge, Charge) else None
    match intent.status:
        case "succeeded":
            at = _cleared(charge, as_of)
            yield _captured(intent.id, intent.amount_received, intent.currency, at)
        case "requires_capture":
            yield _authorized(intent, charge, as_of)
        case "processing":
            yield Pending(object_id=intent.id, at=as_of, reason="processing")
        case "requires_action" | "requires_confirmation":
            if completed:  # the buyer holds a voucher or transfer details, and has yet to pay
                yield Pending(object_id=intent.id, at=as_of, reason=intent.status)
        case "requires_payment_method":
            yield from _unpaid(intent, as_of, completed)
        case "canceled":
            at = time(intent.canceled_at) or as_of
            ended = Expired if intent.cancellation_reason in _RAN_OUT else Canceled
            yield ended(object_id=intent.id, at=at)
        case _:
            yield _unknown("payment_intent", intent.id, intent.status, as_of)
    if charge is not None:
        yield from charge_details(charge, intent.id)


def _unpaid(intent: PaymentIntent, as_of: datetime, completed: bool) -> Facts:
    error = intent.last_payment_error
    if error is not None:
        yield _declined(intent.id, error, as_of)
    if completed:
        yield Failed(
            object_id=intent.id,
            code=_reason(error),
            at=as_of,
            message=_message(error),
        )


def _declined(intent_id: str, error: PaymentError, as_of: datetime) -> Declined:
    return Declined(
        attempt_id=error.charge or f"{intent_id}:{_reason(error)}",
        code=_reason(error),
        at=as_of,
        message=_message(error),
    )


def _reason(error: PaymentError | None) -> str:
    return (error and (error.decline_code or error.code)) or "payment_failed"


def _message(error: PaymentError | None) -> str:
    return ((error and error.message) or "")[:_LONGEST_MESSAGE]


def _authorized(intent: PaymentIntent, charge: Charge | None, as_of: datetime) -> ProviderFact:
    held = to_money(intent.amount_capturable, intent.currency)
    if held is None:
        return _unreadable(intent.id, intent.amount_capturable, intent.currency, as_of)
    card = charge.payment_method_details.card if charge and charge.payment_method_details else None
    return Authorized(
        authorization_id=intent.id,
        amount=held.amount,
        currency=held.currency,
        at=(charge and time(charge.created)) or as_of,
        expires_at=time(card.capture_before) if card else None,
    )


def charge_facts(charge: Charge, as_of: datetime) -> Facts:
    """What a charge in an event says: the money it brought, if any, and how it was paid."""
    capture_id = charge.payment_intent or charge.id
    told = charge.amount_captured is not None  # not in events of old API versions
    if charge.status == "succeeded" and charge.captured and told:
        at = _cleared(charge, as_of)
        yield _captured(capture_id, charge.amount_captured, charge.currency, at)
    if charge.payment_intent is not None:
        yield ProviderIds(ids=(charge.payment_intent,), payment_id=charge.payment_intent)
    yield from charge_details(charge, capture_id)


def charge_details(charge: Charge, capture_id: str) -> Facts:
    """What surrounds a charge: its id and, if it was no failure, method and fee."""
    yield ProviderIds(ids=(charge.id,))
    if charge.status != "succeeded":
        return
    method = charge.payment_method_details
    if method is not None:
        card = method.card if method.type == "card" else None
        yield PaidWith(
            type=method.type,
            brand=card.brand if card else None,
            last4=card.last4 if card else None,
        )
    yield from _fee(capture_id, charge.balance_transaction)


def refund_facts(refund: Refund, as_of: datetime) -> Facts:
    """A refund's status, and what it moved in the books; nothing for a mere release."""
    if _is_release(refund):
        return
    status = _REFUND_STATUSES.get(refund.status)
    money = to_money(refund.amount, refund.currency)
    if status is None:
        yield _unknown("refund", refund.id, refund.status, as_of)
    elif money is None:
        yield _unreadable(refund.id, refund.amount, refund.currency, as_of)
    else:
        metadata = refund.metadata or {}
        told = refund.failure_reason if status == "failed" else refund.reason
        yield RefundUpdated(
            provider_refund_id=refund.id,
            status=status,
            amount=money.amount,
            currency=money.currency,
            at=time(refund.created) or as_of,
            refund_id=metadata.get("refund_id"),
            capture_id=refund.payment_intent or refunded_charge(refund),
            reason=told or metadata.get("reason", ""),
        )
    yield from _fee(refund.id, refund.balance_transaction)
    yield from _fee(refund.id, refund.failure_balance_transaction)


def refunded_charge(refund: Refund) -> str | None:
    """The id of the refund's charge."""
    return refund.charge.id if isinstance(refund.charge, Charge) else refund.charge


def _is_release(refund: Refund) -> bool:
    """Whether no money came back, because it had only been held.

    Stripe shows what a partial capture or a cancellation lets go of as a refund that is in no
    books. Where the charge is not at hand to tell how much that was, the refund proves nothing.
    """
    ours = "refund_id" in (refund.metadata or {})
    if ours or refund.status != "succeeded" or refund.balance_transaction is not None:
        return False
    charge = refund.charge
    if not isinstance(charge, Charge) or charge.amount is None:
        return True
    return refund.amount == charge.amount - (charge.amount_captured or 0)


def dispute_facts(dispute: Dispute, as_of: datetime) -> Facts:
    """A dispute's status, and what it moved in the books."""
    status = _DISPUTE_STATUSES.get(dispute.status)
    money = to_money(dispute.amount, dispute.currency)
    due_by = dispute.evidence_details.due_by if dispute.evidence_details else None
    if status is None:
        yield _unknown("dispute", dispute.id, dispute.status, as_of)
    elif money is None:
        yield _unreadable(dispute.id, dispute.amount, dispute.currency, as_of)
    else:
        # The object has no time of its verdict, and an appeal may bring another one.
        decided = status in ("won", "lost", "prevented")
        # A verdict can be the one of before only after its money has come back once.
        booked = len(dispute.balance_transactions)
        yield DisputeUpdated(
            dispute_id=dispute.id,
            status=status,
            amount=money.amount,
            currency=money.currency,
            at=as_of if decided else time(dispute.created) or as_of,
            reason=dispute.reason or "",
            due_by=time(due_by),
            turn=str(booked) if decided and booked > 2 else "",
        )
    for movement in dispute.balance_transactions:
        yield from _fee(dispute.id, movement)


def _captured(
    capture_id: str, units: int | None, currency: str | None, at: datetime
) -> ProviderFact:
    money = to_money(units, currency)
    if money is None:
        return _unreadable(capture_id, units, currency, at)
    return Captured(capture_id=capture_id, amount=money.amount, currency=money.currency, at=at)


def _cleared(charge: Charge | None, as_of: datetime) -> datetime:
    """When the money was booked: a charge is as old as its authorization, its booking is not."""
    if charge is None:
        return as_of
    booked = charge.balance_transaction
    at = time(booked.created) if isinstance(booked, BalanceTransaction) else None
    return at or time(charge.created) or as_of


def _fee(object_id: str, booked: str | BalanceTransaction | None) -> Facts:
    """Nothing while Stripe has not booked the movement, or gives only the booking's id."""
    if not isinstance(booked, BalanceTransaction):
        return
    fee, net = to_money(booked.fee, booked.currency), to_money(booked.net, booked.currency)
    if fee is None or net is None:
        return
    yield Fee(
        object_id=object_id,
        fee=fee.amount,
        net=net.amount,
        currency=net.currency,
        balance_id=booked.id,
        rate=None if booked.exchange_rate is None else format(booked.exchange_rate, "f"),
        available_at=time(booked.available_on),
    )


def _unknown(kind: str, object_id: str, state: str | None, at: datetime) -> Unrecognized:
    state = f"{kind} {state or 'without status'}"[:_LONGEST_MESSAGE]
    return Unrecognized(object_id=object_id, state=state, at=at)


def _unreadable(
    object_id: str, units: int | None, currency: str | None, at: datetime
) -> Unrecognized:
    return Unrecognized(object_id=object_id, state=f"amount {units} {currency}", at=at)
