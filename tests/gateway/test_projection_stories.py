"""Realistic stories, told in every order: the same end, written down by hand.

Each story is what a provider's webhooks and our own calls say about it, six facts at most, so that
all 720 orders of arrival can be tried, and each fact said twice.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

import msgspec
import pytest

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
    ProviderIds,
    Recorded,
    RefundRejected,
    Reversed,
    Unrecognized,
)
from gateway.order import OrderState, OrderTerms
from gateway.projection import project
from gateway.recording import event_types
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
    dispute,
    opened,
    refund,
    reserved,
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


def _fee(fee: int, net: int, of: str = "cap_1", booked: str = "txn_1") -> Fee:
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
            _fee(187, 5213),
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
        told=["order.expired", "order.paid"],
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
    Story(
        "refunded in parts",
        [
            started(),
            captured(),
            reserved("ref_1", 2000),
            refund("re_1", "succeeded", 2000, "ref_1"),
            reserved("ref_2", 3400),
            refund("re_2", "succeeded", 3400, "ref_2"),
        ],
        status="refunded",
        payment="captured",
        paid=(DUE, DUE, 0),
        told=["order.paid"] + ["refund.created", "refund.succeeded"] * 2,
    ),
    Story(
        "a refund that was first seen without our id",
        [
            started(),
            captured(),
            reserved("ref_1", 2000),
            refund("re_1", "pending", 2000),
            refund("re_1", "succeeded", 2000, "ref_1"),
        ],
        status="partially_refunded",
        payment="captured",
        paid=(DUE, 2000, 3400),
    ),
    Story(
        "a refund that failed after it had succeeded",
        [
            started(),
            captured(),
            reserved("ref_1", DUE),
            refund("re_1", "succeeded", DUE, "ref_1"),
            refund("re_1", "failed", DUE, "ref_1"),
        ],
        status="paid",
        payment="captured",
        paid=(DUE, 0, DUE),
        attention=["refund_failed_late"],
        told=[
            "order.paid",
            "refund.created",
            "refund.succeeded",
            "refund.failed",
            "order.attention",
        ],
    ),
    Story(
        "a refund that the provider refused",
        [
            started(),
            captured(),
            reserved("ref_1", DUE),
            RefundRejected(refund_id="ref_1", code="no_balance", message="no", at=at(12)),
        ],
        status="paid",
        payment="captured",
        paid=(DUE, 0, DUE),
        told=["order.paid", "refund.created", "refund.failed"],
    ),
    Story(
        "a refund made in the provider's dashboard",
        [started(), captured(), refund("re_1", "succeeded", 1000)],
        status="partially_refunded",
        payment="captured",
        paid=(DUE, 1000, 4400),
        told=["order.paid", "refund.created", "refund.succeeded"],
    ),
    Story(
        "disputed and lost",
        [
            started(),
            captured(),
            _fee(187, 5213),
            dispute("needs_response"),
            dispute("lost"),
            _fee(1500, -6900, "dp_1", "txn_2"),
        ],
        status="paid",
        payment="captured",
        paid=(DUE, 0, 0),
        told=["order.paid", "dispute.opened", "order.attention", "dispute.closed"],
        more={"fee": 1687, "net": -1687, "amount_disputed": DUE},
    ),
    Story(
        "disputed and won: the money is taken, and given back",
        [
            started(),
            captured(),
            _fee(187, 5213),
            dispute("won"),
            _fee(1500, -6900, "dp_1", "txn_2"),
            _fee(-1500, 6900, "dp_1", "txn_3"),
        ],
        status="paid",
        payment="captured",
        paid=(DUE, 0, DUE),
        told=["order.paid", "dispute.opened", "dispute.closed"],
        more={"fee": 187, "net": 5213, "amount_disputed": 0},
    ),
    Story(
        "reversed by the provider, which also lists it as a refund",
        [
            started(),
            captured(),
            Reversed(reversal_id="re_9", amount=DUE, currency="USD", at=at(20)),
            refund("re_9", "succeeded", DUE),
        ],
        status="paid",
        payment="captured",
        paid=(DUE, 0, 0),
        attention=["reversed"],
        told=["order.paid", "dispute.opened", "dispute.closed", "order.attention"],
    ),
    Story(
        "another amount",
        [started(), opened(), captured(5399)],
        status="processing",
        payment="processing",
        paid=(5399, 0, 5399),
        attention=["amount_mismatch"],
        told=["order.processing", "order.attention"],
    ),
    Story(
        "another currency",
        [started(), opened(), captured(currency="JPY")],
        status="processing",
        payment="processing",
        attention=["currency_mismatch"],
        told=["order.processing", "order.attention"],
    ),
    Story(
        "the first attempt fails late",
        [started("acme"), opened("co_1"), Failed(object_id="co_1", code="x", at=at(9))],
        second=[started("umbrella", 2), opened("co_2")],
        status="open",
        payment="failed",
        told=["payment.failed"],
        more={"current": "open"},
    ),
    Story(
        "the first attempt is paid late, the second is paid too",
        [started("acme"), opened("co_1"), captured()],
        second=[started("umbrella", 2), captured(id="cap_2", minute=8)],
        status="paid",
        payment="captured",
        paid=(2 * DUE, 0, 2 * DUE),
        attention=["paid_twice"],
        told=["order.paid", "order.attention"],
        more={"paid_at": at(5)},
    ),
    Story(
        "paid twice, and the second given back",
        [started("acme"), captured()],
        second=[
            started("umbrella", 2),
            captured(id="cap_2"),
            reserved("ref_1", DUE),
            refund("re_1", "succeeded", DUE, "ref_1"),
        ],
        status="paid",
        payment="captured",
        paid=(2 * DUE, DUE, DUE),
    ),
    Story(
        "paid twice, and the first given back: the second is what the order stands on",
        [started("acme"), captured(), refund("re_1", "succeeded", DUE)],
        second=[started("umbrella", 2), captured(id="cap_2")],
        status="paid",
        payment="captured",
        paid=(2 * DUE, DUE, DUE),
        attention=["paid_twice"],
    ),
]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_every_order_of_arrival_comes_to_the_same_end(story: Story) -> None:
    assert len(story.recorded) <= 6
    expected = project(story.terms, story.recorded)

    _check(story, expected)
    for arrival in permutations(story.recorded):
        assert project(story.terms, arrival) == expected
    assert project(story.terms, story.recorded * 2) == expected


def _check(story: Story, state: OrderState) -> None:
    amounts = (state.amount_captured, state.amount_refunded, state.amount_refundable)
    assert (state.status, state.payment(FIRST).status) == (story.status, story.payment)
    assert amounts == story.paid
    assert sorted(item.kind for item in state.attention) == sorted(story.attention)
    for name, value in story.more.items():
        if name == "current":
            assert state.current is not None
            assert state.current.status == value
        else:
            assert getattr(state, name) == value


@pytest.mark.parametrize(
    "story", [story for story in STORIES if story.told], ids=lambda story: story.name
)
def test_what_the_merchant_is_told_as_the_story_goes(story: Story) -> None:
    assert _told(story.terms, story.recorded) == list(story.told)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_paid_is_told_once_in_every_order_of_arrival(story: Story) -> None:
    paid = story.status in ("paid", "partially_refunded", "refunded")
    # A refund may overtake its capture: then the order was never just `paid`.
    refunded = any(entry.fact.kind == "refund_updated" for entry in story.recorded)
    for arrival in permutations(story.recorded):
        told = Counter(_told(story.terms, arrival))
        assert told["order.paid"] in ({0, 1} if refunded else {int(paid)})


def _told(terms: OrderTerms, recorded: Sequence[Recorded]) -> list[str]:
    told: list[str] = []
    before = project(terms, [])
    for length in range(1, len(recorded) + 1):
        after = project(terms, recorded[:length])
        told += event_types(before, after)
        before = after
    return told


def test_ids_that_come_in_several_ways_are_all_kept() -> None:
    facts = [
        opened(),
        ProviderIds(ids=("pi_1", "ch_1"), payment_id="pi_1"),
        authorized(),
        Pending(object_id="cap_0", at=at()),
        captured(),
    ]

    payment = project(TERMS, [Recorded(FIRST, fact) for fact in facts]).payment(FIRST)

    assert payment.provider_ids == ("au_1", "cap_0", "cap_1", "ch_1", "co_1", "pi_1")
