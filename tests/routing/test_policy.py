"""The policy as a pure function: for any policy and any providers."""

from collections import Counter
from collections.abc import Collection
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import InvalidRequest
from gateway.routing import (
    DEFAULT,
    OTHERS,
    Candidate,
    RoutingPolicy,
    RoutingRule,
    Wanted,
    check,
    fits,
    rank,
)

NAMES = ("acme", "bolt", "cash", "dime")
ALL = [Candidate(name) for name in NAMES]


@st.composite
def shares(draw: st.DrawFn) -> dict[str, int]:
    """Some providers and percents that add up to 100."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    cuts = draw(st.sets(st.integers(1, 99), min_size=len(names) - 1, max_size=len(names) - 1))
    bounds = [0, *sorted(cuts), 100]
    return {name: bounds[i + 1] - bounds[i] for i, name in enumerate(names)}


@st.composite
def rules(draw: st.DrawFn) -> RoutingRule:
    """Any rule that is accepted."""
    conditions: dict[str, Any] = {}
    if draw(st.booleans()):
        conditions["currencies"] = tuple(draw(st.sets(st.sampled_from(("EUR", "USD")), min_size=1)))
    if draw(st.booleans()):
        conditions["countries"] = tuple(draw(st.sets(st.sampled_from(("DE", "US")), min_size=1)))
    if len(conditions.get("currencies", ())) == 1 and draw(st.booleans()):
        least = draw(st.integers(1, 20))
        conditions |= {"min_amount": least, "max_amount": draw(st.integers(least, 30))}
    if draw(st.booleans()):
        return RoutingRule(shares=draw(shares()), **conditions)
    names = draw(st.lists(st.sampled_from(NAMES), unique=True))
    others = [OTHERS] if not names or draw(st.booleans()) else []
    return RoutingRule(providers=(*names, *others), **conditions)


policies = st.builds(
    RoutingPolicy,
    rules=st.lists(rules(), min_size=1, max_size=5).map(tuple),
    avoid_degraded=st.booleans(),
)
wishes = st.builds(
    Wanted,
    currency=st.sampled_from(("EUR", "USD", None)),
    amount=st.none() | st.integers(1, 40),
    country=st.sampled_from(("DE", "US", None)),
)
candidates = st.lists(
    st.builds(
        Candidate,
        name=st.sampled_from(NAMES),
        obstacle=st.sampled_from(("", "", "it does not take this")),
        degraded=st.booleans(),
        again=st.booleans(),
    ),
    unique_by=lambda candidate: candidate.name,
)
order_ids = st.integers(0, 2**128 - 1).map(lambda number: f"ord_{number:032x}")


@given(policies, wishes, candidates, order_ids | st.none())
def test_everybody_is_ranked_or_excluded_once_with_a_reason(
    policy: RoutingPolicy, wanted: Wanted, able: Collection[Candidate], order_id: str | None
) -> None:
    ranking = rank(policy, wanted, able, order_id)
    named = [one.name for one in (*ranking.ranked, *ranking.excluded)]
    assert len(named) == len(set(named))
    assert {candidate.name for candidate in able} <= set(named)
    assert all(one.reason for one in (*ranking.ranked, *ranking.excluded))


@given(policies, wishes, candidates, order_ids)
def test_who_cannot_serve_or_is_not_named_is_never_chosen(
    policy: RoutingPolicy, wanted: Wanted, able: Collection[Candidate], order_id: str
) -> None:
    fitting = [rule for rule in policy.rules if fits(rule, wanted)]
    allowed = {name for rule in fitting for name in (*rule.providers, *rule.shares)}
    for one in rank(policy, wanted, able, order_id).ranked:
        (candidate,) = [candidate for candidate in able if candidate.name == one.name]
        assert not candidate.obstacle
        assert one.name in allowed or OTHERS in allowed


@given(policies, wishes, candidates, order_ids)
def test_it_depends_on_nothing_but_what_it_is_given(
    policy: RoutingPolicy, wanted: Wanted, able: list[Candidate], order_id: str
) -> None:
    again = msgspec.json.decode(msgspec.json.encode(policy), type=RoutingPolicy)
    assert rank(policy, wanted, able, order_id) == rank(again, wanted, able[::-1], order_id)


@given(policies, wishes, candidates, order_ids)
def test_without_one_of_them_the_others_keep_their_order(
    policy: RoutingPolicy, wanted: Wanted, able: list[Candidate], order_id: str
) -> None:
    whole = [one.name for one in rank(policy, wanted, able, order_id).ranked]
    for gone in whole:
        left = [
            msgspec.structs.replace(candidate, obstacle="gone")
            if candidate.name == gone
            else candidate
            for candidate in able
        ]
        rest = [one.name for one in rank(policy, wanted, left, order_id).ranked]
        assert rest == [name for name in whole if name != gone]


@given(policies, wishes, candidates, order_ids)
def test_good_health_comes_first_where_that_is_wanted(
    policy: RoutingPolicy, wanted: Wanted, able: list[Candidate], order_id: str
) -> None:
    fresh = [msgspec.structs.replace(candidate, again=False) for candidate in able]
    bad = {candidate.name for candidate in fresh if candidate.degraded}
    ranked = [one.name for one in rank(policy, wanted, fresh, order_id).ranked]
    healthy = [msgspec.structs.replace(candidate, degraded=False) for candidate in fresh]
    by_rules = [one.name for one in rank(policy, wanted, healthy, order_id).ranked]
    if policy.avoid_degraded:
        by_rules.sort(key=lambda name: name in bad)
    assert ranked == by_rules


@settings(max_examples=20)
@given(shares(), st.integers(0, 2**64))
def test_shares_converge(parts: dict[str, int], seed: int) -> None:
    policy = RoutingPolicy(rules=(RoutingRule(shares=parts),))
    number = 2000
    chosen = Counter(
        rank(policy, Wanted(), ALL, f"ord_{seed + index:032x}").ranked[0].name
        for index in range(number)
    )
    for name, percent in parts.items():
        # Five standard deviations: one order in a million would be outside.
        spread = 5 * (percent * (100 - percent) / number) ** 0.5
        assert abs(100 * chosen[name] / number - percent) <= spread + 0.1


def test_what_is_left_is_shared_in_the_same_proportion() -> None:
    policy = RoutingPolicy(rules=(RoutingRule(shares={"acme": 50, "bolt": 30, "cash": 20}),))
    able = [Candidate("acme", obstacle="down"), *ALL[1:]]
    chosen = Counter(
        rank(policy, Wanted(), able, f"ord_{index:032x}").ranked[0].name for index in range(5000)
    )
    assert chosen["bolt"] / 5000 == pytest.approx(0.6, abs=0.03)
    assert chosen["cash"] / 5000 == pytest.approx(0.4, abs=0.03)


def test_a_drawing_stays_what_it_was() -> None:
    """Orders of the past must be explained by the versions of the future."""
    policy = RoutingPolicy(rules=(RoutingRule(shares={"acme": 50, "bolt": 30, "cash": 20}),))
    ranked = rank(policy, Wanted(), ALL, "ord_019b76daa8007aaabbbbccccddddeeee").ranked
    assert [(one.name, one.reason) for one in ranked] == DRAWN


DRAWN = [
    ("acme", "rule 1: drawn for its share of 50 percent (43 of 100, by the id)"),
    ("bolt", "rule 1: drawn for its share of 30 percent (5 of 50, by the id)"),
    ("cash", "rule 1: drawn for its share of 20 percent (12 of 20, by the id)"),
]


class Story(NamedTuple):
    """A policy, and who is first for an order."""

    rules: list[dict[str, Any]]
    first: list[str]
    wanted: Wanted = Wanted("EUR", 2000, "DE")


EUR_SMALL = {"currencies": ["EUR"], "max_amount": 1000, "providers": ["cash"]}


@pytest.mark.parametrize(
    "story",
    [
        Story([{"providers": ["*"]}], ["acme", "bolt", "cash", "dime"]),
        Story([{"providers": ["dime", "*"]}], ["dime", "acme", "bolt", "cash"]),
        Story([{"providers": ["dime", "bolt"]}], ["dime", "bolt"]),
        Story([{"countries": ["DE"], "providers": ["bolt"]}], ["bolt"]),
        Story([{"countries": ["FR"], "providers": ["bolt"]}], []),
        Story([{"countries": ["DE"], "providers": ["bolt"]}], [], Wanted("EUR", 2000)),
        Story([EUR_SMALL, {"providers": ["acme"]}], ["acme"]),
        Story([EUR_SMALL, {"providers": ["acme"]}], ["cash", "acme"], Wanted("EUR", 1000)),
        Story([EUR_SMALL, {"providers": ["acme"]}], ["acme"], Wanted("EUR")),
        Story([EUR_SMALL, {"providers": ["acme"]}], ["acme"], Wanted("USD", 1000)),
        Story([EUR_SMALL | {"min_amount": 2000, "max_amount": 2000}], ["cash"]),
        Story([EUR_SMALL | {"min_amount": 2001, "max_amount": 3000}], []),
        Story([{"providers": ["bolt"]}, {"providers": ["acme", "bolt"]}], ["bolt", "acme"]),
        Story([{"shares": {"cash": 30, "bolt": 70}}], ["bolt", "cash"]),
    ],
)
def test_rules_are_read_from_the_top(story: Story) -> None:
    policy = msgspec.convert({"rules": story.rules}, type=RoutingPolicy)
    assert [one.name for one in rank(policy, story.wanted, ALL).ranked] == story.first


def test_reasons_name_the_rule_and_what_overruled_it() -> None:
    policy = RoutingPolicy(
        rules=(RoutingRule(currencies=("USD",), providers=("acme",)), RoutingRule(providers=NAMES))
    )
    able = [
        Candidate("acme", degraded=True),
        Candidate("bolt", obstacle="Bolt does not take EUR"),
        Candidate("cash", again=True),
        Candidate("evil"),
    ]
    ranking = rank(policy, Wanted("EUR"), able)
    assert [(one.name, one.reason) for one in ranking.ranked] == [
        (
            "acme",
            "rule 2: its choice 1; its last calls failed, so those in good health come first",
        ),
        (
            "cash",
            "rule 2: its choice 3; it is in use for this order already, so others come first",
        ),
    ]
    assert [(one.name, one.reason) for one in ranking.excluded] == [
        ("bolt", "Bolt does not take EUR"),
        ("evil", "no rule of the policy that fits names it"),
        ("dime", "it is not switched on"),
    ]
    assert rank(DEFAULT, Wanted(), ALL).ranked[0].reason == "no policy: any other, by name"


@given(policies)
def test_every_policy_of_these_tests_is_accepted(policy: RoutingPolicy) -> None:
    check(policy, NAMES)


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ({}, "rules[1]"),
        ({"providers": ["acme"], "shares": {"acme": 100}}, "rules[1]"),
        ({"shares": {"acme": 60, "bolt": 30}}, "rules[1].shares"),
        ({"shares": {"acme": 60, "nobody": 40}}, "rules[1].shares.nobody"),
        ({"shares": {"*": 100}}, "rules[1].shares.*"),
        ({"providers": ["*", "acme"]}, "rules[1].providers"),
        ({"providers": ["acme", "acme"]}, "rules[1].providers[1]"),
        ({"providers": ["acme", "nobody"]}, "rules[1].providers[1]"),
        ({"providers": ["auto"]}, "rules[1].providers[0]"),
        ({"providers": ["*"], "currencies": ["EUR", "XXX"]}, "rules[1].currencies[1]"),
        ({"providers": ["*"], "min_amount": 5}, "rules[1].min_amount"),
        (
            {"providers": ["*"], "max_amount": 5, "currencies": ["EUR", "USD"]},
            "rules[1].max_amount",
        ),
        (
            {"providers": ["*"], "currencies": ["EUR"], "min_amount": 6, "max_amount": 5},
            "rules[1].max_amount",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_path(rule: dict[str, Any], path: str) -> None:
    policy = msgspec.convert({"rules": [{"providers": ["*"]}, rule]}, type=RoutingPolicy)
    with pytest.raises(InvalidRequest) as caught:
        check(policy, NAMES)
    assert caught.value.path == path
