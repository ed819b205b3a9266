"""The list of dependencies is honest, and its locks hold what it asks for, by hash."""

import re
from importlib.metadata import packages_distributions

from tests.project.files import PACKAGES, ROOT, modules, project
from tests.project.imports import third_party

#: Needed at run time without an import of ours: database drivers and the server's parts.
FOUND_BY_NAME = {"aiosqlite", "asyncpg", "httptools", "tzdata"}

PIN = re.compile(r"^([a-z0-9.-]+)==([^ ;]+)(?: ; [^\\]+)? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}(?: \\)?$")


def locked(name: str) -> dict[str, str]:
    """The versions that a lock pins; every line of it is a pin, a hash or a comment."""
    pins: dict[str, str] = {}
    hashed: set[str] = set()
    package = ""
    for line in (ROOT / "requirements" / f"{name}.txt").read_text().splitlines():
        if pin := PIN.match(line):
            package = pin[1]
            pins[package] = pin[2]
        elif HASH.match(line):
            hashed.add(package)
        else:
            assert line.startswith("#"), line
    assert hashed == set(pins)
    return pins


def named(requirements: list[str]) -> set[str]:
    """The distributions that requirements ask for, in lower case with dashes."""
    return {
        re.split(r"[^A-Za-z0-9._-]", text)[0].lower().replace("_", "-") for text in requirements
    }


def test_what_is_imported_is_what_is_asked_for() -> None:
    distributions = packages_distributions()
    needed = {name for path in modules(*PACKAGES) for name in third_party(path)}
    providers = {name: named(distributions.get(name, [name])) for name in needed}
    extras = project()["project"]["optional-dependencies"].values()
    asked = named([*project()["project"]["dependencies"], *(one for e in extras for one in e)])
    assert {name for name, owners in providers.items() if not owners & asked} == set()
    assert asked - set().union(*providers.values()) == FOUND_BY_NAME


def test_the_locks_hold_everything() -> None:
    runtime, dev = locked("runtime"), locked("dev")
    assert named(project()["project"]["dependencies"]) <= set(runtime)
    assert named(project()["build-system"]["requires"]) <= set(runtime)
    assert named(project()["dependency-groups"]["dev"]) <= set(dev)
    for extra in project()["project"]["optional-dependencies"].values():
        assert named(extra) <= set(dev)
    assert runtime.items() <= dev.items()
    assert set(locked("bootstrap")) == {"uv"}


def test_no_test_tool_is_needed_at_run_time() -> None:
    tools = named(project()["dependency-groups"]["dev"]) - {"pyyaml"}  # litestar needs it too
    assert tools & set(locked("runtime")) == set()
