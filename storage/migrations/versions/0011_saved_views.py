"""Saved views of the dashboard's lists, and the time zone that each person reads in."""

import sqlalchemy as sa
from alembic import op

import storage.types

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_READERS = ("users", "sessions")


def upgrade() -> None:
    op.create_table(
        "saved_views",
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("list", sa.String(length=32), nullable=False),
        sa.Column("owner", sa.String(length=40), nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("created_at", storage.types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_saved_views_merchants")
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("pk_saved_views")),
    )
    op.create_index("ix_saved_views_list", "saved_views", ["merchant_id", "list"])
    for table in _READERS:
        op.add_column(
            table,
            sa.Column("time_zone", sa.String(length=64), nullable=False, server_default="UTC"),
        )


def downgrade() -> None:
    for table in _READERS:
        op.drop_column(table, "time_zone")
    op.drop_table("saved_views")
