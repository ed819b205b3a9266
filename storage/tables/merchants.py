"""Merchants, their keys, catalogues and routing; people who sign in."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from storage.tables.schema import ID, metadata
from storage.types import Blob, UtcDateTime

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

# People who sign in to the dashboard. `password` is an argon2id hash; the password is nowhere.
users = Table(
    "users",
    metadata,
    Column("merchant_id", ID, nullable=False),
    Column("id", ID, nullable=False),
    Column("email", String(320), nullable=False),  # in lower case
    Column("name", String(200), nullable=False),
    Column("role", String(16), nullable=False),  # admin, finance, support
    Column("password", String(255), nullable=False),
    Column("time_zone", String(64), nullable=False, server_default="UTC"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("disabled_at", UtcDateTime),
    PrimaryKeyConstraint("merchant_id", "id"),
    ForeignKeyConstraint(["merchant_id"], ["merchants.id"]),
    UniqueConstraint("merchant_id", "email"),
    Index("ix_users_email", "email"),
)

# Who is signed in: a user (`user_id`) or the holder of an API key (`key_id`); the other is empty.
sessions = Table(
    "sessions",
    metadata,
    Column("merchant_id", ID, nullable=False),
    # HMAC-SHA-256 of the cookie with the server's secret.
    Column("id", String(64), nullable=False),
    Column("user_id", ID, nullable=False),
    Column("key_id", ID, nullable=False),
    Column("livemode", Boolean, nullable=False),  # which orders are shown
    Column("time_zone", String(64), nullable=False, server_default="UTC"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("merchant_id", "id"),
    ForeignKeyConstraint(["merchant_id"], ["merchants.id"]),
    Index("ix_sessions_id", "id"),
)

# Filters and columns of a list in the dashboard, under a name. `owner`: a user's or a key's id.
saved_views = Table(
    "saved_views",
    metadata,
    Column("merchant_id", ID, nullable=False),
    Column("id", ID, nullable=False),
    Column("list", String(32), nullable=False),  # orders, refunds, balance
    Column("owner", ID, nullable=False),
    Column("shared", Boolean, nullable=False),
    Column("name", String(100), nullable=False),
    Column("query", Text, nullable=False),  # as in the page's address
    Column("created_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("merchant_id", "id"),
    ForeignKeyConstraint(["merchant_id"], ["merchants.id"]),
    Index("ix_saved_views_list", "merchant_id", "list"),
)

# Failed sign-ins, counted per name and address before anybody knows whose they are: the merchant
# is empty. `subject`: an HMAC of what is counted.
sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    Column("merchant_id", ID, nullable=False),
    Column("subject", String(64), nullable=False),
    Column("failures", Integer, nullable=False),
    Column("since", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("merchant_id", "subject"),
)

# What people did in the dashboard. Written before it is done; `outcome` is empty until it ended.
audit_log = Table(
    "audit_log",
    metadata,
    Column("merchant_id", ID, nullable=False),
    Column("id", ID, nullable=False),
    Column("livemode", Boolean, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", ID, nullable=False),  # a user's id or an API key's
    Column("actor_name", String(320), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("detail", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    PrimaryKeyConstraint("merchant_id", "id"),
)
