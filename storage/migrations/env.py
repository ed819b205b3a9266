"""Run by Alembic: uses the connection that storage.migrate hands over.

A connection in a transaction (SQLite) gets all migrations in it. One that is in none (PostgreSQL)
gets a transaction for each migration, which may leave it to build an index (storage/online.py).
"""

from alembic import context

from storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    compare_type=True,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
