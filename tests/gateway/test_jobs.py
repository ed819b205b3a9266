"""Pauses between tries, and what may be stored of an error."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.backoff import backoff
from gateway.errors import Unavailable, reason


@pytest.mark.parametrize(
    ("tries", "seconds"),
    [(0, 5), (1, 5), (2, 10), (3, 20), (12, 10240), (14, 21600), (10**9, 21600)],
)
def test_pauses_double_up_to_six_hours(tries: int, seconds: int) -> None:
    assert backoff(tries) == timedelta(seconds=seconds)


@given(st.integers(0, 10**6), st.integers(1, 600))
def test_pauses_never_shrink(tries: int, first: int) -> None:
    pause = timedelta(seconds=first)

    assert backoff(tries, pause) <= backoff(tries + 1, pause) <= timedelta(hours=6)


def test_of_foreign_errors_the_class_alone_is_stored() -> None:
    assert reason(ValueError("4242 4242 4242 4242")) == "ValueError"
    assert reason(Unavailable("later")) == "Unavailable: later"
