"""What the reader of a tutorial does: runs its commands, puts its code where it belongs.

A `bash` block is run; the `text` block right after it is what will be seen (`…` for anything). A
`python` block whose line before names a file, as in "`gateway_acme/mapping.py`, in place of …:",
goes into that file: its functions in place of those of the same name, or at the end. A file that is
not there yet is the block.
"""

import ast
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FILE = re.compile(r"^`([\w/.]+\.py)`")


@dataclass(frozen=True)
class Command:
    """To be run, and what it is said to print."""

    text: str
    seen: str | None


@dataclass(frozen=True)
class Code:
    """Functions, and the file that they belong in; or a whole new file."""

    path: str
    text: str

    def put(self, folder: Path) -> None:
        """Write it into the package in `folder`."""
        path = folder / self.path
        new = put(path.read_text(), self.text) if path.exists() else self.text
        path.write_text(new)


def read(page: str) -> Iterator[Command | Code]:
    """The steps of a tutorial, in order."""
    blocks = list(_blocks(page))
    for number, (before, language, text) in enumerate(blocks):
        if language == "bash":
            after = blocks[number + 1] if number + 1 < len(blocks) else ("", "", "")
            yield Command(text, after[2] if after[1] == "text" else None)
        elif language == "python" and (file := _FILE.match(before)):
            yield Code(file[1], text)


def _blocks(page: str) -> Iterator[tuple[str, str, str]]:
    """(the line before, language, text) of each block."""
    lines = page.splitlines(keepends=True)
    before, language, start = "", "", None
    for number, line in enumerate(lines):
        if not line.startswith("```"):
            if start is None and line.strip():
                before = line.strip()
        elif start is None:
            language, start = line.strip("`\n"), number + 1
        else:
            yield before, language, "".join(lines[start:number])
            before, start = "", None


def put(source: str, code: str) -> str:
    """`source` with the functions of `code` in place of those of the same name, or at its end."""
    for text, name in _functions(code):
        old = next((node for node in _defined(source) if node.name == name), None)
        if old is None:
            blank = "\n" if text.startswith(" ") else "\n\n"
            source = f"{source}{blank}{text}"
        else:
            lines = source.splitlines(keepends=True)
            lines[old.lineno - 1 : old.end_lineno] = [text]
            source = "".join(lines)
    return source


def _functions(code: str) -> Iterator[tuple[str, str]]:
    """The text, indented as it is, and the name of each function of `code`."""
    lines = code.splitlines(keepends=True)
    for node in ast.parse(textwrap.dedent(code)).body:
        assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef), ast.dump(node)
        yield "".join(lines[node.lineno - 1 : node.end_lineno]), node.name


def _defined(source: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
