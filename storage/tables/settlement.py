"""The providers' own books, and what does not agree (docs/reconciliation.md)."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from storage.tables.schema import ID, metadata
from storage.types import Blob, UtcDateTime

# Lines of a provider's own books, as read. They belong to the account; the merchant, order and
# payment are empty until the line is known to be about one, `movement` (the key of what it should
# be, gateway/expectations.py) and `stage` until it has been matched.
provider_records = Table(
    "provider_records",
    metadata,
    Column("account", ID, nullable=False),
    Column("provider", String(64), nullable=False),
    Column("id", String(255), nullable=False),
    Column("livemode", Boolean, nullable=False),
    Column("merchant_id", ID, nullable=False),
    Column("order_id", ID, nullable=False),
    Column("payment_id", ID, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("gross", BigInteger, nullable=False),
    Column("fee", BigInteger, nullable=False),
    Column("net", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("payout_id", String(255), nullable=False),  # the provider's; empty until paid out
    Column("object_id", String(255), nullable=False),  # what moved the money
    Column("available_at", UtcDateTime),
    Column("movement", String(600), nullable=False),
    Column("stage", String(16), nullable=False),
    Column("data", Blob, nullable=False),
    Column("read_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("account", "provider", "id"),
    Index("ix_provider_records_payout", "account", "provider", "payout_id"),
    Index(
        "ix_provider_records_returned",
        "account",
        "provider",
        "object_id",
        postgresql_where=text("kind = 'payout_failure'"),
        sqlite_where=text("kind = 'payout_failure'"),
    ),
    Index("ix_provider_records_payment", "merchant_id", "payment_id"),
    Index("ix_provider_records_at", "account", "provider", "at"),
)

# `brought_forward`: what the payout before had left in the balance of this currency.
# `merchant_id`: who has what of it belongs to nobody: the only merchant when it was first read, or
# nobody. `fee`, `returned_at` and `returned` are what its lines in the books tell of it, `fee`
# empty until it was booked.
provider_payouts = Table(
    "provider_payouts",
    metadata,
    Column("account", ID, nullable=False),
    Column("merchant_id", ID, nullable=False),
    Column("id", ID, nullable=False),
    Column("provider", String(64), nullable=False),
    Column("provider_payout_id", String(255), nullable=False),
    Column("livemode", Boolean, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("status", String(16), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("arrives_at", UtcDateTime),
    Column("transaction_id", String(255)),
    Column("balance_after", BigInteger),
    Column("brought_forward", BigInteger, nullable=False),
    Column("fee", BigInteger),
    Column("returned_at", UtcDateTime),
    Column("returned", BigInteger),
    Column("read_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("account", "id"),
    UniqueConstraint("account", "provider", "provider_payout_id"),
    Index("ix_provider_payouts_id", "id"),
)

# What does not agree between our books and a provider's. Nobody's (merchant_id is empty) while the
# line is about no payment of ours.
settlement_exceptions = Table(
    "settlement_exceptions",
    metadata,
    Column("merchant_id", ID, nullable=False),
    Column("id", ID, nullable=False),
    Column("livemode", Boolean, nullable=False),
    Column("account", ID, nullable=False),
    Column("provider", String(64), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("subject", String(600), nullable=False),
    Column("record_id", String(255), nullable=False),
    Column("order_id", ID, nullable=False),
    Column("payment_id", ID, nullable=False),
    Column("expected", BigInteger),
    Column("expected_currency", String(3), nullable=False),
    Column("actual", BigInteger),
    Column("actual_currency", String(3), nullable=False),
    Column("status", String(16), nullable=False),  # open, resolved, gone
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("merchant_id", "id"),
    Index("ix_settlement_exceptions_payment", "merchant_id", "payment_id"),
    Index("ix_settlement_exceptions_record", "account", "provider", "record_id"),
    Index(
        "ix_settlement_exceptions_open",
        "account",
        "provider",
        postgresql_where=text("status = 'open'"),
        sqlite_where=text("status = 'open'"),
    ),
)

# What people, and the machine, did about them. Only added to.
settlement_notes = Table(
    "settlement_notes",
    metadata,
    Column("merchant_id", ID, nullable=False),
    Column("exception_id", ID, nullable=False),
    Column("id", ID, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("by", String(64), nullable=False),
    Column("action", String(16), nullable=False),  # found, noted, resolved, reopened, gone
    Column("note", Text, nullable=False),
    PrimaryKeyConstraint("merchant_id", "exception_id", "id"),
)

closed_periods = Table(
    "closed_periods",
    metadata,
    Column("merchant_id", ID, nullable=False),
    Column("livemode", Boolean, nullable=False),
    Column("period", String(7), nullable=False),  # 2026-01
    Column("closed_at", UtcDateTime, nullable=False),
    Column("closed_by", String(64), nullable=False),
    Column("note", Text, nullable=False),
    PrimaryKeyConstraint("merchant_id", "livemode", "period"),
    ForeignKeyConstraint(["merchant_id"], ["merchants.id"]),
)
