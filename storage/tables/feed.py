"""What merchants are told: events, endpoints and deliveries."""

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

from storage.tables.schema import ID, metadata
from storage.types import Blob, UtcDateTime

# An event about no order (an endpoint was disabled) has an empty order_id and sequence 0.
events = Table(
    "events",
    metadata,
    Column("merchant_id", ID, nullable=False),
    Column("id", ID, nullable=False),
    Column("livemode", Boolean, nullable=False),
    Column("type", String(64), nullable=False),
    Column("order_id", ID, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("data", Blob, nullable=False),
    # 1, 2, 3 … within its order, given under the order's lock.
    Column("sequence", Integer, nullable=False, server_default="0"),
    # The place in the merchant's feed, given after the commit by one process at a time, so that a
    # reader who follows it misses nothing (storage/feed.py). Null until then.
    Column("position", BigInteger),
    PrimaryKeyConstraint("merchant_id", "id"),
    UniqueConstraint("merchant_id", "livemode", "position"),
    Index(
        "ix_events_unplaced",
        "id",
        postgresql_where=text("position IS NULL"),
        sqlite_where=text("position IS NULL"),
    ),
    Index("ix_events_merchant_id_order_id", "merchant_id", "order_id"),
)

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    Column("merchant_id", ID, nullable=False),
    Column("id", ID, nullable=False),
    Column("livemode", Boolean, nullable=False),
    Column("url", Text, nullable=False),
    Column("events", Text, nullable=False),  # "*", or event types separated by spaces
    Column("description", Text, nullable=False),
    # The whsec_ secrets, encrypted under the server's secret: we must sign with them.
    Column("secret", Blob, nullable=False),
    Column("previous_secret", Blob),
    Column("previous_until", UtcDateTime),
    Column("status", String(16), nullable=False),  # enabled, disabled, deleted
    Column("disabled_reason", Text, nullable=False),
    Column("failing_since", UtcDateTime),
    Column("consecutive_failures", Integer, nullable=False),
    Column("open_until", UtcDateTime),  # the circuit is open: nothing is sent before this time
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("merchant_id", "id"),
    ForeignKeyConstraint(["merchant_id"], ["merchants.id"]),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("merchant_id", ID, nullable=False),
    Column("id", ID, nullable=False),
    Column("livemode", Boolean, nullable=False),
    Column("endpoint_id", ID, nullable=False),
    Column("event_id", ID, nullable=False),
    Column("event_type", String(64), nullable=False),
    Column("order_id", ID, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("status", String(16), nullable=False),  # pending, delivered, failed, canceled
    Column("run_at", UtcDateTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("fence", BigInteger, nullable=False),  # odd while it is under way
    Column("response_status", SmallInteger),
    Column("error", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("delivered_at", UtcDateTime),
    PrimaryKeyConstraint("merchant_id", "id"),
    ForeignKeyConstraint(
        ["merchant_id", "endpoint_id"], ["webhook_endpoints.merchant_id", "webhook_endpoints.id"]
    ),
    Index("ix_deliveries_merchant_id_endpoint_id_id", "merchant_id", "endpoint_id", "id"),
    Index("ix_deliveries_merchant_id_event_id", "merchant_id", "event_id"),
    Index(
        "ix_deliveries_due",
        "run_at",
        postgresql_where=text("status = 'pending'"),
        sqlite_where=text("status = 'pending'"),
    ),
    # What is due at one endpoint, and what of an order is still before it.
    Index(
        "ix_deliveries_endpoint_due",
        "merchant_id",
        "endpoint_id",
        "run_at",
        postgresql_where=text("status = 'pending'"),
        sqlite_where=text("status = 'pending'"),
    ),
    Index(
        "ix_deliveries_order_due",
        "merchant_id",
        "endpoint_id",
        "order_id",
        "sequence",
        postgresql_where=text("status = 'pending'"),
        sqlite_where=text("status = 'pending'"),
    ),
)

delivery_attempts = Table(
    "delivery_attempts",
    metadata,
    Column("merchant_id", ID, nullable=False),
    Column("delivery_id", ID, nullable=False),
    Column("number", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("request", Blob, nullable=False),  # headers without the signature, and the body
    Column("response_status", SmallInteger),
    Column("response", Blob, nullable=False),  # the body, cut at 4 KiB
    Column("error", Text, nullable=False),
    Column("milliseconds", Integer, nullable=False),
    PrimaryKeyConstraint("merchant_id", "delivery_id", "number"),
    ForeignKeyConstraint(
        ["merchant_id", "delivery_id"], ["deliveries.merchant_id", "deliveries.id"]
    ),
)
