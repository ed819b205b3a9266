"""Bringing a database to this version's schema, and telling whether it is."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, select

from gateway.errors import StoreUnavailable
from storage.engine import Database, Options

_log = logging.getLogger("gateway.storage")
_LOCK = 0x6761746577617921  # any number, the same for every process
#: No bound on statements: building an index takes the time that it takes.
_OPTIONS = Options(statement_timeout=0, lock_timeout=2, application_name="gateway migrate")
_PAUSE_SECONDS = 1.0
_LOCK_TRIES = 60


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration, without an ini file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


async def upgrade(database_url: str, revision: str = "head") -> None:
    """Run the migrations that are missing. Raises StoreUnavailable.

    Safe to run from several places at once: one does it, the others wait and find it done. Safe to
    run again after it was interrupted. On SQLite it is one transaction. On PostgreSQL it is one for
    each migration, and the gateways may go on working: what needs a lock waits for it only briefly,
    since everybody else would wait behind it, and tries again later.
    """
    database = Database(database_url, _OPTIONS)
    try:
        if database.is_sqlite:
            async with database.write() as connection:
                await connection.run_sync(_upgrade, revision)
        else:
            async with _alone(database):
                await _patiently(database, revision)
    finally:
        await database.close()


@asynccontextmanager
async def _alone(database: Database) -> AsyncIterator[None]:
    """One runner at a time.

    Asked for again and again instead of waited for: whoever waits in a statement has a snapshot,
    and building an index waits for all snapshots to be gone.
    """
    async with database.connection() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        while True:
            if await connection.scalar(select(func.pg_try_advisory_lock(_LOCK))):
                break
            await asyncio.sleep(_PAUSE_SECONDS)
        try:
            yield
        finally:
            await connection.execute(select(func.pg_advisory_unlock(_LOCK)))


async def _patiently(database: Database, revision: str) -> None:
    for tries in count(1):
        try:
            async with database.connection() as connection:
                await connection.run_sync(_upgrade, revision)
                await connection.commit()
        except StoreUnavailable as error:
            if tries == _LOCK_TRIES or not _was_locked(error.__cause__):
                raise
            _log.warning("a table is in use, trying again", extra={"tries": tries})
            await asyncio.sleep(_PAUSE_SECONDS)
        else:
            return


def _was_locked(error: BaseException | None) -> bool:
    """Whether it was a lock timeout, or a deadlock that we were chosen to give way in."""
    return getattr(getattr(error, "orig", None), "sqlstate", None) in ("55P03", "40P01")


def _upgrade(connection: Connection, revision: str) -> None:
    command.upgrade(alembic_config(connection), revision)


async def pending(database_url: str) -> list[str]:
    """The migrations that this database still lacks, in order; empty when it is up to date.

    A database that a newer version has migrated lacks nothing: versions run side by side while one
    replaces the other.
    """
    database = Database(database_url)
    try:
        async with database.read() as connection:
            current = await connection.run_sync(_current)
    finally:
        await database.close()
    script = ScriptDirectory.from_config(alembic_config())
    if current is not None and current not in {known.revision for known in script.walk_revisions()}:
        return []
    missing = [revision.revision for revision in script.iterate_revisions("head", current)]
    return missing[::-1]


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
