"""What all tables are made with."""

from sqlalchemy import (
    ForeignKeyConstraint,
    Index,
    MetaData,
    String,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Ids are a prefix and 32 hex digits; operation keys add a suffix to one.
ID = String(40)

KEY = String(80)

OWN = ("merchant_id", "livemode")


def partial(name: str, *columns: str, where: str, sqlite_where: str | None = None) -> Index:
    """An index of the rows of which `where` holds."""
    return Index(
        name,
        *columns,
        postgresql_where=text(where),
        sqlite_where=text(sqlite_where or where),
    )


def order_fk() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["merchant_id", "order_id"], ["orders.merchant_id", "orders.id"])
