"""project(terms, facts) → state: the whole truth about an order, computed from its facts alone.

It is a function of the *set* of facts: their order of arrival and their repetition cannot matter.
That holds because nothing here looks at positions; where facts disagree, a fixed precedence decides
(money that moved beats everything that says it did not), and what cannot be right goes to the
attention list instead of into `paid`.
"""

from collections.abc import Iterable
from typing import TypeVar

from gateway.facts import (
    Authorized,
    BuyerApproved,
    CallSettled,
    CallUnknown,
    Canceled,
    Captured,
    CheckoutOpened,
    CreateRejected,
    Declined,
    Expired,
    Fact,
    Failed,
    OrderCanceled,
    OrderExpired,
    PaidWith,
    PaymentStarted,
    Pending,
    ProviderIds,
    Recorded,
    Unrecognized,
)
from gateway.order import (
    Attention,
    DisputeState,
    Failure,
    Method,
    OrderState,
    OrderStatus,
    OrderTerms,
    PaymentState,
    PaymentStatus,
    RefundState,
)
from gateway.projection_attention import choose_kept, flags, paid_after_close, paid_twice, standing
from gateway.projection_captures import captured_money, held_amiss, total_fee
from gateway.projection_refunds import (
    disputed_amount,
    project_disputes,
    project_refunds,
    refunded_amount,
)

_F = TypeVar("_F", bound=Fact)


class Facts:
    """The facts of one payment (or of the order itself), each kind in a fixed order."""

    def __init__(self, facts: Iterable[Fact]) -> None:
        unique = {fact.key: fact for fact in sorted(facts, key=repr)}
        self._all = [unique[key] for key in sorted(unique)]

    def of(self, kind: type[_F]) -> list[_F]:
        """All facts of one kind, sorted by their natural key."""
        return [fact for fact in self._all if isinstance(fact, kind)]

    def first(self, kind: type[_F]) -> _F | None:
        """The first fact of a kind by natural key, or None."""
        return next(iter(self.of(kind)), None)


def project(terms: OrderTerms, recorded: Iterable[Recorded]) -> OrderState:
    """The state that `recorded` amounts to under `terms`. Pure."""
    by_payment: dict[str, list[Fact]] = {}
    for entry in recorded:
        by_payment.setdefault(entry.payment_id, []).append(entry.fact)
    own = Facts(by_payment.pop("", []))
    groups = {payment_id: Facts(facts) for payment_id, facts in sorted(by_payment.items())}

    payments: list[PaymentState] = []
    refunds: list[RefundState] = []
    disputes: list[DisputeState] = []
    attention: list[Attention] = flags(own, None)
    for payment_id, facts in groups.items():
        captured, complaints = captured_money(terms, payment_id, facts)
        its_refunds, refund_complaints = project_refunds(terms, payment_id, facts, captured)
        its_disputes, dispute_complaints = project_disputes(terms, payment_id, facts)
        payments.append(_payment(terms, payment_id, facts, its_refunds, its_disputes))
        refunds += its_refunds
        disputes += its_disputes
        attention += complaints + refund_complaints + dispute_complaints
        attention += held_amiss(terms, payment_id, facts)
        attention += flags(facts, payment_id)

    payments, kept = choose_kept(payments, groups)
    attention += paid_twice(terms, payments, refunds, disputes)
    attention += paid_after_close(own, kept)
    fee = total_fee(terms, groups, refunds)
    captured_total = sum(payment.amount_captured for payment in payments)
    refunded_total = sum(payment.amount_refunded for payment in payments)
    disputed_total = disputed_amount(terms, disputes)
    return OrderState(
        status=_order_status(own, payments, kept),
        payments=tuple(payments),
        refunds=tuple(sorted(refunds, key=lambda refund: refund.id)),
        disputes=tuple(sorted(disputes, key=lambda dispute: dispute.id)),
        attention=standing(attention, {**groups, "": own}, payments, refunds),
        amount_captured=captured_total,
        amount_refunded=refunded_total,
        amount_refundable=sum(payment.amount_refundable for payment in payments),
        amount_disputed=disputed_total,
        fee=fee,
        net=None if fee is None else captured_total - refunded_total - disputed_total - fee,
        paid_at=kept.captured_at if kept else None,
    )


def _order_status(
    own: Facts, payments: list[PaymentState], kept: PaymentState | None
) -> OrderStatus:
    """First match wins; money that a provider holds beats what we intended."""
    if kept is not None:
        if kept.amount_refunded == 0:
            return "paid"
        return "partially_refunded" if _holds_money(kept) else "refunded"
    states = {payment.status for payment in payments}
    if "processing" in states:
        return "processing"
    if "authorized" in states:
        return "authorized"
    if own.first(OrderCanceled):
        return "canceled"
    if payments and payments[-1].creation_in_doubt and not own.first(OrderExpired):
        return "processing"
    live = states & {"creating", "open"}
    if own.first(OrderExpired) or (payments and payments[-1].status == "expired" and not live):
        return "expired"
    return "open"


