"""Bringing a database to this version's schema, and telling whether it is."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, select

from storage.engine import Database

_LOCK = 0x6761746577617921  # any number, the same for every process


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration, without an ini file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


async def upgrade(database_url: str) -> None:
    """Run all migrations that are missing, in one transaction. Raises StoreUnavailable.

    Safe to run from several places at once: one does it, the others wait and find it done.
    """
    database = Database(database_url)
    try:
        async with database.write() as connection:
            if not database.is_sqlite:
                await connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
            await connection.run_sync(lambda sync: command.upgrade(alembic_config(sync), "head"))
    finally:
        await database.close()


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
