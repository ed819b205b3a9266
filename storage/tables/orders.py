"""Orders, with what is known of their payments and refunds."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from storage.tables.schema import ID, OWN, metadata, order_fk, partial
from storage.types import Blob, UtcDateTime

_SUMMED = (
    "currency",
    "provider",
    "status",
    "amount_captured",
    "amount_refunded",
    "amount_disputed",
    "fee",
)

orders = Table(
    "orders",
    metadata,
    Column("merchant_id", ID, nullable=False),
    Column("id", ID, nullable=False),
    Column("livemode", Boolean, nullable=False),
    Column("reference", String(200)),
    Column("currency", String(3), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("capture", String(16), nullable=False),
    Column("success_url", Text, nullable=False),
    Column("cancel_url", Text, nullable=False),
    Column("customer_email", String(320)),
    Column("metadata", Blob, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    # The projection of the facts (gateway/order.py, `order_columns`): `provider`, its ids and how
    # was paid are the current attempt's.
    Column("status", String(32), nullable=False),
    Column("provider", String(64), nullable=False),
    Column("amount_captured", BigInteger, nullable=False),
    Column("amount_refunded", BigInteger, nullable=False),
    Column("amount_refundable", BigInteger, nullable=False, server_default="0"),
    Column("amount_disputed", BigInteger, nullable=False, server_default="0"),
    Column("fee", BigInteger),
    Column("net", BigInteger),
    Column("provider_order_id", String(255)),
    Column("provider_payment_id", String(255)),
    Column("method", String(64)),
    Column("brand", String(64)),
    Column("last4", String(4)),
    Column("attention", Boolean, nullable=False),
    Column("paid_at", UtcDateTime),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("state", Blob, nullable=False),
    PrimaryKeyConstraint("merchant_id", "id"),
    ForeignKeyConstraint(["merchant_id"], ["merchants.id"]),
    UniqueConstraint("merchant_id", "livemode", "reference"),
    Index("ix_orders_id", "id"),  # the buyer returns with the order's id alone
    # Pages of orders (storage/pages.py). They are by id, the newest first; what is paid late, or
    # has to be looked at, are few.
    Index("ix_orders_newest", *OWN, "id"),
    Index("ix_orders_kind", *OWN, "status", "provider", "currency", "id"),
    Index("ix_orders_amount", *OWN, "currency", "amount", "id"),
    partial("ix_orders_email", *OWN, "customer_email", "id", where="customer_email IS NOT NULL"),
    partial("ix_orders_attention", *OWN, "id", where="attention"),
    partial(
        "ix_orders_paid_late",
        *(*OWN, "paid_at", "id"),
        where="paid_at - created_at > interval '1 day'",
        sqlite_where="paid_at - created_at > 86400000000",
    ),
    # Reports add up a month without reading an order (storage/reports.py).
    Index(
        "ix_orders_created",
        "merchant_id",
        "livemode",
        "created_at",
        postgresql_include=["id", "paid_at", *_SUMMED],
    ),
    Index(
        "ix_orders_paid",
        "merchant_id",
        "livemode",
        "paid_at",
        postgresql_include=_SUMMED,
        postgresql_where=text("paid_at IS NOT NULL"),
        sqlite_where=text("paid_at IS NOT NULL"),
    ),
)

order_items = Table(
    "order_items",
    metadata,
    Column("merchant_id", ID, nullable=False),
    Column("order_id", ID, nullable=False),
    Column("position", SmallInteger, nullable=False),
    Column("product_id", ID),
    Column("name", String(200), nullable=False),
    Column("unit_amount", BigInteger, nullable=False),
    Column("quantity", Integer, nullable=False),
    PrimaryKeyConstraint("merchant_id", "order_id", "position"),
    order_fk(),
)

order_metadata = Table(
    "order_metadata",
    metadata,
    Column("merchant_id", ID, nullable=False),
    Column("order_id", ID, nullable=False),
    Column("key", String(40), nullable=False),
    Column("value", String(500), nullable=False),
    PrimaryKeyConstraint("merchant_id", "order_id", "key"),
    order_fk(),
    Index("ix_order_metadata_word", "merchant_id", "key", "value", "order_id"),
)

facts = Table(
    "facts",
    metadata,
    Column("merchant_id", ID, nullable=False),
    Column("order_id", ID, nullable=False),
    Column("payment_id", ID, nullable=False),  # empty for facts of the whole order
    Column("key", String(500), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("fact", Blob, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("merchant_id", "order_id", "payment_id", "key"),
    order_fk(),
)

payments = Table(
    "payments",
    metadata,
    Column("merchant_id", ID, nullable=False),
    Column("id", ID, nullable=False),
    Column("order_id", ID, nullable=False),
    Column("provider", String(64), nullable=False),
    Column("status", String(32), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("amount_captured", BigInteger, nullable=False),
    Column("amount_refunded", BigInteger, nullable=False),
    Column("provider_order_id", String(255)),
    Column("provider_payment_id", String(255)),
    Column("method", String(64)),
    Column("brand", String(64)),
    Column("last4", String(4)),
    Column("created_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("merchant_id", "id"),
    order_fk(),
    Index("ix_payments_id", "id"),
    Index("ix_payments_merchant_id_order_id", "merchant_id", "order_id"),
)

refunds = Table(
    "refunds",
    metadata,
    Column("merchant_id", ID, nullable=False),
    Column("id", ID, nullable=False),
    Column("order_id", ID, nullable=False),
    Column("payment_id", ID, nullable=False),
    Column("livemode", Boolean, nullable=False),
    Column("provider", String(64), nullable=False),
    Column("provider_refund_id", String(255)),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("status", String(32), nullable=False),
    Column("reason", String(500), nullable=False),
    Column("imported", Boolean, nullable=False),
    Column("failure_code", String(200)),
    Column("failure_message", Text),
    Column("metadata", Blob, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("merchant_id", "id"),
    order_fk(),
    Index("ix_refunds_merchant_id_order_id", "merchant_id", "order_id"),
    Index("ix_refunds_newest", *OWN, "id"),
    Index("ix_refunds_kind", *OWN, "status", "provider", "currency", "id"),
    Index("ix_refunds_amount", *OWN, "currency", "amount", "id"),
    Index("ix_refunds_created", *OWN, "created_at"),
    Index("ix_refunds_provider_refund_id", "merchant_id", "provider_refund_id"),
)

provider_ids = Table(
    "provider_ids",
    metadata,
    Column("merchant_id", ID, nullable=False),
    Column("provider", String(64), nullable=False),
    Column("provider_id", String(255), nullable=False),
    Column("order_id", ID, nullable=False),
    Column("payment_id", ID, nullable=False),
    PrimaryKeyConstraint("merchant_id", "provider", "provider_id"),
    order_fk(),
    Index("ix_provider_ids_provider_id", "provider_id", "provider"),
)

timeline = Table(
    "timeline",
    metadata,
    Column("merchant_id", ID, nullable=False),
    Column("order_id", ID, nullable=False),
    Column("id", ID, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("summary", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("data", Blob, nullable=False),
    PrimaryKeyConstraint("merchant_id", "order_id", "id"),
    order_fk(),
)

# What a person has to look at: an order's own items (its projection says which), and those that
# belong to no order (merchant_id is empty): orphan events, dead letters.
attention = Table(
    "attention",
    metadata,
    Column("merchant_id", ID, nullable=False),
    Column("id", ID, nullable=False),
    Column("livemode", Boolean, nullable=False),
    Column("kind", String(64), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("order_id", ID, nullable=False),
    Column("payment_id", ID, nullable=False),
    Column("detail", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("resolved_at", UtcDateTime),
    Column("resolved_by", String(64), nullable=False),
    Column("note", Text, nullable=False),
    PrimaryKeyConstraint("merchant_id", "id"),
    UniqueConstraint("merchant_id", "kind", "order_id", "payment_id", "subject"),
    Index(
        "ix_attention_open",
        "merchant_id",
        "id",
        postgresql_where=text("resolved_at IS NULL"),
        sqlite_where=text("resolved_at IS NULL"),
    ),
)
