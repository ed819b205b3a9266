"""Short ways to write facts and orders down."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.facts import (
    Authorized,
    BuyerApproved,
    Captured,
    CheckoutOpened,
    DisputeStatus,
    DisputeUpdated,
    Fact,
    PaymentStarted,
    Recorded,
    RefundReserved,
    RefundStatus,
    RefundUpdated,
)
from gateway.order import OrderState, OrderTerms, PaymentState
from gateway.projection import project

DUE = 5400
TERMS = OrderTerms(order_id="ord_1", amount=DUE, currency="USD")
MANUAL = OrderTerms(order_id="ord_1", amount=DUE, currency="USD", capture="manual")

#: Three payments of one order, in the order in which they were started.
FIRST, SECOND, THIRD = (f"pay_{n:012x}70008{n:015x}" for n in (1, 2, 3))


def at(minute: float = 0) -> datetime:
    """A moment, counted in minutes from the beginning of the story."""
    return datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(minutes=minute)


def state_of(
    *facts: Fact, terms: OrderTerms = TERMS, order: Iterable[Fact] = (), **more: Iterable[Fact]
) -> OrderState:
    """The state of an order whose first payment has `facts`.

    `order` are facts of the order itself; `second` and `third` those of further payments.
    """
    ids = {"second": SECOND, "third": THIRD}
    recorded = [Recorded(FIRST, fact) for fact in facts]
    recorded += [Recorded("", fact) for fact in order]
    recorded += [Recorded(ids[name], fact) for name, its in more.items() for fact in its]
    return project(terms, recorded)


def payment_of(*facts: Fact, terms: OrderTerms = TERMS) -> PaymentState:
    """The state of a payment with these facts."""
    return state_of(*facts, terms=terms).payment(FIRST)


def kinds(state: OrderState) -> list[str]:
    """What stands in the attention list, in alphabetical order."""
    return sorted(item.kind for item in state.attention)


def started(provider: str = "acme", minute: float = 0) -> PaymentStarted:
    return PaymentStarted(provider=provider, amount=DUE, currency="USD", at=at(minute))


def opened(provider_order_id: str = "co_1") -> CheckoutOpened:
    url = f"https://pay.example/{provider_order_id}"
    return CheckoutOpened(provider_order_id=provider_order_id, url=url)


def approved(provider_order_id: str = "co_1") -> BuyerApproved:
    return BuyerApproved(provider_order_id=provider_order_id, at=at(3))


def authorized(amount: int = DUE, currency: str = "USD", id: str = "au_1") -> Authorized:
    return Authorized(authorization_id=id, amount=amount, currency=currency, at=at(4))


def captured(
    amount: int = DUE, currency: str = "USD", id: str = "cap_1", minute: float = 5
) -> Captured:
    return Captured(capture_id=id, amount=amount, currency=currency, at=at(minute))


def reserved(refund_id: str, amount: int, minute: float = 10) -> RefundReserved:
    return RefundReserved(refund_id=refund_id, amount=amount, currency="USD", at=at(minute))


def refund(
    provider_refund_id: str,
    status: RefundStatus,
    amount: int,
    ours: str | None = None,
    minute: float = 11,
    **more: Any,
) -> RefundUpdated:
    return RefundUpdated(
        provider_refund_id=provider_refund_id,
        status=status,
        amount=amount,
        at=at(minute),
        refund_id=ours,
        **({"currency": "USD"} | more),
    )


def dispute(
    status: DisputeStatus, amount: int = DUE, id: str = "dp_1", **more: Any
) -> DisputeUpdated:
    return DisputeUpdated(
        dispute_id=id, status=status, amount=amount, at=at(20), **({"currency": "USD"} | more)
    )
