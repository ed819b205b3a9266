"""Realistic stories of orders, each with its end and what is told of it, written down by hand."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.facts import (
    CallSettled,
    CallUnknown,
    Canceled,
    CaptureRequested,
    CreateRejected,
    Declined,
    Expired,
    Fact,
    Failed,
    Fee,
    OrderCanceled,
    OrderExpired,
    PaidWith,
    Pending,
    Recorded,
    Unrecognized,
)
from gateway.order import OrderTerms
from tests.gateway.build import (
    DUE,
    FIRST,
    MANUAL,
    SECOND,
    TERMS,
    approved,
    at,
    authorized,
    captured,
    opened,
    started,
)


class Story(msgspec.Struct):
    """Facts of the first payment, the second one and the order; how it ends and what is told.

    `paid`: captured, refunded, refundable. `told`: the events over the story as it is written.
    """

    name: str
    first: Sequence[Fact]
    status: str
    payment: str
    paid: tuple[int, int, int] = (0, 0, 0)
    attention: Sequence[str] = ()
    told: Sequence[str] = ()
    second: Sequence[Fact] = ()
    order: Sequence[Fact] = ()
    terms: OrderTerms = TERMS
    more: Mapping[str, Any] = {}

    @property
    def recorded(self) -> list[Recorded]:
        return [
            *(Recorded(FIRST, fact) for fact in self.first),
            *(Recorded(SECOND, fact) for fact in self.second),
            *(Recorded("", fact) for fact in self.order),
        ]


def fee_of(fee: int, net: int, of: str = "cap_1", booked: str = "txn_1") -> Fee:
    return Fee(object_id=of, fee=fee, net=net, currency="USD", balance_id=booked)


_DECLINE = Declined(attempt_id="ch_1", code="card_declined", at=at(2), message="no")
_UNKNOWN = CallUnknown(operation="k#0", verb="confirm", at=at(6))
_SETTLED = CallSettled(operation="k#0", at=at(7))

STORIES = [
    Story(
        "paid",
        [
            started(),
            opened(),
            approved(),
            captured(),
            fee_of(187, 5213),
            PaidWith(type="card", brand="visa", last4="4242"),
        ],
        status="paid",
        payment="captured",
        paid=(DUE, 0, DUE),
        told=["order.processing", "order.paid"],
        more={"fee": 187, "net": 5213, "paid_at": at(5)},
    ),
    Story(
        "declined, then paid",
        [started(), opened(), _DECLINE, captured()],
        status="paid",
        payment="captured",
        paid=(DUE, 0, DUE),
        told=["order.paid"],
    ),
    Story(
        "declined, and the buyer may try again",
        [started(), opened(), approved(), _DECLINE],
        status="open",
        payment="open",
        told=["order.processing"],
    ),
    Story(
        "the checkout was refused by the provider",
        [started(), CreateRejected(code="invalid", message="no", at=at(1))],
        status="open",
        payment="failed",
        told=["payment.failed"],
    ),
    Story(
        "pending, then paid",
        [started(), opened(), approved(), Pending(object_id="cap_1", at=at(4)), captured()],
        status="paid",
        payment="captured",
        paid=(DUE, 0, DUE),
        told=["order.processing", "order.paid"],
    ),
    Story(
        "pending, then failed",
        [
            started(),
            opened(),
            approved(),
            Pending(object_id="pi_1", at=at(4)),
            Failed(object_id="pi_1", code="async_payment_failed", at=at(5)),
        ],
        status="open",
        payment="failed",
        told=["order.processing", "payment.failed"],
    ),
    Story(
        "pending, then voided: nothing is to clear any more",
        [
            started(),
            opened(),
            Pending(object_id="au_1", at=at(4)),
            Canceled(object_id="au_1", at=at(5)),
        ],
        status="open",
        payment="canceled",
        told=["order.processing"],
    ),
    Story(
        "pending, and then out of time",
        [
            started(),
            opened(),
            Pending(object_id="au_1", at=at(4)),
            Expired(object_id="au_1", at=at(5)),
        ],
        status="expired",
        payment="expired",
        told=["order.processing", "order.expired"],
    ),
    Story(
        "one capture failed, another is clearing",
        [
            started(),
            opened(),
            Pending(object_id="cap_1", at=at(4)),
            Failed(object_id="cap_1", code="x", at=at(5)),
            Pending(object_id="cap_2", at=at(6)),
        ],
        status="processing",
        payment="processing",
        told=["order.processing", "payment.failed", "order.processing"],
    ),
    Story(
        "held, then captured in part as asked",
        [
            started(),
            opened(),
            authorized(),
            CaptureRequested(amount=2000, currency="USD", at=at(6)),
            captured(2000),
        ],
        terms=MANUAL,
        status="paid",
        payment="captured",
        paid=(2000, 0, 2000),
        told=["order.authorized", "order.paid"],
    ),
    Story(
        "held, then captured in two parts that add up",
        [started(), opened(), authorized(), captured(2000), captured(3400, id="cap_2")],
        terms=MANUAL,
        status="paid",
        payment="captured",
        paid=(DUE, 0, DUE),
        attention=[],
        told=["order.authorized", "order.processing", "order.attention", "order.paid"],
    ),
    Story(
        "held, and then given up",
        [started(), opened(), authorized(), Canceled(object_id="au_1", at=at(6))],
        order=[OrderCanceled(at=at(6))],
        terms=MANUAL,
        status="canceled",
        payment="canceled",
        told=["order.authorized", "order.canceled"],
    ),
    Story(
        "held for too long",
        [started(), opened(), authorized(), Expired(object_id="au_1", at=at(9))],
        terms=MANUAL,
        status="expired",
        payment="expired",
        told=["order.authorized", "order.expired"],
    ),
    Story(
        "canceled by the merchant",
        [started(), opened(), Canceled(object_id="co_1", at=at(6))],
        order=[OrderCanceled(at=at(6))],
        status="canceled",
        payment="canceled",
        told=["order.canceled"],
    ),
    Story(
        "expired",
        [started(), opened(), Expired(object_id="co_1", at=at(30))],
        order=[OrderExpired(at=at(31))],
        status="expired",
        payment="expired",
        told=["order.expired"],
    ),
    Story(
        "expired and canceled here, yet paid there",
        [started(), opened(), Expired(object_id="co_1", at=at(30)), captured()],
        order=[OrderExpired(at=at(31)), OrderCanceled(at=at(32))],
        status="paid",
        payment="captured",
        paid=(DUE, 0, DUE),
        attention=["paid_after_close"],
        told=["order.expired", "order.paid", "order.attention"],
    ),
    Story(
        "unknown, then paid",
        [started(), opened(), _UNKNOWN, captured(), _SETTLED],
        status="paid",
        payment="captured",
        paid=(DUE, 0, DUE),
        told=["order.processing", "order.paid"],
    ),
    Story(
        "unknown, and nothing had happened",
        [started(), opened(), _UNKNOWN, _SETTLED],
        status="open",
        payment="open",
        told=["order.processing"],
    ),
    Story(
        "it is not known whether the checkout was opened",
        [started(), CallUnknown(operation="k#0", verb="create", at=at(1))],
        status="processing",
        payment="creating",
        told=["order.processing"],
    ),
    Story(
        "a state that nobody knows",
        [started(), opened(), Unrecognized(object_id="co_1", state="frozen", at=at(2))],
        status="processing",
        payment="processing",
        attention=["unrecognized_state"],
        told=["order.processing", "order.attention"],
    ),
]
