"""What finance asks of a million orders: one row of one table is one record.

The columns come empty and are filled in batches while the gateways work. What an older version
writes meanwhile leaves them as they are: `gateway verify --repair` finds and mends those orders.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
import sqlalchemy as sa
from alembic import op

from storage.online import batches, create_index, drop_index

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_TEXTS = {
    "provider_order_id": 255,
    "provider_payment_id": 255,
    "method": 64,
    "brand": 64,
    "last4": 4,
}
_COUNTED = ("amount_refundable", "amount_disputed")
_KNOWN_LATER = ("fee", "net")


_OWN = ("merchant_id", "livemode")
#: What reports add up, and by what.
_SUMMED = (
    "currency",
    "provider",
    "status",
    "amount_captured",
    "amount_refunded",
    "amount_disputed",
    "fee",
)


_CREATED = ("created_at", "id")
#: By table: name, columns, and of which rows. What storage/pages.py reads.
_INDEXES: dict[str, list[tuple[str, tuple[str, ...], str | None]]] = {
    "orders": [
        ("newest", (*_OWN, "id"), None),
        ("kind", (*_OWN, "status", "provider", "currency", "id"), None),
        ("amount", (*_OWN, "currency", "amount", "id"), None),
        ("email", (*_OWN, "customer_email", "id"), "customer_email IS NOT NULL"),
        ("attention", (*_OWN, "id"), "attention"),
    ],
    "order_metadata": [("word", ("merchant_id", "key", "value", "order_id"), None)],
    "refunds": [
        ("newest", (*_OWN, "id"), None),
        ("kind", (*_OWN, "status", "provider", "currency", "id"), None),
        ("amount", (*_OWN, "currency", "amount", "id"), None),
        ("created", (*_OWN, "created_at"), None),
        ("provider_refund_id", ("merchant_id", "provider_refund_id"), None),
    ],
    "balance_transactions": [
        ("kind", (*_OWN, "type", "provider", "currency", *_CREATED), None),
        ("amount", (*_OWN, "type", "currency", "gross", *_CREATED), None),
        ("provider_id", ("merchant_id", "provider_id"), None),
        (
            "provider_balance_id",
            ("merchant_id", "provider_balance_id"),
            "provider_balance_id <> ''",
        ),
    ],
    "provider_payouts": [("id", ("id",), None)],
}
#: Those that are not needed beside them.
_SUPERSEDED = {
    "ix_orders_merchant_id_livemode_status_id": "orders",
    "ix_orders_merchant_id_customer_email": "orders",
    "ix_orders_merchant_id_paid_at": "orders",
    "ix_order_metadata_merchant_id_key_value": "order_metadata",
}


def upgrade() -> None:
    for column in _columns():
        op.add_column("orders", column, if_not_exists=_is_postgresql() or None)
    _fill()
    create_index(
        "ix_orders_created", "orders", (*_OWN, "created_at"), include=("id", "paid_at", *_SUMMED)
    )
    create_index(
        "ix_orders_paid",
        "orders",
        (*_OWN, "paid_at"),
        include=_SUMMED,
        where="paid_at IS NOT NULL",
    )
    for table, indexes in _INDEXES.items():
        for name, columns, where in indexes:
            create_index(f"ix_{table}_{name}", table, columns, where=where)
    create_index(
        "ix_orders_paid_late",
        "orders",
        (*_OWN, "paid_at", "id"),
        where="paid_at - created_at > interval '1 day'",
        sqlite_where="paid_at - created_at > 86400000000",
    )
    create_index(
        "ix_balance_transactions_apart",
        "balance_transactions",
        (*_OWN, "occurred_at", *_CREATED),
        where="created_at - occurred_at NOT BETWEEN interval '-1 day' AND interval '1 day'",
        sqlite_where="abs(created_at - occurred_at) > 86400000000",
    )
    for name, table in _SUPERSEDED.items():
        drop_index(name, table)


def _is_postgresql() -> bool:
    return op.get_context().dialect.name == "postgresql"


def _columns() -> Iterator[sa.Column[Any]]:
    for name in _COUNTED:
        yield sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)
    for name in _KNOWN_LATER:
        yield sa.Column(name, sa.BigInteger(), nullable=True)
    for name, length in _TEXTS.items():
        yield sa.Column(name, sa.String(length=length), nullable=True)


def _fill() -> None:
    """From the state that is stored with each order, unless it has changed since it was read."""
    orders = sa.table(
        "orders",
        *(sa.column(name) for name in ("merchant_id", "id", "updated_at", "state")),
        *_columns(),
    )
    c = orders.c
    change = (
        orders.update()
        .where(c.merchant_id == sa.bindparam("m"), c.id == sa.bindparam("i"))
        .where(c.updated_at == sa.bindparam("u"))
        .values({name: sa.bindparam(name) for name in (*_COUNTED, *_KNOWN_LATER, *_TEXTS)})
    )
    for connection, rows in batches(orders, (c.merchant_id, c.id), (c.updated_at, c.state)):
        states = [(row, known) for row in rows if (known := _decoded(row.state))]
        found = [
            {"m": row.merchant_id, "i": row.id, "u": row.updated_at, **_values(known)}
            for row, known in states
        ]
        if found:
            connection.execute(change, found)
        names = [name for row, known in states for name in _disputes(row, known)]
        if names:
            connection.execute(_NAME, names)


def _decoded(state: bytes) -> dict[str, Any]:
    """Empty for a state that cannot be read: verification tells of it, and there is no other."""
    try:
        return msgspec.json.decode(state, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


_NAME = sa.text(
    "INSERT INTO provider_ids (merchant_id, provider, provider_id, order_id, payment_id) "
    "VALUES (:merchant_id, :provider, :provider_id, :order_id, :payment_id) "
    "ON CONFLICT DO NOTHING"
)


def _disputes(row: Any, known: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Our own ids of disputes, which are nowhere else to be searched."""
    providers = {payment["id"]: payment["provider"] for payment in known.get("payments", ())}
    for dispute in known.get("disputes", ()):
        yield {
            "merchant_id": row.merchant_id,
            "provider": providers.get(dispute["payment_id"], ""),
            "provider_id": dispute["id"],
            "order_id": row.id,
            "payment_id": dispute["payment_id"],
        }


def _values(known: dict[str, Any]) -> dict[str, Any]:
    payments = known.get("payments") or [{}]
    current = payments[-1]
    method = current.get("method") or {}
    return {
        **{name: known.get(name) or 0 for name in _COUNTED},
        **{name: known.get(name) for name in _KNOWN_LATER},
        **{name: (current | method).get(name) for name in _TEXTS if name != "method"},
        "method": method.get("type"),
    }


def downgrade() -> None:
    op.drop_index("ix_orders_paid", "orders")
    op.drop_index("ix_orders_created", "orders")
    with op.batch_alter_table("orders") as batch:
        for name in (*_TEXTS, *_KNOWN_LATER, *_COUNTED):
            batch.drop_column(name)
