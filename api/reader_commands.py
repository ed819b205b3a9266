"""`gateway reader`: roles of the database for tools that read finance's views."""

import asyncio
import os
import secrets

import click

from api import serving, terminal
from api.settings import database_url, environment
from storage import readers
from storage.engine import Database


@click.group()
def reader() -> None:
    """Roles that may read finance's views in the database, and nothing else."""


@reader.command("create")
@click.argument("name")
@click.option("--merchant", help="The id of the only merchant to be shown; all by default.")
@click.option("--print", "only_print", is_flag=True, help="Print the SQL, and do nothing.")
@terminal.as_json
def create(name: str, merchant: str | None, only_print: bool, as_json: bool) -> None:
    """Make a role for a tool. Its password is shown once, here."""
    password = secrets.token_urlsafe(24)
    statements = readers.create_statements(name, password, os.urandom(16), merchant)
    if not only_print:
        asyncio.run(_run(statements))
    if as_json:
        terminal.line({"name": name, "password": password})
        return
    if only_print:
        click.echo("".join(f"{statement};\n" for statement in statements), nl=False)
        click.echo(f"The password is {password}", err=True)
    else:
        click.echo(password)
        click.echo(f"Keep it now: it cannot be shown again. {name} may read the views.", err=True)


@reader.command("drop")
@click.argument("name")
def drop(name: str) -> None:
    """Take a role away."""
    asyncio.run(_run(readers.drop_statements(name)))
    click.echo(f"{name} is gone.")


async def _run(statements: list[str]) -> None:
    database = Database(database_url(environment()))
    try:
        await serving.check_schema(database.url)
        await readers.run(database, statements)
    finally:
        await database.close()
