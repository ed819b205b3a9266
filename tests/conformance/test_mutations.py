"""The bugs of `make mutations` still fit the adapters. That they are caught takes it minutes."""

import ast
from pathlib import Path

import pytest

from bench.mutations.__main__ import BUGS
from bench.mutations.planting import ROOT, Bug, Outdated


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: f"{bug.provider} {bug.name}")
def test_it_can_be_planted(bug: Bug) -> None:
    for file, text in bug.texts().items():
        right = (ROOT / "providers" / bug.provider / file).read_text()
        assert ast.dump(ast.parse(text)) != ast.dump(ast.parse(right))


def test_there_are_enough_of_them() -> None:
    assert len({(bug.provider, bug.name) for bug in BUGS}) == len(BUGS) >= 25
    assert {bug.provider for bug in BUGS} == {"stripe", "paypal"}


def test_it_is_planted_into_a_copy(tmp_path: Path) -> None:
    bug = BUGS[0]
    bug.plant(tmp_path)
    for file, text in bug.texts().items():
        assert (tmp_path / "providers" / bug.provider / file).read_text() == text
    assert (tmp_path / "providers/__init__.py").is_file()


def test_a_text_that_is_gone_is_said() -> None:
    bug = Bug("old", "stripe", (("money.py", "def no_such_function", ""),))
    with pytest.raises(Outdated, match=r"money\.py holds 0 times"):
        bug.texts()
