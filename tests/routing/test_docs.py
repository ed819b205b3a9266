"""docs/routing.md says what is so."""

import json
from typing import Any

import msgspec
import pytest

from gateway.routing import DEFAULT, Candidate, RoutingPolicy, RoutingRule, Wanted, check, rank
from tests.docs.markdown import blocks, page, table

PAGE = "docs/routing.md"
PROVIDERS = ("other", "paypal", "stripe")
EXAMPLES = [json.loads(block.text) for block in blocks(PAGE) if block.language == "json"]


def first(policy: Any, currency: str, amount: int, country: str | None = None) -> list[str]:
    """The ranking of an order."""
    rules = msgspec.convert(policy, type=RoutingPolicy)
    candidates = [Candidate(name) for name in PROVIDERS]
    ranking = rank(rules, Wanted(currency, amount, country), candidates)
    return [one.name for one in ranking.ranked]


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_are_accepted(example: Any) -> None:
    check(msgspec.convert(example, type=RoutingPolicy), PROVIDERS)


def test_the_examples_do_what_is_said() -> None:
    prefer, mixed, tenth = EXAMPLES
    assert first(prefer, "EUR", 5000) == ["stripe", "paypal"]
    assert first(mixed, "EUR", 5000, "DE") == ["paypal", "stripe", "other"]
    assert first(mixed, "USD", 1000) == ["paypal", "stripe", "other"]
    assert first(mixed, "USD", 1001) == ["stripe", "other", "paypal"]
    assert first(tenth, "EUR", 5000) == ["stripe", "paypal"]
    assert first(tenth, "USD", 5000) == ["stripe"]


def test_the_default_is_the_one_that_is_told() -> None:
    assert f"`{json.dumps(msgspec.to_builtins(DEFAULT))}`" in page(PAGE)


def test_every_field_is_told() -> None:
    told = [name.strip("` ") for cell in table(PAGE, "Field of a rule") for name in cell.split(",")]
    assert sorted(told) == sorted(RoutingRule.__struct_fields__)
