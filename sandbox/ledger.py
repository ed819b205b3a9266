"""The provider's truth in neutral rows, for whoever wants to compare it with their own books."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, TypedDict

Kind = Literal["charge", "refund", "fee", "dispute", "payout"]


class Row(TypedDict):
    """One movement of money at a provider.

    `amount` and `fee` are integers in the minor units of `currency` as ISO 4217 counts them
    (not as one provider does). `amount` is signed from the merchant's view: a charge is positive,
    a refund, a dispute and a payout are negative, a dispute that was won is 0. `fee` is what the
    row cost, positive; a fee taken in another currency has a row of kind `fee` of its own.
    `order_ref` is the reference that the merchant's side gave: Stripe's `client_reference_id`,
    PayPal's `custom_id`. `status` is the provider's own word.
    """

    provider: str
    kind: Kind
    id: str
    parent: str | None
    order_ref: str | None
    amount: int
    currency: str
    status: str
    fee: int
    created: str


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC with `Z`, whole seconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


NOT_MONEY = frozenset(
    ["authorized", "canceled", "cancelled", "created", "declined", "denied", "failed", "voided"]
)
"""Statuses in which an amount was never moved or has come back."""


def totals(rows: Iterable[Row]) -> list[dict[str, object]]:
    """Sums per provider, kind and currency of what has really moved."""
    sums: dict[tuple[str, str, str], int] = {}
    for row in rows:
        status = row["status"].lower()
        if status not in NOT_MONEY and (row["kind"], status) != ("charge", "pending"):
            key = (row["provider"], row["kind"], row["currency"])
            sums[key] = sums.get(key, 0) + row["amount"]
    return [
        {"provider": provider, "kind": kind, "currency": currency, "amount": amount}
        for (provider, kind, currency), amount in sorted(sums.items())
    ]
