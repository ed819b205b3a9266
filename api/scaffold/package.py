"""The files of a new provider's package. Pure, but for `write`.

`templates/` holds them as they will be: `package` in a path stands for the package's name, the
suffix `.template` is dropped, and `$name` and the like are replaced (string.Template).
"""

import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

import msgspec

_NAME = re.compile(r"[a-z][a-z0-9_]*")
#: Lines of the templates have room for it, in several places at once.
LONGEST_NAME = 24
#: Words that stand for something else where a provider is named.
_TAKEN = frozenset({"auto", "conformance", "gateway"})
_SUFFIX = ".template"


class Names(msgspec.Struct, frozen=True):
    """What a provider's name is in each place; all made from `name`."""

    name: str

    @property
    def package(self) -> str:
        """The Python package."""
        return f"gateway_{self.name}"

    @property
    def project(self) -> str:
        """The distribution."""
        return f"gateway-{self.dashed}"

    @property
    def dashed(self) -> str:
        """With dashes, as in the names of HTTP headers."""
        return self.name.replace("_", "-").strip("-")

    @property
    def setting(self) -> str:
        """How its settings begin."""
        return self.name.upper()

    @property
    def words(self) -> str:
        """The name that people read, to begin with."""
        return " ".join(word.capitalize() for word in self.name.split("_") if word)

    @property
    def camel(self) -> str:
        """How its classes begin."""
        return self.words.replace(" ", "")

    def fields(self) -> dict[str, str]:
        """What the templates replace."""
        kinds = ("name", "package", "project", "dashed", "setting", "words", "camel")
        return {kind: getattr(self, kind) for kind in kinds}


def complaint(name: str, installed: set[str]) -> str | None:
    """Why `name` cannot be a new provider's name; None if it can."""
    if not _NAME.fullmatch(name):
        return f"{name!r} is no provider name: small letters, digits and _, a letter first"
    if len(name) > LONGEST_NAME:
        return f"{name!r} is too long: {LONGEST_NAME} characters at most"
    if name in installed:
        return f"a provider {name!r} is installed already: choose another name, or uninstall it"
    if name in _TAKEN:
        return f"{name!r} means something else where providers are named: choose another name"
    return None


def render(names: Names) -> dict[str, str]:
    """The text of each file, by its path within the package's directory."""
    rendered = {}
    for path, text in sorted(_templates(files(__package__) / "templates", "")):
        parts = [names.package if part == "package" else part for part in path.split("/")]
        rendered["/".join(parts).removesuffix(_SUFFIX)] = Template(text).substitute(names.fields())
    return rendered


def _templates(folder: Traversable, path: str) -> list[tuple[str, str]]:
    found = []
    for entry in folder.iterdir():
        inner = f"{path}{entry.name}"
        if entry.is_dir():
            found += _templates(entry, f"{inner}/")
        elif entry.name.endswith(_SUFFIX):
            found.append((inner, entry.read_text(encoding="utf-8")))
    return found


def write(rendered: dict[str, str], directory: Path) -> None:
    """Write the files into a directory that is empty or absent. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in rendered.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
