"""The checkout as these tests see it: its root, its files, its project file."""

import subprocess
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("api", "gateway", "providers", "sandbox", "storage")


def tracked() -> list[Path]:
    """Every file that git tracks or would track, relative to the root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    paths = (Path(name) for name in done.stdout.split("\0") if name)
    return sorted(path for path in paths if (ROOT / path).is_file())


def modules(*packages: str) -> list[Path]:
    """The Python files of the packages, relative to the root."""
    return [path for path in tracked() if path.parts[0] in packages and path.suffix == ".py"]


def project() -> dict[str, Any]:
    """pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())
