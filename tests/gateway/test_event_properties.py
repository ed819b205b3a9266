"""What holds of the events that a merchant is told, whatever the facts are."""

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.facts import (
    Captured,
    Recorded,
)
from gateway.order import OrderTerms
from gateway.projection import project
from gateway.recording import event_types
from tests.gateway import strategies
from tests.gateway.build import DUE


@settings(max_examples=80)
@given(strategies.terms, strategies.histories, st.data())
def test_paid_is_told_once_however_the_news_come_in(
    terms: OrderTerms, history: list[Recorded], data: Any
) -> None:
    """Where no capture is amiss, `order.paid` is told as often as the order was paid: once."""
    history = [e for e in history if not isinstance(e.fact, Captured) or _exact(e.fact)]
    told = _told(terms, data.draw(st.permutations(history)))

    holds = project(terms, history).status in ("paid", "partially_refunded", "refunded")
    # A refund that was seen before its capture leaves no moment at which the order was `paid`.
    assert told["order.paid"] <= int(holds)


def _exact(fact: Captured) -> bool:
    return (fact.capture_id, fact.amount, fact.currency) == ("obj_1", DUE, "USD")


def _told(terms: OrderTerms, history: list[Recorded]) -> Counter[str]:
    told: Counter[str] = Counter()
    before = project(terms, [])
    for length in range(1, len(history) + 1):
        after = project(terms, history[:length])
        told.update(event_types(before, after))
        before = after
    return told


@settings(max_examples=60)
@given(strategies.terms, strategies.histories)
def test_a_known_state_tells_nothing(terms: OrderTerms, history: list[Recorded]) -> None:
    state = project(terms, history)

    assert event_types(state, state) == []
    told = event_types(project(terms, []), state)
    assert set(told) <= EVENT_TYPES


EVENT_TYPES = {
    "order.processing",
    "order.authorized",
    "order.paid",
    "order.canceled",
    "order.expired",
    "payment.failed",
    "refund.created",
    "refund.succeeded",
    "refund.failed",
    "dispute.opened",
    "dispute.closed",
    "order.attention",
}
