"""What the providers' own books say, what does not agree with ours, and closed months."""

import sqlalchemy as sa
from alembic import op

import storage.types

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "provider_records",
        sa.Column("account", sa.String(length=40), nullable=False),
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("order_id", sa.String(length=40), nullable=False),
        sa.Column("payment_id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("gross", sa.BigInteger(), nullable=False),
        sa.Column("fee", sa.BigInteger(), nullable=False),
        sa.Column("net", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("at", storage.types.UtcDateTime(), nullable=False),
        sa.Column("payout_id", sa.String(length=255), nullable=False),
        sa.Column("object_id", sa.String(length=255), nullable=False),
        sa.Column("available_at", storage.types.UtcDateTime()),
        sa.Column("movement", sa.String(length=600), nullable=False),
        sa.Column("stage", sa.String(length=16), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("read_at", storage.types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("account", "provider", "id", name=op.f("pk_provider_records")),
    )
    op.create_index(
        "ix_provider_records_payout", "provider_records", ["account", "provider", "payout_id"]
    )
    returned = sa.text("kind = 'payout_failure'")
    op.create_index(
        "ix_provider_records_returned",
        "provider_records",
        ["account", "provider", "object_id"],
        postgresql_where=returned,
        sqlite_where=returned,
    )
    op.create_index(
        "ix_provider_records_payment", "provider_records", ["merchant_id", "payment_id"]
    )
    op.create_index("ix_provider_records_at", "provider_records", ["account", "provider", "at"])
    op.create_table(
        "provider_payouts",
        sa.Column("account", sa.String(length=40), nullable=False),
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column("provider_payout_id", sa.String(length=255), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("at", storage.types.UtcDateTime(), nullable=False),
        sa.Column("arrives_at", storage.types.UtcDateTime()),
        sa.Column("transaction_id", sa.String(length=255)),
        sa.Column("balance_after", sa.BigInteger()),
        sa.Column("brought_forward", sa.BigInteger(), nullable=False),
        sa.Column("read_at", storage.types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("account", "id", name=op.f("pk_provider_payouts")),
        sa.UniqueConstraint(
            "account",
            "provider",
            "provider_payout_id",
            name=op.f("uq_provider_payouts_account_provider_provider_payout_id"),
        ),
    )
    op.create_table(
        "settlement_exceptions",
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("account", sa.String(length=40), nullable=False),
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=600), nullable=False),
        sa.Column("record_id", sa.String(length=255), nullable=False),
        sa.Column("order_id", sa.String(length=40), nullable=False),
        sa.Column("payment_id", sa.String(length=40), nullable=False),
        sa.Column("expected", sa.BigInteger()),
        sa.Column("expected_currency", sa.String(length=3), nullable=False),
        sa.Column("actual", sa.BigInteger()),
        sa.Column("actual_currency", sa.String(length=3), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("occurred_at", storage.types.UtcDateTime(), nullable=False),
        sa.Column("created_at", storage.types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", storage.types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("pk_settlement_exceptions")),
    )
    op.create_index(
        "ix_settlement_exceptions_payment", "settlement_exceptions", ["merchant_id", "payment_id"]
    )
    op.create_index(
        "ix_settlement_exceptions_record",
        "settlement_exceptions",
        ["account", "provider", "record_id"],
    )
    still_open = sa.text("status = 'open'")
    op.create_index(
        "ix_settlement_exceptions_open",
        "settlement_exceptions",
        ["account", "provider"],
        postgresql_where=still_open,
        sqlite_where=still_open,
    )
    op.create_table(
        "settlement_notes",
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("exception_id", sa.String(length=40), nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("at", storage.types.UtcDateTime(), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint(
            "merchant_id", "exception_id", "id", name=op.f("pk_settlement_notes")
        ),
    )
    op.create_table(
        "closed_periods",
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("period", sa.String(length=7), nullable=False),
        sa.Column("closed_at", storage.types.UtcDateTime(), nullable=False),
        sa.Column("closed_by", sa.String(length=64), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_closed_periods_merchants")
        ),
        sa.PrimaryKeyConstraint(
            "merchant_id", "livemode", "period", name=op.f("pk_closed_periods")
        ),
    )


def downgrade() -> None:
    op.drop_table("closed_periods")
    op.drop_table("settlement_notes")
    op.drop_table("settlement_exceptions")
    op.drop_table("provider_payouts")
    op.drop_table("provider_records")
