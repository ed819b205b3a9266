"""The indexes of the event feed, built beside the running traffic."""

from alembic import op

from storage.online import add_unique, create_index

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_index("ix_events_merchant_id_order_id", "events", ["merchant_id", "order_id"])
    create_index("ix_events_unplaced", "events", ["id"], where="position IS NULL")
    add_unique(
        "uq_events_merchant_id_livemode_position", "events", ["merchant_id", "livemode", "position"]
    )


def downgrade() -> None:
    with op.batch_alter_table("events") as batch:
        batch.drop_constraint("uq_events_merchant_id_livemode_position", type_="unique")
        batch.drop_index("ix_events_unplaced")
        batch.drop_index("ix_events_merchant_id_order_id")
