"""Our books: balance transactions and the double-entry ledger (docs/ledger.md)."""

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
from storage.types import UtcDateTime

# Money that moved, one line per movement and, where a later fact changed it, per correction
# (`sequence` counts them): the amounts of a line never change. `key` is the movement's natural key
# (gateway/movements.py). `created_at` is when it was booked here, `occurred_at` when the provider
# says that it happened. A line of the account itself (a payout, gateway/account_books.py) is of no
# order, and its payment is empty.
balance_transactions = Table(
    "balance_transactions",
    metadata,
    Column("merchant_id", ID, nullable=False),
    Column("id", ID, nullable=False),
    Column("livemode", Boolean, nullable=False),
    Column("order_id", ID),
    Column("payment_id", ID, nullable=False),
    Column("provider", String(64), nullable=False),
    Column("key", String(255), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("type", String(32), nullable=False),
    Column("reporting_category", String(16), nullable=False),
    Column("gross", BigInteger, nullable=False),
    Column("fee", BigInteger, nullable=False),
    Column("net", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("settlement_currency", String(3)),
    Column("provider_id", String(255), nullable=False),  # of the capture, refund, dispute, reversal
    Column("provider_balance_id", String(255), nullable=False),  # of its booking, or empty
    Column("refund_id", ID),
    Column("dispute_id", ID),
    Column("rate", Text),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("available_at", UtcDateTime),
    Column("settled_at", UtcDateTime),
    Column("payout_id", String(255)),
    Column("created_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("merchant_id", "id"),
    order_fk(),
    UniqueConstraint(
        "merchant_id",
        "order_id",
        "payment_id",
        "key",
        "sequence",
        name="uq_balance_transactions_movement",
    ),
    Index("ix_balance_transactions_created", "merchant_id", "livemode", "created_at", "id"),
    Index("ix_balance_transactions_occurred", "merchant_id", "livemode", "occurred_at", "id"),
    Index(
        "ix_balance_transactions_account",
        "merchant_id",
        "provider",
        "key",
        postgresql_where=text("order_id IS NULL"),
        sqlite_where=text("order_id IS NULL"),
    ),
    partial(
        "ix_balance_transactions_payout",
        "merchant_id",
        "payout_id",
        "created_at",
        "id",
        where="payout_id IS NOT NULL",
    ),
    Index(
        "ix_balance_transactions_kind",
        *(*OWN, "type", "provider", "currency", "created_at", "id"),
    ),
    Index(
        "ix_balance_transactions_amount",
        *(*OWN, "type", "currency", "gross", "created_at", "id"),
    ),
    Index("ix_balance_transactions_provider_id", "merchant_id", "provider_id"),
    partial(
        "ix_balance_transactions_provider_balance_id",
        "merchant_id",
        "provider_balance_id",
        where="provider_balance_id <> ''",
    ),
    partial(
        "ix_balance_transactions_apart",
        *(*OWN, "occurred_at", "created_at", "id"),
        where="created_at - occurred_at NOT BETWEEN interval '-1 day' AND interval '1 day'",
        sqlite_where="abs(created_at - occurred_at) > 86400000000",
    ),
)

# The double-entry ledger. A transaction has the hexadecimal digits of its balance transaction's id
# (that of a payout's arrival at the bank, its own); its entries, debits positive and credits
# negative, sum to zero. Nothing here is ever changed.
ledger_transactions = Table(
    "ledger_transactions",
    metadata,
    Column("merchant_id", ID, nullable=False),
    Column("id", ID, nullable=False),
    Column("livemode", Boolean, nullable=False),
    Column("balance_transaction_id", ID, nullable=False),
    Column("order_id", ID),
    Column("type", String(32), nullable=False),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("merchant_id", "id"),
    Index("ix_ledger_transactions_created", "merchant_id", "livemode", "created_at", "id"),
)

ledger_entries = Table(
    "ledger_entries",
    metadata,
    Column("merchant_id", ID, nullable=False),
    Column("transaction_id", ID, nullable=False),
    Column("position", SmallInteger, nullable=False),
    Column("livemode", Boolean, nullable=False),
    Column("account", String(160), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("merchant_id", "transaction_id", "position"),
    ForeignKeyConstraint(
        ["merchant_id", "transaction_id"],
        ["ledger_transactions.merchant_id", "ledger_transactions.id"],
    ),
    Index("ix_ledger_entries_created", "merchant_id", "livemode", "created_at"),
    Index(
        "ix_ledger_entries_account",
        "merchant_id",
        "livemode",
        "account",
        "created_at",
        "transaction_id",
    ),
)

# What all accounts came to before a midnight (UTC), so that a trial balance need not add up all
# that was ever booked (storage/trial_balance.py). Sums of entries: they can be deleted any time.
ledger_snapshots = Table(
    "ledger_snapshots",
    metadata,
    Column("merchant_id", ID, nullable=False),
    Column("livemode", Boolean, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("account", String(160), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("debits", BigInteger, nullable=False),
    Column("credits", BigInteger, nullable=False),
    PrimaryKeyConstraint("merchant_id", "livemode", "at", "account", "currency"),
)
