"""The commands of the documents do what the text beside them says."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.docs.conftest import VARIABLES
from tests.docs.markdown import PAGES, blocks
from tests.docs.shell import exported, run, steps


@pytest.mark.parametrize("name", [name for name in PAGES if steps(blocks(name))])
def test_the_reader_is_told_what_to_set(name: str) -> None:
    used = {
        word for step in steps(blocks(name)) for word in VARIABLES if f"${word}" in step.command
    }
    assert used
    assert used <= exported(blocks(name)) <= VARIABLES.keys()


def test_the_tour(demo: dict[str, str], tmp_path: Path) -> None:
    tour = steps(blocks("README.md"))
    choice = next(i for i, step in enumerate(tour) if step.command == "PROVIDER=stripe\n")
    other = [replace(tour[choice], command="PROVIDER=paypal\n"), *tour[choice + 1 :]]
    run([*tour, *other], demo, tmp_path)


def test_the_merchant_s_developer(demo: dict[str, str], tmp_path: Path) -> None:
    run(steps(blocks("docs/merchant-developer.md")), demo, tmp_path)


def test_finance(demo: dict[str, str], tmp_path: Path) -> None:
    run(steps(blocks("docs/finance.md")), demo, tmp_path)


def test_reports(demo: dict[str, str], tmp_path: Path) -> None:
    run(steps(blocks("docs/reports.md")), demo, tmp_path)


def test_exports(demo: dict[str, str], tmp_path: Path) -> None:
    run(steps(blocks("docs/exports.md")), demo, tmp_path)
