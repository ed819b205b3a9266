"""The packages in examples/ pass their own tests, run as a stranger runs his: in their folder."""

import os
import re
import subprocess
import sys

import pytest

from tests.project.files import ROOT

PACKAGES = sorted(path.parent.name for path in ROOT.glob("examples/*/pyproject.toml"))


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_passes_its_own_tests(name: str) -> None:
    # Not as a part of this run: what pytest and its workers tell one another stays here.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        command,
        cwd=ROOT / "examples" / name,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) > 70, "the contract alone has more rules than that"
    assert " skipped" not in done.stdout
