"""The documents, and the parts of them that can be checked."""

import re
from dataclasses import dataclass

from tests.project.files import ROOT

#: The documents whose every command, table and word these tests hold to the truth.
PAGES = (
    "README.md",
    "docs/merchant-developer.md",
    "docs/gateway-developer.md",
    "docs/finance.md",
    "docs/operations.md",
    "docs/reports.md",
    "docs/exports.md",
)
#: All documents: their links, settings and commands are looked at.
DOCUMENTS = (
    "README.md",
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")),
)
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: what its fence names, and its text."""

    language: str
    text: str


def page(name: str) -> str:
    """A document's text."""
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name: str) -> list[Block]:
    """The fenced blocks of a document, in order."""
    return [Block(language, text) for language, text in _FENCE.findall(page(name))]


def prose(name: str) -> str:
    """A document without its fenced blocks."""
    return _FENCE.sub("", page(name))


def spans(name: str) -> list[str]:
    """The inline code of a document; a span that is broken over two lines is joined."""
    return _SPAN.findall(re.sub(r"(?<=\S)\n(?=\S)", " ", prose(name)))


def code(name: str) -> list[str]:
    """Every line of code of a document: inline code, and the lines of its fenced blocks."""
    lines = [line for block in blocks(name) for line in block.text.splitlines()]
    return spans(name) + lines


def links(name: str) -> list[str]:
    """The targets of a document's links and pictures."""
    return re.findall(r"\]\(([^)\s]+)\)", prose(name))


def anchors(name: str) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in _HEADING.findall(prose(name))
    }


def table(name: str, first: str) -> list[str]:
    """The first cells of the table whose first column is headed `first`, code marks removed."""
    lines = prose(name).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {first} |"))
    cells = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        cells.append(line.split("|")[1].strip().strip("`"))
    return cells
