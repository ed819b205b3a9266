"""What the command writes holds to the gateway's own standards from the first moment."""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from api.scaffold.package import LONGEST_NAME, Names, render, write
from tests.docs.markdown import page
from tests.docs.tutorial import Code, read
from tests.project.files import ROOT, project

#: A short name, a usual one, and the longest, in which every word takes room.
NAMES = ("a", "acme", "northern_lights_pay_xyz1")
assert len(NAMES[-1]) == LONGEST_NAME


@pytest.fixture(params=NAMES)
def package(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    write(render(Names(request.param)), tmp_path)
    return tmp_path


def run(module: str, *arguments: str, folder: Path) -> None:
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_passes_ruff(package: Path) -> None:
    run("ruff", "check", "--no-cache", ".", folder=package)
    run("ruff", "format", "--no-cache", "--check", ".", folder=package)


def test_it_passes_mypy_as_it_is_and_when_the_tutorial_is_through(tmp_path: Path) -> None:
    write(render(Names("acme")), tmp_path / "acme")
    write(render(Names("done")), tmp_path / "done")
    for step in read(page("docs/adding-a-provider.md")):
        if isinstance(step, Code) and (path := step.path.replace("_acme", "_done")) != step.path:
            Code(path, step.text).put(tmp_path / "done")
    run(
        "mypy",
        "--config-file=acme/pyproject.toml",
        f"--cache-dir={ROOT / '.mypy_cache' / 'scaffold'}",
        "acme/gateway_acme",
        "acme/tests",
        "done/gateway_done",
        folder=tmp_path,
    )


def test_its_rules_are_the_gateway_s() -> None:
    theirs: dict[str, Any] = tomllib.loads(render(Names("acme"))["pyproject.toml"])["tool"]
    ours = project()["tool"]
    assert theirs["ruff"]["lint"]["select"] == ours["ruff"]["lint"]["select"]
    assert set(theirs["ruff"]["lint"]["ignore"]) <= set(ours["ruff"]["lint"]["ignore"])
    for key in ("strict", "warn_unreachable", "enable_error_code"):
        assert theirs["mypy"][key] == ours["mypy"][key]
    assert theirs["pytest"]["ini_options"]["filterwarnings"] == ["error"]
    assert theirs["ruff"]["line-length"] == ours["ruff"]["line-length"]


def test_its_dependencies_are_no_older_than_the_gateway_s() -> None:
    theirs = tomllib.loads(render(Names("acme"))["pyproject.toml"])["project"]
    asked = {*theirs["dependencies"], *theirs["optional-dependencies"]["test"]}
    ours = {*project()["project"]["dependencies"], *project()["dependency-groups"]["dev"]}
    assert {item for item in asked if not item.startswith("payment-gateway")} <= ours
