"""The views for finance's tools: what they show, that the document says so, and who may read."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import inspect, select, text
from sqlalchemy.engine import make_url

from api.cli import main
from gateway.columns import COLUMNS
from storage import tables as t
from storage.readers import create_statements, drop_statements, run
from storage.views import VIEWS
from tests.api.conftest import Gateway, open_gateway
from tests.docs.markdown import page

NAMES = [view.name for view in VIEWS]


@pytest.fixture
async def gateway(database_url: str) -> AsyncIterator[Gateway]:
    """On SQLite and on PostgreSQL."""
    async with open_gateway(database_url) as opened:
        yield opened


async def shown(gateway: Gateway, view: str) -> list[dict[str, Any]]:
    async with gateway.services.store.database.read() as connection:
        rows = await connection.execute(
            select(text("*")).select_from(text(view)).order_by(text("id"))
        )
        return [dict(row) for row in rows.mappings()]


def plain(value: Any) -> Any:
    """As SQLite and PostgreSQL, each in its way, mean it."""
    if hasattr(value, "isoformat"):
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return json.loads(value) if isinstance(value, str) and value.startswith("{") else value


async def test_the_views_are_the_records(gateway: Gateway) -> None:
    order = await gateway.paid(
        reference="A-1", customer_email="ada@example.com", metadata={"cart": "9"}
    )
    made = (await gateway.post(f"/v1/orders/{order['id']}/refunds", {"amount": 100})).json()
    order = await gateway.read(order)
    refund = (await gateway.get(f"/v1/refunds/{made['id']}")).json()
    lines = (await gateway.get("/v1/balance_transactions")).json()["data"]

    (of_order,) = await shown(gateway, "finance_orders")
    (of_refund,) = await shown(gateway, "finance_refunds")
    of_lines = {row["id"]: row for row in await shown(gateway, "finance_balance_transactions")}
    assert await shown(gateway, "finance_payouts") == []
    assert of_order["merchant_id"] == of_refund["merchant_id"] == gateway.merchant
    assert (of_order["last4"], plain(of_order["metadata"])) == ("4242", {"cart": "9"})
    assert len(of_lines) == len(lines) >= 2

    pairs = [("orders", of_order, order), ("refunds", of_refund, refund)]
    pairs += [("balance_transactions", of_lines[line["id"]], line) for line in lines]
    for kind, row, resource in pairs:
        compared = 0
        for column in COLUMNS[kind]:  # type: ignore[index]
            if column.name not in resource or column.name == "attention":
                continue
            compared += 1
            given, told = plain(row[column.name]), resource[column.name]
            if column.type == "time" and told is not None:
                assert given[:19] == told[:19], column.name
            else:
                assert given == told, column.name
        assert compared > 8
        assert {column.name for column in COLUMNS[kind]} <= set(row)  # type: ignore[index]


async def test_the_document_lists_every_column_in_its_order(gateway: Gateway) -> None:
    async with gateway.services.store.database.read() as connection:
        made = await connection.run_sync(
            lambda sync: {
                name: [column["name"] for column in inspect(sync).get_columns(name)]
                for name in inspect(sync).get_view_names()
            }
        )
    told: dict[str, list[str]] = {}
    name = ""
    for line in page("docs/sql.md").splitlines():
        if line.startswith("## "):
            name = line[3:].strip("`")
        elif line.startswith("| `") and name.startswith("finance_"):
            told.setdefault(name, []).append(line.split("`")[1])
    assert told == made
    assert list(told) == NAMES
    for view in VIEWS:
        assert made[view.name] == ["merchant_id", *(column.name for column in view.columns)]


@pytest.fixture
async def shop(postgresql_url: str) -> AsyncIterator[Gateway]:
    """On PostgreSQL, with an order of this merchant and one of another."""
    async with open_gateway(postgresql_url) as opened:
        other = await opened.services.keys.merchant("Bob's shop")
        await opened.order(metadata={"cart": "1"})
        await opened.order(key=await opened.key(merchant=other))
        yield opened


@asynccontextmanager
async def reader(shop: Gateway, merchant: str | None) -> AsyncIterator[asyncpg.Connection]:
    """A connection as a reader that is made, and taken away afterwards."""
    name, password = f"tool_{secrets.token_hex(4)}", secrets.token_urlsafe(8)
    database = shop.services.store.database
    await run(database, create_statements(name, password, b"0123456789abcdef", merchant))
    try:
        host = make_url(database.url)
        connection = await asyncpg.connect(
            host=host.host, port=host.port, database=host.database, user=name, password=password
        )
        try:
            yield connection
        finally:
            await connection.close()
    finally:
        await run(database, drop_statements(name))


async def test_a_reader_reads_the_views_and_no_table(shop: Gateway) -> None:
    async with reader(shop, None) as connection:
        assert await connection.fetchval("SELECT count(*) FROM finance_orders") == 2
        assert await connection.fetchval("SELECT metadata->>'cart' FROM finance_orders") == "1"
        for view in NAMES:
            await connection.fetch(f"TABLE {view}")
        for table in t.metadata.tables:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch(f"TABLE {table}")


async def test_a_reader_writes_nothing(shop: Gateway) -> None:
    async with reader(shop, None) as connection:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await connection.execute("CREATE TABLE mine (id int)")
        await connection.execute("SET default_transaction_read_only = off")  # it may say so
        for statement in (
            "CREATE TABLE mine (id int)",
            "UPDATE finance_orders SET amount = 1",
            "DELETE FROM finance_payouts",
            "INSERT INTO finance_refunds (id) VALUES ('x')",
            "UPDATE orders SET amount = 1",
            "CREATE ROLE other",
            "SET ROLE gateway",
        ):
            with pytest.raises(asyncpg.PostgresError) as caught:
                await connection.execute(statement)
            assert caught.value.sqlstate in ("42501", "55000"), statement


async def test_a_reader_of_one_merchant_sees_its_rows_only(shop: Gateway) -> None:
    async with reader(shop, shop.merchant) as connection:
        seen = await connection.fetch("SELECT merchant_id FROM finance_orders")
        assert [row["merchant_id"] for row in seen] == [shop.merchant]
        for view in NAMES:
            await connection.fetch(f"TABLE {view}")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch(f"TABLE public.{view}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT 1 FROM public.orders")


async def test_a_reader_is_made_by_the_command(
    shop: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", shop.services.store.database.url)
    name = f"tool_{secrets.token_hex(4)}"

    async def command(*arguments: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, main, ["reader", *arguments])

    printed = await command("create", name, "--print", "--merchant", shop.merchant)
    assert "CREATE ROLE" in printed.stdout
    made = await command("create", name, "--json")
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout)["name"] == name
    again = await command("create", name)
    assert (again.exit_code, "already" in again.stderr) == (1, True)
    assert (await command("drop", name)).exit_code == 0
    assert (await command("drop", name)).exit_code == 1
    for wrong in ("Robert'); DROP", "pg_tool", "public", "x" * 41, ""):
        assert (await command("create", "--", wrong)).exit_code == 1
    assert (await command("create", name, "--merchant", "mer_1' OR true")).exit_code == 1


async def test_sqlite_has_no_roles(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    result = await asyncio.to_thread(CliRunner().invoke, main, ["reader", "create", "tool"])
    assert (result.exit_code, "SQLite knows no roles" in result.stderr) == (1, True)
