"""The tables of the documents list what there is: all of it, and nothing else."""

import re
import sqlite3
from contextlib import closing
from typing import Any, get_args

import msgspec
import pytest

from api.metrics import Metrics
from api.security import SCOPES
from gateway.balances import BalanceRow
from gateway.conversion import ConvertedOrders
from gateway.facts import AttentionKind, RefundStatus
from gateway.money import EXPONENTS
from gateway.order import OrderStatus, PaymentStatus
from gateway.reports import Group, SummaryRow, Sums, row
from providers.paypal.events import READERS as PAYPAL_EVENTS
from providers.stripe.events import _READERS as STRIPE_EVENTS
from sandbox.paypal import magic
from storage.filters import OrderFilter
from tests.docs.markdown import PAGES, blocks, page, table

MERCHANT, FINANCE, OPERATIONS = (
    "docs/merchant-developer.md",
    "docs/finance.md",
    "docs/operations.md",
)
REPORTS = "docs/reports.md"


@pytest.mark.parametrize(
    ("name", "first", "there_is"),
    [
        (MERCHANT, "`status`", get_args(OrderStatus)),
        (MERCHANT, "`payments[].status`", get_args(PaymentStatus)),
        (MERCHANT, "`refunds[].status`", get_args(RefundStatus)),
        (MERCHANT, "Scope", SCOPES),
        (OPERATIONS, "Stripe event", STRIPE_EVENTS),
        (OPERATIONS, "PayPal event", PAYPAL_EVENTS),
    ],
)
def test_the_table_is_complete(name: str, first: str, there_is: tuple[str, ...]) -> None:
    assert sorted(table(name, first)) == sorted(there_is)


@pytest.mark.parametrize(
    ("first", "fields"),
    [
        ("In a row of a summary", SummaryRow.__struct_fields__),
        ("In a row about orders", ConvertedOrders.__struct_fields__),
        ("In a balance", BalanceRow.__struct_fields__),
    ],
)
def test_every_field_of_a_report_is_there(first: str, fields: tuple[str, ...]) -> None:
    cells = ", ".join(table(REPORTS, first)).replace("`", "")
    assert cells.split(", ") == list(fields)


def test_the_example_of_a_row_adds_up() -> None:
    (example,) = [block.text for block in blocks(REPORTS) if block.language == "json"]
    shown = msgspec.json.decode(example, type=SummaryRow)
    sums: dict[str, Any] = {name: getattr(shown, name) for name in Sums.__struct_fields__}
    named: dict[str, Any] = {
        "period": shown.period,
        "provider": shown.provider,
        "status": shown.status,
    }
    assert row(Group(currency=shown.currency, **named, **sums)) == shown


def test_the_attention_list_is_complete() -> None:
    assert sorted(table(FINANCE, "`kind`")) == sorted(get_args(AttentionKind))


def test_every_filter_is_there() -> None:
    cells = (
        ", ".join(table(FINANCE, "Filter")).replace("`", "").replace("metadata[KEY]", "metadata")
    )
    assert sorted(cells.split(", ")) == sorted(OrderFilter.__struct_fields__)


def test_every_metric_is_there() -> None:
    shown = Metrics().render().decode()
    families = re.findall(r"^# TYPE (\w+) (?:counter|gauge|histogram)$", shown, re.MULTILINE)
    families = [name for name in families if not name.endswith("_created")]  # when counting began
    assert sorted(table(OPERATIONS, "Metric")) == sorted(families)


@pytest.mark.parametrize("decimals", [0, 3])
def test_decimals_are_those_of_the_currencies(decimals: int) -> None:
    row = re.search(rf"^\| {decimals} \| ([A-Z, ]+) \|$", page(FINANCE), re.MULTILINE)
    assert row is not None
    said = {code for code, exponent in EXPONENTS.items() if exponent == decimals}
    assert set(row[1].split(", ")) == said


def test_the_sandbox_s_magic_amounts_are_all_told() -> None:
    told = {int(cell) for cell in table("docs/sandbox.md", "ends in")}
    special = {
        ending
        for ending in range(100)
        if magic.instrument(100 + ending, 1).name != "GOOD"
        or magic.refund_is_pending(ending)
        or magic.refund_is_unfunded(ending)
    }
    assert told == special


@pytest.mark.parametrize("name", PAGES)
def test_queries_run(name: str, sqlite_url: str) -> None:
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite+aiosqlite:///"))) as database:
        for block in blocks(name):
            if block.language == "sql":
                assert database.execute(block.text).fetchall()[:0] == []
