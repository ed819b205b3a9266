"""A merchant's own rules for which provider an order goes to."""

import sqlalchemy as sa
from alembic import op

import storage.types

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "routing_policies",
        sa.Column("merchant_id", sa.String(length=40), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("policy", sa.LargeBinary(), nullable=False),
        sa.Column("updated_at", storage.types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_routing_policies_merchants")
        ),
        sa.PrimaryKeyConstraint("merchant_id", "livemode", name=op.f("pk_routing_policies")),
    )


def downgrade() -> None:
    op.drop_table("routing_policies")
