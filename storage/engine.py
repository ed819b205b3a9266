"""Opening a database: SQLite in a file, or PostgreSQL, by its URL alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any

from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.schema import Table

from gateway.errors import SettingsError, StoreUnavailable

_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
_BUSY_MILLISECONDS = 5_000
#: How long a caller waits for a connection, and for its turn to write to SQLite.
_PATIENCE_SECONDS = 10


def normal_url(url: str) -> str:
    """The URL with its asynchronous driver. Raises SettingsError for another database."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # ValueError: a port that is no number
        raise SettingsError("DATABASE_URL is not a database URL") from None
    backend = parsed.get_backend_name()
    if backend not in _DRIVERS:
        raise SettingsError(f"DATABASE_URL: {backend} is not supported, use SQLite or PostgreSQL")
    if backend == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise SettingsError(
            "DATABASE_URL: SQLite needs a file, as in sqlite+aiosqlite:///gateway.db"
        )
    return parsed.set(drivername=_DRIVERS[backend]).render_as_string(hide_password=False)


class Database:
    """Connections, and the differences between the two databases, in one place.

    SQLite allows one writer: in-process writers queue at a lock instead of spinning at the file's,
    and every write transaction starts with BEGIN IMMEDIATE, since a read that is upgraded to a
    write may lose its snapshot.
    """

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.url = normal_url(url)
        self.is_sqlite = self.url.startswith("sqlite")
        self._write_lock = asyncio.Lock()
        options: dict[str, Any] = {
            "pool_size": pool_size,
            "max_overflow": 0,
            "pool_timeout": _PATIENCE_SECONDS,
            "hide_parameters": True,  # they are personal data, and errors are logged
        }
        if not self.is_sqlite:
            options |= {"pool_pre_ping": True, "connect_args": {"timeout": 10}}
        self.engine: AsyncEngine = create_async_engine(self.url, **options)
        if self.is_sqlite:
            event.listen(self.engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(self.engine.sync_engine, "begin", _begin_sqlite)

    def insert(self, table: Table) -> Any:
        """INSERT with this database's ON CONFLICT clauses (they are spelt alike)."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that may write. Raises StoreUnavailable when the database cannot."""
        turn = self._turn() if self.is_sqlite else nullcontext()
        async with turn, self._connection(write=True) as connection:
            yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A consistent view. Raises StoreUnavailable."""
        async with self._connection(write=False) as connection:
            yield connection

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """This process's turn to write to SQLite; behind a stuck writer nobody waits for ever."""
        with _translated():
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._write_lock.acquire()
        try:
            yield
        finally:
            self._write_lock.release()

    @asynccontextmanager
    async def _connection(self, *, write: bool) -> AsyncIterator[AsyncConnection]:
        with _translated():
            async with self.engine.connect() as connection:
                connection = await connection.execution_options(gateway_write=write)
                async with connection.begin():
                    yield connection

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()


class _translated:  # noqa: N801 -- reads as a clause: with _translated()
    """Maps the ways in which a database cannot be used now to StoreUnavailable."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None and is_outage(error):
            raise StoreUnavailable("the database cannot be used now; try again") from error


_OUTAGE_WORDS = (
    "locked", "full", "readonly", "unable to open", "disk i/o", "no such table", "not a database",
    "malformed",
)  # fmt: skip
# SQLSTATE classes: connection, resources, operator intervention, system, serialization; then: read
# only, password refused, no such database.
_OUTAGE_STATES = ("08", "53", "57", "58", "40", "25006", "28", "3D")


def is_outage(error: BaseException) -> bool:
    """Whether `error` says that the database is away, full or busy, and not that we are wrong."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    # What the driver raises while it connects arrives as it is, not as a DBAPIError.
    state = getattr(getattr(error, "orig", error), "sqlstate", None)
    if state:
        return str(state).startswith(_OUTAGE_STATES)
    if isinstance(error, DBAPIError):
        words = str(error.orig).lower()
        return any(word in words for word in _OUTAGE_WORDS)
    pool_timeout = isinstance(error, SQLAlchemyError) and error.code == "3o7r"
    return pool_timeout or isinstance(error, OSError)  # refused, reset, timed out, no such host


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's begin event says when a transaction starts
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={_BUSY_MILLISECONDS}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Any) -> None:
    write = connection.get_execution_options().get("gateway_write", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
