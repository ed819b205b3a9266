"""What a Python file imports, read from its source."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.project.files import PACKAGES, ROOT


def imported(path: Path) -> set[str]:
    """The top-level names of all modules that a file imports, those inside functions too."""
    return set(_names(ast.parse((ROOT / path).read_text())))


def third_party(path: Path) -> set[str]:
    """Those that are neither the standard library's nor ours."""
    return imported(path) - sys.stdlib_module_names - {*PACKAGES, "tests"}


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
