"""Every setting, command, target, code and field that a document names exists."""

import re
from collections.abc import Iterator

import click
import pytest

from api.cli import main
from api.problems import CODES
from tests.docs.markdown import DOCUMENTS, PAGES, code, page, spans, table
from tests.project.files import ROOT, modules
from tests.project.test_makefile import TARGETS
from tests.project.test_settings_example import shown

_SETTING = re.compile(r"\b(?:DATABASE|GATEWAY|STRIPE|PAYPAL|POSTGRES)_[A-Z_]+\b")
_MAKE = re.compile(r"(?:^|[ (])make ([a-z]+)\b")
_COMMAND = re.compile(r"(?:^|/|[ (])gateway ((?:[a-z]+(?:-[a-z]+)* ?)+)((?: ?--[a-z-]+)*)")
_REFUSAL = re.compile(r"\b([45]\d\d) `([a-z_]+)`")
#: Words in code that are another program's.
_FOREIGN = {"pg_dump", "pg_stat_activity", "pyproject.toml"}
_WORD = re.compile(r"[a-z]+(?:[_.:][a-z]+)*")


def test_settings_are_those_of_the_example() -> None:
    assert set(table("docs/operations.md", "Setting")) == shown() | {"POSTGRES_PASSWORD"}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_settings_exist(name: str) -> None:
    of_commands = {
        str(parameter.envvar) for command in _commands(main) for parameter in command.params
    }
    known = shown() | {"POSTGRES_PASSWORD"} | of_commands
    assert set(_SETTING.findall(page(name))) <= known


def _commands(command: click.Command) -> Iterator[click.Command]:
    yield command
    if isinstance(command, click.Group):
        for child in command.commands.values():
            yield from _commands(child)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_make_targets_exist(name: str) -> None:
    assert {target for line in code(name) for target in _MAKE.findall(line)} <= TARGETS


def commands() -> Iterator[tuple[str, str, str]]:
    """(document, words after `gateway`, options) of every command line in the documents."""
    for name in DOCUMENTS:
        for line in code(name):
            for words, options in _COMMAND.findall(line.partition("#")[0]):
                yield name, words.strip(), options


@pytest.mark.parametrize(("name", "words", "options"), sorted(set(commands())))
def test_commands_exist(name: str, words: str, options: str) -> None:
    command: click.Command = main
    for word in words.split():
        if any(isinstance(parameter, click.Argument) for parameter in command.params):
            break  # its argument
        assert isinstance(command, click.Group), f"{words}: {word} is one word too many"
        found = command.commands.get(word)
        assert found is not None, f"{words}: there is no {word}"
        command = found
    known = {option for parameter in command.params for option in parameter.opts}
    assert set(options.split()) <= known


def test_every_command_is_in_the_manual() -> None:
    named = {words for _, words, _ in commands()}
    assert set(_paths(main, "")) <= named


def _paths(command: click.Command, path: str) -> Iterator[str]:
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from _paths(child, f"{path} {name}".strip())
    else:
        yield path


@pytest.mark.parametrize("name", DOCUMENTS)
def test_error_codes_have_the_status_they_are_named_with(name: str) -> None:
    for status, named in _REFUSAL.findall(page(name)):
        assert named in CODES
        assert CODES[named].status == int(status), named


@pytest.mark.parametrize("name", PAGES)
def test_words_in_code_are_words_of_the_code(name: str) -> None:
    """`amount_refundable` and its like: each must be somewhere in the source, as a whole word."""
    words = {word for span in spans(name) if (word := span.strip()) and _WORD.fullmatch(word)}
    assert words - SOURCE_WORDS - _FOREIGN == set()


def _source_words() -> set[str]:
    files = modules("api", "gateway", "providers", "sandbox", "storage")
    text = "\n".join((ROOT / path).read_text(encoding="utf-8") for path in files)
    return set(re.findall(r"[a-z]+(?:[_.:][a-z]+)*", text)) | set(re.findall(r"[a-z_]+", text))


SOURCE_WORDS = _source_words()
