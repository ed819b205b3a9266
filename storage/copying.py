"""Copying everything from SQLite to PostgreSQL: when one machine is not enough any more.

Table by table in the order of their foreign keys, in ranges of the primary key. How far each table
is, is written in the same transaction as its rows, so an interrupted copy goes on where it was. The
source is held with SQLite's write lock all the time. At the end both sides are counted and summed
up row by row, and only then may a gateway work on the target, and none on the source any more.
"""

import hashlib
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Row, Select, Table, delete, func, literal, select, text, tuple_
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.errors import Conflict
from storage import tables as t
from storage.engine import Database, Options
from storage.migrate import pending, upgrade
from storage.occupancy import mark_moved, vacated

#: Rows in one transaction.
BATCH = 500
_LOCK = 0x636F_7079  # "copy"
#: In `cursors`: rows of this name belong to the copy, not to what is copied.
_OWN = "migrate-store"
_SOURCE = "source"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OPTIONS = Options(pool_size=3, statement_timeout=0, application_name="gateway migrate-store")


class Checked(NamedTuple):
    """A table that is the same on both sides. `checksum` depends on no order of the rows."""

    table: str
    rows: int
    checksum: str


class _Progress(msgspec.Struct, frozen=True):
    after: tuple[str | int | bool, ...] = ()
    rows: int = 0
    done: bool = False


#: (what, table, rows done, rows in all); what is "copied" or "checked".
Report = Callable[[str, str, int, int], None]


async def copy_store(source_url: str, target_url: str, report: Report) -> list[Checked]:
    """Copy, verify, and hand over. Returns what was verified.

    Raises Conflict for a source that is in use and a target that is not this copy's to fill;
    StoreUnavailable when a database goes away: run it again.
    """
    with vacated(source_url):
        if missing := await pending(source_url):
            raise Conflict(
                f"the source lacks the migrations {', '.join(missing)}: run `gateway migrate` on it"
            )
        await upgrade(target_url)
        source, target = Database(source_url), Database(target_url, _OPTIONS)
        try:
            async with _alone(target):
                await _claim(target, await _identity(source))
                async with source.write() as held:  # nobody writes, whoever it may be
                    for table in t.metadata.sorted_tables:
                        await _copy(held, target, table, report)
                    checked = [
                        await _check(held, target, table, report)
                        for table in t.metadata.sorted_tables
                    ]
            mark_moved(source_url)
            await _hand_over(target)
        finally:
            await source.close()
            await target.close()
    return checked


async def unfinished(database_url: str) -> bool:
    """Whether a copy into this database has begun and not ended."""
    database = Database(database_url)
    try:
        async with database.read() as connection:
            return not database.is_sqlite and await _claimed_by(connection) is not None
    finally:
        await database.close()


# --- whose target it is ---------------------------------------------------------------------------


@asynccontextmanager
async def _alone(target: Database) -> AsyncIterator[None]:
    async with target.connection() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        if not await connection.scalar(select(func.pg_try_advisory_lock(_LOCK))):
            raise Conflict("another copy into this database is running")
        yield


async def _identity(source: Database) -> str:
    """A name for this source, kept in it, so that a copy that goes on knows its own."""
    async with source.write() as connection:
        identity = await _claimed_by(connection)
        if identity is None:
            identity = secrets.token_hex(16)
            await _note(source, connection, _SOURCE, identity)
    return identity


async def _claimed_by(connection: AsyncConnection) -> str | None:
    identity: str | None = await connection.scalar(_own_rows(_SOURCE))
    return identity


async def _claim(target: Database, identity: str) -> None:
    async with target.write() as connection:
        claimed_by = await _claimed_by(connection)
        if claimed_by == identity:
            return
        if claimed_by is not None:
            raise Conflict("the target holds the unfinished copy of another database")
        for table in t.metadata.sorted_tables:
            if (await connection.execute(select(table).limit(1))).first() is not None:
                raise Conflict(
                    f"the target holds data already ({table.name}): copy into an empty database"
                )
        await _note(target, connection, _SOURCE, identity)


