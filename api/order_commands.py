"""`gateway order`: one order, found by whatever id is at hand, and its story."""

import asyncio
from datetime import datetime
from typing import Any

import click
import msgspec
from rich.markup import escape
from rich.table import Table

from api import serving, terminal
from api.settings import database_url, environment
from gateway.errors import Conflict, NotFound
from gateway.money import exponent, format_decimal
from gateway.records import TimelineEntry
from gateway.resources import OrderResource, order_resource
from storage.engine import Database
from storage.lookup import Lookup
from storage.queries import Queries

#: What the buyer's page is shown by: whoever has it may act as the buyer. It is not printed.
_HIDDEN = "client_token"


@click.group()
def order() -> None:
    """Orders, found by our id, the merchant's reference, or any id that a provider gave."""


@order.command("show")
@click.argument("id")
@terminal.as_json
def show_command(id: str, as_json: bool) -> None:
    """Show an order with its payments, refunds and what needs attention."""
    found, _ = asyncio.run(_load(id, timeline=False))
    if as_json:
        shown = msgspec.to_builtins(found)
        terminal.line({name: value for name, value in shown.items() if name != _HIDDEN})
    else:
        _print_order(found)


@order.command("timeline")
@click.argument("id")
@terminal.as_json
def timeline_command(id: str, as_json: bool) -> None:
    """Tell why an order is in its state: every call, webhook, fact and rule, in order."""
    found, entries = asyncio.run(_load(id, timeline=True))
    if as_json:
        terminal.line({"order": found.id, "status": found.status, "data": entries})
        return
    table = Table(title=f"{found.id} {found.status}")
    for name in ("At", "Kind", "What", "Rule", "Data"):
        table.add_column(name, overflow="fold")  # an id that is cut is of no use
    for entry in entries:
        data = ", ".join(f"{name}={value}" for name, value in entry.data.items())
        at = f"{entry.at:%Y-%m-%d %H:%M:%S}.{entry.at.microsecond // 1000:03}"
        table.add_row(at, *map(_plain, (entry.kind, entry.summary, entry.rule, data)))
    terminal.show(table)


async def _load(word: str, *, timeline: bool) -> tuple[OrderResource, list[TimelineEntry]]:
    """The order, and its story if asked for. Raises NotFound; Conflict when it may be several."""
    database = Database(database_url(environment()))
    try:
        await serving.check_schema(database.url)
        owned = await Lookup(database).orders(word)
        if not owned:
            raise NotFound(f"there is no order, payment, refund or reference {word}")
        if len(owned) > 1:
            ids = ", ".join(one.id for one in owned)
            raise Conflict(f"{word} may be any of these orders: {ids}")
        queries = Queries(database, lambda _: "")
        found = await queries.any_order(owned[0].id)
        assert found is not None  # orders are never deleted
        shown = order_resource(
            found.record, found.state, client_token="", updated_at=found.updated_at
        )
        entries = await queries.timeline(owned[0].merchant_id, shown.id) if timeline else []
    finally:
        await database.close()
    return shown, entries


def _plain(value: Any) -> str:
    """As it is, and not as markup; nothing for None."""
    return "" if value is None else escape(str(value))


def _print_order(found: OrderResource) -> None:
    about = Table(show_header=False, title=found.id)
    mode = "live" if found.livemode else "test"
    rows = {
        "Status": f"{found.status} ({mode})",
        "Reference": found.reference,
        "Provider": found.provider,
        "Amount": _money(found.amount, found.currency),
        "Captured": _money(found.amount_captured, found.currency),
        "Refunded": _money(found.amount_refunded, found.currency),
        "Fee": None if found.fee is None else _money(found.fee, found.currency),
        "Customer": found.customer_email,
        "Created": _time(found.created_at),
        "Paid": _time(found.paid_at),
        "Expires": _time(found.expires_at),
    }
    for name, value in rows.items():
        about.add_row(name, _plain(value))
    terminal.show(about)
    payments = Table("Payment", "Provider", "Status", "Captured", "Checkout", "At the provider")
    for payment in found.payments:
        payments.add_row(
            payment.id, payment.provider, payment.status,
            _money(payment.amount_captured, found.currency),
            _plain(payment.provider_order_id), _plain(payment.provider_payment_id),
        )  # fmt: skip
    terminal.show(payments)
    if found.refunds:
        refunds = Table("Refund", "Status", "Amount", "At the provider", "Reason")
        for refund in found.refunds:
            refunds.add_row(
                refund.id, refund.status, _money(refund.amount, refund.currency),
                _plain(refund.provider_refund_id), _plain(refund.reason),
            )  # fmt: skip
        terminal.show(refunds)
    if found.attention:
        attention = Table("Attention", "What to do")
        for item in found.attention:
            attention.add_row(item.kind, _plain(item.detail))
        terminal.show(attention)


def _time(at: datetime | None) -> str | None:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else None


def _money(amount: int, currency: str) -> str:
    return f"{format_decimal(amount, exponent(currency))} {currency}"
