"""PayPal's objects as facts. Pure: nothing is asked, nothing is remembered.

The same object gives the same facts whether it came in an answer or in an event. PayPal's statuses
are those of the Orders v2 and Payments v2 documents; one that is not among them, and an amount that
is not exact in its currency, become `Unrecognized`.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal, DecimalException

import msgspec

from gateway.errors import InvalidAmount
from gateway.facts import (
    Authorized,
    BuyerApproved,
    Canceled,
    Captured,
    CheckoutOpened,
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
    Reversed,
    Unrecognized,
)
from gateway.money import Money, exponent
from providers.paypal.bodies import SCALE
from providers.paypal.resources import Amount, Breakdown, Dispute, Order, Transaction

REFUND_STATUS: dict[str, RefundStatus] = {
    "COMPLETED": "succeeded",
    "PENDING": "pending",
    "FAILED": "failed",
    "CANCELLED": "canceled",
}
#: A dispute that is not resolved. OPEN waits for the merchant, and PayPal may hold the money.
DISPUTE_STATUS: dict[str, DisputeStatus] = {
    "OPEN": "needs_response",
    "WAITING_FOR_SELLER_RESPONSE": "needs_response",
    "WAITING_FOR_BUYER_RESPONSE": "under_review",
    "UNDER_REVIEW": "under_review",
}
#: Outcomes of a resolved dispute. WITH_PAYOUT: PayPal pays from its own pocket. ACCEPTED and
#: DENIED are PayPal's word on the buyer's claim.
DISPUTE_OUTCOME: dict[str, DisputeStatus] = {
    "RESOLVED_BUYER_FAVOUR": "lost",
    "ACCEPTED": "lost",
    "RESOLVED_SELLER_FAVOUR": "won",
    "RESOLVED_WITH_PAYOUT": "won",
    "CANCELED_BY_BUYER": "won",
    "DENIED": "won",
}


def approval_url(order: Order) -> str | None:
    """Where the buyer approves; the link's name depends on how the order was made."""
    for link in order.links:
        if link.rel in ("payer-action", "approve"):
            return link.href
    return None


def order_facts(order: Order, seen: datetime) -> list[ProviderFact]:
    """All that an order tells. What happened to its money is judged by captures, authorizations
    and refunds, never by the order's own status: a COMPLETED order can hold a PENDING capture.

    `seen` stands in where PayPal gives no time.
    """
    at = moment(order.update_time, order.create_time) or seen
    paid = payment_facts(order, seen)
    facts: list[ProviderFact] = []
    match order.status:
        case "CREATED" | "SAVED" | "PAYER_ACTION_REQUIRED":
            url = approval_url(order)
            if url:
                facts.append(CheckoutOpened(provider_order_id=order.id, url=url))
        case "APPROVED":
            facts.append(BuyerApproved(provider_order_id=order.id, at=at))
        case "VOIDED":
            facts.append(Canceled(object_id=order.id, at=at))
        case "COMPLETED" if paid:
            pass
        case state:
            facts.append(Unrecognized(object_id=order.id, state=f"order {state}", at=at))
    if order.status in ("APPROVED", "COMPLETED"):
        facts += paid_with(order)
    return facts + paid


def payment_facts(order: Order, seen: datetime) -> list[ProviderFact]:
    """The facts of an order's authorizations, captures and refunds."""
    facts: list[ProviderFact] = []
    for unit in order.purchase_units:
        for authorization in unit.payments.authorizations:
            facts += authorization_facts(authorization, seen)
        for capture in unit.payments.captures:
            facts += capture_facts(capture, seen)
        facts += refunds_of(unit.payments.refunds, seen)
    return facts


def refunds_of(refunds: Sequence[Transaction], seen: datetime) -> list[ProviderFact]:
    """The facts of several refunds."""
    return [fact for refund in refunds for fact in refund_facts(refund, seen)]


def paid_with(order: Order) -> list[ProviderFact]:
    """How the buyer paid: `paypal` and other wallets by name, cards by brand and last digits."""
    return [
        PaidWith(
            type=kind,
            brand=source.brand.lower() if source.brand else None,
            last4=source.last_digits[-4:] if source.last_digits else None,
        )
        for kind, source in order.payment_source.items()
    ]


