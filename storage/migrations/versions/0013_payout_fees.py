"""What a payout's lines tell of it: the provider's fee for it, and when it came back."""

import sqlalchemy as sa
from alembic import op

import storage.types

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("provider_payouts", sa.Column("fee", sa.BigInteger(), nullable=True))
    op.add_column(
        "provider_payouts", sa.Column("returned_at", storage.types.UtcDateTime(), nullable=True)
    )
    op.add_column("provider_payouts", sa.Column("returned", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("provider_payouts") as batch:
        for name in ("returned", "returned_at", "fee"):
            batch.drop_column(name)
