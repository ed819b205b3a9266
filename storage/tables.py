"""The tables. Migrations create them; a test proves that the two agree.

Every table and unique key starts with its merchant, so that the data can be distributed by it. The
inbox is the exception: an event arrives before anybody knows whose it is, so it starts with the
provider account that received it. Columns named `state`, `call`, `fact`, `policy`, `data` and
`body` hold JSON (or, for webhooks, raw bytes) as written by msgspec; nothing queries into them.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from storage.types import Blob, UtcDateTime

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


def _order_fk() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["merchant_id", "order_id"], ["orders.merchant_id", "orders.id"])


merchants = Table(
    "merchants",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", String(200), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("merchant_id", ID, nullable=False),
    Column("id", ID, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("livemode", Boolean, nullable=False),
    Column("scopes", String(255), nullable=False),
    Column("name", String(200), nullable=False),
    # HMAC-SHA-256 of the key with the server's secret; the key itself is shown once.
    Column("digest", String(64), nullable=False),
    Column("hint", String(32), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
    PrimaryKeyConstraint("merchant_id", "id"),
    ForeignKeyConstraint(["merchant_id"], ["merchants.id"]),
    Index("ix_api_keys_digest", "digest"),
)

products = Table(
    "products",
    metadata,
    Column("merchant_id", ID, nullable=False),
    Column("id", ID, nullable=False),
    Column("livemode", Boolean, nullable=False),
    Column("name", String(200), nullable=False),
    Column("description", Text, nullable=False),
    Column("metadata", Blob, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("merchant_id", "id"),
    ForeignKeyConstraint(["merchant_id"], ["merchants.id"]),
)

prices = Table(
    "prices",
    metadata,
    Column("merchant_id", ID, nullable=False),
    Column("product_id", ID, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("unit_amount", BigInteger, nullable=False),
    PrimaryKeyConstraint("merchant_id", "product_id", "currency"),
    ForeignKeyConstraint(
        ["merchant_id", "product_id"], ["products.merchant_id", "products.id"], ondelete="CASCADE"
    ),
)

# A merchant who has none gets gateway/routing.py's DEFAULT.
routing_policies = Table(
    "routing_policies",
    metadata,
    Column("merchant_id", ID, nullable=False),
    Column("livemode", Boolean, nullable=False),
    Column("policy", Blob, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("merchant_id", "livemode"),
    ForeignKeyConstraint(["merchant_id"], ["merchants.id"]),
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
    # The projection of the facts. `provider` is the current attempt's.
    Column("status", String(32), nullable=False),
    Column("provider", String(64), nullable=False),
    Column("amount_captured", BigInteger, nullable=False),
    Column("amount_refunded", BigInteger, nullable=False),
    Column("attention", Boolean, nullable=False),
    Column("paid_at", UtcDateTime),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("state", Blob, nullable=False),
    PrimaryKeyConstraint("merchant_id", "id"),
    ForeignKeyConstraint(["merchant_id"], ["merchants.id"]),
    UniqueConstraint("merchant_id", "livemode", "reference"),
    Index("ix_orders_id", "id"),  # the buyer returns with the order's id alone
    Index("ix_orders_merchant_id_livemode_status_id", "merchant_id", "livemode", "status", "id"),
    Index("ix_orders_merchant_id_customer_email", "merchant_id", "customer_email"),
    Index("ix_orders_merchant_id_paid_at", "merchant_id", "paid_at"),
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
    _order_fk(),
)

order_metadata = Table(
    "order_metadata",
    metadata,
    Column("merchant_id", ID, nullable=False),
    Column("order_id", ID, nullable=False),
    Column("key", String(40), nullable=False),
    Column("value", String(500), nullable=False),
    PrimaryKeyConstraint("merchant_id", "order_id", "key"),
    _order_fk(),
    Index("ix_order_metadata_merchant_id_key_value", "merchant_id", "key", "value"),
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
    _order_fk(),
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
    _order_fk(),
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
    _order_fk(),
    Index("ix_refunds_merchant_id_order_id", "merchant_id", "order_id"),
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
    _order_fk(),
    Index("ix_provider_ids_provider_id", "provider_id", "provider"),
)

operations = Table(
    "operations",
    metadata,
    Column("merchant_id", ID, nullable=False),
    Column("key", KEY, nullable=False),
    Column("order_id", ID, nullable=False),
    Column("payment_id", ID, nullable=False),
    Column("provider", String(64), nullable=False),
    Column("verb", String(16), nullable=False),
    Column("call", Blob, nullable=False),
    Column("settled", Boolean, nullable=False),
    Column("outcome", String(32), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("merchant_id", "key"),
    _order_fk(),
)

inbox = Table(
    "inbox",
    metadata,
    Column("account", ID, nullable=False),
    Column("provider", String(64), nullable=False),
    Column("event_id", String(255), nullable=False),
    Column("merchant_id", ID, nullable=False),  # empty until the event has been applied
    Column("type", String(255), nullable=False),
    Column("body", Blob, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("deliveries", Integer, nullable=False),
    Column("status", String(16), nullable=False),  # received, applied, ignored, orphan, dead
    Column("rule", Text, nullable=False),
    Column("run_at", UtcDateTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("fence", BigInteger, nullable=False),
    PrimaryKeyConstraint("account", "provider", "event_id"),
    Index(
        "ix_inbox_due",
        "run_at",
        postgresql_where=text("status = 'received'"),
        sqlite_where=text("status = 'received'"),
    ),
)

jobs = Table(
    "jobs",
    metadata,
    Column("merchant_id", ID, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("subject", KEY, nullable=False),
    Column("id", ID, nullable=False),
    Column("status", String(16), nullable=False),  # waiting, dead
    Column("run_at", UtcDateTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("error", Text, nullable=False),
    PrimaryKeyConstraint("merchant_id", "kind", "subject"),
    Index(
        "ix_jobs_due",
        "run_at",
        postgresql_where=text("status = 'waiting'"),
        sqlite_where=text("status = 'waiting'"),
    ),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("merchant_id", ID, nullable=False),
    Column("livemode", Boolean, nullable=False),
    Column("key", String(255), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("lease_until", UtcDateTime, nullable=False),
    Column("resource_id", KEY),
    Column("answer_status", SmallInteger),
    Column("answer_body", Blob),
    Column("created_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("merchant_id", "livemode", "key"),
    Index("ix_idempotency_keys_created_at", "created_at"),
)

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

# By which ids of the provider the payment of an orphan event would be known (storage/inbox.py).
orphan_ids = Table(
    "orphan_ids",
    metadata,
    Column("provider", String(64), nullable=False),
    Column("provider_id", String(255), nullable=False),
    Column("account", ID, nullable=False),
    Column("event_id", String(255), nullable=False),
    PrimaryKeyConstraint("provider", "provider_id", "account", "event_id"),
    Index("ix_orphan_ids_event", "account", "provider", "event_id"),
)

# How far a provider's own event list has been read, per account.
cursors = Table(
    "cursors",
    metadata,
    Column("account", ID, nullable=False),
    Column("provider", String(64), nullable=False),
    Column("name", String(64), nullable=False),
    Column("value", Text, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("account", "provider", "name"),
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
    _order_fk(),
)
