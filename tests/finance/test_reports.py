"""Reports agree, on both databases, with what is counted order by order in plain Python."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import conversion as converted
from gateway import reports
from gateway.balances import BalanceAxis, balances
from gateway.bookkeeping import CATEGORY
from gateway.reports import Axis, Dimension, Group, Sums, divided, percent, totals
from storage.balances import Balances
from storage.conversion import Conversions
from storage.engine import Database
from storage.reports import Reports
from tests.finance import report_rows as rows

#: Zones and the ends of a time in which their clocks do something: DST, the day that Apia skipped,
#: the midnight that St. John's saw twice, a quarter of an hour, nothing.
TIMES = (
    ("Europe/Berlin", "2026-03-20", "2026-04-05"),
    ("Europe/Berlin", "2026-10-20", "2026-11-05"),
    ("America/St_Johns", "2010-11-01", "2010-11-15"),
    ("America/St_Johns", "2010-11-07", "2010-11-08"),
    ("Asia/Kathmandu", "1985-12-25", "1986-01-08"),
    ("Pacific/Apia", "2011-12-20", "2012-01-10"),
    ("UTC", "2026-01-01T10:00:00Z", "2026-01-17T09:30:00+05:30"),
)
GROUPINGS: tuple[tuple[Dimension, ...], ...] = (
    (),
    ("day",),
    ("week", "currency"),
    ("month", "provider", "status"),
    ("day", "provider"),
)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """On SQLite and on PostgreSQL."""
    opened = Database(database_url)
    yield opened
    await opened.close()


def around(since: str, until: str) -> tuple[datetime, datetime]:
    """The time that orders are made in: within the ends of a report, and a little beyond."""
    start, end = (datetime.fromisoformat(text) for text in (since, until))
    return (
        start.replace(tzinfo=start.tzinfo or UTC).astimezone(UTC),
        end.replace(tzinfo=end.tzinfo or UTC).astimezone(UTC),
    )


def within(at: datetime | None, since: str, until: str, zone: ZoneInfo) -> bool:
    """The naive way: by the date that the clocks show, or by the moment itself."""
    return at is not None and not before(at, since, zone) and before(at, until, zone)


def before(at: datetime, end: str, zone: ZoneInfo) -> bool:
    moment = datetime.fromisoformat(end)
    if moment.tzinfo is None:
        return at.astimezone(zone).date() < moment.date()
    return at < moment


def at_random(chance: Random, since: str, until: str) -> tuple[str, str, str]:
    """Another time that has to do with this one, in any of the zones."""
    start, end = around(since, until)
    first = start + (end - start) * chance.uniform(-0.2, 0.9)
    last = first + (end - start) * chance.uniform(0.1, 1.2) + timedelta(days=1)
    ends = [chance.choice((f"{at:%Y-%m-%d}", at.isoformat())) for at in (first, last)]
    return chance.choice(TIMES)[0], ends[0], ends[1]


def begins(day: date, by: Sequence[Dimension]) -> date | None:
    if "week" in by:
        return day - timedelta(days=day.weekday())
    if "month" in by:
        return day.replace(day=1)
    return day if "day" in by else None


def naive_orders(
    made: Iterable[rows.Order],
    moment: Callable[[rows.Order], datetime | None],
    time: tuple[str, str, str],
    by: Sequence[Dimension],
) -> list[Group]:
    """The groups, one order after the other."""
    tz, since, until = time
    zone = ZoneInfo(tz)
    found: dict[tuple[Any, ...], Group] = {}
    for order in made:
        at = moment(order)
        own = order.merchant_id == rows.MERCHANT and not order.livemode
        if not own or at is None or not within(at, since, until, zone):
            continue
        unknown = order.fee is None
        group = Group(
            period=begins(at.astimezone(zone).date(), by),
            currency=order.currency,
            provider=order.provider if "provider" in by else None,
            status=order.status if "status" in by else None,
            orders=1,
            paid_orders=order.paid_at is not None,
            refunded_orders=order.amount_refunded > 0,
            disputed_orders=order.amount_disputed > 0,
            orders_without_fee=unknown and order.amount_captured > 0,
            amount_captured=order.amount_captured,
            amount_refunded=order.amount_refunded,
            amount_disputed=order.amount_disputed,
            amount_without_fee=order.amount_captured if unknown else 0,
            fee=order.fee or 0,
        )
        add(found, group)
    return list(found.values())


def add(found: dict[tuple[Any, ...], Group], group: Group) -> None:
    key = (group.period, group.currency, group.provider, group.status)
    known = found.get(key)
    found[key] = known.plus(group) if known else group


@pytest.mark.parametrize("axis", ["created", "paid"])
async def test_orders_are_summed_as_one_by_one(database: Database, axis: Axis) -> None:
    chance, size = Random(axis), 250
    made = [
        msgspec.structs.replace(order, number=size * number + order.number)
        for number, (_, since, until) in enumerate(TIMES)
        for order in rows.orders(size, *around(since, until), seed=number)
    ]
    await rows.store(database, made)
    others = [at_random(chance, since, until) for _, since, until in TIMES * 5]
    for tz, since, until in (*TIMES, *others):
        for by in GROUPINGS:
            asked = reports.period(since, until, tz, by)
            found = await Reports(database).summary(rows.MERCHANT, False, asked, axis, by)
            expected = naive_orders(
                made,
                lambda order: order.created_at if axis == "created" else order.paid_at,
                (tz, since, until),
                by,
            )
            assert reports.ordered(found) == reports.ordered(expected), (tz, since, until, by)
            assert expected


def naive_lines(
    moved: Iterable[rows.Line], time: tuple[str, str, str], by: Sequence[Dimension]
) -> list[Group]:
    tz, since, until = time
    zone = ZoneInfo(tz)
    found: dict[tuple[Any, ...], Group] = {}
    for line in moved:
        own = line.order.merchant_id == rows.MERCHANT and not line.order.livemode
        if not own or not within(line.occurred_at, since, until, zone):
            continue
        counted = Counter({line.type: line.sequence == 0})
        unknown = line.type == "charge" and line.settlement_currency != line.currency
        amounts: dict[str, dict[str, Any]] = {
            "charge": {"amount_captured": line.gross},
            "refund": {"amount_refunded": -line.gross},
            "refund_failure": {"amount_refunded": -line.gross},
            "dispute": {"amount_disputed": -line.gross},
            "dispute_reversal": {"amount_disputed": -line.gross},
            "reversal": {"amount_disputed": -line.gross},
            "payout": {},
        }
        add(
            found,
            Group(
                period=begins(line.occurred_at.astimezone(zone).date(), by),
                currency=line.currency,
                provider=line.order.provider if "provider" in by else None,
                orders=counted["charge"],
                paid_orders=counted["charge"],
                refunded_orders=counted["refund"],
                disputed_orders=counted["dispute"],
                orders_without_fee=unknown and counted["charge"],
                amount_without_fee=line.gross if unknown else 0,
                fee=line.fee,
                converted=line.type == "conversion",
                **amounts.get(line.type, {"amount_other": line.gross}),
            ),
        )
    return list(found.values())


async def test_movements_are_summed_as_one_by_one(database: Database) -> None:
    tz, since, until = TIMES[0]
    made = rows.orders(1500, *around(since, until), seed=7)
    moved = rows.lines(made, seed=8)
    await rows.store(database, made, moved=moved)
    for by in (*GROUPINGS[:3], GROUPINGS[4]):
        asked = reports.period(since, until, tz, by)
        found = await Reports(database).summary(rows.MERCHANT, False, asked, "occurred", by)
        expected = naive_lines(moved, (tz, since, until), by)
        assert reports.ordered(found) == reports.ordered(expected), by
        net = Counter[str]()
        for line in moved:
            own = line.order.merchant_id == rows.MERCHANT and not line.order.livemode
            seen = own and within(line.occurred_at, since, until, ZoneInfo(tz))
            if seen and line.type != "payout":
                net[line.currency] += line.gross - line.fee
        assert {group.currency: group.net for group in totals(found)} == net


async def test_conversion_is_counted_as_one_by_one(database: Database) -> None:
    tz, since, until = TIMES[1]
    made = rows.orders(1200, *around(since, until), seed=3)
    tried = rows.attempts(made, seed=4)
    await rows.store(database, made, tried)
    zone = ZoneInfo(tz)
    own = [
        order
        for order in made
        if order.merchant_id == rows.MERCHANT
        and not order.livemode
        and within(order.created_at, since, until, zone)
    ]
    for by in ((), ("day",), ("week", "provider"), ("provider", "currency")):
        groups = reports.dimensions(",".join(by), converted.DIMENSIONS)
        asked = reports.period(since, until, tz, groups)
        counted = await Conversions(database).conversion(rows.MERCHANT, False, asked, groups)
        report = converted.conversion(asked, groups, counted)

        def key(order: rows.Order, provider: str, by: Sequence[Dimension] = groups) -> Any:
            return (
                begins(order.created_at.astimezone(zone).date(), by),
                provider if "provider" in by else None,
                order.currency if "currency" in by else None,
            )

        expected = Counter[Any]()
        took: dict[Any, list[int]] = {}
        for order in own:
            at = key(order, order.provider)
            status = order.status if order.status in ("canceled", "expired") else "open"
            expected[at, "created"] += 1
            expected[at, "paid" if order.paid_at else status] += 1
            if order.paid_at:
                seconds = max(0, int((order.paid_at - order.created_at).total_seconds()))
                took.setdefault(at, []).append(seconds)
                took.setdefault("all", []).append(seconds)
        assert {(row.period, row.provider, row.currency) for row in report.orders} == {
            at for at, _ in expected
        }
        for row in report.orders:
            at = (row.period, row.provider, row.currency)
            for name in ("created", "paid", "canceled", "expired", "open"):
                assert getattr(row, name) == expected[at, name], (at, name)
            assert row.seconds_to_pay_p50 == rank(took.get(at, []), Fraction(1, 2))
            assert row.seconds_to_pay_p90 == rank(took.get(at, []), Fraction(9, 10))
        assert report.orders_total.created == len(own)
        assert report.orders_total.seconds_to_pay_p90 == rank(took["all"], Fraction(9, 10))

        attempted = Counter[Any]()
        for attempt in tried:
            if attempt.order in own:
                at = key(attempt.order, attempt.provider)
                status = {"captured": "paid"}.get(attempt.status, attempt.status)
                attempted[at, "created"] += 1
                attempted[at, status] += 1
        for one in report.attempts:
            at = (one.period, one.provider, one.currency)
            for name in ("created", "paid", "failed", "canceled", "expired", "open"):
                assert getattr(one, name) == attempted[at, name], (at, name)
        total = report.attempts_total.created
        assert total == sum(n for (_, name), n in attempted.items() if name == "created")
        assert total > len(own)


async def test_balances_are_added_up_as_line_by_line(database: Database) -> None:
    tz, since, until = TIMES[0]
    made = rows.orders(800, *around(since, until), seed=5)
    moved = rows.lines(made, seed=6)
    await rows.store(database, made, moved=moved)
    asked = reports.period(since, until, tz)
    asked_for: tuple[tuple[BalanceAxis, str | None], ...] = (
        ("occurred", None),
        ("booked", None),
        ("occurred", "EUR"),
    )
    for by, currency in asked_for:
        sums = await Balances(database).sums(rows.MERCHANT, False, asked, by, currency)
        report = balances(asked, by, sums)
        before, after, net = Counter[Any](), Counter[Any](), Counter[Any]()
        for line in moved:
            at = line.booked_at if by == "booked" else line.occurred_at
            own = line.order.merchant_id == rows.MERCHANT and not line.order.livemode
            if not own or at >= asked.until or currency not in (None, line.currency):
                continue
            balance = line.order.provider, line.currency
            after[balance] += line.gross - line.fee
            if at < asked.since:
                before[balance] += line.gross - line.fee
            else:
                net[*balance, CATEGORY[line.type]] += line.gross - line.fee
        assert {(row.provider, row.currency) for row in report.data} == set(after)
        for row in report.data:
            balance = row.provider, row.currency
            parts = (*row.movements, row.payouts)
            assert row.opening + sum(part.net for part in parts) == row.closing
            assert (row.opening, row.closing) == (before[balance], after[balance])
            for part in parts:
                assert part.net == part.gross - part.fee == net[*balance, part.category]
        assert any(row.opening for row in report.data)
        assert any(row.payouts.lines for row in report.data)


def rank(values: list[int], part: Fraction) -> int | None:
    """Nearest rank: the first value that so many are at or below."""
    place = -(-part * len(values) // 1)
    return sorted(values)[int(place) - 1] if values else None


async def test_what_nothing_happened_in_is_empty(database: Database) -> None:
    asked = reports.period("2026-01-01", "2026-01-03", "UTC", ("day",))
    found = await Reports(database).summary(rows.MERCHANT, False, asked, "paid", ("day",))
    assert found == []
    counted = await Conversions(database).conversion(rows.MERCHANT, False, asked, ("day",))
    report = converted.conversion(asked, ("day",), counted)
    assert (report.orders, report.attempts) == ((), ())
    assert (report.orders_total.created, report.orders_total.paid_percent) == (0, None)
    assert report.orders_total.seconds_to_pay_p50 is None


_groups = st.builds(
    Group,
    currency=st.sampled_from(("EUR", "USD")),
    period=st.sampled_from((date(2026, 1, 1), date(2026, 1, 2))),
    provider=st.sampled_from(rows.PROVIDERS),
    converted=st.booleans(),
    **dict.fromkeys(Sums.__struct_fields__, st.integers(0, 10**13)),
)


@given(st.lists(_groups, max_size=12))
def test_totals_are_the_sums_of_the_rows(groups: list[Group]) -> None:
    asked = reports.period("2026-01-01", "2026-01-03", "UTC", ("day",))
    report = reports.summary(asked, "paid", ("day", "provider"), groups)
    assert len(report.data) == len(groups)
    for total in report.totals:
        of_currency = [row for row in report.data if row.currency == total.currency]
        assert of_currency
        for name in (*Sums.__struct_fields__, "net"):
            assert getattr(total, name) == sum(getattr(row, name) for row in of_currency), name
        assert (total.period, total.provider, total.status) == (None, None, None)
        mixed = any(group.converted for group in groups if group.currency == total.currency)
        assert total.fee_percent is None or not mixed
    assert {row.currency for row in report.data} == {total.currency for total in report.totals}
    by_provider = totals(groups, ("provider",))
    assert totals(by_provider) == totals(groups)


@given(st.integers(-(10**18), 10**18), st.integers(1, 10**18))
def test_percentages_are_exact(part: int, whole: int) -> None:
    text = percent(part, whole)
    assert text is not None
    assert len(text.partition(".")[2]) == 4
    assert abs(Fraction(text) - Fraction(100 * part, whole)) <= Fraction(1, 20000)
    assert divided(part, whole) == round(Fraction(part, whole))


def test_nothing_is_divided_by_nothing() -> None:
    assert percent(1, 0) is None
    assert divided(1, 0) is None
    assert percent(29, 1000) == "2.9000"
    assert percent(1, 3) == "33.3333"