async def _hand_over(target: Database) -> None:
    """The target is complete: fresh statistics for its planner, and it may be worked on."""
    async with target.write() as connection:
        await connection.execute(text("ANALYZE"))
        await connection.execute(delete(t.cursors).where(t.cursors.c.provider == _OWN))


# --- copying --------------------------------------------------------------------------------------


async def _copy(source: AsyncConnection, target: Database, table: Table, report: Report) -> None:
    progress = await _progress(target, table)
    total = await source.scalar(select(func.count()).select_from(_rows(table).subquery())) or 0
    while not progress.done:
        rows = (await source.execute(_batch(table, progress.after))).all()
        progress = _Progress(
            after=tuple(getattr(rows[-1], key.name) for key in table.primary_key) if rows else (),
            rows=progress.rows + len(rows),
            done=len(rows) < BATCH,
        )
        async with target.write() as connection:
            if rows:
                await _insert(connection, table, [dict(row._mapping) for row in rows])
            await _note(
                target, connection, f"table {table.name}", msgspec.json.encode(progress).decode()
            )
        report("copied", table.name, progress.rows, total)


async def _insert(connection: AsyncConnection, table: Table, rows: list[dict[str, Any]]) -> None:
    try:
        await connection.execute(table.insert(), rows)
    except DBAPIError as error:
        state = str(getattr(error.orig, "sqlstate", ""))
        if not state.startswith(("22", "23")):  # data that does not fit, a constraint
            raise
        first, last = ([row[key.name] for key in table.primary_key] for row in (rows[0], rows[-1]))
        raise Conflict(
            f"PostgreSQL refuses a row of {table.name} from {first} to {last} (SQLSTATE {state})"
        ) from error


def _rows(table: Table) -> Select[Any]:
    """All rows of a table, the copy's own ones left out."""
    query = select(table)
    return query.where(t.cursors.c.provider != _OWN) if table is t.cursors else query


def _batch(table: Table, after: tuple[str | int | bool, ...]) -> Select[Any]:
    keys = list(table.primary_key)
    query = _rows(table).order_by(*keys).limit(BATCH)
    if not after:
        return query
    bounds = [literal(value, key.type) for value, key in zip(after, keys, strict=True)]
    return query.where(tuple_(*keys) > tuple_(*bounds))


async def _progress(target: Database, table: Table) -> _Progress:
    async with target.read() as connection:
        noted = await connection.scalar(_own_rows(f"table {table.name}"))
    return msgspec.json.decode(noted, type=_Progress) if noted else _Progress()


def _own_rows(name: str) -> Select[Any]:
    c = t.cursors.c
    return select(c.value).where(c.account == "", c.provider == _OWN, c.name == name)


async def _note(database: Database, connection: AsyncConnection, name: str, value: str) -> None:
    insert = database.insert(t.cursors).values(
        account="", provider=_OWN, name=name, value=value, updated_at=_EPOCH
    )
    await connection.execute(
        insert.on_conflict_do_update(
            index_elements=["account", "provider", "name"], set_={"value": value}
        )
    )


# --- checking -------------------------------------------------------------------------------------


async def _check(
    source: AsyncConnection, target: Database, table: Table, report: Report
) -> Checked:
    ours = await _sum(source, table)
    async with target.read() as connection:
        theirs = await _sum(connection, table)
    if ours != theirs:
        raise Conflict(
            f"{table.name} differs: {ours.rows} rows with the checksum {ours.checksum} in the "
            f"source, {theirs.rows} with {theirs.checksum} in the target; drop the target and copy "
            "again"
        )
    report("checked", table.name, ours.rows, ours.rows)
    return ours


async def _sum(connection: AsyncConnection, table: Table) -> Checked:
    """The sum of the rows' digests: the databases sort text differently."""
    total, count = 0, 0
    async with connection.stream(_rows(table).execution_options(yield_per=BATCH)) as rows:
        async for row in rows:
            total += int.from_bytes(_digest(row), "big")
            count += 1
    return Checked(table.name, count, f"{total % (1 << 256):064x}")


def _digest(row: Row[Any]) -> bytes:
    plain = [
        (value - _EPOCH) // timedelta(microseconds=1) if isinstance(value, datetime) else value
        for value in row
    ]
    return hashlib.sha256(msgspec.msgpack.encode(plain)).digest()
