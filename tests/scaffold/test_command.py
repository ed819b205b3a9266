"""The command: names and directories that it takes or refuses, and what it prints."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from api.cli import main
from api.scaffold.package import LONGEST_NAME, Names, complaint, render


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def new(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["providers", "new", *arguments])


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_it_writes_every_file_and_says_so(folder: Path) -> None:
    done = new("acme")
    assert done.exit_code == 0, done.output
    written = files(folder)
    assert written == {f"acme/{path}" for path in render(Names("acme"))}
    lines = [line.split() for line in done.output.partition("\n\n")[0].splitlines()]
    listed = {path: number for number, path in lines}
    assert listed == {path: str((folder / path).read_text().count("\n")) for path in written}
    assert "cd acme\n" in done.output


def test_it_tells_programs_in_json(folder: Path) -> None:
    done = new("acme", "--directory", "plugins/acme", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    assert told["directory"] == "plugins/acme"
    assert {f"plugins/acme/{path}" for path in told["files"]} == files(folder)


def test_an_empty_directory_is_taken(folder: Path) -> None:
    (folder / "acme").mkdir()
    assert new("acme").exit_code == 0


def test_what_is_there_is_never_written_over(folder: Path) -> None:
    (folder / "acme").mkdir()
    (folder / "acme" / "notes").write_text("mine")
    done = new("acme")
    assert done.exit_code == 2
    assert "acme is there already and not empty" in done.output
    assert files(folder) == {"acme/notes"}


def test_a_file_is_no_directory(folder: Path) -> None:
    (folder / "acme").write_text("mine")
    assert new("acme").exit_code == 2
    below = new("acme", "--directory", "acme/plugin")
    assert below.exit_code == 1
    assert "acme/plugin cannot be written: Not a directory" in below.output
    assert (folder / "acme").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "no provider name"),
        ("Acme", "no provider name"),
        ("2pay", "no provider name"),
        ("_pay", "no provider name"),
        ("acme-pay", "no provider name"),
        ("acme\n", "no provider name"),
        ("äcme", "no provider name"),
        ("../acme", "no provider name"),
        ("a" * (LONGEST_NAME + 1), "too long"),
        ("stripe", "installed already"),
        ("auto", "means something else"),
    ],
)
def test_a_name_that_cannot_be_is_misuse(folder: Path, name: str, words: str) -> None:
    done = new("--", name)
    assert done.exit_code == 2
    assert words in done.output
    assert files(folder) == set()


def test_names_are_made_from_the_name() -> None:
    assert complaint("northern_lights2", set()) is None
    names = Names("northern_lights2")
    assert names.fields() == {
        "name": "northern_lights2",
        "package": "gateway_northern_lights2",
        "project": "gateway-northern-lights2",
        "dashed": "northern-lights2",
        "setting": "NORTHERN_LIGHTS2",
        "words": "Northern Lights2",
        "camel": "NorthernLights2",
    }
