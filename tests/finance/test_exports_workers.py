"""Exports as jobs when things go wrong: failures, dead workers, lost leases, long work."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import structlog

from api.exporting import making
from api.exporting.making import Exporter
from gateway.exports import KEPT
from storage.exports import Exports
from storage.flat import Batch, Flat
from tests.api.conftest import Gateway, code_of, until
from tests.finance.export_jobs import asked, end, gateway_with_orders, pieces, read, work
from tests.finance.export_readers import rows_of


@pytest.fixture
async def gateway(database_url: str) -> AsyncIterator[Gateway]:
    """On SQLite and on PostgreSQL, with five orders."""
    async with gateway_with_orders(database_url) as opened:
        yield opened


async def test_what_fails_is_tried_again_and_then_given_up(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = await asked(gateway), await asked(gateway)
    read_batch, broken = Flat._batch, True

    async def fails(self: Flat, *arguments: Any) -> Batch:
        if broken and arguments[4] is not None:
            raise OSError("the disk is gone")
        return await read_batch(self, *arguments)

    monkeypatch.setattr(Flat, "_batch", fails)
    await work(gateway)
    put_off = await read(gateway, good)
    assert (put_off["status"], put_off["url"]) == ("waiting", None)
    assert code_of(await gateway.get(f"/v1/exports/{good['id']}/file")) == (
        409, "export_not_ready",
    )  # fmt: skip
    broken = False
    gateway.clock.advance(minutes=1)
    await Exporter(gateway.services).run_due()
    assert (await read(gateway, good))["rows"] == 5
    broken = True
    for _ in range(3):
        gateway.clock.advance(minutes=5)
        await work(gateway)
    failed = await read(gateway, bad)
    assert (failed["status"], failed["error"]) == ("failed", "OSError")
    assert "disk" not in failed["error"]
    file = await gateway.get(f"/v1/exports/{good['id']}/file")
    assert len(rows_of("csv", "orders", "UTC", file.content)) == 5


async def test_a_worker_that_died_is_replaced(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one begins anew; the first, should it still live, can neither add nor finish."""
    export = await asked(gateway)
    ctx, exports = gateway.services.ctx, gateway.services.exports
    dead = await exports.claim(ctx.now(), ctx.now() + ctx.lease)
    assert dead is not None
    assert await exports.begin(dead, 5)
    assert await exports.put(dead, 0, b"half a file")
    await work(gateway)
    assert (await read(gateway, export))["status"] == "running", "its lease is respected"
    gateway.clock.advance(seconds=ctx.lease.total_seconds())
    await work(gateway)
    assert (await read(gateway, export))["status"] == "ready"
    assert not await exports.put(dead, 1, b"more")
    assert not await exports.go_on(dead, 9, ctx.now())
    assert not await exports.finish(dead, 9, 9)
    assert not await exports.give_up(dead, "failed", "late")
    file = await gateway.get(f"/v1/exports/{export['id']}/file")
    assert len(rows_of("csv", "orders", "UTC", file.content)) == 5


async def test_one_of_many_workers_makes_it(gateway: Gateway) -> None:
    made = [await asked(gateway) for _ in range(3)]
    await asyncio.gather(*(work(gateway) for _ in range(4)))
    for export in made:
        assert (await read(gateway, export))["rows"] == 5


