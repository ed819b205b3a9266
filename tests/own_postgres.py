"""A PostgreSQL of a test's own, to be killed and started again on the same port and the same data.

Commits are synchronous here, as in production: that is what such tests are about.
"""

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from unittest import mock

from tests import postgres
from tests.postgres import Server

_DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}


class OwnPostgres:
    """`start` it, `kill` it, `start` it again."""

    def __init__(self, serve: Callable[[], AbstractContextManager[int]], pid_file: Path, url: str):
        self._serve = serve
        self._pid_file = pid_file
        self._running = ExitStack()
        self.server = Server(url)

    def start(self) -> None:
        """Start, or recover; returns when it accepts connections."""
        self._running.enter_context(self._serve())

    def kill(self) -> None:
        """What `pg_ctl stop -m immediate` does: everything ends at once, nothing is written."""
        os.kill(int(self._pid_file.read_text().split("\n")[0]), signal.SIGQUIT)
        self._running.close()

    def close(self) -> None:
        """Stop in good order, if it runs."""
        self._running.close()


@contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    """A server that runs, in a temporary folder."""
    folder = Path(tempfile.mkdtemp(prefix="gateway-own-postgres-"))
    port = postgres._free_port()
    try:
        identity = postgres._identity(folder)
        binaries = postgres._binaries(folder, identity)
        postgres._initdb(folder, binaries, identity, "password")
        durable = {**postgres.CONFIGURATION, **_DURABLE}
        with mock.patch.object(postgres, "_free_port", return_value=port):
            one = OwnPostgres(
                lambda: postgres._serve(folder, binaries, identity, durable),
                folder / "data" / "postmaster.pid",
                f"postgresql://gateway:password@127.0.0.1:{port}/postgres",
            )
            one.start()
            try:
                yield one
            finally:
                one.close()
    finally:
        shutil.rmtree(folder)
