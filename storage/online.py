"""Changes of the schema that the users of a busy PostgreSQL do not notice. For migrations.

The rules they keep: what locks a table against its users takes no time of its own (a column with a
constant default, a constraint dropped) and waits for the lock only briefly (storage/migrate.py sets
`lock_timeout` and tries again); an index is built beside the running traffic. A new version only
adds: the old one, which runs on while it is replaced, finds everything that it writes to and reads.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import sqlalchemy as sa
from alembic import op

#: Rows that `batches` reads and lets be written at once.
BATCH = 500


def lock_in_order(*tables: str) -> None:
    """Before a change that locks several tables (a foreign key goes or comes): take them in the
    order in which the gateway's transactions do, parents first, or a deadlock ends one of those."""
    if op.get_context().dialect.name == "postgresql":
        for table in tables:
            op.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")


def create_index(
    name: str,
    table: str,
    columns: Sequence[str],
    *,
    unique: bool = False,
    where: str | None = None,
    sqlite_where: str | None = None,
    include: Sequence[str] = (),
) -> None:
    """An index on a table that is in use. It commits what the migration did before it.

    `include`: columns that a reader finds in it without going to the table, on PostgreSQL.
    `sqlite_where`: the condition `where` in SQLite's words, if they are others.

    A migration that calls this may be run again after it was interrupted, so it must do nothing
    before it that cannot be done twice.
    """
    condition = sa.text(where) if where else None
    if op.get_context().dialect.name != "postgresql":
        told = sa.text(sqlite_where) if sqlite_where else condition
        op.create_index(name, table, list(columns), unique=unique, sqlite_where=told)
        return
    with _outside_a_transaction():
        # One that was interrupted has left an index that nobody may use.
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
        op.create_index(
            name,
            table,
            list(columns),
            unique=unique,
            postgresql_where=condition,
            postgresql_include=list(include) or None,
            postgresql_concurrently=True,
        )


def drop_index(name: str, table: str) -> None:
    """Drop an index that another one serves for now. As create_index."""
    online = op.get_context().dialect.name == "postgresql"
    with _outside_a_transaction() if online else nullcontext():
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=online)


def add_unique(name: str, table: str, columns: Sequence[str]) -> None:
    """A unique constraint on a table that is in use. As create_index."""
    if op.get_context().dialect.name != "postgresql":
        with op.batch_alter_table(table) as batch:
            batch.create_unique_constraint(name, list(columns))
        return
    create_index(name, table, columns, unique=True)
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} UNIQUE USING INDEX {name}")


def batches(
    table: sa.TableClause,
    key: Sequence[sa.ColumnElement[Any]],
    columns: Sequence[sa.ColumnElement[Any]],
) -> Iterator[tuple[sa.Connection, Sequence[sa.Row[Any]]]]:
    """The rows of a table by ranges of its `key`, for filling a new column. As create_index.

    What is written for a batch is committed with it, so nobody waits for the whole: say in the
    WHERE that the row is still the one that was read.
    """
    online = op.get_context().dialect.name == "postgresql"
    with _outside_a_transaction() if online else nullcontext():
        connection, after = op.get_bind(), None
        while True:
            query = sa.select(*key, *columns).select_from(table).order_by(*key).limit(BATCH)
            if after is not None:
                query = query.where(sa.tuple_(*key) > sa.tuple_(*after))
            rows = connection.execute(query).all()
            if not rows:
                return
            yield connection, rows
            after = tuple(rows[-1])[: len(key)]


@contextmanager
def _outside_a_transaction() -> Iterator[None]:
    """Where CONCURRENTLY is allowed. It waits for others but makes nobody wait: let it."""
    with op.get_context().autocommit_block():
        timeout = op.get_bind().scalar(sa.text("SHOW lock_timeout"))
        op.execute("SET lock_timeout = 0")
        yield
        op.execute(f"SET lock_timeout = '{timeout}'")
