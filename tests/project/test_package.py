"""The wheel holds every file of the packages, and no file names a registry or a private place."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

from tests.project.files import PACKAGES, ROOT, tracked

#: In halves, so that this file does not name them either.
HOSTS = ("pypi" + r"\.org", "pythonhosted" + r"\.org", "npmjs" + r"\.", "deb\\.debian" + r"\.org")
PLACES = (r"\.\./" + "shared", "/work/" + "(main|shared)", "/opt/" + "(pypi|wheels)")


def test_the_wheel_holds_every_file_of_the_packages(tmp_path: Path) -> None:
    source = tmp_path / "source"
    files = [path for path in tracked() if path.parts[0] in PACKAGES]
    for path in [*files, Path("pyproject.toml"), Path("README.md"), Path("LICENSE")]:
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, source / path)
    build = "from setuptools import build_meta; print(build_meta.build_wheel('..'))"
    done = subprocess.run(
        [sys.executable, "-c", build], cwd=source, capture_output=True, text=True, check=True
    )
    with ZipFile(tmp_path / done.stdout.splitlines()[-1]) as wheel:
        missing = {str(path) for path in files} - set(wheel.namelist())
    assert missing == set()


def test_nothing_names_a_registry_or_a_private_place() -> None:
    pattern = re.compile("|".join(HOSTS + PLACES))
    named = []
    for path in tracked():
        text = (ROOT / path).read_bytes().decode(errors="replace")
        named += [f"{path}: {found[0]}" for found in pattern.finditer(text)]
    assert named == []
