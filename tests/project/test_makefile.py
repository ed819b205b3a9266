"""The Makefile starts from a bare python3, and says what is wrong where it cannot."""

import subprocess
from pathlib import Path

from tests.project.files import ROOT

TARGETS = {
    *("bench", "clean", "demo", "help", "install", "lint", "lock"),
    *("mutations", "serve", "soak", "test"),
}


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make in the checkout, outside of the make that may run these tests."""
    command = ["env", "-u", "MAKEFLAGS", "-u", "MAKELEVEL", "make", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_help_lists_every_target() -> None:
    lines = make("help").stdout.splitlines()
    assert {line.split()[1] for line in lines} == TARGETS


def test_an_old_python_is_named(tmp_path: Path) -> None:
    done = make("install", "PYTHON=false", f"VENV={tmp_path / 'venv'}")
    assert done.returncode == 2
    assert done.stderr.startswith("Python 3.11 or newer is needed, and false is not")
    assert not (tmp_path / "venv").exists()


def test_a_python_without_venv_is_told_the_cure(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; esac\n')
    python.chmod(0o755)
    done = make("install", f"PYTHON={python}", f"VENV={tmp_path / 'venv'}")
    assert done.returncode == 2
    assert "apt-get install python3-venv" in done.stderr
