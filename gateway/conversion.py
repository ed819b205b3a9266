"""The conversion report: how many of the orders made in a time were paid, and how soon. Pure.

An order counts once, in the time in which it was made, whenever it was paid. Each of its attempts
counts once more, by itself, at the provider that it was made with.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Literal, get_args

import msgspec

from gateway.reports import Dimension, Period, percent
from gateway.zones import Unit

DIMENSIONS: tuple[Dimension, ...] = ("day", "week", "month", "provider", "currency")
_UNITS = frozenset(get_args(Unit))


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """What a row is about; None where the report is not grouped by it."""

    period: date | None = None
    provider: str | None = None
    currency: str | None = None

    @property
    def order(self) -> tuple[date, str, str]:
        """Rows are in this order."""
        return self.period or date.min, self.currency or "", self.provider or ""

    def within(self, by: Sequence[Dimension]) -> "Key":
        """What is left of it where the report is grouped by less."""
        return Key(
            period=self.period if _UNITS & {*by} else None,
            provider=self.provider if "provider" in by else None,
            currency=self.currency if "currency" in by else None,
        )


class Outcomes(msgspec.Struct, frozen=True, kw_only=True):
    """What has become of so many orders or attempts. What is none of these is still open."""

    created: int = 0
    paid: int = 0
    failed: int = 0
    canceled: int = 0
    expired: int = 0

    def plus(self, other: "Outcomes") -> "Outcomes":
        """Both together."""
        mine, others = msgspec.structs.astuple(self), msgspec.structs.astuple(other)
        return Outcomes(
            **{
                name: one + another
                for name, one, another in zip(self.__struct_fields__, mine, others, strict=True)
            }
        )

    @property
    def open(self) -> int:
        """How many may still be paid."""
        return self.created - self.paid - self.failed - self.canceled - self.expired


class TimesToPay(msgspec.Struct, frozen=True):
    """After how many whole seconds half, and nine tenths, of those who paid had paid."""

    p50: int | None = None
    p90: int | None = None


class ConvertedOrders(msgspec.Struct, frozen=True, kw_only=True):
    """Orders made in the time, and what has become of them by now; null where not grouped by it.

    `provider` is that of an order's latest attempt. `paid`: those that were, also if all of it was
    refunded since; `paid_percent` is a decimal string. `open`: those that may still be paid, whose
    money has not cleared, or is only authorized. `seconds_to_pay_p50`: half of those who paid had
    done so after so many seconds (from the order's `created_at` to its `paid_at`).
    """

    period: date | None
    provider: str | None
    currency: str | None
    created: int
    paid: int
    canceled: int
    expired: int
    open: int
    paid_percent: str | None
    seconds_to_pay_p50: int | None
    seconds_to_pay_p90: int | None


class ConvertedAttempts(msgspec.Struct, frozen=True, kw_only=True):
    """The attempts to pay these orders, each by itself, by the provider that it was made with.

    The time is that of the order. An attempt that was closed because the buyer changed the provider
    is among `canceled`; `failed` are those that the provider refused for good.
    """

    period: date | None
    provider: str | None
    currency: str | None
    created: int
    paid: int
    failed: int
    canceled: int
    expired: int
    open: int
    paid_percent: str | None


class ConversionReport(
    msgspec.Struct, frozen=True, kw_only=True, rename={"since": "from", "until": "to"}
):
    """Orders made from `from`, included, to `to`, excluded; and the attempts to pay them.

    Every order is in one row of `orders`, every attempt in one of `attempts`: an order that changed
    its provider once counts once in `orders_total` and twice in `attempts_total`.
    """

    object: Literal["conversion_report"]
    since: datetime
    until: datetime
    tz: str
    group_by: tuple[Dimension, ...]
    orders: tuple[ConvertedOrders, ...]
    orders_total: ConvertedOrders
    attempts: tuple[ConvertedAttempts, ...]
    attempts_total: ConvertedAttempts


class Conversion(msgspec.Struct, frozen=True):
    """What was counted, by group; the times to pay under Key() are those of all orders."""

    orders: Mapping[Key, Outcomes]
    times: Mapping[Key, TimesToPay]
    attempts: Mapping[Key, Outcomes]


def conversion(
    asked: Period, group_by: tuple[Dimension, ...], found: Conversion
) -> ConversionReport:
    """The report of what was counted."""
    return ConversionReport(
        object="conversion_report",
        since=asked.since,
        until=asked.until,
        tz=asked.tz,
        group_by=group_by,
        orders=tuple(
            orders_row(key, outcomes, found.times.get(key))
            for key, outcomes in _sorted(found.orders)
        ),
        orders_total=orders_row(Key(), _sum(found.orders.values()), found.times.get(Key())),
        attempts=tuple(_attempts_row(key, outcomes) for key, outcomes in _sorted(found.attempts)),
        attempts_total=_attempts_row(Key(), _sum(found.attempts.values())),
    )


def _sorted(rows: Mapping[Key, Outcomes]) -> list[tuple[Key, Outcomes]]:
    return sorted(rows.items(), key=lambda item: item[0].order)


def _sum(parts: Iterable[Outcomes]) -> Outcomes:
    total = Outcomes()
    for part in parts:
        total = total.plus(part)
    return total


def orders_row(key: Key, outcomes: Outcomes, times: TimesToPay | None) -> ConvertedOrders:
    """A row about orders."""
    times = times or TimesToPay()
    return ConvertedOrders(
        **msgspec.structs.asdict(key),
        created=outcomes.created,
        paid=outcomes.paid,
        canceled=outcomes.canceled,
        expired=outcomes.expired,
        open=outcomes.open,
        paid_percent=percent(outcomes.paid, outcomes.created),
        seconds_to_pay_p50=times.p50,
        seconds_to_pay_p90=times.p90,
    )


def _attempts_row(key: Key, outcomes: Outcomes) -> ConvertedAttempts:
    return ConvertedAttempts(
        **msgspec.structs.asdict(key),
        **msgspec.structs.asdict(outcomes),
        open=outcomes.open,
        paid_percent=percent(outcomes.paid, outcomes.created),
    )
