"""Facts: natural keys, and how they are stored."""

from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.facts import (
    CheckoutOpened,
    Declined,
    Fact,
    PaidWith,
    ProviderIds,
    RefundUpdated,
    Unrecognized,
)
from tests.gateway import strategies
from tests.gateway.build import at, captured, refund

decode = msgspec.json.Decoder(Fact).decode
KINDS = get_args(Fact)


@settings(max_examples=150)
@given(strategies.facts)
def test_every_fact_survives_storage(fact: Fact) -> None:
    stored = msgspec.json.encode(fact)

    assert decode(stored) == fact
    assert decode(stored).key == fact.key
    assert msgspec.json.decode(stored)["kind"] == fact.kind


def test_kinds_are_distinct_and_in_snake_case() -> None:
    tags = [kind.__struct_config__.tag for kind in KINDS]

    assert len(set(tags)) == len(tags) == 28
    assert all(tag.replace("_", "").islower() for tag in tags)
    assert all(set(kind.key_fields) <= set(kind.__struct_fields__) for kind in KINDS)


def test_the_time_is_in_no_key() -> None:
    """Two sources date one occurrence differently."""
    assert all("at" not in kind.key_fields for kind in KINDS)
    assert captured(minute=1).key == captured(minute=2).key == "captured:cap_1:5400:USD"


@settings(max_examples=150)
@given(strategies.facts, strategies.facts)
def test_the_same_key_means_the_same_identity(one: Fact, other: Fact) -> None:
    def identity(fact: Fact) -> tuple[object, ...]:
        named = (*fact.key_fields, *fact.told_apart_by)
        return (type(fact), *(getattr(fact, name) for name in named))

    assert (one.key == other.key) == (identity(one) == identity(other))


odd = st.text(":%ab", max_size=5)


@given(odd, odd, odd, odd)
def test_colons_inside_ids_do_not_mix_facts_up(a: str, b: str, c: str, d: str) -> None:
    one = Unrecognized(object_id=a, state=b, at=at())
    other = Unrecognized(object_id=c, state=d, at=at())

    assert (one.key == other.key) == ((a, b) == (c, d))


@given(st.text(max_size=400), st.text(max_size=400))
def test_keys_fit_their_column_and_stay_distinct(one: str, other: str) -> None:
    keys = [Declined(attempt_id=id * 2, code="x", at=at()).key for id in (one, other)]

    assert all(len(key) <= 255 for key in keys)
    assert (keys[0] == keys[1]) == (one == other)


def test_a_long_key_still_says_its_kind() -> None:
    fact = ProviderIds(ids=("x" * 300,))

    assert fact.key.startswith("provider_ids:sha256:")
    assert len(fact.key) == len("provider_ids:sha256:") + 64


def test_a_field_that_a_newer_version_added_is_passed_over() -> None:
    stored = msgspec.json.decode(msgspec.json.encode(captured()))

    assert decode(msgspec.json.encode(stored | {"risk": {"level": "low"}})) == captured()


def test_a_fact_stored_before_an_optional_field_existed_is_still_read() -> None:
    stored = b'{"kind":"checkout_opened","provider_order_id":"co_1","url":"https://a.example"}'

    assert decode(stored) == CheckoutOpened(provider_order_id="co_1", url="https://a.example")


@pytest.mark.parametrize(
    "stored",
    [
        b'{"kind":"teleported","at":"2026-03-01T12:00:00Z"}',
        b'{"kind":"captured","capture_id":"c","amount":1.5,"currency":"USD","at":"2026-03-01T12:00:00Z"}',
        b'{"kind":"captured","capture_id":"c","amount":"1","currency":"USD","at":"2026-03-01T12:00:00Z"}',
        (
            b'{"kind":"refund_updated","provider_refund_id":"re","status":"maybe","amount":1,'
            b'"currency":"USD","at":"2026-03-01T12:00:00Z"}'
        ),
        b"{}",
    ],
)
def test_what_this_version_does_not_know_is_never_passed_over(stored: bytes) -> None:
    """A state computed without a fact could be `open` where money has moved: refuse to compute."""
    with pytest.raises(msgspec.ValidationError):
        decode(stored)


def test_facts_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        captured().amount = 1  # type: ignore[misc]


def test_a_status_and_a_link_are_facts_of_their_own() -> None:
    pending, done = refund("re_1", "pending", 1), refund("re_1", "succeeded", 1)
    linked = RefundUpdated(
        provider_refund_id="re_1", status="succeeded", amount=1, currency="USD", at=at(),
        refund_id="ref_1",
    )  # fmt: skip

    assert len({pending.key, done.key, linked.key}) == 3
    assert linked.key == "refund_updated:re_1:succeeded:ref_1"
    assert PaidWith(type="card").key == "paid_with:card:None:None"