def authorization_facts(authorization: Transaction, seen: datetime) -> list[ProviderFact]:
    """Of an authorization. A captured one still counts as authorized: its captures tell more."""
    at = moment(authorization.create_time, authorization.update_time) or seen
    changed = moment(authorization.update_time, authorization.create_time) or seen
    ids = ProviderIds(ids=(authorization.id,))
    reason = authorization.status_details.reason
    match authorization.status:
        case "CREATED" | "CAPTURED" | "PARTIALLY_CAPTURED":
            money = money_of(authorization.amount)
            if money is None:
                return [ids, _unreadable("authorization", authorization, at)]
            held = Authorized(
                authorization_id=authorization.id,
                amount=money.amount,
                currency=money.currency,
                at=at,
                expires_at=moment(authorization.expiration_time),
            )
            return [ids, held]
        case "PENDING":
            return [ids, Pending(object_id=authorization.id, at=at, reason=reason)]
        case "VOIDED":
            return [ids, Canceled(object_id=authorization.id, at=changed)]
        case "DENIED":
            failure = Failed(object_id=authorization.id, code=reason or "DENIED", at=changed)
            return [ids, failure]
        case "EXPIRED":
            return [ids, Expired(object_id=authorization.id, at=changed)]
        case state:
            return [ids, _unknown("authorization", authorization.id, state, changed)]


def capture_facts(capture: Transaction, seen: datetime) -> list[ProviderFact]:
    """Of a capture, with PayPal's fee once it has cleared."""
    at = moment(capture.create_time, capture.update_time) or seen
    changed = moment(capture.update_time, capture.create_time) or seen
    ids = ProviderIds(ids=(capture.id,), payment_id=capture.id)
    reason = capture.status_details.reason
    match capture.status:
        case "COMPLETED" | "PARTIALLY_REFUNDED" | "REFUNDED":
            money = money_of(capture.amount)
            if money is None:
                return [ids, _unreadable("capture", capture, at)]
            captured = Captured(
                capture_id=capture.id, amount=money.amount, currency=money.currency, at=at
            )
            return [ids, captured, *_fee(capture.id, capture.seller_receivable_breakdown, 1)]
        case "PENDING":
            return [ids, Pending(object_id=capture.id, at=at, reason=reason)]
        case "DECLINED" | "FAILED" as state:
            return [ids, Failed(object_id=capture.id, code=reason or state, at=changed)]
        case state:
            return [ids, _unknown("capture", capture.id, state, changed)]


def refund_facts(refund: Transaction, seen: datetime) -> list[ProviderFact]:
    """Of a refund, with what PayPal gave back of its fee (a negative fee)."""
    at = moment(refund.update_time, refund.create_time) or seen
    status, money = REFUND_STATUS.get(refund.status), money_of(refund.amount)
    if status is None:
        return [_unknown("refund", refund.id, refund.status, at)]
    if money is None:
        return [_unreadable("refund", refund, at)]
    updated = RefundUpdated(
        provider_refund_id=refund.id,
        status=status,
        amount=money.amount,
        currency=money.currency,
        at=at,
        refund_id=own_refund_id(refund),
        capture_id=linked_id(refund, "captures"),
        reason=refund.status_details.reason,
    )
    moved = status in ("succeeded", "pending")
    return [updated, *(_fee(refund.id, refund.seller_payable_breakdown, -1) if moved else ())]


def reversal_facts(reversal: Transaction, seen: datetime) -> list[ProviderFact]:
    """Of a capture that PayPal took back by itself. It comes as a refund resource."""
    at = moment(reversal.create_time, reversal.update_time) or seen
    money = money_of(reversal.amount)
    if money is None:
        return [_unreadable("reversal", reversal, at)]
    taken = Reversed(
        reversal_id=reversal.id,
        amount=abs(money.amount),
        currency=money.currency,
        at=at,
        capture_id=linked_id(reversal, "captures"),
    )
    return [taken, *_fee(reversal.id, reversal.seller_payable_breakdown, -1)]


def dispute_facts(dispute: Dispute, seen: datetime) -> list[ProviderFact]:
    """Of a dispute. One that was closed without a decision is for a person to read."""
    at = moment(dispute.update_time, dispute.create_time) or seen
    state, amount = dispute.status, dispute.dispute_amount
    status = DISPUTE_STATUS.get(state)
    if state == "RESOLVED" and dispute.dispute_outcome is not None:
        state = f"RESOLVED {dispute.dispute_outcome.outcome_code}"
        status = DISPUTE_OUTCOME.get(dispute.dispute_outcome.outcome_code)
        if status == "lost":
            amount = dispute.dispute_outcome.amount_refunded or amount
    money = money_of(amount)
    if status is None or money is None:
        return [_unknown("dispute", dispute.dispute_id, state, at)]
    return [
        DisputeUpdated(
            dispute_id=dispute.dispute_id,
            status=status,
            amount=money.amount,
            currency=money.currency,
            at=at,
            reason=dispute.reason,
            due_by=moment(dispute.seller_response_due_date),
            turn=_turn(len(dispute.adjudications)) if state.startswith("RESOLVED") else "",
        )
    ]


