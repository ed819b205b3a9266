"""The money that moved, line by line, and the ledger that it is posted to.

Orders from before have no lines yet: `gateway verify --repair` books them while the gateways work.
"""

import sqlalchemy as sa
from alembic import op

import storage.types

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "balance_transactions",
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("order_id", sa.String(length=40)),
        sa.Column("payment_id", sa.String(length=40), nullable=False),
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("reporting_category", sa.String(length=16), nullable=False),
        sa.Column("gross", sa.BigInteger(), nullable=False),
        sa.Column("fee", sa.BigInteger(), nullable=False),
        sa.Column("net", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("settlement_currency", sa.String(length=3)),
        sa.Column("provider_id", sa.String(length=255), nullable=False),
        sa.Column("provider_balance_id", sa.String(length=255), nullable=False),
        sa.Column("refund_id", sa.String(length=40)),
        sa.Column("dispute_id", sa.String(length=40)),
        sa.Column("rate", sa.Text()),
        sa.Column("occurred_at", storage.types.UtcDateTime(), nullable=False),
        sa.Column("available_at", storage.types.UtcDateTime()),
        sa.Column("settled_at", storage.types.UtcDateTime()),
        sa.Column("payout_id", sa.String(length=255)),
        sa.Column("created_at", storage.types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id", "order_id"],
            ["orders.merchant_id", "orders.id"],
            name=op.f("fk_balance_transactions_orders"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("pk_balance_transactions")),
        sa.UniqueConstraint(
            "merchant_id",
            "order_id",
            "payment_id",
            "key",
            "sequence",
            name=op.f("uq_balance_transactions_movement"),
        ),
    )
    for name in ("created", "occurred"):
        op.create_index(
            f"ix_balance_transactions_{name}",
            "balance_transactions",
            ["merchant_id", "livemode", f"{name}_at", "id"],
        )
    settled = sa.text("payout_id IS NOT NULL")
    op.create_index(
        "ix_balance_transactions_payout",
        "balance_transactions",
        ["merchant_id", "payout_id", "created_at", "id"],
        postgresql_where=settled,
        sqlite_where=settled,
    )
    op.create_table(
        "ledger_transactions",
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("balance_transaction_id", sa.String(length=40), nullable=False),
        sa.Column("order_id", sa.String(length=40)),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("occurred_at", storage.types.UtcDateTime(), nullable=False),
        sa.Column("created_at", storage.types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("pk_ledger_transactions")),
    )
    op.create_index(
        "ix_ledger_transactions_created",
        "ledger_transactions",
        ["merchant_id", "livemode", "created_at", "id"],
    )
    op.create_table(
        "ledger_entries",
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("transaction_id", sa.String(length=40), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("account", sa.String(length=160), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("created_at", storage.types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id", "transaction_id"],
            ["ledger_transactions.merchant_id", "ledger_transactions.id"],
            name=op.f("fk_ledger_entries_ledger_transactions"),
        ),
        sa.PrimaryKeyConstraint(
            "merchant_id", "transaction_id", "position", name=op.f("pk_ledger_entries")
        ),
    )
    op.create_index(
        "ix_ledger_entries_account",
        "ledger_entries",
        ["merchant_id", "livemode", "account", "created_at", "transaction_id"],
    )


def downgrade() -> None:
    op.drop_table("ledger_entries")
    op.drop_table("ledger_transactions")
    op.drop_table("balance_transactions")
