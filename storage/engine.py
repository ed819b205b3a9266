"""Opening a database: SQLite in a file, or PostgreSQL, by its URL alone."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Interval, event, func, literal
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.schema import Table

from gateway.errors import SettingsError, StoreUnavailable
from gateway.ports import Clock

_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
_BUSY_MILLISECONDS = 5_000
#: How long a caller waits for a connection, and for its turn to write to SQLite.
_PATIENCE_SECONDS = 10
#: One snapshot for all statements of a read, as SQLite has it. It is asked for in the BEGIN itself.
_SNAPSHOT = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


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


class Options(msgspec.Struct, frozen=True):
    """How this process uses its connections. All but `pool_size` concern PostgreSQL alone.

    Times are seconds; the server itself ends what exceeds them, so that a stuck process harms
    nobody for longer. `prepared_statements`: kept per connection; 0 for none, as PgBouncer in
    transaction mode may need it.
    """

    pool_size: int = 10
    statement_timeout: int = 30
    lock_timeout: int = 10
    idle_transaction_timeout: int = 60
    prepared_statements: int = 200
    application_name: str = "gateway"

    def driver(self) -> dict[str, Any]:
        """asyncpg's arguments, and those of SQLAlchemy's layer over it."""
        arguments: dict[str, Any] = {
            "timeout": _PATIENCE_SECONDS,
            "server_settings": {
                "application_name": self.application_name,
                "statement_timeout": f"{self.statement_timeout}s",
                "lock_timeout": f"{self.lock_timeout}s",
                "idle_in_transaction_session_timeout": f"{self.idle_transaction_timeout}s",
                "jit": "off",  # our statements are short: compiling one costs more than running it
            },
            "prepared_statement_cache_size": self.prepared_statements,
        }
        if not self.prepared_statements:
            # Unnamed statements end with their transaction, whichever server connection it gets.
            arguments |= {"statement_cache_size": 0, "prepared_statement_name_func": str}
        return arguments


class Database:
    """Connections, and the differences between the two databases, in one place.

    SQLite allows one writer: in-process writers queue at a lock instead of spinning at the file's,
    and every write transaction starts with BEGIN IMMEDIATE, since a read that is upgraded to a
    write may lose its snapshot.

    `clock`: this process's. With it, leases and due times on PostgreSQL go by the database's own
    clock, and `moment` translates; without it (tests that move their clock) by what callers say.
    """

    def __init__(
        self, url: str, options: Options | None = None, *, clock: Clock | None = None
    ) -> None:
        self.url = normal_url(url)
        options = options or Options()
        self.is_sqlite = self.url.startswith("sqlite")
        self._write_lock = asyncio.Lock()
        self._clock = None if self.is_sqlite else clock
        arguments: dict[str, Any] = {
            "pool_size": options.pool_size,
            "max_overflow": 0,
            "pool_timeout": _PATIENCE_SECONDS,
            "hide_parameters": True,  # they are personal data, and errors are logged
        }
        if not self.is_sqlite:
            arguments |= {"pool_pre_ping": True, "connect_args": options.driver()}
        self.engine: AsyncEngine = create_async_engine(self.url, **arguments)
        if self.is_sqlite:
            event.listen(self.engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(self.engine.sync_engine, "begin", _begin_sqlite)

    def insert(self, table: Table) -> Any:
        """INSERT with this database's ON CONFLICT clauses (they are spelt alike)."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    def moment(self, instant: datetime) -> Any:
        """`instant`, told by this process's clock, on the clock that leases and due times go by.

        A value for statements to compare with and to store. Processes whose clocks differ then
        agree on who holds what and what is due, since only the distance from now is taken over.
        """
        if self._clock is None:
            return instant
        distance = literal(instant - self._clock.now(), Interval())
        return func.statement_timestamp(type_=postgresql.TIMESTAMP(timezone=True)) + distance

    def is_due(self, instant: datetime) -> bool:
        """Whether a worker need not wait for it."""
        return self._clock is None or instant <= self._clock.now()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that may write. Raises StoreUnavailable when the database cannot."""
        turn = self._turn() if self.is_sqlite else nullcontext()
        async with turn, self._transaction() as connection:
            yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A consistent view: all statements see one moment. Raises StoreUnavailable."""
        view = {"gateway_write": False} if self.is_sqlite else _SNAPSHOT
        async with self._transaction(**view) as connection:
            yield connection

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """A connection in no transaction, for what cannot be in one. Raises StoreUnavailable."""
        with _translated():
            async with self.engine.connect() as connection:
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
    async def _transaction(self, **options: Any) -> AsyncIterator[AsyncConnection]:
        with _translated():
            async with self.engine.connect() as connection:
                if options:
                    await connection.execution_options(**options)
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
# SQLSTATE classes: connection, resources, operator intervention (and statement timeout), system,
# serialization and deadlock; then: lock timeout, idle in transaction, read only, password refused,
# no such database.
_OUTAGE_STATES = ("08", "53", "57", "58", "40", "55P03", "25P03", "25006", "28", "3D")

# A migration has changed a table under a prepared statement: it is prepared anew the next time.
_STALE_PLAN = "cached statement plan is invalid"


def is_outage(error: BaseException) -> bool:
    """Whether `error` says that the database is away, full or busy, and not that we are wrong."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    # What the driver raises while it connects arrives as it is, not as a DBAPIError.
    state = getattr(getattr(error, "orig", error), "sqlstate", None)
    if _STALE_PLAN in str(error):
        return True
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
    for pragma in (f"busy_timeout={_BUSY_MILLISECONDS}", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    try:
        cursor.execute("PRAGMA journal_mode=WAL")
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):  # by another of ours, which sets it for good at this moment
            raise
    cursor.close()


def _begin_sqlite(connection: Any) -> None:
    write = connection.get_execution_options().get("gateway_write", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
