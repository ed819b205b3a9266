"""Where a tutorial is carried out: a folder, an environment to install into, and one shell."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

#: Modules of the gateway's environment as commands. pip fetches nothing: what is needed is there.
_PROGRAMS = {
    "gateway": 'api "$@"',
    "pip": 'pip "$@" --no-index --no-deps --no-build-isolation --disable-pip-version-check',
    "pytest": 'pytest "$@"',
}
_CUT = "--8<--"
_SECONDS = 180.0


class Shell:
    """A bash that stays: with its variables, its folder, and what it has started."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.story = ""

    def run(self, command: str) -> str:
        """What it prints. Fails, with all that was done before, if the command does."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{command}printf '\\n{_CUT} %s\\n' $?\n")
        self._process.stdin.flush()
        printed, status = "", "none"
        for line in self._process.stdout:
            if line.startswith(_CUT):
                status = line.split()[1]
                break
            printed += line
        self.story += f"$ {command}{printed}"
        assert status == "0", f"{self.story}(status {status})"
        return printed


@contextmanager
def reader(folder: Path) -> Iterator[Shell]:
    """A shell in `folder`/work, with the gateway installed. All that it starts ends at the exit."""
    bash = shutil.which("bash")
    assert bash is not None, "the documents' commands need bash"
    work = folder / "work"
    work.mkdir()
    process = subprocess.Popen(
        [bash, "-u", "-o", "pipefail"],
        cwd=work,
        env={"HOME": str(folder), "LANG": "C.UTF-8", **_environment(folder / "venv")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    timer = threading.Timer(_SECONDS, _end, [process.pid])
    timer.start()
    try:
        yield Shell(process)
    finally:
        timer.cancel()
        _end(process.pid)
        process.communicate()


def _end(session: int) -> None:
    try:
        os.killpg(session, signal.SIGKILL)
    except ProcessLookupError:
        return


def _environment(venv: Path) -> Mapping[str, str]:
    """A venv upon this one's packages: no other test sees what is installed into it."""
    packages = venv / f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    packages.mkdir(parents=True)
    ours = next(path for path in sys.path if path.endswith("site-packages"))
    (packages / "gateway.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
    interpreter = Path(sys.executable).resolve()
    (venv / "pyvenv.cfg").write_text(
        f"home = {interpreter.parent}\ninclude-system-site-packages = false\n"
    )
    programs = venv / "bin"
    programs.mkdir()
    python = programs / "python"
    python.symlink_to(interpreter)
    for program, arguments in _PROGRAMS.items():
        script = programs / program
        script.write_text(f"#!/bin/sh\nexec {python} -m {arguments}\n")
        script.chmod(0o755)
    (programs / "ruff").symlink_to(Path(sys.executable).with_name("ruff"))
    return {"PATH": f"{programs}:{os.environ['PATH']}"}
