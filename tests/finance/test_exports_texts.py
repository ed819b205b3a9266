"""Values as text: formulas are defused and can be restored, decimals and times are exact."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.exporting import texts
from gateway.money import EXPONENTS

SIGNS = "=+-@＝＋－＠"
HOSTILE = st.text(st.sampled_from(f"{SIGNS}'\t\r\n;, \"aé\0"), max_size=12)


@given(st.lists(st.text() | HOSTILE))
@example(["=1+1", "'=1", "''=1", "\t=1", "\r\n-x", "a;=b", "a\n＝b", "-5", "'", ""])
def test_no_cell_is_a_formula_and_every_text_comes_back(values: list[str]) -> None:
    cells = texts.defused(values)
    assert [texts.restored(cell) for cell in cells] == values
    for cell in cells:
        for part in re.split("[;\t\r\n]", cell):
            assert part[:1] not in tuple(SIGNS), cell
        assert cell[:1] not in ("\t", "\r", "\n")


@pytest.mark.parametrize("text", ["a=b", "a-b", " =1", "ada@example.com", "'tis", "x, y", "{}"])
def test_what_is_no_formula_is_left_alone(text: str) -> None:
    assert texts.defused([text]) == [text]


@given(st.integers(-(2**63), 2**63 - 1), st.sampled_from(sorted(EXPONENTS)))
def test_decimals_are_exact(amount: int, currency: str) -> None:
    (text,) = texts.Decimals([currency]).of(texts.digits([amount]))
    assert text is not None
    assert Decimal(text) * 10 ** EXPONENTS[currency] == amount
    assert len(text.partition(".")[2]) == EXPONENTS[currency]


def test_no_amount_and_no_currency_have_no_decimal() -> None:
    assert texts.Decimals(["EUR", "DEM"]).of([None, "5"]) == [None, None]


@given(
    st.lists(st.none() | st.datetimes(datetime(1970, 1, 2), datetime(2099, 1, 1))),  # noqa: DTZ001
    st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu"]),
)
def test_times_say_their_offset(moments: list[datetime | None], zone: str) -> None:
    values = [at and at.replace(tzinfo=UTC) for at in moments]
    written = texts.times(values, ZoneInfo(zone))
    assert [text and datetime.fromisoformat(text) for text in written] == values
    for text, at in zip(written, values, strict=True):
        if text and at:
            assert datetime.fromisoformat(text).utcoffset() == ZoneInfo(zone).utcoffset(
                at.astimezone(ZoneInfo(zone))
            )
