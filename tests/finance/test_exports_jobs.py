"""Exports as jobs: made, kept in the database, fetched by a key or a link, and taken away."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import structlog

from gateway.exports import KEPT, LINK, MOST_JOBS, REMEMBERED
from tests.api.conftest import PUBLIC_URL, Gateway, code_of
from tests.finance.export_jobs import asked, end, gateway_with_orders, pieces, read, work
from tests.finance.export_readers import rows_of


@pytest.fixture
async def gateway(database_url: str) -> AsyncIterator[Gateway]:
    """On SQLite and on PostgreSQL, with five orders."""
    async with gateway_with_orders(database_url) as opened:
        yield opened


@pytest.mark.parametrize("format", ["csv", "jsonl", "xlsx", "parquet"])
async def test_a_job_makes_what_an_answer_is(gateway: Gateway, format: Any) -> None:
    filters = {"currency": "EUR", "created_to": "2026-02-01T00:00:00+01:00", "status": ["open"]}
    export = await asked(gateway, format=format, tz="Europe/Berlin", filters=filters)
    assert export == export | {
        "object": "export",
        "kind": "orders",
        "format": format,
        "tz": "Europe/Berlin",
        "status": "waiting",
        "rows": 0,
        "rows_expected": None,
        "url": None,
        "error": None,
        "expires_at": None,
        "file_name": f"orders_all_2026-02-01_Europe-Berlin.{format}",
    }
    assert {name: export["filters"][name] for name in ("currency", "status")} == {
        "currency": "EUR",
        "status": ["open"],
    }
    await work(gateway)
    ready = await read(gateway, export)
    assert (ready["status"], ready["rows"], ready["rows_expected"]) == ("ready", 4, 4)
    assert await pieces(gateway) > (format in ("csv", "jsonl"))
    file = await gateway.get(f"/v1/exports/{export['id']}/file")
    assert file.headers["Content-Length"] == str(ready["size"]) == str(len(file.content))
    assert file.headers["Content-Disposition"].endswith(f'"{ready["file_name"]}"')
    answer = await gateway.get(
        "/v1/exports/orders", format=format, tz="Europe/Berlin", currency="EUR", status="open"
    )
    rows = rows_of(format, "orders", "Europe/Berlin", file.content)
    assert rows == rows_of(format, "orders", "Europe/Berlin", answer.content)
    assert len(rows) == 4


async def test_a_link_is_good_for_a_while_and_for_one_file(gateway: Gateway) -> None:
    export, other = await asked(gateway), await asked(gateway)
    await work(gateway)
    url = (await read(gateway, export))["url"]
    assert url.startswith(f"{PUBLIC_URL}/v1/exports/{export['id']}/file?token=")
    assert (await gateway.http.get(url)).status_code == 200
    for wrong in (
        url.replace(export["id"], other["id"]),
        url[:-1] + ("0" if url[-1] != "0" else "1"),
        url.partition("?")[0] + "?token=",
        url.partition("?")[0] + "?token=é.é",
        url.partition("?")[0],
    ):
        assert code_of(await gateway.http.get(wrong)) == (401, "unauthenticated"), wrong
    gateway.clock.advance(seconds=LINK.total_seconds())
    assert code_of(await gateway.http.get(url)) == (401, "unauthenticated")
    assert (await gateway.http.get((await read(gateway, export))["url"])).status_code == 200


async def test_a_file_never_reaches_another(gateway: Gateway) -> None:
    lines = await asked(gateway, kind="balance_transactions")
    export = await asked(gateway)
    await work(gateway)
    elsewhere = await gateway.services.keys.merchant("Another")
    for key in (await gateway.key(merchant=elsewhere), await gateway.key(livemode=True)):
        for path in (export["id"], f"{export['id']}/file"):
            answer = await gateway.get(f"/v1/exports/{path}", key=key)
            assert code_of(answer) == (404, "not_found")
        assert (await gateway.get("/v1/exports", key=key)).json()["data"] == []
    finance = await gateway.key("restricted", scopes=("finance:read",))
    listed = await gateway.get("/v1/exports", key=finance)
    assert [one["id"] for one in listed.json()["data"]] == [lines["id"]]
    for path in (export["id"], f"{export['id']}/file"):
        answer = await gateway.get(f"/v1/exports/{path}", key=finance)
        assert code_of(answer) == (403, "forbidden")
    answer = await gateway.post("/v1/exports", {"kind": "refunds"}, key=finance)
    assert code_of(answer) == (403, "forbidden")
    writer = await gateway.key("restricted", scopes=("webhooks:write",))
    assert code_of(await gateway.get("/v1/exports", key=writer)) == (403, "forbidden")


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"kind": "events"}, "kind"),
        ({"format": "pdf"}, "format"),
        ({"tz": "Berlin"}, "tz"),
        ({"filters": {"misspelt": 1}}, "filters.misspelt"),
        ({"filters": {"status": "paid"}}, "filters.status"),
        ({"filters": {"amount_min": "5"}}, "filters.amount_min"),
        ({"filters": {"created_from": "2026-01-01T00:00:00"}}, "filters.created_from"),
    ],
)
async def test_wrong_wishes(gateway: Gateway, body: dict[str, Any], path: str) -> None:
    answer = await gateway.post("/v1/exports", {"kind": "orders"} | body)
    assert code_of(answer) == (400, "invalid_request")
    assert answer.json()["errors"][0]["path"] == path


async def test_a_file_is_kept_for_a_day_and_remembered_for_a_month(gateway: Gateway) -> None:
    export = await asked(gateway)
    assert code_of(await gateway.get(f"/v1/exports/{export['id']}/file")) == (
        409, "export_not_ready",
    )  # fmt: skip
    await work(gateway)
    gateway.clock.advance(seconds=KEPT.total_seconds() - 60)
    await work(gateway)
    assert (await read(gateway, export))["status"] == "ready"
    gateway.clock.advance(seconds=120)
    await work(gateway)
    gone = await read(gateway, export)
    assert (gone["status"], gone["url"], gone["rows"]) == ("expired", None, 5)
    assert await pieces(gateway) == 0
    assert code_of(await gateway.get(f"/v1/exports/{export['id']}/file")) == (
        409, "export_not_ready",
    )  # fmt: skip
    gateway.clock.advance(seconds=REMEMBERED.total_seconds() + 1)
    await work(gateway)
    answer = await gateway.get(f"/v1/exports/{export['id']}")
    assert code_of(answer) == (404, "not_found")


async def test_one_can_be_canceled_and_its_file_deleted(gateway: Gateway) -> None:
    waiting = await asked(gateway)
    assert await end(gateway, waiting) == "canceled"
    await work(gateway)
    assert await end(gateway, waiting) == "canceled"
    made = await asked(gateway)
    await work(gateway)
    assert await end(gateway, made) == "expired"
    assert await pieces(gateway) == 0


async def test_so_many_at_a_time(gateway: Gateway) -> None:
    for _ in range(MOST_JOBS):
        await asked(gateway)
    answer = await gateway.post("/v1/exports", {"kind": "orders"})
    assert code_of(answer) == (429, "too_many_requests")
    await work(gateway)
    await asked(gateway)
    page = (await gateway.get("/v1/exports", limit=6)).json()
    rest = (await gateway.get("/v1/exports", limit=6, cursor=page["next_cursor"])).json()
    ids = [export["id"] for export in page["data"] + rest["data"]]
    assert (len(ids), ids) == (MOST_JOBS + 1, sorted(ids, reverse=True))
    assert rest["next_cursor"] is None


async def test_nothing_personal_and_no_link_is_logged(gateway: Gateway) -> None:
    with structlog.testing.capture_logs() as lines:
        export = await asked(gateway, filters={"customer_email": "ada.secret@example.com"})
        await work(gateway)
        url = (await read(gateway, export))["url"]
        await gateway.http.get(url)
        await gateway.get("/v1/exports/orders", customer_email="ada.secret@example.com")
    (made, sent) = (line for line in lines if line["event"] == "export")
    assert (made["export"], made["outcome"], made["rows"]) == (export["id"], "made", 0)
    assert (sent["kind"], sent["format"], sent["outcome"]) == ("orders", "csv", "sent")
    written = str(lines)
    assert "ada.secret" not in written
    assert url.partition("token=")[2] not in written
