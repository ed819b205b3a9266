"""One demo for all commands of the documents."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

#: The variables that the documents tell their reader to set, by what the demo calls them.
VARIABLES = {
    "API": "url",
    "SANDBOX": "sandbox_url",
    "KEY": "secret_key",
    "PUBLISHABLE_KEY": "publishable_key",
    "FINANCE_KEY": "finance_key",
}


def free_ports(number: int) -> list[int]:
    """Ports that nothing listens on at this moment."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports: list[int] = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """`gateway demo` as a process; yields the reader's variables."""
    folder = tmp_path_factory.mktemp("docs")
    port, sandbox_port = free_ports(2)
    command = [str(Path(sys.executable).with_name("gateway")), "demo", "--json"]
    command += [f"--data={folder}", f"--port={port}", f"--sandbox-port={sandbox_port}"]
    log = folder / "demo.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=errors)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, f"the demo did not start:\n{log.read_text()}"
        told = json.loads(line)
        yield {name: told[key] for name, key in VARIABLES.items()}
    finally:
        process.send_signal(signal.SIGTERM)
        process.stdout.close()
        assert process.wait(20) == 0, log.read_text()