@pytest.mark.parametrize("how", ["canceled", "stopped"])
async def test_what_is_under_way_can_be_ended(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(making, "_BEAT_SECONDS", 0.01)
    export, stop, begun = await asked(gateway), asyncio.Event(), asyncio.Event()
    read_batch = Flat._batch

    async def endless(self: Flat, *arguments: Any) -> Batch:
        if arguments[4] is not None:
            begun.set()
            await asyncio.sleep(60)
        return await read_batch(self, *arguments)

    monkeypatch.setattr(Flat, "_batch", endless)

    async def idle() -> bool:
        return "export" not in {task.get_name() for task in asyncio.all_tasks()}

    worker = asyncio.create_task(Exporter(gateway.services).run(stop))
    async with asyncio.timeout(10):
        await begun.wait()
        if how == "canceled":
            assert await end(gateway, export) == "canceled"
            await until(idle)
        stop.set()
        await worker
    after = await read(gateway, export)
    assert after["status"] == ("canceled" if how == "canceled" else "waiting")
    monkeypatch.setattr(Flat, "_batch", read_batch)
    await work(gateway)
    assert (await read(gateway, export))["status"] == ("canceled" if how == "canceled" else "ready")


@pytest.mark.parametrize("late", ["go_on", "give_back"])
async def test_what_comes_after_the_end_does_not_undo_it(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, late: str
) -> None:
    """The beat, or the stop, of the same worker; its statement waits for that of the end."""
    monkeypatch.setattr(making, "_BEAT_SECONDS", 0.01)
    export, stop = await asked(gateway), asyncio.Event()
    begun, finished = asyncio.Event(), asyncio.Event()
    finish, overtaken = Exports.finish, getattr(Exports, late)

    async def finishes(self: Exports, *arguments: Any) -> bool:
        if late == "give_back":
            stop.set()
        await begun.wait()
        made = await finish(self, *arguments)
        finished.set()
        return made

    async def comes_late(self: Exports, *arguments: Any, **more: Any) -> bool:
        begun.set()
        await finished.wait()
        done: bool = await overtaken(self, *arguments, **more)
        return done

    monkeypatch.setattr(Exports, "finish", finishes)
    monkeypatch.setattr(Exports, late, comes_late)
    with structlog.testing.capture_logs() as lines:
        await Exporter(gateway.services).run_due(stop)
    assert [line["outcome"] for line in lines if line["event"] == "export"] == ["made"]
    gateway.clock.advance(seconds=gateway.services.ctx.lease.total_seconds() + 1)
    await work(gateway)
    assert (await read(gateway, export))["status"] == "ready"


async def test_who_gave_it_back_can_do_nothing_more(gateway: Gateway) -> None:
    export = await asked(gateway)
    ctx, exports = gateway.services.ctx, gateway.services.exports
    stopping = await exports.claim(ctx.now(), ctx.now() + ctx.lease)
    assert stopping is not None
    assert await exports.give_back(stopping, ctx.now(), begun=False)
    assert not await exports.put(stopping, 0, b"half a file")
    assert not await exports.finish(stopping, 1, 1)
    assert (await read(gateway, export))["status"] == "waiting"


async def test_a_file_is_not_taken_away_before_its_time(gateway: Gateway) -> None:
    """Should it be due too early, which is what the beat of an older version may leave."""
    export = await asked(gateway)
    await work(gateway)
    ctx, exports = gateway.services.ctx, gateway.services.exports
    later = ctx.now() + KEPT
    early = await exports.claim(later, later + ctx.lease)
    assert early is not None
    assert not await exports.expire(early)
    assert (await read(gateway, export))["status"] == "ready"
    gateway.clock.advance(seconds=KEPT.total_seconds() + 1)
    await work(gateway)
    assert (await read(gateway, export))["status"] == "expired"


async def test_long_work_keeps_its_lease(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "_BEAT_SECONDS", 0.01)
    export, go = await asked(gateway, format="xlsx"), asyncio.Event()
    read_batch = Flat._batch

    async def slow(self: Flat, *arguments: Any) -> Batch:
        if arguments[4] is not None:
            await go.wait()
        return await read_batch(self, *arguments)

    monkeypatch.setattr(Flat, "_batch", slow)
    first = asyncio.create_task(work(gateway))

    async def under_way() -> bool:
        return bool((await read(gateway, export))["rows"])

    await until(under_way)
    for _ in range(5):
        gateway.clock.advance(seconds=gateway.services.ctx.lease.total_seconds() * 0.9)
        await asyncio.sleep(0.05)
        assert not await Exporter(gateway.services).run_due(), "nobody takes it over"
    go.set()
    await first
    assert (await read(gateway, export))["status"] == "ready"


async def test_too_many_rows_fail_at_once(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "MOST_ROWS", 3)
    export = await asked(gateway)
    await work(gateway)
    failed = await read(gateway, export)
    assert failed["status"] == "failed"
    assert failed["error"].startswith("more than 3 rows")
    assert await pieces(gateway) == 0


async def test_a_file_that_goes_away_in_the_middle_is_no_file(gateway: Gateway) -> None:
    export = await asked(gateway)
    await work(gateway)
    exports: Exports = gateway.services.exports
    record = await exports.get(gateway.merchant, False, export["id"])
    parts = exports.file(record)
    await anext(parts)
    await end(gateway, export)
    with pytest.raises(Exception, match="taken away"):
        await anext(parts)
