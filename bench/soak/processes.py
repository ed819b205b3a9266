"""The processes of a soak: `python -m api …` and `python -m sandbox`, each ended by its own pid."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]
START_SECONDS = 60.0


def free_port() -> int:
    """A port of 127.0.0.1 that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Program:
    """One program that can be started again and again, on the same settings.

    It runs in `folder`, so that no `.env` of a developer is read; its log is `folder/name.log`.
    """

    def __init__(
        self, name: str, folder: Path, environment: Mapping[str, str], command: Sequence[str]
    ) -> None:
        self.name = name
        self.starts = 0
        self.ending = False
        self._folder = folder
        self._environment = {
            "PATH": os.environ.get("PATH", ""),
            "PYTHONPATH": str(ROOT),
            **environment,
        }
        self._command = [sys.executable, "-m", *command]
        self._process: subprocess.Popen[bytes] | None = None
        self.log.unlink(missing_ok=True)

    @property
    def log(self) -> Path:
        """What it has written."""
        return self._folder / f"{self.name}.log"

    @property
    def alive(self) -> bool:
        """Whether it runs, asleep or awake."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, unless it runs."""
        if self.alive:
            return
        self.starts += 1
        self.ending = False
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def wake(self) -> None:
        """Let it go on, if it was stopped."""
        self.send(signal.SIGCONT)

    async def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        self.send(signal.SIGKILL)
        await self._ended(10)

    async def stop(self) -> None:
        """SIGTERM, and wait for the good end that it owes; the hard way after 45 seconds."""
        self.ending = True
        self.wake()
        self.send(signal.SIGTERM)
        if not await self._ended(45):
            await self.kill()

    async def _ended(self, seconds: float) -> bool:
        if self._process is None:
            return True
        with suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self._process.wait, seconds)
        return self._process.poll() is not None

    async def run(self, *, check: bool = True) -> str:
        """Run it to its end; what it wrote. Raises SystemExit where that failed (and `check`)."""
        done = await asyncio.to_thread(
            subprocess.run,
            self._command,
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            raise SystemExit(f"{self.name} failed: {done.stdout}{done.stderr}")
        return done.stdout

    async def first_line(self) -> str:
        """Start it and wait for the first line that it prints."""
        self.start()
        async with asyncio.timeout(START_SECONDS):
            while b"\n" not in self.log.read_bytes():
                if not self.alive:
                    raise SystemExit(f"{self.name} does not start: {self.log.read_text()}")
                await asyncio.sleep(0.05)
        return self.log.read_text().splitlines()[0]


async def start_sandbox(folder: Path, seed: int) -> tuple[Program, str, dict[str, str]]:
    """The stand-in providers: the program, its address, a gateway's settings for it."""
    command = ["sandbox", "--port", "0", "--seed", str(seed), "--state-dir", str(folder), "--json"]
    program = Program("sandbox", folder, {}, command)
    ready = json.loads(await program.first_line())
    return program, ready["url"], ready["environment"]
