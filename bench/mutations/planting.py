"""A bug, and how it gets into a copy of the adapters."""

import shutil
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


class Outdated(Exception):
    """The text that a bug is planted into is not there (any more), or there more than once."""


@dataclass(frozen=True)
class Bug:
    """A typical mistake of whoever writes an adapter.

    `changes` are a file of the adapter, a text that is in it exactly once, and what stands there
    instead.
    """

    name: str
    provider: str
    changes: tuple[tuple[str, str, str], ...]

    def texts(self) -> dict[str, str]:
        """The changed files, with the bug in them. Raises Outdated."""
        texts: dict[str, str] = {}
        for file, right, wrong in self.changes:
            path = ROOT / "providers" / self.provider / file
            text = texts.get(file) or path.read_text()
            if text.count(right) != 1:
                raise Outdated(f"{file} holds {text.count(right)} times: {right!r}")
            texts[file] = text.replace(right, wrong)
        return texts

    def plant(self, folder: Path) -> None:
        """Copy the adapters into `folder`, with this bug. Raises Outdated."""
        texts = self.texts()
        ignored = shutil.ignore_patterns("__pycache__", "conformance.json")
        shutil.copytree(ROOT / "providers", folder / "providers", ignore=ignored)
        for file, text in texts.items():
            (folder / "providers" / self.provider / file).write_text(text)