def _turn(decisions: int) -> str:
    """A verdict can be the one of before only after it was reversed: after two decisions."""
    return str(decisions) if decisions > 2 else ""


def own_refund_id(refund: Transaction) -> str | None:
    """Our refund id, which we send in both fields. PayPal may put the payment's id there."""
    for value in (refund.custom_id, refund.invoice_id):
        if value and value.startswith("ref_"):
            return value
    return None


def own_payment_id(*values: str | None) -> str | None:
    """The first of `values` that is a payment id of ours."""
    return next((value for value in values if value and value.startswith("pay_")), None)


def linked_id(transaction: Transaction, collection: str) -> str | None:
    """The id at the end of the `up` link, when that leads to `…/{collection}/{id}`."""
    for link in transaction.links:
        head, _, last = link.href.rpartition("/")
        if link.rel == "up" and head.endswith(f"/{collection}") and last:
            return last
    return None


def moment(*texts: str | None) -> datetime | None:
    """The first of `texts` that is an RFC 3339 time, in UTC."""
    for text in texts:
        try:
            at = msgspec.convert(text, datetime)
            if at.tzinfo is not None:
                return at.astimezone(UTC)
        except (msgspec.ValidationError, OverflowError):  # the year 0 of some time zones
            continue
    return None


def money_of(amount: Amount | None) -> Money | None:
    """`amount` in our minor units; None when there is none or it is not exact."""
    if amount is None:
        return None
    try:
        return SCALE.from_decimal(amount.value, amount.currency_code)
    except InvalidAmount:
        return None


def _fee(object_id: str, books: Breakdown | None, sign: int) -> Iterator[Fee]:
    """PayPal's fee from its breakdown; `sign` is -1 for refunds, whose amounts come positive.

    Where the merchant's account is in another currency, the net is what PayPal booked there, and
    the fee is converted at PayPal's own rate unless PayPal names it in that currency too. No
    figure is made up: what cannot be read gives no fact.
    """
    if books is None:
        return
    net, rate = money_of(books.net_amount), None
    booked, exchange = books.receivable_amount, books.exchange_rate
    if books.net_amount_breakdown:
        booked = books.net_amount_breakdown[0].converted_amount
        exchange = books.net_amount_breakdown[0].exchange_rate
    settled = money_of(booked)
    if settled is not None and exchange is not None:
        net, rate = settled, exchange.value
    if net is None:
        return
    fee = Money(0, net.currency) if books.paypal_fee is None else money_of(books.paypal_fee)
    if rate is not None:
        named = money_of(books.paypal_fee_in_receivable_currency)
        fee = named or _converted(fee, rate, net.currency)
    if fee is not None and fee.currency == net.currency:
        yield Fee(
            object_id=object_id,
            fee=sign * fee.amount,
            net=sign * net.amount,
            currency=net.currency,
            rate=rate,
        )


def _converted(fee: Money | None, rate: str, currency: str) -> Money | None:
    """`fee` at PayPal's rate, rounded half to even; itself if it is in `currency` already."""
    if fee is None or fee.currency == currency:
        return fee
    try:
        shift = Decimal(10) ** (exponent(currency) - exponent(fee.currency))
        amount = (Decimal(fee.amount) * Decimal(rate) * shift).quantize(Decimal(1), ROUND_HALF_EVEN)
        return Money(int(amount), currency)
    except (DecimalException, ValueError):  # a rate that is no number
        return None


def _unknown(kind: str, object_id: str, state: str, at: datetime) -> Unrecognized:
    return Unrecognized(object_id=object_id, state=f"{kind} {state or 'without status'}", at=at)


def _unreadable(kind: str, transaction: Transaction, at: datetime) -> Unrecognized:
    amount = transaction.amount
    value = f"{amount.value[:40]} {amount.currency_code[:3]}" if amount else "missing"
    return Unrecognized(object_id=transaction.id, state=f"{kind} amount {value}", at=at)
