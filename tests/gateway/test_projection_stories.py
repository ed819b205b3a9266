"""Realistic stories, told in every order: the same end, written down by hand.

Each story is what a provider's webhooks and our own calls say about it, six facts at most, so that
all 720 orders of arrival can be tried, and each fact said twice.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import permutations

import pytest

from gateway.facts import (
    Fact,
    Pending,
    ProviderIds,
    Recorded,
)
from gateway.order import OrderState, OrderTerms
from gateway.projection import project
from gateway.recording import event_types
from tests.gateway.aftermath import AFTERMATH
from tests.gateway.build import (
    FIRST,
    TERMS,
    at,
    authorized,
    captured,
    opened,
)
from tests.gateway.stories import STORIES, Story

ALL = STORIES + AFTERMATH


@pytest.mark.parametrize("story", ALL, ids=lambda story: story.name)
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
    "story", [story for story in ALL if story.told], ids=lambda story: story.name
)
def test_what_the_merchant_is_told_as_the_story_goes(story: Story) -> None:
    assert _told(story.terms, story.recorded) == list(story.told)


@pytest.mark.parametrize("story", ALL, ids=lambda story: story.name)
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
    facts: list[Fact] = [
        opened(),
        ProviderIds(ids=("pi_1", "ch_1"), payment_id="pi_1"),
        authorized(),
        Pending(object_id="cap_0", at=at()),
        captured(),
    ]

    payment = project(TERMS, [Recorded(FIRST, fact) for fact in facts]).payment(FIRST)

    assert payment.provider_ids == ("au_1", "cap_0", "cap_1", "ch_1", "co_1", "pi_1")
