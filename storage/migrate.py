"""Bringing a database to this version's schema, and telling whether it is."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from storage.engine import Database


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration, without an ini file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


async def upgrade(database_url: str) -> None:
    """Run all migrations that are missing. Raises StoreUnavailable."""
    database = Database(database_url)
    try:
        async with database.write() as connection:
            await connection.run_sync(lambda sync: command.upgrade(alembic_config(sync), "head"))
    finally:
        await database.close()


async def pending(database_url: str) -> list[str]:
    """The migrations that this database still lacks, in order; empty when it is up to date."""
    database = Database(database_url)
    try:
        async with database.read() as connection:
            current = await connection.run_sync(_current)
    finally:
        await database.close()
    script = ScriptDirectory.from_config(alembic_config())
    missing = [revision.revision for revision in script.iterate_revisions("head", current)]
    return missing[::-1]


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
