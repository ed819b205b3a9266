"""`gateway migrate-store`: everything arrives, whatever interrupts it; nothing is overwritten."""

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select, text

from api.cli import main
from api.serving import check_schema
from gateway.errors import Conflict, SettingsError
from storage import tables as t
from storage.copying import copy_store
from storage.engine import Database
from storage.occupancy import occupied
from tests.postgres import Server
from tests.storage.rows import ONE_EACH, rows

ROOT = Path(__file__).parents[2]


@pytest.fixture
def target_url(postgres_server: Server) -> Iterator[str]:
    """An empty PostgreSQL database."""
    with postgres_server.database() as name:
        yield postgres_server.database_url(name)


@pytest.fixture
async def source_url(sqlite_url: str) -> str:
    """A SQLite database with more rows in every table than go into one transaction."""
    await fill(sqlite_url, 620)
    return sqlite_url


async def fill(url: str, count: int) -> None:
    database = Database(url)
    async with database.write() as connection:
        for table in t.metadata.sorted_tables:
            await connection.execute(table.insert(), rows(table, range(count)))
    await database.close()


async def content(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, without what the copy notes for itself."""
    database = Database(url)
    async with database.read() as connection:
        found = {
            table.name: sorted(map(tuple, await connection.execute(select(table))), key=repr)
            for table in t.metadata.sorted_tables
        }
    await database.close()
    found["cursors"] = [row for row in found["cursors"] if row[1] != "migrate-store"]
    return found


def silent(*_: object) -> None:
    """No progress is shown."""


def command(source: str, target: str, *options: str) -> Result:
    """What `gateway migrate-store` answers."""
    arguments = ["migrate-store", "--from", source, "--to", target, *options]
    return CliRunner().invoke(main, arguments)


# Without the command line, whose imports take longer than the copy.
_COPY = """
import asyncio, sys
from storage.copying import copy_store
asyncio.run(copy_store(*sys.argv[1:], lambda what, table, *_: print(what, table, flush=True)))
"""


async def execute(url: str, statement: str) -> None:
    database = Database(url)
    async with database.write() as connection:
        await connection.execute(text(statement))
    await database.close()


async def test_everything_arrives_as_it_was(source_url: str, target_url: str) -> None:
    before = await content(source_url)
    checked = await copy_store(source_url, target_url, silent)
    assert await content(target_url) == before
    assert {table.table: table.rows for table in checked} == {
        name: len(found) for name, found in before.items()
    }
    assert all(len(found) == 620 for name, found in before.items() if name not in ONE_EACH)
    await check_schema(target_url)


async def test_nobody_works_on_what_was_copied_away(source_url: str, target_url: str) -> None:
    await copy_store(source_url, target_url, silent)
    with pytest.raises(SettingsError, match="was copied to PostgreSQL"):
        async with occupied(source_url):
            pass
    with pytest.raises(Conflict, match="holds data already"):  # it is in use by now
        await copy_store(source_url, target_url, silent)


def test_a_killed_copy_goes_on_where_it_was(sqlite_url: str, target_url: str) -> None:
    asyncio.run(fill(sqlite_url, 1_300))
    program = [sys.executable, "-c", _COPY, sqlite_url, target_url]
    with subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE) as killed:
        assert killed.stdout is not None
        assert any(line == b"copied facts\n" for line in killed.stdout)
        killed.kill()
    assert killed.returncode == -signal.SIGKILL
    partial = asyncio.run(content(target_url))
    assert len(partial["facts"]) >= 500
    assert len(partial["timeline"]) < 1_300
    with pytest.raises(SettingsError, match="has not ended"):
        asyncio.run(check_schema(target_url))
    again = command(sqlite_url, target_url, "--json")
    assert again.exit_code == 0, again.stderr
    assert asyncio.run(content(target_url)) == asyncio.run(content(sqlite_url))
    told = {table["table"]: table["rows"] for table in json.loads(again.stdout)["tables"]}
    assert told["facts"] == 1_300


class Interrupted(Exception):
    """Raised in the middle of a copy."""


async def interrupt(source: str, target: str, table: str) -> None:
    """Copy as far as the first rows of `table`."""

    def report(what: str, current: str, *_: int) -> None:
        if current == table:
            raise Interrupted

    with pytest.raises(Interrupted):
        await copy_store(source, target, report)


async def test_what_differs_is_never_handed_over(source_url: str, target_url: str) -> None:
    await interrupt(source_url, target_url, "payments")
    await execute(target_url, "UPDATE orders SET amount = amount + 1 WHERE id = 'x_7'")
    with pytest.raises(Conflict, match="orders differs"):
        await copy_store(source_url, target_url, silent)
    with pytest.raises(SettingsError, match="has not ended"):
        await check_schema(target_url)
    async with occupied(source_url):  # the old one goes on
        pass


async def test_rows_written_between_two_tries_are_copied_too(
    source_url: str, target_url: str
) -> None:
    await interrupt(source_url, target_url, "operations")
    database = Database(source_url)
    async with database.write() as connection:  # by a gateway that was started again meanwhile
        new = rows(t.timeline, range(619, 620))[0] | {"id": "x_9", "summary": "later"}
        await connection.execute(t.timeline.insert(), [new])
    await database.close()
    await copy_store(source_url, target_url, silent)
    assert await content(target_url) == await content(source_url)


async def test_a_target_that_is_not_its_own(
    source_url: str, target_url: str, tmp_path: Path
) -> None:
    await interrupt(source_url, target_url, "orders")
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(source_url.partition("///")[2])) as original:
        with closing(sqlite3.connect(other)) as copy:
            original.backup(copy)
        with closing(sqlite3.connect(other)) as copy, copy:
            copy.execute("DELETE FROM cursors WHERE provider = 'migrate-store'")
    with pytest.raises(Conflict, match="unfinished copy of another"):
        await copy_store(f"sqlite+aiosqlite:///{other}", target_url, silent)


async def test_a_source_that_a_gateway_works_on(source_url: str, target_url: str) -> None:
    async with occupied(source_url):
        with pytest.raises(Conflict, match="a gateway works on"):
            await copy_store(source_url, target_url, silent)


async def test_no_gateway_starts_during_a_copy(source_url: str, target_url: str) -> None:
    refused = []

    def report(*_: object) -> None:
        with pytest.raises(SettingsError, match="is being copied"):
            occupied(source_url).__aenter__().send(None)  # it awaits nothing
        refused.append(True)

    await copy_store(source_url, target_url, report)
    assert refused


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("postgresql://u@127.0.0.1/x", "postgresql://u@127.0.0.1/y"),
        ("sqlite:///x.db", "sqlite:///y.db"),
        ("nonsense", "postgresql://u@127.0.0.1/y"),
    ],
)
def test_misuse(source: str, target: str) -> None:
    done = command(source, target)
    assert done.exit_code == 2
    assert "Usage:" in done.stderr


def test_refused_in_one_line(tmp_path: Path, target_url: str) -> None:
    done = command(f"sqlite:///{tmp_path / 'none.db'}", target_url)
    assert done.exit_code == 1
    assert done.stderr == "gateway: there is no such SQLite file to copy from\n"


def test_progress_and_the_next_step_are_told(sqlite_url: str, target_url: str) -> None:
    asyncio.run(fill(sqlite_url, 3))
    done = command(sqlite_url, target_url)
    assert done.exit_code == 0
    assert "copied orders: 3 of 3\n" in done.stderr
    assert "checked orders: 3 of 3\n" in done.stderr
    assert "set DATABASE_URL" in done.stdout
