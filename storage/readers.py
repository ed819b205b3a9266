"""Roles of PostgreSQL for tools that may read finance's views, and nothing else.

A reader of all merchants may read the views. A reader of one merchant has views of its own, in a
schema of its own, which show that merchant's rows. No reader may read a table: a view reads it with
the rights of its owner.
"""

import base64
import hashlib
import hmac
import re

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from gateway.errors import Conflict, InvalidRequest
from storage.engine import Database
from storage.views import VIEWS

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_ID = re.compile(r"mer_[0-9a-f]{32}")
_RIGHTS = "NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION CONNECTION LIMIT 10"
_ITERATIONS = 4096
_SECONDS = 60
#: SQLSTATE classes of a role that is there already, and of one that may make none.
_TAKEN, _FORBIDDEN = "42710", "42501"


def create_statements(name: str, password: str, salt: bytes, merchant_id: str | None) -> list[str]:
    """What makes a reader. Raises InvalidRequest for a name that is none.

    The password is in it as PostgreSQL keeps it (SCRAM), so that no log has it.
    """
    _check(name, merchant_id)
    schema = "public" if merchant_id is None else _schema(name)
    made = [
        f"CREATE ROLE {name} LOGIN PASSWORD '{_verifier(password, salt)}' {_RIGHTS}",
        f"ALTER ROLE {name} SET default_transaction_read_only = on",
        f"ALTER ROLE {name} SET statement_timeout = '{_SECONDS}s'",
        f"ALTER ROLE {name} SET search_path = {schema}",
    ]
    if merchant_id is not None:
        made.append(f"CREATE SCHEMA {schema}")
        for view in VIEWS:
            own = f"public.{view.name} WHERE merchant_id = '{merchant_id}'"
            rows = f"SELECT * FROM {own}"  # noqa: S608 -- name and id are checked
            made.append(f"CREATE VIEW {schema}.{view.name} WITH (security_barrier) AS {rows}")
    shown = ", ".join(f"{schema}.{view.name}" for view in VIEWS)
    made += [f"GRANT USAGE ON SCHEMA {schema} TO {name}", f"GRANT SELECT ON {shown} TO {name}"]
    return made


def drop_statements(name: str) -> list[str]:
    """What takes a reader away. Raises InvalidRequest for a name that is none."""
    _check(name, None)
    return [
        f"DROP SCHEMA IF EXISTS {_schema(name)} CASCADE",
        f"DROP OWNED BY {name}",
        f"DROP ROLE {name}",
    ]


async def run(database: Database, statements: list[str]) -> None:
    """Run them as one transaction. Raises Conflict where PostgreSQL refuses."""
    if database.is_sqlite:
        raise Conflict("SQLite knows no roles: give the tool a copy of the file")
    try:
        async with database.write() as connection:
            for statement in statements:
                await connection.execute(text(statement.replace(":", r"\:")))
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", "")
        if state == _TAKEN:
            raise Conflict("there is a role of this name already") from None
        if state == _FORBIDDEN:
            raise Conflict(
                "the gateway's own role may not do this: give it CREATEROLE, or let somebody who "
                "may run what `--print` prints"
            ) from None
        raise Conflict(f"PostgreSQL refuses (SQLSTATE {state}): is there such a reader?") from None


def _schema(name: str) -> str:
    return f"finance_{name}"


def _check(name: str, merchant_id: str | None) -> None:
    if not _NAME.fullmatch(name) or name.startswith("pg_") or name == "public":
        raise InvalidRequest(
            "a reader's name is of small letters, digits and _, and no longer than 40", path="name"
        )
    if merchant_id is not None and not _ID.fullmatch(merchant_id):
        raise InvalidRequest("this is no id of a merchant", path="merchant")


def _verifier(password: str, salt: bytes) -> str:
    """As PostgreSQL keeps a password: RFC 5803."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    client = hmac.digest(salted, b"Client Key", "sha256")
    stored = hashlib.sha256(client).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    told = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${_ITERATIONS}:{told[0]}${told[1]}:{told[2]}"
