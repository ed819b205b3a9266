"""Exports as answers: what is in them and around them, who may, and what can go wrong."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

import httpx
import msgspec
import pyarrow.parquet as pq
import pytest

from api.app import create_app
from api.exporting import answers, files
from api.exporting.filters import FILTERS
from api.serving import http_server
from gateway.bookkeeping import BalanceTransactionResource
from gateway.columns import COLUMNS, KINDS, RecordKind
from gateway.errors import StoreUnavailable
from gateway.exports import MEDIA_TYPES, file_name
from gateway.resources import OrderResource, RefundResource
from storage.flat import Batch, Flat
from tests.api.conftest import Gateway, code_of, open_gateway, until
from tests.finance.export_readers import rows_of

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
async def gateway(store_url: str) -> AsyncIterator[Gateway]:
    async with open_gateway(store_url) as opened:
        yield opened


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.flat.BATCH", 2)


async def test_a_csv_as_finance_gets_it(gateway: Gateway) -> None:
    gateway.clock.advance(days=180)  # it is summer in Berlin
    order = await gateway.paid(reference="=1+1", metadata={"cart": "9"})
    asked = {"tz": "Europe/Berlin", "created_from": "2026-05-31T22:00:00Z"}
    answer = await gateway.get("/v1/exports/orders", **asked)
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == (
        'attachment; filename="orders_2026-06-01_2026-06-30T140000_Europe-Berlin.csv"'
    )
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.content.count(b"\r\n") == 2
    names, values = csv.reader(io.StringIO(answer.text, newline=""))
    row = dict(zip(names, values, strict=True))
    assert row["id"] == order["id"]
    assert row["reference"] == "'=1+1"
    assert (row["amount"], row["amount_decimal"], row["currency"]) == ("5400", "54.00", "USD")
    assert (row["amount_refunded"], row["amount_refunded_decimal"]) == ("0", "0.00")
    assert (row["attention"], row["livemode"]) == ("false", "false")
    assert row["created_at"].startswith("2026-06-30T14:00:00.")
    assert row["created_at"].endswith("+02:00")
    assert row["paid_at"] == "2026-01-01T01:00:00+01:00"
    assert row["time_zone"] == "Europe/Berlin"
    assert row["metadata"] == '{"cart":"9"}'
    assert order["client_token"] not in answer.text


def test_a_files_name_says_what_is_in_it() -> None:
    def named(start: datetime | None, end: datetime | None) -> str:
        return file_name("refunds", "xlsx", BERLIN, start, end, datetime(2026, 8, 1, 9, tzinfo=UTC))

    june, july = datetime(2026, 5, 31, 22, tzinfo=UTC), datetime(2026, 6, 30, 22, tzinfo=UTC)
    assert named(june, july) == "refunds_2026-06-01_2026-07-01_Europe-Berlin.xlsx"
    assert named(None, None) == "refunds_all_2026-08-01T110000_Europe-Berlin.xlsx"


@pytest.mark.parametrize("kind", KINDS)
async def test_nothing_is_a_file_too(gateway: Gateway, kind: RecordKind) -> None:
    for format, media_type in MEDIA_TYPES.items():
        answer = await gateway.get(f"/v1/exports/{kind}", format=format)
        assert answer.headers["Content-Type"].partition(";")[0] == media_type
        if format == "jsonl":
            assert answer.content == b""
        else:
            assert rows_of(format, kind, "UTC", answer.content) == []


async def test_the_zone_is_in_every_file(gateway: Gateway) -> None:
    await gateway.paid()
    asked: dict[str, Any] = {"tz": "Asia/Kolkata"}
    parquet = await gateway.get("/v1/exports/orders", format="parquet", **asked)
    schema = pq.read_schema(io.BytesIO(parquet.content))
    assert schema.metadata[b"time_zone"] == b"Asia/Kolkata"
    assert str(schema.field("created_at").type) == "timestamp[us, tz=Asia/Kolkata]"
    assert str(schema.field("fee_decimal").type) == "decimal128(22, 3)"
    xlsx = await gateway.get("/v1/exports/orders", format="xlsx", **asked)
    (row,) = rows_of("xlsx", "orders", "Asia/Kolkata", xlsx.content)
    assert row["created_at"].hour == 17


@pytest.mark.parametrize(
    ("kind", "resource", "others"),
    [
        ("orders", OrderResource, {"object", "client_token", "checkout_url"}),
        ("refunds", RefundResource, {"object"}),
        ("balance_transactions", BalanceTransactionResource, {"object"}),
    ],
)
def test_every_single_value_of_the_api_has_a_column(
    kind: RecordKind, resource: type[msgspec.Struct], others: set[str]
) -> None:
    """A field that the API gets some day must not be forgotten in the files."""
    plain = {
        name
        for name, of in get_type_hints(resource).items()
        if not any(hasattr(part, "__struct_fields__") for part in (of, *get_args(of)))
        and get_origin(of) is not tuple
    }
    assert plain - others <= {column.name for column in COLUMNS[kind]}


# --- who may, and what --------------------------------------------------------------------------


async def test_what_a_key_may_list_it_may_export(gateway: Gateway) -> None:
    await gateway.paid()
    for scope, kinds in (("orders:read", KINDS[:2]), ("finance:read", KINDS[2:])):
        key = await gateway.key("restricted", scopes=(scope,))
        for kind in KINDS:
            answer = await gateway.get(f"/v1/exports/{kind}", key=key)
            assert answer.is_success == (kind in kinds)
            assert answer.is_success or code_of(answer) == (403, "forbidden")
    public = await gateway.key("publishable")
    assert code_of(await gateway.get("/v1/exports/orders", key=public)) == (403, "forbidden")
    assert (await gateway.http.get("/v1/exports/orders")).status_code == 401


async def test_nobody_gets_anothers_records(gateway: Gateway) -> None:
    await gateway.paid()
    other = await gateway.key(merchant=await gateway.services.keys.merchant("Another"))
    live = await gateway.key(livemode=True)
    for key in (other, live):
        for kind in KINDS:
            answer = await gateway.get(f"/v1/exports/{kind}", key=key)
            assert rows_of("csv", kind, "UTC", answer.content) == []


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ({"tz": "Berlin"}, "tz"),
        ({"format": "pdf"}, "format"),
        ({"misspelt": "1"}, "misspelt"),
        ({"status": "sold"}, "status"),
        ({"status": ""}, "status"),
        ({"created_from": "2026-01-01T00:00:00"}, "created_from"),
        ({"amount_min": "-1"}, "amount_min"),
        ({"limit": "1"}, "limit"),
        ({"currency": ["EUR", "USD"]}, "currency"),
    ],
)
async def test_wrong_questions(gateway: Gateway, query: dict[str, Any], path: str) -> None:
    answer = await gateway.get("/v1/exports/orders", **query)
    assert code_of(answer) == (400, "invalid_request")
    assert answer.json()["errors"][0]["path"].startswith(path)


async def test_exports_have_the_filters_of_the_lists(gateway: Gateway) -> None:
    document = (await gateway.http.get("/openapi.json")).json()
    for kind in KINDS:
        listed, exported = (
            {
                parameter["name"]
                for parameter in document["paths"][path]["get"]["parameters"]
                if parameter["in"] == "query"
            }
            for path in (f"/v1/{kind}", f"/v1/exports/{kind}")
        )
        assert exported - {"format", "tz"} == listed - {"limit", "cursor"}
        typed, wanted = FILTERS[kind]
        assert (
            set(typed.__struct_fields__)
            == set(wanted.__struct_fields__)
            == listed
            - {
                "limit",
                "cursor",
            }
        )
        content = document["paths"][f"/v1/exports/{kind}"]["get"]["responses"]["200"]["content"]
        assert set(content) == set(MEDIA_TYPES.values())


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
async def test_a_time_that_utc_cannot_say(gateway: Gateway, at: str) -> None:
    answer = await gateway.get("/v1/exports/orders", created_from=at)
    assert code_of(answer) == (400, "invalid_request")
    assert answer.json()["errors"][0]["path"] == "created_from"
    for edge in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        for tz in ("Pacific/Kiritimati", "Pacific/Midway"):
            answer = await gateway.get("/v1/exports/orders", created_to=edge, tz=tz)
            assert answer.status_code == 200, answer.text


async def test_parquet_is_an_extra(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "find_spec", lambda _: None)
    answer = await gateway.get("/v1/exports/orders", format="parquet")
    assert code_of(answer) == (400, "invalid_request")
    assert "the extra `parquet`" in answer.json()["detail"]
    assert (await gateway.get("/v1/exports/orders")).is_success


async def test_a_long_xlsx_is_for_a_job(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.exporting.answers.MOST_ROWS_AT_ONCE", 1)
    await gateway.order()
    assert (await gateway.get("/v1/exports/orders", format="xlsx")).is_success
    await gateway.order()
    answer = await gateway.get("/v1/exports/orders", format="xlsx")
    assert code_of(answer) == (422, "export_too_large")
    assert (await gateway.get("/v1/exports/orders", format="csv")).is_success


# --- what can go wrong --------------------------------------------------------------------------


@asynccontextmanager
async def served(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application over a socket: only there is a connection broken off."""
    server = http_server(create_app(gateway.services), "127.0.0.1", 0)
    task = asyncio.create_task(server.serve())

    async def started() -> bool:
        return server.started

    await until(started)
    port = server.servers[0].sockets[0].getsockname()[1]
    headers = {"Authorization": f"Bearer {gateway.secret}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers) as client:
        yield client
    server.should_exit = True
    await task


async def ask(
    client: httpx.AsyncClient, version: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which a file was asked for, in this version of HTTP."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
    key = client.headers["Authorization"]
    asks = f"GET /v1/exports/orders HTTP/{version}\r\nHost: pay\r\nAuthorization: {key}\r\n\r\n"
    writer.write(asks.encode())
    return reader, writer


def exports_counted(gateway: Gateway, outcome: str) -> float:
    for line in gateway.services.metrics.render().decode().splitlines():
        if line.startswith("gateway_export_seconds_count") and f'outcome="{outcome}"' in line:
            return float(line.rpartition(" ")[2])
    return 0


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("format", ["csv", "xlsx"])
async def test_half_a_file_does_not_look_whole(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    for _ in range(5):
        await gateway.order()
    read, calls = Flat._batch, 0

    async def fails_later(self: Flat, *arguments: Any) -> Batch:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise OSError("the database is gone")
        return await read(self, *arguments)

    async with served(gateway) as client:
        monkeypatch.setattr(Flat, "_batch", fails_later)
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/v1/exports/orders", params={"format": format})
        monkeypatch.undo()
        monkeypatch.setattr("storage.flat.BATCH", 2)
        answer = await client.get("/v1/exports/orders")
        assert len(rows_of("csv", "orders", "UTC", answer.content)) == 5
    assert exports_counted(gateway, "failed") == 1
    assert exports_counted(gateway, "sent") == 1


async def test_http_1_0_cannot_show_that_a_file_is_not_whole(gateway: Gateway) -> None:
    async with served(gateway) as client:
        reader, writer = await ask(client, "1.0")
        answer = await reader.read()
        writer.close()
    assert b" 422 " in answer.partition(b"\r\n")[0]
    assert b"proxy_http_version 1.1" in answer


@pytest.mark.usefixtures("small_batches")
async def test_what_fails_at_once_is_a_problem(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: Any) -> Batch:
        raise StoreUnavailable("the database cannot be used now; try again")

    monkeypatch.setattr(Flat, "_batch", fails)
    assert code_of(await gateway.get("/v1/exports/orders")) == (503, "store_unavailable")


@pytest.mark.usefixtures("small_batches")
async def test_who_hangs_up_ends_the_work(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        await gateway.order()
    read, reads, going_on = Flat._batch, 0, asyncio.Event()

    async def endless(self: Flat, *arguments: Any) -> Batch:
        nonlocal reads
        reads += 1
        if reads > 2:
            going_on.set()
            await asyncio.sleep(60)
        return await read(self, *arguments)

    async with served(gateway) as client:
        monkeypatch.setattr(Flat, "_batch", endless)
        async with client.stream("GET", "/v1/exports/orders") as answer:
            assert answer.status_code == 200
            async with asyncio.timeout(10):
                await going_on.wait()

        async def broken_off() -> bool:
            return exports_counted(gateway, "broken_off") == 1

        await until(broken_off)
        names = {task.get_name() for task in asyncio.all_tasks()}
        assert "next batch of an export" not in names


@pytest.mark.usefixtures("small_batches")
async def test_who_takes_no_more_of_it_keeps_no_room(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    await gateway.order()
    await gateway.order()
    read = Flat._batch

    async def endless(self: Flat, *arguments: Any) -> Batch:
        from_the_first: Any = (*arguments[:-1], None)
        batch = await read(self, *from_the_first)
        return Batch(batch.columns, tuple(2_000 * tuple(values) for values in batch.values))

    monkeypatch.setattr(Flat, "_batch", endless)
    monkeypatch.setattr(answers, "STALLED", 0.2)
    async with served(gateway) as client:
        reader, writer = await ask(client, "1.1")

        async def broken_off() -> bool:
            return exports_counted(gateway, "broken_off") == 1

        await until(broken_off)
        got = await reader.read()
        writer.close()
    assert b" 200 " in got.partition(b"\r\n")[0]
    assert not got.endswith(b"\r\n0\r\n\r\n")


@pytest.mark.usefixtures("small_batches")
async def test_there_is_room_for_a_few(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5):
        await gateway.order()
    read, go = Flat._batch, asyncio.Event()

    async def slow(self: Flat, *arguments: Any) -> Batch:
        if arguments[4] is not None:
            await go.wait()
        return await read(self, *arguments)

    async with served(gateway) as client:
        monkeypatch.setattr(Flat, "_batch", slow)
        waiting = [asyncio.create_task(client.get("/v1/exports/orders")) for _ in range(3)]

        async def full() -> bool:
            answer = await client.get("/v1/exports/orders", params={"reference": "none"})
            return answer.status_code == 429

        await until(full)
        other = await gateway.key(merchant=await gateway.services.keys.merchant("Another"))
        assert (await gateway.get("/v1/exports/orders", key=other)).is_success
        go.set()
        for answer in await asyncio.gather(*waiting):
            assert len(rows_of("csv", "orders", "UTC", answer.content)) == 5
        assert (await client.get("/v1/exports/orders")).is_success
