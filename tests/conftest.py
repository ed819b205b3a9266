"""What all tests share: the event loop, hypothesis' profile, databases and the browser.

| fixture | gives |
|---|---|
| `database_url` | a fresh database with the schema; the test runs on SQLite and on PostgreSQL |
| `empty_database_url` | the same without the schema |
| `sqlite_url`, `postgresql_url` | a fresh database with the schema, of that kind only |
| `store_url` | the same where the kind matters little: SQLite, or what `TEST_STORE` names |
| `postgres_server` | the PostgreSQL of this test process (a `tests.postgres.Server`) |
| `chromium` | the path of a browser; mark the test `browser` |

Addresses are SQLAlchemy's (`sqlite+aiosqlite:///…`, `postgresql+asyncpg://…`). `TEST_POSTGRES_URL`
names a server (15 or newer, a role that may create databases) to use instead of the wheel's.
`TEST_STORE=postgresql` runs the whole suite on PostgreSQL, but for what is about SQLite itself.
Async tests need no marker.
"""

import asyncio
import functools
import os
import shutil
import sqlite3
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests import chromium as browser
from tests.postgres import Server, launch

settings.register_profile(
    "deterministic",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],  # like a deadline: it measures the machine
    database=None,
    print_blob=True,
)
settings.load_profile("deterministic")

KINDS = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Async tests and fixtures of every scope run on asyncio with uvloop, as the service does."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="session", autouse=True)
def _authorities_are_read_once() -> Iterator[None]:
    """The machine's certificate authorities: each HTTP client would read them anew, for 25 ms."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", functools.cache(ssl.create_default_context))
        yield


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A PostgreSQL; one per test process, half a second to start."""
    if address := os.environ.get("TEST_POSTGRES_URL"):
        yield Server(address)
        return
    with launch() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_template(postgres_server: Server) -> Iterator[str]:
    """The name of a PostgreSQL database that was migrated once, to be copied from."""
    with postgres_server.database() as name:
        _migrate(postgres_server.database_url(name))
        yield name


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file that was migrated once, to be copied from."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    _migrate(_sqlite_url(path))
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # all of it is in the file to be copied
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A fresh SQLite database with the schema."""
    return _sqlite_url(Path(shutil.copyfile(sqlite_template, tmp_path / "gateway.db")))


@pytest.fixture
def postgresql_url(postgres_server: Server, postgres_template: str) -> Iterator[str]:
    """A fresh PostgreSQL database with the schema."""
    with postgres_server.database(postgres_template) as name:
        yield postgres_server.database_url(name)


@pytest.fixture
def store_url(request: pytest.FixtureRequest) -> str:
    """A fresh database with the schema, of the kind that `TEST_STORE` names; SQLite by default."""
    url: str = request.getfixturevalue(f"{os.environ.get('TEST_STORE', 'sqlite')}_url")
    return url


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh database with the schema, of either kind in turn."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(params=KINDS)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh database without any table, of either kind in turn."""
    if request.param == "sqlite":
        yield _sqlite_url(tmp_path / "empty.db")
        return
    server: Server = request.getfixturevalue("postgres_server")
    with server.database() as name:
        yield server.database_url(name)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the browser that tests marked `browser` drive."""
    path = browser.find()
    assert path is not None, "a test that uses `chromium` is marked `browser`"
    return path


def _sqlite_url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


def _migrate(database_url: str) -> None:
    """Run all migrations; in a thread, since the caller's own may have a running event loop."""
    from storage.migrate import upgrade

    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, upgrade(database_url)).result()


def pytest_configure() -> None:
    """Refuse to start where a browser is insisted on and missing."""
    try:
        found = browser.find()
    except FileNotFoundError as error:
        raise pytest.UsageError(str(error)) from error
    if found is None and browser.required():
        raise pytest.UsageError(f"REQUIRE_BROWSER: no chromium here; {browser.HOW_TO_GET_IT}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the browser tests out where there is no browser."""
    if browser.find() is None:
        driven = [item for item in items if item.get_closest_marker("browser")]
        config.hook.pytest_deselected(items=driven)
        items[:] = [item for item in items if item not in driven]


def pytest_report_header() -> str:
    """Say once, at the top, which browser is driven, or how to get one."""
    return f"browser: {browser.find() or f'none, its tests are left out ({browser.HOW_TO_GET_IT})'}"
