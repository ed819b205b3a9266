"""The same filter in the API (whose resources the pages show), CSV, JSON lines, XLSX and Parquet
gives the same rows and the same totals per currency."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.attempts import lock
from gateway.columns import COLUMNS, KINDS, RecordKind
from gateway.exports import Format
from gateway.facts import Captured, DisputeUpdated, Fact, Fee, RefundUpdated
from gateway.money import MAX_AMOUNT
from gateway.recording import record
from tests.api.conftest import Gateway, open_gateway
from tests.finance.export_readers import Row, rows_of

HOSTILE = (
    "=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "'=1", "''x", "＝1",
    "a;=1", "two\nlines", 'a "quoted", one', "مرحبا \u202eabc", "👩\u200d👧", "-5", " =1", "1e5",
    '=HYPERLINK("https://evil.example";"x")', "007", "TRUE", "2026-01-01", "\x0b\x01", "_x0041_",
)  # fmt: skip
CURRENCIES = ("USD", "EUR", "JPY", "KWD")
#: More than a double's 53 bits, and more digits than a spreadsheet holds.
LARGE = (2**53 + 1, 2**53 - 1, 10**15 - 1, 10**15, 2**62 + 10)
AT = datetime(2026, 1, 1, 11, 59, 59, 123456, tzinfo=UTC)


async def fill(gateway: Gateway) -> None:
    """Orders of every shape, with refunds and disputes: what merchants and providers can send."""
    chance = random.Random(5)
    for number, text in enumerate(HOSTILE):
        currency = CURRENCIES[number % len(CURRENCIES)]
        order = await gateway.order(
            reference=f"{text} {number}",
            currency=currency,
            items=[{"name": text, "unit_amount": chance.choice((50, 5400, 10**9)), "quantity": 3}],
            metadata={"text": text} if number % 3 else {},
            customer_email=f"={number}@shop.example" if number % 2 else None,
            provider="other" if currency in ("USD", "EUR") and number % 2 else "fake",
        )
        if number % 5:
            paid = gateway.fake if order["provider"] == "fake" else gateway.other
            paid.buyer_pays(order["payments"][0]["provider_order_id"])
            await gateway.post(f"/v1/orders/{order['id']}/confirm")
            await gateway.post(
                f"/v1/orders/{order['id']}/refunds",
                {"amount": 10 + number % 3 * 10, "reason": text, "metadata": {"why": text}},
            )
        gateway.clock.advance(hours=30.7)
    for number, amount in enumerate(LARGE):
        currency = CURRENCIES[number % len(CURRENCIES)]
        order = await gateway.order(currency=currency, provider="fake")
        await tell(
            gateway,
            order,
            Captured(capture_id=f"c{number}", amount=amount, currency=currency, at=AT),
            Fee(object_id=f"c{number}", fee=7, net=amount - 7, currency=currency),
            RefundUpdated(
                provider_refund_id=f"=re{number}",
                status="failed" if number % 2 else "succeeded",
                amount=amount - 1,
                currency=currency,
                at=AT,
            ),
            DisputeUpdated(
                dispute_id=f"d{number}", status="lost", amount=1, currency=currency, at=AT
            ),
        )
        await tell(  # a correction, which is a line of its own
            gateway,
            order,
            Fee(object_id=f"c{number}", fee=9, net=amount - 9, currency=currency),
            Captured(capture_id=f"c{number}", amount=amount - 5, currency=currency, at=AT),
        )


async def tell(gateway: Gateway, order: Row, *facts: Fact) -> None:
    ctx = gateway.services.ctx
    async with ctx.store.transaction() as tx:
        locked, _ = await lock(tx, gateway.merchant, order["id"])
        await record(ctx, tx, locked, order["payments"][0]["id"], facts, source="a test")


def check_nasty(known: Mapping[RecordKind, list[Row]]) -> None:
    """The records are as nasty as they are meant to be."""
    lines = known["balance_transactions"]
    assert {kind: len(rows) > 14 for kind, rows in known.items()} == dict.fromkeys(KINDS, True)
    assert {order["currency"] for order in known["orders"]} == set(CURRENCIES)
    assert max(order["amount_captured"] for order in known["orders"]) > 2**62
    assert min(line["gross"] for line in lines) < -(2**53)
    assert any(line["corrects"] for line in lines)
    assert any(order["reference"] and order["reference"][0] == "=" for order in known["orders"])
    assert max(lines, key=lambda line: line["gross"])["order_reference"] is None
    assert timedelta(days=10) < datetime.fromisoformat(
        known["orders"][0]["created_at"]
    ) - datetime.fromisoformat(known["orders"][-1]["created_at"])


class Filled:
    """A gateway with records, and all of them as the API shows them.

    Without a repr: hypothesis would write down every record.
    """

    def __init__(
        self,
        portal: BlockingPortal,
        gateway: Gateway,
        known: Mapping[RecordKind, list[Row]],
    ) -> None:
        self.portal, self.gateway, self.known = portal, gateway, known


@pytest.fixture
def filled(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Filled]:
    """On SQLite and on PostgreSQL. Batches are so small that every file takes several.

    Hypothesis calls plain functions: the gateway runs in an event loop beside them.
    """
    monkeypatch.setattr("storage.flat.BATCH", 7)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(open_gateway(database_url)) as gateway,
    ):
        portal.call(fill, gateway)
        known = {kind: portal.call(listed, gateway, kind, {}) for kind in KINDS}
        check_nasty(known)
        yield Filled(portal, gateway, known)


async def listed(gateway: Gateway, kind: RecordKind, filters: dict[str, Any]) -> list[Row]:
    """All pages of the list of this kind."""
    rows: list[Row] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await gateway.get(f"/v1/{kind}", limit=50, **filters, **cursor)
        assert answer.status_code == 200, answer.text
        rows += answer.json()["data"]
        if not answer.json()["next_cursor"]:
            return rows
        cursor = {"cursor": answer.json()["next_cursor"]}


def flat(kind: RecordKind, resource: Row) -> Row:
    """A resource of the API as a flat record."""
    known = dict(resource)
    if kind == "orders":
        payment = resource["payments"][-1]
        method = payment["method"] or {"type": None, "brand": None, "last4": None}
        known |= {
            "provider_order_id": payment["provider_order_id"],
            "provider_payment_id": payment["provider_payment_id"],
            "method": method["type"],
            "brand": method["brand"],
            "last4": method["last4"],
            "attention": bool(resource["attention"]),
        }
    if kind == "refunds":
        failure = resource["failure"] or {"code": None, "message": None}
        known |= {f"failure_{name}": failure[name] or None for name in ("code", "message")}
    row = {column.name: known[column.name] for column in COLUMNS[kind]}
    for column in COLUMNS[kind]:
        if column.type == "time" and row[column.name]:
            row[column.name] = datetime.fromisoformat(row[column.name])
    return row


def totals(kind: RecordKind, rows: list[Row]) -> Counter[tuple[str, str]]:
    """The sum of each money column in each currency."""
    sums: Counter[tuple[str, str]] = Counter()
    for row in rows:
        for column in COLUMNS[kind]:
            if column.type == "money":
                sums[column.name, row["currency"]] += row[column.name] or 0
    return sums


def to_the_millisecond(rows: list[Row]) -> list[Row]:
    """Times as a spreadsheet holds them."""
    return [
        {
            name: value.replace(microsecond=value.microsecond // 1000 * 1000)
            if isinstance(value, datetime)
            else value
            for name, value in row.items()
        }
        for row in rows
    ]


def values_of(kind: RecordKind, rows: list[Row]) -> dict[str, list[Any]]:
    """Values to filter by, those of the records: so that something is found, mostly."""

    def of(name: str) -> list[Any]:
        found = {row[name] for row in rows if row[name] is not None}
        return sorted(v for v in found if isinstance(v, str) or abs(v) <= MAX_AMOUNT)

    values = {name: of(name) for name in ("currency", "provider")}
    values["created_from"] = values["created_to"] = of("created_at")
    values["search"] = of("id" if kind == "orders" else "order")
    if kind == "balance_transactions":
        values |= {"type": of("type"), "amount_max": of("gross"), "order": of("order")}
    else:
        values |= {"status": of("status"), "amount_min": of("amount")}
    if kind == "orders":
        values |= {"reference": of("reference"), "attention": ["true", "false"]}
        values |= {"metadata[text]": sorted(HOSTILE)}
    return values


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_files_have_the_rows_of_the_api(filled: Filled, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(KINDS))
    values = values_of(kind, filled.known[kind])
    names = data.draw(st.sets(st.sampled_from(sorted(values)), max_size=2))
    filters = {name: data.draw(st.sampled_from(values[name]), name) for name in sorted(names)}
    tz = data.draw(st.sampled_from(("UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kolkata")))
    filled.portal.call(check_files, filled.gateway, kind, filters, tz)


async def check_files(gateway: Gateway, kind: RecordKind, filters: dict[str, Any], tz: str) -> None:
    """All formats against the list."""
    expected = [flat(kind, resource) for resource in await listed(gateway, kind, filters)]
    for format in get_args(Format):
        answer = await gateway.get(f"/v1/exports/{kind}", format=format, tz=tz, **filters)
        assert answer.status_code == 200, answer.text
        if format == "jsonl" and not expected:
            assert answer.content == b""
            continue
        rows = rows_of(format, kind, tz, answer.content)
        wanted = to_the_millisecond(expected) if format == "xlsx" else expected
        assert rows == wanted, format
        assert totals(kind, rows) == totals(kind, expected), format
