"""`gateway report`: the reports of the API, for whoever has the database at hand."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar, get_args
from zoneinfo import ZoneInfo

import click
from rich.table import Table

from api import serving, terminal
from api.settings import database_url, environment
from gateway import conversion as converted
from gateway import reports
from gateway.balances import BalanceAxis, BalanceReport, balances
from gateway.conversion import ConversionReport, ConvertedAttempts, ConvertedOrders
from gateway.errors import Conflict, InvalidRequest, NotFound
from gateway.money import exponent, format_decimal
from gateway.reports import Axis, SummaryReport, SummaryRow
from storage.balances import Balances
from storage.conversion import Conversions
from storage.engine import Database
from storage.lookup import Lookup
from storage.reports import Reports

T = TypeVar("T")
_Command = TypeVar("_Command", bound=Callable[..., Any])
Read = Callable[[Database, str], Awaitable[T]]


@click.group()
def report() -> None:
    """Sums over orders and movements of money, in a time zone of your choice."""


def _asked(command: _Command) -> _Command:
    """The options that all reports have."""
    for option in (
        terminal.as_json,
        click.option("--live", is_flag=True, help="Of real money; of test mode without it."),
        click.option("--merchant", help="Whose: an id or a name, where there are several."),
        click.option("--tz", default="UTC", show_default=True, help="Time zone of days and dates."),
        click.option("--to", "until", required=True, help="The end, not included."),
        click.option("--from", "since", required=True, help="First day, or moment (…Z)."),
    ):
        command = option(command)
    return command


@report.command("summary")
@_asked
@click.option("--by", type=click.Choice(get_args(Axis)), default="paid", show_default=True)
@click.option("--group-by", default="", help="day, week or month, provider, status; with commas.")
def summary_command(
    since: str,
    until: str,
    tz: str,
    merchant: str | None,
    live: bool,
    as_json: bool,
    by: Axis,
    group_by: str,
) -> None:
    """What was captured, refunded, disputed and kept, by group, and in all by currency."""

    async def read(database: Database, merchant_id: str) -> SummaryReport:
        groups = reports.dimensions(group_by, reports.DIMENSIONS[by])
        asked = reports.period(since, until, tz, groups)
        found = await Reports(database).summary(merchant_id, live, asked, by, groups)
        return reports.summary(asked, by, groups, found)

    found = _read(merchant, read)
    if as_json:
        terminal.line(found)
    else:
        _print_summary(found)


@report.command("conversion")
@_asked
@click.option("--group-by", default="", help="day, week or month, provider, currency; commas.")
def conversion_command(
    since: str,
    until: str,
    tz: str,
    merchant: str | None,
    live: bool,
    as_json: bool,
    group_by: str,
) -> None:
    """How many of the orders made in a time were paid, how soon, and what the attempts came to."""

    async def read(database: Database, merchant_id: str) -> ConversionReport:
        groups = reports.dimensions(group_by, converted.DIMENSIONS)
        asked = reports.period(since, until, tz, groups)
        found = await Conversions(database).conversion(merchant_id, live, asked, groups)
        return converted.conversion(asked, groups, found)

    found = _read(merchant, read)
    if as_json:
        terminal.line(found)
    else:
        _print_conversion(found)


@report.command("balance")
@_asked
@click.option(
    "--by", type=click.Choice(get_args(BalanceAxis)), default="occurred", show_default=True
)
@click.option("--currency", help="Only this one.")
def balance_command(
    since: str,
    until: str,
    tz: str,
    merchant: str | None,
    live: bool,
    as_json: bool,
    by: BalanceAxis,
    currency: str | None,
) -> None:
    """What was held at each provider, what moved, and what is held since."""

    async def read(database: Database, merchant_id: str) -> BalanceReport:
        asked = reports.period(since, until, tz)
        sums = await Balances(database).sums(merchant_id, live, asked, by, currency)
        return balances(asked, by, sums)

    found = _read(merchant, read)
    if as_json:
        terminal.line(found)
    else:
        _print_balances(found)


def _read(merchant: str | None, read: Read[T]) -> T:
    """What is read of this merchant, or of the only one. Raises NotFound, Conflict, UsageError."""

    async def run() -> T:
        database = Database(database_url(environment()))
        try:
            await serving.check_schema(database.url)
            found = await Lookup(database).merchants(merchant)
            if not found:
                raise NotFound(
                    f"there is no merchant {merchant}" if merchant else "no merchant yet"
                )
            if len(found) > 1:
                raise Conflict(f"there are several merchants; name one: {', '.join(found)}")
            return await read(database, found[0])
        finally:
            await database.close()

    try:
        return asyncio.run(run())
    except InvalidRequest as error:
        raise click.UsageError(f"--{error.path.replace('_', '-')}: {error.detail}") from None


def _print_summary(found: SummaryReport) -> None:
    table = _table(found.since, found.until, found.tz, found.group_by)
    for name in (
        "Currency", "Orders", "Captured", "Refunded", "Disputed", "Fee", "Fee %", "Net", "Average",
    ):  # fmt: skip
        table.add_column(name, justify="left" if name == "Currency" else "right")
    keys = _keys(found.group_by)
    for row in found.data:
        table.add_row(*[str(getattr(row, name) or "") for name in keys], *_sums(row))
    table.add_section()
    for total in found.totals if keys else ():
        table.add_row("Total", *[""] * (len(keys) - 1), *_sums(total))
    terminal.show(table)


def _sums(row: SummaryRow) -> list[str]:
    amounts = (row.amount_captured, row.amount_refunded, row.amount_disputed, row.fee)
    captured, refunded, disputed, fee = (_money(amount, row.currency) for amount in amounts)
    average = "" if row.average is None else _money(row.average, row.currency)
    net = _money(row.net, row.currency)
    return [
        row.currency, str(row.orders), captured, refunded, disputed, fee, _percent(row.fee_percent),
        net, average,
    ]  # fmt: skip


def _print_conversion(found: ConversionReport) -> None:
    orders = _table(found.since, found.until, found.tz, found.group_by, "currency")
    for name in ("Orders", "Paid", "Canceled", "Expired", "Open", "Paid %", "Half in", "90 % in"):
        orders.add_column(name, justify="right")
    counted: tuple[str, ...] = ("created", "paid", "canceled", "expired", "open")
    for order in found.orders if found.group_by else ():
        orders.add_row(*_group(order, found.group_by), *_counts(order, counted), *_soon(order))
    total = found.orders_total
    orders.add_row(*_total(found.group_by), *_counts(total, counted), *_soon(total))
    terminal.show(orders)
    attempts = _table(found.since, found.until, found.tz, found.group_by, "currency")
    for name in ("Attempts", "Paid", "Failed", "Canceled", "Expired", "Open", "Paid %"):
        attempts.add_column(name, justify="right")
    counted = ("created", "paid", "failed", "canceled", "expired", "open")
    for attempt in found.attempts if found.group_by else ():
        attempts.add_row(*_group(attempt, found.group_by), *_counts(attempt, counted))
    attempts.add_row(*_total(found.group_by), *_counts(found.attempts_total, counted))
    terminal.show(attempts)


def _group(row: ConvertedOrders | ConvertedAttempts, group_by: Sequence[str]) -> list[str]:
    return [str(getattr(row, name)) for name in _keys(group_by, "currency")]


def _total(group_by: Sequence[str]) -> list[str]:
    width = len(_keys(group_by, "currency"))
    return ["Total", *[""] * width][:width]


def _counts(row: ConvertedOrders | ConvertedAttempts, names: Iterable[str]) -> list[str]:
    return [*(str(getattr(row, name)) for name in names), _percent(row.paid_percent)]


def _soon(row: ConvertedOrders) -> list[str]:
    seconds = (row.seconds_to_pay_p50, row.seconds_to_pay_p90)
    return ["" if each is None else str(timedelta(seconds=each)) for each in seconds]


def _print_balances(found: BalanceReport) -> None:
    table = _table(found.since, found.until, found.tz, ("provider",))
    table.add_column("What")
    for name in ("Lines", "Gross", "Fee", "Net"):
        table.add_column(name, justify="right")
    for row in found.data:
        balance = f"{row.provider} {row.currency}"
        table.add_row(balance, "opening", "", "", "", _money(row.opening, row.currency))
        for part in (*row.movements, row.payouts):
            amounts = (_money(a, row.currency) for a in (part.gross, part.fee, part.net))
            table.add_row("", part.category, str(part.lines), *amounts)
        table.add_row("", "closing", "", "", "", _money(row.closing, row.currency))
        table.add_section()
    terminal.show(table)


def _table(since: datetime, until: datetime, tz: str, group_by: Iterable[str], *more: str) -> Table:
    """A table that says of which time it is, with a column for each thing it is grouped by."""
    zone = ZoneInfo(tz)
    first, last = (f"{at.astimezone(zone):%Y-%m-%d %H:%M}" for at in (since, until))
    table = Table(title=f"{first} to {last}, {tz}")
    for name in _keys(group_by, *more):
        table.add_column(name.capitalize())
    return table


def _keys(group_by: Iterable[str], *more: str) -> list[str]:
    """The fields that tell the groups apart."""
    known = ("provider", "status", *more)
    divided = any(name in ("day", "week", "month") for name in group_by)
    return [*(["period"] if divided else []), *(name for name in known if name in group_by)]


def _money(amount: int, currency: str) -> str:
    return format_decimal(amount, exponent(currency))


def _percent(percent: str | None) -> str:
    return "" if percent is None else f"{Decimal(percent):.2f} %"
