"""Prints docs/errors.md."""

from api.reference.pages import errors_markdown

print(errors_markdown(), end="")  # noqa: T201
