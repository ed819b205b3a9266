"""The views that finance's tools read (storage/views.py)."""

from alembic import op

from storage.views import VIEWS, statements

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    for statement in statements(connection.dialect):
        connection.exec_driver_sql(statement)


def downgrade() -> None:
    for view in VIEWS:
        op.execute(f"DROP VIEW {view.name}")
