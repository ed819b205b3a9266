"""docs/errors.md is made from the vocabulary, and is not stale."""

from pathlib import Path

from api.problems import CODES
from api.reference.pages import errors, errors_markdown

ERRORS = Path(__file__).parents[2] / "docs" / "errors.md"


def test_the_table_in_the_repository_is_up_to_date() -> None:
    assert ERRORS.read_text() == errors_markdown(), "python -m api.reference > docs/errors.md"


def test_the_page_has_an_anchor_for_every_code() -> None:
    page = errors().decode()
    assert [code for code in CODES if page.count(f'id="{code}"') != 1] == []
