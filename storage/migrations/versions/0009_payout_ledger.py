"""Payouts in the ledger, and trial balances that need not add up all that was ever booked."""

import sqlalchemy as sa
from alembic import op

import storage.types
from storage.online import create_index

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ledger_snapshots",
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("at", storage.types.UtcDateTime(), nullable=False),
        sa.Column("account", sa.String(length=160), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("debits", sa.BigInteger(), nullable=False),
        sa.Column("credits", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "merchant_id",
            "livemode",
            "at",
            "account",
            "currency",
            name=op.f("pk_ledger_snapshots"),
        ),
        if_not_exists=True,
    )
    create_index(
        "ix_balance_transactions_account",
        "balance_transactions",
        ["merchant_id", "provider", "key"],
        where="order_id IS NULL",
    )
    create_index(
        "ix_ledger_entries_created",
        "ledger_entries",
        ["merchant_id", "livemode", "created_at"],
    )


def downgrade() -> None:
    op.drop_index("ix_ledger_entries_created", "ledger_entries")
    op.drop_index("ix_balance_transactions_account", "balance_transactions")
    op.drop_table("ledger_snapshots")
