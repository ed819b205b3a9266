"""`gateway providers new NAME`."""

from pathlib import Path

import click

from api import terminal
from api.scaffold.package import Names, complaint, render, write
from gateway.registry import discover


def _name(_: click.Context, __: click.Parameter, value: str) -> str:
    trouble = complaint(value, set(discover()))
    if trouble is not None:
        raise click.BadParameter(trouble)
    return value


def _directory(context: click.Context, __: click.Parameter, value: Path | None) -> Path:
    directory = value or Path(context.params["name"])
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise click.BadParameter(f"{directory} is there already and not empty: choose another one")
    return directory


@click.command("new")
@click.argument("name", callback=_name, is_eager=True)
@click.option(
    "--directory",
    type=click.Path(path_type=Path),
    callback=_directory,
    help="Where to write it, absent or empty; a folder of that name if not given.",
)
@terminal.as_json
def new_provider(name: str, directory: Path, as_json: bool) -> None:
    """Write a package for a provider of your own, with its tests.

    NAME is its name in the API and in /webhooks/NAME: small letters, digits and _.
    """
    names = Names(name)
    rendered = render(names)
    try:
        write(rendered, directory)
    except OSError as error:
        raise click.ClickException(f"{directory} cannot be written: {error.strerror}") from None
    if as_json:
        terminal.line({"directory": str(directory), "files": list(rendered)})
        return
    for path, text in rendered.items():
        lines = text.count("\n")
        click.echo(f"{lines:>5}  {directory / path}")
    click.echo(
        f"\nThen:\n  cd {directory}\n  pip install -e '.[test]'\n  pytest\n\n"
        "Each red test names the next step. The tutorial is docs/adding-a-provider.md."
    )
