"""What is to be done, and what was begun: calls, events that came in, jobs, exports."""

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
    text,
)

from storage.tables.schema import ID, KEY, metadata, order_fk
from storage.types import Blob, UtcDateTime

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
    order_fk(),
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

# `run_at` is when the next thing is due: making the file (a lease while that is being done), taking
# it away, and at last the row too. `filters` is JSON, as the API was given them.
exports = Table(
    "exports",
    metadata,
    Column("merchant_id", ID, nullable=False),
    Column("id", ID, nullable=False),
    Column("livemode", Boolean, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("format", String(16), nullable=False),
    Column("tz", String(64), nullable=False),
    Column("filters", Blob, nullable=False),
    Column("file_name", String(255), nullable=False),
    Column("created_by", ID, nullable=False),  # a key's id or a user's
    Column("status", String(16), nullable=False),  # gateway/exports.py, ExportStatus
    Column("rows", BigInteger, nullable=False),
    Column("rows_expected", BigInteger),
    Column("size", BigInteger),
    Column("error", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("expires_at", UtcDateTime),
    Column("run_at", UtcDateTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("fence", BigInteger, nullable=False),
    PrimaryKeyConstraint("merchant_id", "id"),
    ForeignKeyConstraint(["merchant_id"], ["merchants.id"]),
    Index("ix_exports_due", "run_at"),
)

# A file in pieces, compressed: every replica can serve it, and no setting says where files are.
export_chunks = Table(
    "export_chunks",
    metadata,
    Column("merchant_id", ID, nullable=False),
    Column("export_id", ID, nullable=False),
    Column("position", Integer, nullable=False),
    Column("data", Blob, nullable=False),
    PrimaryKeyConstraint("merchant_id", "export_id", "position"),
    ForeignKeyConstraint(["merchant_id", "export_id"], ["exports.merchant_id", "exports.id"]),
)
