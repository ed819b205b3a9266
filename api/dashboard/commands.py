"""`gateway users`: who may sign in to the dashboard."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple, TypeVar, get_args

import click
import msgspec
from rich.table import Table

from api import serving, terminal
from api.bodies import Email
from api.dashboard import passwords
from api.security import Keys
from api.settings import database_url, environment, secret_key
from api.wiring import SystemClock
from gateway.errors import Conflict, InvalidRequest, NotFound
from gateway.ids import Ids
from storage.audit import AuditLog
from storage.engine import Database
from storage.users import Role, User, Users

T = TypeVar("T")


@click.group()
def users() -> None:
    """People who may sign in to the dashboard."""


class People(NamedTuple):
    """The people in the database, and the log of what becomes of them."""

    keys: Keys
    users: Users
    audit: AuditLog

    async def note(self, merchant_id: str, action: str, subject: str, detail: str) -> None:
        """Say in the audit log what was done here: whoever can run this command has no user."""
        await self.audit.begin(
            merchant_id, False, "", "command line", action, subject, detail, outcome="done"
        )


@asynccontextmanager
async def _open() -> AsyncIterator[People]:
    env = environment()
    database = Database(database_url(env))
    clock = SystemClock()
    ids = Ids(clock, os.urandom)
    try:
        await serving.check_schema(database.url)
        keys = Keys(database, ids, clock, secret_key(env))
        yield People(keys, Users(database, ids, clock), AuditLog(database, ids, clock))
    finally:
        await database.close()


def _with(act: Callable[[People], Awaitable[T]]) -> T:
    async def run() -> T:
        async with _open() as people:
            return await act(people)

    return asyncio.run(run())


@users.command("create")
@click.option("--merchant", required=True, help="The merchant's name; made if there is none.")
@click.option("--email", required=True, help="With which the person signs in.")
@click.option("--name", default="", help="The person's name.")
@click.option("--role", type=click.Choice(get_args(Role)), default="finance", show_default=True)
@terminal.as_json
def create(merchant: str, email: str, name: str, role: Role, as_json: bool) -> None:
    """Add a person. The password is asked for, or read as a line from standard input."""
    try:
        msgspec.convert(email, Email)
    except msgspec.ValidationError:
        raise InvalidRequest(f"{email!r} is no e-mail address") from None
    password = _password()
    passwords.check_strength(password)
    hashed = passwords.hash_password(password)

    async def act(people: People) -> str:
        merchant_id = await people.keys.merchant(merchant)
        made = await people.users.create(merchant_id, email, name, role, hashed)
        await people.note(merchant_id, "added a user", made.email, role)
        return made.id

    user_id = _with(act)
    if as_json:
        terminal.line({"id": user_id, "email": email.lower(), "role": role})
    else:
        click.echo(f"{user_id}: {email.lower()} may sign in at /dashboard, as {role}.")


def _password() -> str:
    if sys.stdin.isatty():
        found: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
        return found
    return sys.stdin.readline().rstrip("\r\n")


@users.command("list")
@terminal.as_json
def list_users(as_json: bool) -> None:
    """List the people."""
    found = _with(lambda people: people.users.list())
    if as_json:
        terminal.line(
            [
                {
                    "id": user.id,
                    "merchant": merchant,
                    "email": user.email,
                    "name": user.name,
                    "role": user.role,
                    "created_at": user.created_at,
                    "disabled_at": user.disabled_at,
                }
                for merchant, user in found
            ]
        )
        return
    table = Table("Id", "Merchant", "E-mail", "Name", "Role", "Disabled")
    for merchant, user in found:
        disabled = f"{user.disabled_at:%Y-%m-%d}" if user.disabled_at else ""
        table.add_row(user.id, merchant, user.email, user.name, user.role, disabled)
    terminal.show(table)


@users.command("disable")
@click.argument("user")
def disable(user: str) -> None:
    """USER, an id or an e-mail address, may not sign in any more, and is signed out everywhere.

    The last administrator of a merchant stays.
    """

    async def act(people: People) -> User:
        found = await _find(people.users, user)
        await people.users.set_disabled(found.merchant_id, found.id, True)
        await people.note(found.merchant_id, "disabled a user", found.id, found.email)
        return found

    click.echo(f"{_with(act).id} is disabled.")


@users.command("password")
@click.argument("user")
def password(user: str) -> None:
    """Give USER, an id or an e-mail address, another password; all their sessions are over.

    It is asked for, or read as a line from standard input, as for a new user.
    """
    chosen = _password()
    passwords.check_strength(chosen)
    hashed = passwords.hash_password(chosen)

    async def act(people: People) -> User:
        found = await _find(people.users, user)
        if found.disabled_at is not None:
            raise Conflict(f"{found.email} is disabled: an administrator can enable them")
        await people.users.set_password(
            found.merchant_id, found.id, hashed, instead_of=found.password
        )
        await people.note(found.merchant_id, "reset a user's password", found.id, found.email)
        return found

    changed = _with(act)
    click.echo(f"{changed.id}: {changed.email} has another password, and is signed out everywhere.")


async def _find(opened: Users, known: str) -> User:
    """By id or e-mail address. Raises NotFound, and Conflict where several have the address."""
    everybody = [user for _, user in await opened.list()]
    found = [user for user in everybody if known == user.id or known.lower() == user.email]
    if not found:
        raise NotFound(f"there is no user {known}")
    if len(found) > 1:
        ids = ", ".join(user.id for user in found)
        raise Conflict(f"several merchants have a user {known}: name one by id, {ids}")
    return found[0]
