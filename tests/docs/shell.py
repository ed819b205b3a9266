"""Runs the `bash` blocks of a document in one shell, as their reader would."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.docs.markdown import Block

_CUT = "--8<--"
_SECONDS = 60


@dataclass(frozen=True)
class Step:
    """A `bash` block, and what the `text` block right after it says will be seen."""

    command: str
    seen: str | None


def steps(blocks: Sequence[Block]) -> list[Step]:
    """The commands of a document, each with what it is said to print."""
    found = []
    for number, block in enumerate(blocks):
        if block.language == "bash":
            after = blocks[number + 1] if number + 1 < len(blocks) else None
            seen = after.text if after is not None and after.language == "text" else None
            found.append(Step(block.text, seen))
    return found


def exported(blocks: Sequence[Block]) -> set[str]:
    """The variables that a document's `sh` blocks tell the reader to set."""
    text = "".join(block.text for block in blocks if block.language == "sh")
    return set(re.findall(r"^export (\w+)=", text, re.MULTILINE))


def run(steps: Sequence[Step], variables: Mapping[str, str], folder: Path) -> None:
    """Run all steps; fails at the first that ends in an error or prints something else."""
    bash, curl = shutil.which("bash"), shutil.which("curl")
    assert bash is not None, "the documents' commands need bash"
    assert curl is not None, "the documents' commands need curl (apt-get install curl)"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # a python3 that starts fast
    script = "set -u -o pipefail\n" + "".join(
        f"{step.command}printf '\\n{_CUT} %s\\n' $?\n" for step in steps
    )
    done = subprocess.run(
        [bash, "-c", script],
        cwd=folder,
        env={"PATH": path, "HOME": str(folder), "LANG": "C.UTF-8", **variables},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    parts = re.split(rf"\n{_CUT} (\d+)\n", done.stdout)
    for number, step in enumerate(steps):
        output, status = parts[2 * number], (parts[2 * number + 1 :] or ["none"])[0]
        story = f"$ {step.command}{output}\n{done.stderr}(status {status})"
        assert status == "0", story
        if step.seen is not None:
            assert says(step.seen, output), f"{story}\nthe document says:\n{step.seen}"


def says(seen: str, output: str) -> bool:
    """Whether `output` is what was said, where `…` stands for anything."""
    pattern = ".*?".join(re.escape(part) for part in seen.strip().split("…"))
    return re.fullmatch(pattern, output.strip(), re.DOTALL) is not None
