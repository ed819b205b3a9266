"""The flat records of finance: one definition of their columns for pages, API, views and files.

A record has the fields of the API's resource that are single values, in this order, under the same
names. What is not a single value is flattened as `failure_code`, `brand`; lists (items, attempts)
have no place here. An order's `client_token` and `checkout_url` are missing on purpose: who has
them can act for the buyer.
"""

from collections.abc import Mapping
from typing import Literal, get_args

import msgspec

RecordKind = Literal["orders", "refunds", "balance_transactions"]
ColumnType = Literal["id", "text", "json", "time", "money", "bool", "integer"]

KINDS: tuple[RecordKind, ...] = get_args(RecordKind)

#: What follows the name of a money column for the exact decimal of the same amount, in files:
#: `amount`, `amount_decimal`.
DECIMAL = "_decimal"


class Column(msgspec.Struct, frozen=True):
    """One column. `id` is an identifier of ours, `text` is anybody's words, `json` an object.

    A `money` column counts minor units of the currency that stands in the column `currency`.
    """

    name: str
    type: ColumnType
    currency: str = ""


def _columns(*named: tuple[ColumnType, str]) -> tuple[Column, ...]:
    return tuple(
        Column(name, type, "currency" if type == "money" else "")
        for type, names in named
        for name in names.split()
    )


ORDERS = _columns(
    ("id", "id"),
    ("bool", "livemode"),
    ("text", "reference status provider currency"),
    ("money", "amount amount_captured amount_refunded amount_refundable amount_disputed fee net"),
    ("text", "provider_order_id provider_payment_id method brand last4 customer_email"),
    ("bool", "attention"),
    ("json", "metadata"),
    ("text", "success_url cancel_url"),
    ("time", "created_at updated_at expires_at paid_at"),
)

REFUNDS = _columns(
    ("id", "id order payment"),
    ("text", "provider provider_refund_id status currency"),
    ("money", "amount"),
    ("text", "reason failure_code failure_message"),
    ("bool", "imported"),
    ("json", "metadata"),
    ("time", "created_at"),
)

BALANCE_TRANSACTIONS = _columns(
    ("id", "id"),
    ("bool", "livemode"),
    ("text", "type reporting_category"),
    ("id", "order"),
    ("text", "order_reference"),
    ("id", "payment refund dispute"),
    ("text", "provider provider_id provider_balance_id currency"),
    ("money", "gross fee net"),
    ("text", "settlement_currency rate"),
    ("id", "corrects"),
    ("text", "payout"),
    ("time", "paid_at occurred_at available_on settled_at created_at"),
)

COLUMNS: Mapping[RecordKind, tuple[Column, ...]] = {
    "orders": ORDERS,
    "refunds": REFUNDS,
    "balance_transactions": BALANCE_TRANSACTIONS,
}
