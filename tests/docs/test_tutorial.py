"""docs/adding-a-provider.md, carried out from the first command to the last.

`python -m tests.docs.test_tutorial` writes what the commands really print into the page.
"""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.docs.conftest import free_ports
from tests.docs.markdown import page
from tests.docs.reader import reader
from tests.docs.shell import says
from tests.docs.tutorial import Command, read
from tests.project.files import ROOT

NAME = "docs/adding-a-provider.md"
#: Those of the page; free ones take their place.
PORTS = ("8000", "8001", "8002")
#: What is never the same twice.
_SECONDS = re.compile(r"(?<= in )[0-9.]+(?=s)")


def carry_out(folder: Path) -> Iterator[tuple[Command, str]]:
    """The commands of the page, and what each printed."""
    free = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
    with reader(folder) as shell:
        for step in read(page(NAME)):
            if isinstance(step, Command):
                command = re.sub("|".join(free), lambda port: free[port[0]], step.text)
                yield step, shell.run(command)
            else:
                step.put(folder / "work" / "acme")


def test_the_tutorial(tmp_path: Path) -> None:
    for command, output in carry_out(tmp_path):
        if command.seen is not None:
            assert says(command.seen, output), f"$ {command.text}{output}\nsaid:\n{command.seen}"


def retell() -> None:
    """Write the page anew wherever it does not say what is seen."""
    text = page(NAME)
    with tempfile.TemporaryDirectory() as folder:
        for command, output in carry_out(Path(folder)):
            if command.seen is not None and not says(command.seen, output):
                seen = _SECONDS.sub("…", output).strip("\n")
                old = f"{command.text}```\n\n```text\n{command.seen}```"
                assert text.count(old) == 1, old
                text = text.replace(old, f"{command.text}```\n\n```text\n{seen}\n```")
    (ROOT / NAME).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    retell()
