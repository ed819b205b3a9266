"""The tables. Migrations create them; a test proves that the two agree.

Every table and unique key starts with its merchant, so that the data can be distributed by it. The
inbox is the exception: an event arrives before anybody knows whose it is, so it starts with the
provider account that received it. Columns named `state`, `call`, `fact`, `policy`, `data` and
`body` hold JSON (or, for webhooks, raw bytes) as written by msgspec; nothing queries into them.
"""

from storage.tables.books import (
    balance_transactions,
    ledger_entries,
    ledger_snapshots,
    ledger_transactions,
)
from storage.tables.feed import (
    deliveries,
    delivery_attempts,
    events,
    webhook_endpoints,
)
from storage.tables.merchants import (
    api_keys,
    audit_log,
    merchants,
    prices,
    products,
    routing_policies,
    saved_views,
    sessions,
    sign_in_failures,
    users,
)
from storage.tables.orders import (
    attention,
    facts,
    order_items,
    order_metadata,
    orders,
    payments,
    provider_ids,
    refunds,
    timeline,
)
from storage.tables.schema import ID, KEY, metadata
from storage.tables.settlement import (
    closed_periods,
    provider_payouts,
    provider_records,
    settlement_exceptions,
    settlement_notes,
)
from storage.tables.work import (
    cursors,
    export_chunks,
    exports,
    idempotency_keys,
    inbox,
    jobs,
    operations,
    orphan_ids,
)

__all__ = [
    "ID",
    "KEY",
    "api_keys",
    "attention",
    "audit_log",
    "balance_transactions",
    "closed_periods",
    "cursors",
    "deliveries",
    "delivery_attempts",
    "events",
    "export_chunks",
    "exports",
    "facts",
    "idempotency_keys",
    "inbox",
    "jobs",
    "ledger_entries",
    "ledger_snapshots",
    "ledger_transactions",
    "merchants",
    "metadata",
    "operations",
    "order_items",
    "order_metadata",
    "orders",
    "orphan_ids",
    "payments",
    "prices",
    "products",
    "provider_ids",
    "provider_payouts",
    "provider_records",
    "refunds",
    "routing_policies",
    "saved_views",
    "sessions",
    "settlement_exceptions",
    "settlement_notes",
    "sign_in_failures",
    "timeline",
    "users",
    "webhook_endpoints",
]
