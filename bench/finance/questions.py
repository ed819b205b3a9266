"""The questions that finance asks of lists: every filter alone, in pairs, in threes."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import combinations
from random import Random
from typing import Any

from bench.finance.orders import START, YEAR
from storage.filters import BookFilter, OrderFilter, RefundFilter, Wanted

_MIDDLE = START + YEAR / 2
_MONTH = timedelta(days=30)
ALL = 10_000
#: So many of the threes: there are thousands.
THREES = 150

Values = Mapping[str, Sequence[Any]]
_TIMES = [
    (_MIDDLE, _MIDDLE + timedelta(days=1)),
    (_MIDDLE, _MIDDLE + _MONTH),
    (None, START + _MONTH),
    (_MIDDLE, None),
]
#: What fits many rows, some, one and none. A range is asked for by its two ends at once.
_SHARED: Values = {
    "provider": ["stripe", "paypal", "nobody"],
    "currency": ["EUR", "JPY", "KWD"],
    "customer_email": ["customer-40@example.com", "customer-200000@example.com"],
    "metadata": [{"shop": "north"}, {"campaign": "spring-7"}, {"shop": "west", "cart": "c7"}],
    "created": _TIMES,
}
_ORDERS: Values = {
    **_SHARED,
    "status": [("paid",), ("refunded", "partially_refunded"), ("expired",), ("open",)],
    "reference": ["R-000007777"],
    "provider_id": ["pi_000007777"],
    "paid": _TIMES,
    "amount": [(None, 1_000), (4_000, 6_000), (60_000, None), (99_999_999, None)],
    "attention": [True, False],
    "search": ["re_000007777", "customer-5@example.com"],
}
_REFUNDS: Values = {
    **_SHARED,
    "status": [("succeeded",), ("failed", "pending")],
    "reference": ["R-000007777"],
    "provider_id": ["re_000007777"],
    "amount": [(None, 1_000), (4_000, 6_000), (60_000, None)],
    "imported": [True, False],
    "search": ["pi_000007777"],
}
_LINES: Values = {
    **_SHARED,
    "type": [("charge",), ("refund", "dispute"), ("dispute_reversal",)],
    "reference": ["R-000007777"],
    "provider_id": ["ch_000007777", "txn_ch_000007777"],
    "payout": ["po_stripe_EUR_2025_20"],
    "occurred": _TIMES,
    "amount": [(None, -1), (4_000, 6_000), (60_000, None)],
    "search": ["po_paypal_KWD_2025_20", "pi_000007777"],
}
LISTS: Mapping[type[Wanted], Values] = {
    OrderFilter: _ORDERS,
    RefundFilter: _REFUNDS,
    BookFilter: _LINES,
}
_RANGES = {
    "created": "_from _to",
    "paid": "_from _to",
    "occurred": "_from _to",
    "amount": "_min _max",
}


def questions(kind: type[Wanted], twos: int = ALL, threes: int = THREES) -> Iterator[Wanted]:
    """Filters of one list: none, each alone, and so many pairs and threes, drawn at random."""
    parts = [(name, value) for name, values in LISTS[kind].items() for value in values]
    yield kind()
    for number, most in ((1, ALL), (2, twos), (3, threes)):
        asked = [
            some
            for some in combinations(parts, number)
            if len({name for name, _ in some}) == number
        ]
        for some in Random(most).sample(asked, min(most, len(asked))):  # the same every time
            yield kind(**_fields(some))


def _fields(some: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in some:
        if name in _RANGES:
            ends = (name + end for end in _RANGES[name].split())
            fields |= dict(zip(ends, value, strict=True))
        else:
            fields[name] = value
    return fields


def words(wanted: Wanted) -> str:
    """A filter, told in one line."""
    given = ((name, getattr(wanted, name)) for name in wanted.__struct_fields__)
    return " ".join(f"{name}={value}" for name, value in given if value not in (None, {}))
