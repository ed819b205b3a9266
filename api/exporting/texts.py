"""Values as text, column by column: exact decimals, times in a zone, and defused formulas."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from gateway.money import EXPONENTS, format_decimal

Texts = Sequence[str | None]
Moments = Sequence[datetime | None]

_ENCODER = msgspec.json.Encoder()
_TIMES = msgspec.json.Decoder(list[str | None])

#: What a cell must begin with for a spreadsheet to compute it (OWASP, "CSV Injection"): the signs,
#: also as full-width characters; tab, carriage return and line feed, which it may drop.
_SIGNS = "=+\\-@＝＋－＠"
_FIRST = frozenset("=+-@＝＋－＠\t\r\n'")
#: Where a cell may begin that is not one for us: a spreadsheet of a country that separates by
#: semicolons or tabs cuts there, and knows nothing of our quotes.
_CUTS = (";", "\t", "\r", "\n")
_FORMULA = re.compile(rf"(?:^(?='*[{_SIGNS}\t\r\n])|(?<=[;\t\r\n])(?='*[{_SIGNS}]))")
_DEFUSED = re.compile(rf"(?:^'(?='*[{_SIGNS}\t\r\n])|(?<=[;\t\r\n])'(?='*[{_SIGNS}]))")


class Decimals:
    """Amounts of minor units as exact decimals, with the places that each row's currency has."""

    def __init__(self, currencies: Sequence[str]) -> None:
        self._places = list(map(EXPONENTS.get, currencies))
        self._odd: dict[tuple[str, int], str] = {}

    def of(self, amounts: Texts) -> Texts:
        """The decimals of one column; `amounts` as `digits` writes them.

        None for no amount, and for a currency that ISO 4217 does not know.
        """
        # Most amounts only need a point put between their digits: that is done here, quickly.
        return [
            f"{units[:-places]}.{units[-places:]}"
            if units and places and places < len(units) and units[0] != "-"
            else self._of_another(units, places)
            for units, places in zip(amounts, self._places, strict=True)
        ]

    def _of_another(self, units: str | None, places: int | None) -> str | None:
        if units is None or places is None:
            return None
        known = self._odd.get((units, places))
        if known is None:
            known = self._odd[units, places] = format_decimal(int(units), places)
        return known


def digits(amounts: Sequence[int | None]) -> Texts:
    """Minor units as text."""
    return [None if units is None else str(units) for units in amounts]


def local(values: Moments, zone: ZoneInfo) -> Moments:
    """The same moments in a zone."""
    if zone.key == "UTC":
        return values
    return [v and v.astimezone(zone) for v in values]


def times(values: Moments, zone: ZoneInfo) -> Texts:
    """Moments in a zone with its offset there and then, written as the API writes them."""
    return _TIMES.decode(_ENCODER.encode(local(values, zone)))


def defused(values: Sequence[str]) -> Sequence[str]:
    """Texts that no spreadsheet takes for a formula: an apostrophe goes before what might be one.

    `restored` undoes it, for every text.
    """
    whole = "\0".join(values)
    if any(cut in whole for cut in _CUTS) or not _FIRST.isdisjoint({v[:1] for v in values}):
        return [_FORMULA.sub("'", v) for v in values]
    return values


def restored(text: str) -> str:
    """The text that was defused."""
    return _DEFUSED.sub("", text)


def words(values: Sequence[Any]) -> Texts:
    """Truth values as JSON writes them."""
    return [None if v is None else "true" if v else "false" for v in values]


def decoded(values: Sequence[bytes | None]) -> Texts:
    """JSON as text."""
    return [None if v is None else v.decode() for v in values]
