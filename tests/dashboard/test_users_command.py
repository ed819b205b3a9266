"""`gateway users`: making, listing and disabling the people who may sign in."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from click.testing import CliRunner, Result

from api.cli import main
from api.dashboard import passwords
from api.wiring import SystemClock
from gateway.ids import Ids
from storage.audit import AuditLog
from storage.engine import Database
from storage.users import Session, User, Users

T = TypeVar("T")
SECRET = "a secret of this test's gateway, long enough"
PASSWORD = "correct horse battery staple"


def run(url: str, *arguments: str, given: str = "") -> Result:
    """The command on a wide terminal, with a line on its standard input."""
    environment = {"DATABASE_URL": url, "GATEWAY_SECRET_KEY": SECRET, "COLUMNS": "250"}
    result: Result = CliRunner().invoke(main, ["users", *arguments], input=given, env=environment)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


ADA = ("create", "--merchant", "Shop", "--email", "Ada@Example.com", "--role", "admin")
BOB = ("create", "--merchant", "Shop", "--email", "bob@example.com", "--role", "admin")
NEW = "another horse, another battery"


def test_a_user_is_made_listed_and_disabled(store_url: str) -> None:
    made = run(store_url, *ADA, "--name", "Ada", "--json", given=f"{PASSWORD}\n")
    assert made.exit_code == 0, made.output
    user_id = json.loads(made.stdout)["id"]
    (listed,) = json.loads(run(store_url, "list", "--json").stdout)
    assert (listed["id"], listed["email"], listed["role"]) == (user_id, "ada@example.com", "admin")
    assert listed["disabled_at"] is None
    assert "argon2" not in json.dumps(listed)
    assert "ada@example.com" in run(store_url, "list").stdout
    last = run(store_url, "disable", user_id)
    assert last.exit_code == 1
    assert "the last administrator" in last.stderr
    assert listing(store_url) == [("ada@example.com", False)]
    assert run(store_url, *BOB, given=f"{PASSWORD}\n").exit_code == 0
    assert run(store_url, "disable", user_id).exit_code == 0
    assert listing(store_url) == [("ada@example.com", True), ("bob@example.com", False)]
    assert run(store_url, "disable", "bob@example.com").exit_code == 1


def listing(store_url: str) -> list[tuple[str, bool]]:
    """Each user's address, and whether they are disabled."""
    found = json.loads(run(store_url, "list", "--json").stdout)
    return [(one["email"], bool(one["disabled_at"])) for one in found]


@pytest.mark.parametrize(
    ("arguments", "password", "words"),
    [
        (ADA, "short", "12 to 200 characters"),
        (ADA, "", "12 to 200 characters"),
        ((*ADA[:4], "nobody"), PASSWORD, "no e-mail address"),
    ],
)
def test_what_is_wrong_is_one_line(
    store_url: str, arguments: tuple[str, ...], password: str, words: str
) -> None:
    result = run(store_url, *arguments, given=f"{password}\n")
    assert result.exit_code == 1
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


def test_an_address_is_taken_once_per_merchant(store_url: str) -> None:
    assert run(store_url, *ADA, given=f"{PASSWORD}\n").exit_code == 0
    again = run(store_url, *ADA, given=f"{PASSWORD}\n")
    assert again.exit_code == 1
    assert "already" in again.stderr
    other = ("create", "--merchant", "Other", *ADA[3:])
    assert run(store_url, *other, given=f"{PASSWORD}\n").exit_code == 0
    assert run(store_url, "disable", "usr_nobody").exit_code == 1


@pytest.mark.parametrize("known", ["ada@example.com", "ADA@example.com", "id"])
def test_a_password_is_replaced_and_ends_sessions(store_url: str, known: str) -> None:
    made = run(store_url, *ADA, "--json", given=f"{PASSWORD}\n")
    user_id = json.loads(made.stdout)["id"]
    user = _in(store_url, _ada)
    session = Session(user.merchant_id, "digest", user_id, "", False, "UTC")
    _in(store_url, lambda users: users.sign_in(session))
    assert _in(store_url, lambda users: users.session("digest"))

    short = run(store_url, "password", user_id, given="short\n")
    assert short.exit_code == 1
    assert "12 to 200 characters" in short.stderr
    assert _in(store_url, _ada).password == user.password

    done = run(store_url, "password", user_id if known == "id" else known, given=f"{NEW}\n")
    assert done.exit_code == 0, done.output
    assert NEW not in done.output
    assert asyncio.run(passwords.matches(NEW, _in(store_url, _ada).password))
    assert _in(store_url, lambda users: users.session("digest")) is None


def test_whose_password_is_to_be_known(store_url: str) -> None:
    for command in (ADA, BOB, ("create", "--merchant", "Other", *ADA[3:])):
        assert run(store_url, *command, given=f"{PASSWORD}\n").exit_code == 0
    assert run(store_url, "disable", "bob@example.com").exit_code == 0
    for known, words in (
        ("ada@example.com", "several merchants"),
        ("usr_nobody", "there is no user"),
        ("bob@example.com", "is disabled"),
    ):
        result = run(store_url, "password", known, given=f"{NEW}\n")
        assert result.exit_code == 1
        assert words in result.stderr
        assert result.stderr.count("\n") == 1


def test_what_is_done_is_in_the_audit_log(store_url: str) -> None:
    for command in (ADA, BOB):
        assert run(store_url, *command, given=f"{PASSWORD}\n").exit_code == 0
    bob = _in(store_url, _bob)
    assert run(store_url, "password", bob.email, given=f"{NEW}\n").exit_code == 0
    assert run(store_url, "disable", bob.email).exit_code == 0
    assert run(store_url, "disable", "ada@example.com").exit_code == 1  # the last one stays
    entries, _ = _opened(
        store_url, lambda *parts: AuditLog(*parts).page(bob.merchant_id, False, None, 10)
    )
    assert [(one.action, one.subject, one.detail) for one in reversed(entries)] == [
        ("added a user", "ada@example.com", "admin"),
        ("added a user", "bob@example.com", "admin"),
        ("reset a user's password", bob.id, bob.email),
        ("disabled a user", bob.id, bob.email),
    ]
    assert {(one.actor, one.actor_name, one.outcome) for one in entries} == {
        ("", "command line", "done")
    }
    assert PASSWORD not in repr(entries)
    assert NEW not in repr(entries)


def _opened(store_url: str, act: Callable[[Database, Ids, SystemClock], Awaitable[T]]) -> T:
    """What `act` finds in the database, in a loop of its own as the command has."""

    async def run() -> T:
        database, clock = Database(store_url), SystemClock()
        try:
            return await act(database, Ids(clock, os.urandom), clock)
        finally:
            await database.close()

    return asyncio.run(run())


def _in(store_url: str, act: Callable[[Users], Awaitable[T]]) -> T:
    """What `act` finds among the users."""
    return _opened(store_url, lambda *parts: act(Users(*parts)))


async def _ada(users: Users) -> User:
    (found,) = await users.by_email("ada@example.com")
    return found


async def _bob(users: Users) -> User:
    (found,) = await users.by_email("bob@example.com")
    return found
