"""One sandbox for the run, and a merchant on a fresh PostgreSQL database for each test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from storage.engine import Database
from tests.faults.conftest import sandbox, sandbox_url
from tests.faults.stage import House, Sandbox, build_house

__all__ = ["sandbox", "sandbox_url"]


@pytest.fixture
async def house(postgresql_url: str, sandbox: Sandbox) -> House:
    """A merchant; leases last for two seconds."""
    return await build_house(postgresql_url, sandbox, lease_seconds=2)


@asynccontextmanager
async def looking(url: str) -> AsyncIterator["Look"]:
    """A look into the database."""
    database = Database(url)
    try:
        yield Look(database)
    finally:
        await database.close()


class Look:
    """Asks the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def column(self, query: str) -> list[object]:
        """The first column of a query."""
        async with self._database.read() as connection:
            return list((await connection.execute(text(query))).scalars())
