"""Exports that run as jobs: asked for, made under a lease, kept in pieces, taken away.

They have a queue of their own, since one may take minutes, and the other work must not wait. A
file lies in the database: whichever machine made it, every other one can serve it.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Collection, Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, and_, delete, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.columns import RecordKind
from gateway.errors import GatewayError, NotFound, StoreUnavailable
from gateway.exports import KEPT, MOST_JOBS, REMEMBERED, ExportStatus, Format
from gateway.ids import Ids
from gateway.ports import Clock
from storage import tables as t
from storage.engine import Database

#: Pieces are compressed quickly rather than well: a CSV shrinks to a fifth.
_LEVEL = 1
_OPEN = ("waiting", "running")


class NewExport(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for. `filters` are as the API was given them, `created_by` a key or a user."""

    merchant_id: str
    livemode: bool
    kind: RecordKind
    format: Format
    tz: str
    filters: Mapping[str, Any]
    file_name: str
    created_by: str


class ExportRecord(NewExport, frozen=True, kw_only=True):
    """An export as it stands; see gateway/exports.py for its fields."""

    id: str
    status: ExportStatus
    rows: int
    rows_expected: int | None
    size: int | None
    error: str | None
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime | None
    attempts: int
    fence: int


class Exports:
    """The exports of all merchants."""

    def __init__(self, database: Database, ids: Ids, clock: Clock) -> None:
        self._database = database
        self._ids = ids
        self._clock = clock

    # --- for those who ask for them ---------------------------------------------------------------

    async def add(self, new: NewExport) -> ExportRecord:
        """A new job. Raises GatewayError `too_many_requests` when the merchant has enough."""
        now, c = self._clock.now(), t.exports.c
        async with self._database.write() as connection:
            merchant = t.merchants.c.id == new.merchant_id
            turn = select(t.merchants.c.id).where(merchant).with_for_update(key_share=True)
            await connection.execute(turn)
            waiting = await connection.scalar(
                select(func.count())
                .select_from(t.exports)
                .where(c.merchant_id == new.merchant_id, c.status.in_(_OPEN))
            )
            if (waiting or 0) >= MOST_JOBS:
                raise GatewayError(
                    f"{waiting} exports are under way: wait for one, or delete one",
                    code="too_many_requests",
                )
            row = await connection.execute(
                t.exports.insert()
                .values(
                    msgspec.structs.asdict(new)
                    | {
                        "id": self._ids.new("exp"),
                        "filters": msgspec.json.encode(new.filters),
                        "status": "waiting",
                        "rows": 0,
                        "created_at": now,
                        "run_at": self._database.moment(now),
                        "attempts": 0,
                        "fence": 0,
                    }
                )
                .returning(t.exports)
            )
            return _record(row.one())

    async def get(self, merchant_id: str, livemode: bool, export_id: str) -> ExportRecord:
        """One export of this merchant and mode. Raises NotFound."""
        async with self._database.read() as connection:
            query = select(t.exports).where(
                _own(merchant_id, livemode), t.exports.c.id == export_id
            )
            row = (await connection.execute(query)).first()
        if row is None:
            raise NotFound(f"there is no export {export_id}")
        return _record(row)

    async def list(
        self,
        merchant_id: str,
        livemode: bool,
        kinds: Collection[RecordKind],
        after: str | None,
        limit: int,
    ) -> tuple[list[ExportRecord], str | None]:
        """A page of exports of these kinds, newest first, and the id the next one starts after."""
        c = t.exports.c
        query = (
            select(t.exports)
            .where(_own(merchant_id, livemode), c.kind.in_(kinds))
            .order_by(c.id.desc())
            .limit(limit + 1)
        )
        if after is not None:
            query = query.where(c.id < after)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        shown = [_record(row) for row in rows[:limit]]
        return shown, shown[-1].id if len(rows) > limit else None

    async def end(self, merchant_id: str, livemode: bool, export_id: str) -> ExportRecord:
        """Stop making it (`canceled`), or take its file away (`expired`). Raises NotFound.

        One that has ended otherwise stays as it is.
        """
        c = t.exports.c
        found = await self.get(merchant_id, livemode, export_id)
        async with self._database.write() as connection:
            for before, after in ((_OPEN, "canceled"), (("ready",), "expired")):
                changed = await connection.execute(
                    update(t.exports)
                    .where(_own(merchant_id, livemode), c.id == export_id, c.status.in_(before))
                    .values(self._ended(after, found) | {"fence": c.fence + 1})
                )
                if changed.rowcount:
                    await _drop_file(connection, found)
                    break
        return await self.get(merchant_id, livemode, export_id)

    async def file(self, export: ExportRecord) -> AsyncIterator[bytes]:
        """The file of one that is ready. Raises StoreUnavailable when it is gone in the middle."""
        c, left, position = t.export_chunks.c, export.size or 0, 0
        while left:
            async with self._database.read() as connection:
                data = await connection.scalar(
                    select(c.data).where(
                        c.merchant_id == export.merchant_id,
                        c.export_id == export.id,
                        c.position == position,
                    )
                )
            if data is None:
                raise StoreUnavailable("the file has been taken away")
            piece = await asyncio.to_thread(zlib.decompress, data)
            left, position = left - len(piece), position + 1
            yield piece

    # --- for those who make them ------------------------------------------------------------------

    async def claim(self, now: datetime, lease_until: datetime) -> ExportRecord | None:
        """Lease the one for which something has been due longest: a file is to be made, or, where
        it is `ready`, taken away; one that has ended is to be forgotten."""
        c, keys = t.exports.c, list(t.exports.primary_key)
        is_due = c.run_at <= self._database.moment(now)
        due = (
            select(*keys)
            .where(is_due)
            .order_by(c.run_at)
            .limit(1)
            .with_for_update(skip_locked=True)
            .cte("due")
        )
        async with self._database.read() as connection:  # an idle worker takes no lock
            if (await connection.execute(select(c.id).where(is_due).limit(1))).first() is None:
                return None
        async with self._database.write() as connection:
            claimed = await connection.execute(
                update(t.exports)
                .where(tuple_(*keys).in_(select(due)))
                .values(
                    run_at=self._database.moment(lease_until),
                    fence=c.fence + 1,
                    attempts=c.attempts + 1,
                )
                .returning(t.exports)
            )
            row = claimed.first()
        return _record(row) if row else None

    async def begin(self, claimed: ExportRecord, expected: int) -> bool:
        """Start from nothing; False, as with all of these, when the lease was lost or it ended."""
        async with self._database.write() as connection:
            values = {"status": "running", "rows": 0, "rows_expected": expected}
            begun = await self._change(connection, claimed, values)
            if begun:
                await _drop_file(connection, claimed)
        return begun

    async def go_on(self, claimed: ExportRecord, rows: int, lease_until: datetime) -> bool:
        """So many rows are written; the lease is longer."""
        values = {"rows": rows, "run_at": self._database.moment(lease_until)}
        async with self._database.write() as connection:
            return await self._change(connection, claimed, values)

    async def put(self, claimed: ExportRecord, position: int, piece: bytes) -> bool:
        """Keep a piece of the file."""
        data = await asyncio.to_thread(zlib.compress, piece, _LEVEL)
        async with self._database.write() as connection:
            held = await self._change(connection, claimed, {"status": "running"})
            if held:
                await connection.execute(
                    t.export_chunks.insert().values(
                        merchant_id=claimed.merchant_id,
                        export_id=claimed.id,
                        position=position,
                        data=data,
                    )
                )
        return held

    async def finish(self, claimed: ExportRecord, rows: int, size: int) -> bool:
        """The file is whole."""
        now = self._clock.now()
        expires_at = now + KEPT
        values = {
            "status": "ready",
            "rows": rows,
            "size": size,
            "finished_at": now,
            "expires_at": expires_at,
            "run_at": self._database.moment(expires_at),
            "attempts": 0,
        }
        async with self._database.write() as connection:
            return await self._change(connection, claimed, values)

    async def give_back(self, claimed: ExportRecord, run_at: datetime, *, begun: bool) -> bool:
        """It is due at `run_at`, for anybody; if it was not `begun` this counts as no try.

        Nothing can be done with `claimed` afterwards.
        """
        values = {
            "status": "waiting",
            "fence": claimed.fence + 1,
            "run_at": self._database.moment(run_at),
            "attempts": claimed.attempts - (not begun),
        }
        async with self._database.write() as connection:
            return await self._change(connection, claimed, values)

    async def expire(self, claimed: ExportRecord) -> bool:
        """Take a file away whose time is over; one that was claimed too early is due later."""
        if claimed.expires_at is None or claimed.expires_at <= self._clock.now():
            return await self.give_up(claimed, "expired")
        async with self._database.write() as connection:
            due = {"run_at": self._database.moment(claimed.expires_at)}
            await self._change(connection, claimed, due)
        return False

    async def give_up(
        self, claimed: ExportRecord, status: ExportStatus, error: str | None = None
    ) -> bool:
        """It `failed`, or its file has `expired`: nothing but this is kept of it."""
        values = self._ended(status, claimed) | {"error": error}
        async with self._database.write() as connection:
            given_up = await self._change(connection, claimed, values)
            if given_up:
                await _drop_file(connection, claimed)
        return given_up

    async def forget(self, claimed: ExportRecord) -> None:
        """It has ended long ago: nothing is kept of it."""
        async with self._database.write() as connection:
            if await self._change(connection, claimed, {"error": claimed.error}):
                c = t.exports.c
                await connection.execute(
                    delete(t.exports).where(
                        c.merchant_id == claimed.merchant_id, c.id == claimed.id
                    )
                )

    def _ended(self, status: str, export: ExportRecord) -> dict[str, Any]:
        now = self._clock.now()
        return {
            "status": status,
            "finished_at": export.finished_at or now,
            "expires_at": None,
            "run_at": self._database.moment(now + REMEMBERED),
        }

    async def _change(
        self, connection: AsyncConnection, claimed: ExportRecord, values: dict[str, Any]
    ) -> bool:
        """While it is held, and still what it was claimed as: a beat or a stop may come after the
        end of the work, and must not undo it."""
        c = t.exports.c
        still = _OPEN if claimed.status in _OPEN else (claimed.status,)
        changed = await connection.execute(
            update(t.exports)
            .where(
                c.merchant_id == claimed.merchant_id,
                c.id == claimed.id,
                c.fence == claimed.fence,
                c.status.in_(still),
            )
            .values(values)
        )
        return bool(changed.rowcount == 1)


def _own(merchant_id: str, livemode: bool) -> ColumnElement[bool]:
    c = t.exports.c
    return and_(c.merchant_id == merchant_id, c.livemode == livemode)


async def _drop_file(connection: AsyncConnection, export: ExportRecord) -> None:
    c = t.export_chunks.c
    await connection.execute(
        delete(t.export_chunks).where(c.merchant_id == export.merchant_id, c.export_id == export.id)
    )


def _record(row: Row[Any]) -> ExportRecord:
    fields = {name: getattr(row, name) for name in ExportRecord.__struct_fields__}
    return ExportRecord(**fields | {"filters": msgspec.json.decode(row.filters)})
