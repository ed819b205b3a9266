"""Who works on a SQLite file: any number of gateways, or one that copies it away, not both.

A lock on a file beside the database says so; the system takes it from a process that dies. A file
`….moved` says that the data lives elsewhere now: a gateway that is started on the old file by
mistake would take payments that nobody looks for there.
"""

import fcntl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from sqlalchemy.engine import make_url

from gateway.errors import Conflict, SettingsError


@asynccontextmanager
async def occupied(database_url: str) -> AsyncIterator[None]:
    """Work on the database. Raises SettingsError when it is being copied, or has been."""
    path = _file(database_url)
    if path is None:
        yield
        return
    if (moved := _beside(path, "moved")).exists():
        raise SettingsError(
            f"DATABASE_URL: {path} was copied to PostgreSQL, use that; to go back to this state of "
            f"the data, delete {moved}"
        )
    with _locked(path, fcntl.LOCK_SH) as locked:
        if not locked:
            raise SettingsError(f"DATABASE_URL: {path} is being copied to PostgreSQL")
        yield


@contextmanager
def vacated(database_url: str) -> Iterator[None]:
    """Nobody works on the database until the exit. Raises Conflict when somebody does now."""
    path = _file(database_url)
    if path is None or not path.exists():
        raise Conflict("there is no such SQLite file to copy from")
    with _locked(path, fcntl.LOCK_EX) as locked:
        if not locked:
            raise Conflict(
                f"a gateway works on {path}, or another copy runs: stop every gateway serve, "
                "worker and demo on it first; providers deliver their webhooks again for days"
            )
        yield


def mark_moved(database_url: str) -> Path:
    """No gateway is to work on this file any more. Returns the file that says so."""
    path = _file(database_url)
    assert path is not None  # it was vacated, so it is there
    moved = _beside(path, "moved")
    moved.write_text("This database was copied to PostgreSQL by `gateway migrate-store`.\n")
    return moved


def _file(database_url: str) -> Path | None:
    """The SQLite file; None for PostgreSQL and for a database in memory."""
    url = make_url(database_url)
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    return Path(url.database)


def _beside(path: Path, what: str) -> Path:
    return path.with_name(f"{path.name}.{what}")


@contextmanager
def _locked(path: Path, how: int) -> Iterator[bool]:
    with _beside(path, "lock").open("w") as file:
        try:
            fcntl.flock(file, how | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
