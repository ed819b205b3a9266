"""Identifiers: UUIDv7, in order, or derived."""

import re
import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ids import PREFIXES, Ids, derived_id, earliest
from tests.gateway.build import FIRST, SECOND, at
from tests.gateway.stage import MovableClock

SHAPE = re.compile(r"[a-z]{3,4}_[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}")


def _milliseconds(id: str) -> int:
    return int(id.partition("_")[2][:12], 16)


@given(st.binary(min_size=10, max_size=10), st.sampled_from(sorted(PREFIXES)))
def test_an_id_is_a_uuid_of_version_7_with_its_time(randomness: bytes, prefix: str) -> None:
    made = Ids(MovableClock(), lambda n: randomness[:n]).new(prefix)

    assert SHAPE.fullmatch(made)
    parsed = uuid.UUID(made.partition("_")[2])
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert _milliseconds(made) == int(at().timestamp() * 1000)


@given(
    st.lists(
        st.tuples(st.integers(-5000, 5000), st.binary(min_size=10, max_size=10)),
        min_size=2,
        max_size=30,
    )
)
def test_ids_grow_even_when_the_clock_goes_back(steps: list[tuple[int, bytes]]) -> None:
    clock = MovableClock()
    upcoming: list[bytes] = []
    ids = Ids(clock, lambda n: upcoming.pop())
    made = []
    for milliseconds, randomness in steps:
        clock.move(timedelta(milliseconds=milliseconds))
        upcoming.append(randomness)
        made.append(ids.new("ord"))

    assert made == sorted(set(made))
    assert all(SHAPE.fullmatch(id) for id in made)


def test_a_millisecond_that_is_full_runs_over_into_the_next() -> None:
    ids = Ids(MovableClock(), lambda n: b"\xff" * n)
    first, second, third = ids.new("ord"), ids.new("ord"), ids.new("ord")

    assert first < second < third
    assert _milliseconds(second) == _milliseconds(first) + 1
    assert SHAPE.fullmatch(second)


def test_ids_are_unique_with_poor_randomness() -> None:
    ids = Ids(MovableClock(), lambda n: b"\0" * n)

    assert len({ids.new("ord") for _ in range(5000)}) == 5000


def test_the_time_is_utc_whatever_zone_the_clock_speaks() -> None:
    clock = MovableClock()
    clock.time = clock.time.astimezone(timezone(timedelta(hours=-7)))

    assert _milliseconds(Ids(clock, bytes).new("ord")) == int(at().timestamp() * 1000)


def test_unknown_prefixes_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown id prefix"):
        Ids(MovableClock(), bytes).new("xyz")
    with pytest.raises(ValueError, match="unknown id prefix"):
        derived_id("xyz", FIRST, "re_1")


def test_derived_ids_are_the_same_for_the_same_parts() -> None:
    made = derived_id("ref", FIRST, "re_1")

    assert made == derived_id("ref", FIRST, "re_1")
    assert SHAPE.fullmatch(made)
    assert _milliseconds(made) == _milliseconds(FIRST), "it sorts with its payment"
    assert made != derived_id("ref", SECOND, "re_1")


@given(st.lists(st.lists(st.text("ab", max_size=3), max_size=3), unique_by=tuple, max_size=8))
def test_other_parts_give_other_ids(parts: list[list[str]]) -> None:
    assert len({derived_id("ref", FIRST, *some) for some in parts}) == len(parts)


@given(st.integers(0, 4_000_000_000_000), st.integers(2, 10_000))
def test_earliest_parts_what_was_made_before_from_what_was_not(moment: int, apart: int) -> None:
    clock, some = MovableClock(), timedelta(milliseconds=apart)
    clock.time = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=moment)
    made = Ids(clock, bytes).new("ord")

    assert earliest("ord", clock.time, -some) < made < earliest("ord", clock.time, some)
    assert earliest("ord", datetime(1, 1, 1, tzinfo=UTC)) < made
