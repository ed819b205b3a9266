"""Reports: what is asked of them, and the arithmetic of their rows. Pure.

No sum crosses currencies. Everything that is divided is divided here, in integers: a percentage is
a decimal string, rounded half to even, never a float.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Literal, get_args

import msgspec

from gateway.errors import InvalidRequest
from gateway.money import format_decimal
from gateway.zones import Span, Unit, end_of_range, spans, time_zone

Axis = Literal["created", "paid", "occurred"]
Dimension = Literal["day", "week", "month", "provider", "currency", "status"]
#: How long the time of a report may be; by day it is for charts and lists that people read.
LONGEST = timedelta(days=3660)
LONGEST_BY_DAY = timedelta(days=400)

#: What each kind of summary may be grouped by: a movement has no status.
DIMENSIONS: Mapping[Axis, tuple[Dimension, ...]] = {
    "created": get_args(Dimension),
    "paid": get_args(Dimension),
    "occurred": ("day", "week", "month", "provider", "currency"),
}
_UNITS: tuple[Unit, ...] = get_args(Unit)
_PERCENT_DECIMALS = 4


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """The time of a report in its time zone, divided into spans by `unit`."""

    tz: str
    unit: Unit | None
    spans: tuple[Span, ...]

    @property
    def since(self) -> datetime:
        """The first moment of it, UTC."""
        return self.spans[0].since

    @property
    def until(self) -> datetime:
        """The moment at which it is over, UTC."""
        return self.spans[-1].until

    @property
    def undivided(self) -> "Period":
        """The same time in one."""
        whole: list[Span] = []
        for part in self.spans:
            joins = bool(whole) and whole[-1].until == part.since
            since = whole.pop().since if joins else part.since
            whole.append(Span(None, since, part.until))
        return Period(tz=self.tz, unit=None, spans=tuple(whole))


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """What is added up, of one currency; minor units. Rows add up to totals."""

    orders: int = 0
    paid_orders: int = 0
    refunded_orders: int = 0
    disputed_orders: int = 0
    orders_without_fee: int = 0
    amount_captured: int = 0
    amount_refunded: int = 0
    amount_disputed: int = 0
    amount_without_fee: int = 0
    amount_other: int = 0
    fee: int = 0

    @property
    def net(self) -> int:
        """What is left of it."""
        kept = self.amount_captured - self.amount_refunded - self.amount_disputed
        return kept + self.amount_other - self.fee


class Group(Sums, frozen=True, kw_only=True):
    """Sums, and what they are the sums of; None where the report is not grouped by it.

    `converted`: conversions are among it, so that its fees are not those of what it captured: the
    one is in the currency of settlement, the other in the order's.
    """

    currency: str
    period: date | None = None
    provider: str | None = None
    status: str | None = None
    converted: bool = False

    def plus(self, other: "Group") -> "Group":
        """Both together, otherwise as this one."""
        added = {
            name: getattr(self, name) + getattr(other, name) for name in Sums.__struct_fields__
        }
        converted = self.converted or other.converted
        return msgspec.structs.replace(self, converted=converted, **added)


class SummaryRow(msgspec.Struct, frozen=True, kw_only=True):
    """The sums of one group, in minor units of `currency`; null where not grouped by it.

    `period` is the day, or the first day of the week (Monday) or month. Without provider fees told
    yet: `orders_without_fee`, which captured `amount_without_fee`; `fee` is of the others, and
    `fee_percent` the percentage of what those captured. `net` = `amount_captured` −
    `amount_refunded` − `amount_disputed` + `amount_other` − `fee`. `average` is captured per paid
    order. Percentages are decimal strings, by number and by amount of what was captured; null
    where nothing was. With `by=occurred`, the numbers of orders are those of charges, refunds and
    disputes, `amount_other` is what conversions and adjustments moved, and `fee_percent` is null
    where conversions are among it.
    """

    period: date | None
    provider: str | None
    currency: str
    status: str | None
    orders: int
    paid_orders: int
    refunded_orders: int
    disputed_orders: int
    orders_without_fee: int
    amount_captured: int
    amount_refunded: int
    amount_disputed: int
    amount_without_fee: int
    amount_other: int
    fee: int
    net: int
    average: int | None
    fee_percent: str | None
    refund_percent_by_count: str | None
    refund_percent_by_amount: str | None
    dispute_percent_by_count: str | None
    dispute_percent_by_amount: str | None


class SummaryReport(
    msgspec.Struct, frozen=True, kw_only=True, rename={"since": "from", "until": "to"}
):
    """Sums by group, and the totals of each currency, which are the sums of the rows.

    `from` is included, `to` is not. Groups in which nothing happened have no row.
    """

    object: Literal["summary_report"]
    since: datetime
    until: datetime
    tz: str
    by: Axis
    group_by: tuple[Dimension, ...]
    data: tuple[SummaryRow, ...]
    totals: tuple[SummaryRow, ...]


def dimensions(text: str, allowed: Sequence[Dimension]) -> tuple[Dimension, ...]:
    """What to group by, from a list with commas. Raises InvalidRequest."""
    wanted = [word for word in text.split(",") if word]
    for word in wanted:
        if word not in allowed:
            raise InvalidRequest(f"group by any of: {', '.join(allowed)}", path="group_by")
    if len(set(wanted) & set(_UNITS)) > 1:
        raise InvalidRequest("choose one of day, week and month", path="group_by")
    return tuple(name for name in allowed if name in wanted)


def period(since: str, until: str, tz: str, group_by: Iterable[Dimension] = ()) -> Period:
    """The time of a report, from what somebody gave. Raises InvalidRequest.

    Dates begin in the zone `tz`; `since` is included and `until` is not.
    """
    zone = time_zone(tz)
    start, end = end_of_range(since, "from"), end_of_range(until, "to")
    unit: Unit | None = next((unit for unit in _UNITS if unit in group_by), None)
    longest = LONGEST_BY_DAY if unit == "day" else LONGEST
    # Before it is divided. Two days more, since dates in a zone are not exact here.
    if _day(end) - _day(start) > longest + timedelta(days=2):
        raise _too_long(longest)
    parts = spans(start, end, zone, unit)
    if not parts:
        raise InvalidRequest("it must be later than from", path="to")
    found = Period(tz=tz, unit=unit, spans=parts)
    if found.until - found.since > longest + timedelta(hours=12):  # what clocks are put back by
        raise _too_long(longest)
    return found


def _day(end: date | datetime) -> date:
    return end.date() if isinstance(end, datetime) else end


def _too_long(longest: timedelta) -> InvalidRequest:
    by_day = ", or group by week or month" if longest == LONGEST_BY_DAY else ""
    return InvalidRequest(f"ask for {longest.days} days at most{by_day}", path="to")


def totals(groups: Iterable[Group], by: Sequence[Dimension] = ()) -> tuple[Group, ...]:
    """Groups added up, by currency and by what of them is in `by`, in order. Pure."""
    found: dict[tuple[object, ...], Group] = {}
    for group in groups:
        name = Group(
            currency=group.currency,
            period=group.period if {*_UNITS} & {*by} else None,
            provider=group.provider if "provider" in by else None,
            status=group.status if "status" in by else None,
        )
        key = _order(name)
        found[key] = found.get(key, name).plus(group)
    return tuple(found[key] for key in sorted(found))


def ordered(groups: Iterable[Group]) -> tuple[Group, ...]:
    """By period, currency, provider and status."""
    return tuple(sorted(groups, key=_order))


def _order(group: Group) -> tuple[date, str, str, str]:
    return group.period or date.min, group.currency, group.provider or "", group.status or ""


def summary(
    asked: Period, by: Axis, group_by: tuple[Dimension, ...], groups: Iterable[Group]
) -> SummaryReport:
    """The report of these groups."""
    rows = ordered(groups)
    return SummaryReport(
        object="summary_report",
        since=asked.since,
        until=asked.until,
        tz=asked.tz,
        by=by,
        group_by=group_by,
        data=tuple(row(group) for group in rows),
        totals=tuple(row(group) for group in totals(rows)),
    )


def row(group: Group) -> SummaryRow:
    """A group with what is divided."""
    captured, paid = group.amount_captured, group.paid_orders
    with_fee = 0 if group.converted else captured - group.amount_without_fee
    shown = msgspec.structs.asdict(group)
    del shown["converted"]
    return SummaryRow(
        **shown,
        net=group.net,
        average=divided(captured, paid),
        fee_percent=percent(group.fee, with_fee),
        refund_percent_by_count=percent(group.refunded_orders, paid),
        refund_percent_by_amount=percent(group.amount_refunded, captured),
        dispute_percent_by_count=percent(group.disputed_orders, paid),
        dispute_percent_by_amount=percent(group.amount_disputed, captured),
    )


def divided(part: int, whole: int) -> int | None:
    """The quotient, rounded half to even; None where there is nothing to divide by."""
    if whole <= 0:
        return None
    quotient, rest = divmod(part, whole)
    return quotient + (2 * rest > whole or (2 * rest == whole and quotient % 2 == 1))


def percent(part: int, whole: int) -> str | None:
    """How many per cent of `whole` the part is, to four decimals: (29, 1000) is "2.9000"."""
    found = divided(part * 100 * 10**_PERCENT_DECIMALS, whole)
    return None if found is None else format_decimal(found, _PERCENT_DECIMALS)