def _holds_money(payment: PaymentState) -> bool:
    return payment.amount_refunded < payment.amount_captured


def _payment(
    terms: OrderTerms,
    payment_id: str,
    facts: Facts,
    refunds: list[RefundState],
    disputes: list[DisputeState],
) -> PaymentState:
    started = facts.first(PaymentStarted)
    opened = facts.first(CheckoutOpened)
    authorized = facts.first(Authorized)
    # Refunds go to a capture in the order's own currency, the largest where there are several.
    captures = sorted(
        facts.of(Captured), key=lambda c: (c.currency != terms.currency, -c.amount, c.capture_id)
    )
    capture_id = captures[0].capture_id if captures else None
    captured, complaints = captured_money(terms, payment_id, facts)
    paid_in_full = bool(captures) and not complaints
    status = "captured" if paid_in_full else _unpaid_status(facts)
    held = refunded_amount(terms, refunds, "pending", "succeeded")
    provider_ids = _provider_ids(facts)
    shown = [ids.payment_id for ids in facts.of(ProviderIds) if ids.payment_id]
    return PaymentState(
        id=payment_id,
        provider=started.provider if started else "",
        status=status,
        amount=started.amount if started else terms.amount,
        created_at=started.at if started else None,
        provider_order_id=opened.provider_order_id if opened else None,
        provider_payment_id=capture_id or (shown[0] if shown else None),
        authorization_id=authorized.authorization_id if authorized else None,
        capture_id=capture_id,
        provider_ids=provider_ids,
        checkout_url=opened.url if opened and status == "open" else None,
        method=_method(facts),
        failure=None if paid_in_full else _failure(facts),
        declines=len(facts.of(Declined)),
        amount_captured=captured,
        amount_refunded=refunded_amount(terms, refunds, "succeeded"),
        amount_refundable=max(0, captured - held - disputed_amount(terms, disputes)),
        paid_in_full=paid_in_full,
        creation_in_doubt=status == "creating" and bool(unsettled_calls(facts)),
        captured_at=max((capture.at for capture in captures), default=None),
    )


def _unpaid_status(facts: Facts) -> PaymentStatus:
    """The status of a payment without a valid capture; first match wins."""
    failed = {fact.object_id for fact in facts.of(Failed)}
    over = failed | {fact.object_id for fact in facts.of(Canceled)}
    over |= {fact.object_id for fact in facts.of(Expired)}
    over |= {fact.authorization_id for fact in facts.of(Authorized)}
    clearing = [fact for fact in facts.of(Pending) if fact.object_id not in over]
    # A checkout whose address nobody was given cannot be paid: its creation alone is in doubt.
    unknown = [call for call in unsettled_calls(facts) if call.verb != "create"]
    if facts.first(Captured) or clearing or unknown:
        return "processing"
    if failed or facts.first(CreateRejected):
        return "failed"
    if facts.first(Canceled):
        return "canceled"
    if facts.first(Expired):
        return "expired"
    if facts.first(Unrecognized):
        return "processing"
    if facts.first(Authorized):
        return "authorized"
    if facts.first(BuyerApproved) and not facts.first(Declined):
        return "processing"
    return "open" if facts.first(CheckoutOpened) else "creating"


def unsettled_calls(facts: Facts) -> list[CallUnknown]:
    """Calls whose outcome is still not known."""
    settled = {fact.operation for fact in facts.of(CallSettled)}
    return [fact for fact in facts.of(CallUnknown) if fact.operation not in settled]


def _provider_ids(facts: Facts) -> tuple[str, ...]:
    """Every id under which the provider may speak of this payment, sorted."""
    ids: set[str] = set()
    for opened in facts.of(CheckoutOpened):
        ids.add(opened.provider_order_id)
    for more in facts.of(ProviderIds):
        ids.update(more.ids)
    for authorized in facts.of(Authorized):
        ids.add(authorized.authorization_id)
    for capture in facts.of(Captured):
        ids.add(capture.capture_id)
    for pending in facts.of(Pending):
        ids.add(pending.object_id)
    return tuple(sorted(ids))


def _method(facts: Facts) -> Method | None:
    """The most telling method known: one with a card number end beats a bare type."""
    known = sorted(facts.of(PaidWith), key=lambda fact: (fact.last4 is None, fact.key))
    return Method(known[0].type, known[0].brand, known[0].last4) if known else None


def _failure(facts: Facts) -> Failure | None:
    """The final failure if there is one, else the latest decline."""
    final: list[Failed | CreateRejected | Declined] = [
        *facts.of(Failed),
        *facts.of(CreateRejected),
    ]
    latest = sorted(final or facts.of(Declined), key=lambda fact: (fact.at, fact.key))
    return Failure(latest[-1].code, latest[-1].message) if latest else None
