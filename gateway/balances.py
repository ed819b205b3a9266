"""The balance report: what was held at each provider, what moved, and what is held since. Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

import msgspec

from gateway.bookkeeping import ReportingCategory
from gateway.reports import Period

#: By the provider's time, or by when it was booked here, as the ledger counts.
BalanceAxis = Literal["occurred", "booked"]


class CategorySums(msgspec.Struct, frozen=True, kw_only=True):
    """The lines of a category in a currency at a provider: all before, and those of the time."""

    provider: str
    currency: str
    category: ReportingCategory
    before: int
    lines: int
    gross: int
    fee: int
    net: int


class BalanceMovement(msgspec.Struct, frozen=True):
    """What the lines of one reporting category came to; `net` = `gross` − `fee`."""

    category: ReportingCategory
    lines: int
    gross: int
    fee: int
    net: int


class BalanceRow(msgspec.Struct, frozen=True, kw_only=True):
    """One balance: of a currency at a provider, in minor units.

    `closing` = `opening` + the `net` of all `movements` + the `net` of `payouts`, which is negative
    for money that went to the bank.
    """

    provider: str
    currency: str
    opening: int
    movements: tuple[BalanceMovement, ...]
    payouts: BalanceMovement
    closing: int


class BalanceReport(
    msgspec.Struct, frozen=True, kw_only=True, rename={"since": "from", "until": "to"}
):
    """What moved the balances at the providers from `from`, included, to `to`, excluded.

    With `by=booked`, `closing` is the balance of the account `provider_clearing:…` in the trial
    balance at that time.
    """

    object: Literal["balance_report"]
    since: datetime
    until: datetime
    tz: str
    by: BalanceAxis
    data: tuple[BalanceRow, ...]


def balances(asked: Period, by: BalanceAxis, sums: Iterable[CategorySums]) -> BalanceReport:
    """The report of these sums, by provider, currency and category."""
    found: dict[tuple[str, str], list[CategorySums]] = {}
    for one in sorted(sums, key=lambda one: (one.provider, one.currency, one.category)):
        found.setdefault((one.provider, one.currency), []).append(one)
    return BalanceReport(
        object="balance_report",
        since=asked.since,
        until=asked.until,
        tz=asked.tz,
        by=by,
        data=tuple(_row(provider, currency, its) for (provider, currency), its in found.items()),
    )


def _row(provider: str, currency: str, sums: list[CategorySums]) -> BalanceRow:
    moved = [
        BalanceMovement(one.category, one.lines, one.gross, one.fee, one.net)
        for one in sums
        if one.lines
    ]
    opening = sum(one.before for one in sums)
    none = BalanceMovement("payouts", 0, 0, 0, 0)
    return BalanceRow(
        provider=provider,
        currency=currency,
        opening=opening,
        movements=tuple(one for one in moved if one.category != "payouts"),
        payouts=next((one for one in moved if one.category == "payouts"), none),
        closing=opening + sum(one.net for one in moved),
    )
