"""After the weather has cleared: time passes, until there is nothing left to settle.

Time is not waited for. What the gateway means to do later (look at a payment in five minutes,
expire an order in half an hour) is made due in the database, as if that time had come; the
providers' clock is moved on by days once no call is in doubt any more, since a provider forgets
keys after a day.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Table, func, select, update

from bench.soak.town import LEASE_SECONDS, Town
from gateway.errors import StoreUnavailable
from storage import tables as t
from storage.engine import Database

#: Bank transfers clear and pending refunds end within it; authorizations live longer.
_DAYS = 4
#: A round that takes longer is not waited for: the next one begins.
_ROUND_SECONDS = 20.0
#: What is due sooner may be somebody's lease.
_SOON = timedelta(seconds=LEASE_SECONDS + 1)


class Settling:
    """Drives what is left to its end, and says what does not come to one."""

    def __init__(self, town: Town, database: Database) -> None:
        self._town = town
        self._database = database

    async def settle(self, seconds: float) -> tuple[float, str]:
        """Until nothing is left, for at most so long: how long it took, and what is left.

        First what is in doubt, at least two looks at everything; then the days in which bank
        transfers clear; then the time at which orders expire.
        """
        started = time.monotonic()
        stages = (("doubts", False, 2), ("transfers", False, 1), ("expiry", True, 1))
        for stage, expiring, rounds in stages:
            if stage == "transfers":
                await self._town.control("clock", advance_seconds=_DAYS * 86_400)
            while rounds > 0 or await self._left(stage):
                spent = time.monotonic() - started
                if spent > seconds:
                    return spent, f"{stage}: {await self._left(stage)}"
                await self._round(expiring=expiring)
                rounds -= 1
        return time.monotonic() - started, ""

    async def _round(self, *, expiring: bool) -> None:
        """Make due what waits for a later time, then wait until it has been looked at."""
        now = datetime.now(UTC)
        later: list[ColumnElement[bool]] = [
            t.jobs.c.status == "waiting",
            t.jobs.c.run_at > now + _SOON,
        ]
        if not expiring:
            later.append(t.jobs.c.kind != "expire_order")
        await self._due(t.jobs, later, now)
        received = t.inbox.c.status == "received"
        await self._due(t.inbox, [received, t.inbox.c.run_at > now + _SOON], now)
        deadline = time.monotonic() + _ROUND_SECONDS
        while time.monotonic() < deadline:
            await asyncio.sleep(0.5)
            busy = datetime.now(UTC) + _SOON
            jobs = await self._count(t.jobs, t.jobs.c.status == "waiting", t.jobs.c.run_at <= busy)
            if not jobs + await self._count(t.inbox, received, t.inbox.c.run_at <= busy):
                return

    async def _left(self, stage: str) -> dict[str, int]:
        """How much of what there is left to settle, by what it is; empty when it is done."""
        c, attention = t.orders.c, select(t.orders.c.id).where(t.orders.c.attention)
        in_doubt = t.operations.c.order_id.not_in(attention), ~t.operations.c.settled
        left = {
            "operations": await self._count(t.operations, *in_doubt),
            "events": await self._count(t.inbox, t.inbox.c.status == "received"),
        }
        if stage != "doubts":
            left["refunds"] = await self._count(
                t.refunds,
                t.refunds.c.status == "pending",
                t.refunds.c.order_id.not_in(attention),
            )
            left["orders"] = await self._count(t.orders, c.status == "processing", ~c.attention)
        if stage == "expiry":
            left["orders"] += await self._count(t.orders, c.status == "open", ~c.attention)
        return {what: number for what, number in left.items() if number}

    async def _due(self, table: Table, which: Sequence[ColumnElement[bool]], now: datetime) -> None:
        try:
            async with self._database.write() as connection:
                await connection.execute(update(table).where(*which).values(run_at=now))
        except StoreUnavailable:
            return  # SQLite is busy: the next round

    async def _count(self, table: Table, *which: ColumnElement[bool]) -> int:
        async with self._database.read() as connection:
            query = select(func.count()).select_from(table).where(*which)
            return (await connection.execute(query)).scalar_one()
