"""Verification: every order computed anew from its facts, and compared with what is stored.

Facts are the truth and the tables of orders, payments, refunds and attention their projection, so
that any difference is a bug, a change of the rules, or a hand in the database.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from gateway.facts import Recorded
from gateway.order import OrderState
from gateway.projection import project
from gateway.records import OrderRecord

_LONGEST_VALUE = 300
Rows = Mapping[str, Mapping[str, Any]]


class StoredOrder(msgspec.Struct, frozen=True):
    """An order as the database has it: its facts, and all that was made of them.

    `columns` are those of the order's row; `payments` and `refunds` columns of their rows by id;
    `attention` the open items as (kind, payment or empty, subject).
    """

    record: OrderRecord
    recorded: Sequence[Recorded]
    state: OrderState
    columns: Mapping[str, Any]
    payments: Rows
    refunds: Rows
    attention: frozenset[tuple[str, str, str]]


class Mismatch(msgspec.Struct, frozen=True):
    """One field of one order that is stored otherwise than its facts say; values as JSON, cut."""

    merchant: str
    order: str
    field: str
    stored: str
    computed: str


class Ledger(Protocol):
    """What verification asks of the store."""

    def orders(self) -> AsyncIterator[Sequence[StoredOrder]]:
        """All orders, in batches of bounded size."""
        ...

    async def order(self, merchant_id: str, order_id: str) -> StoredOrder | None:
        """One order, read under its lock: nothing of it changes meanwhile."""
        ...


def mismatches(stored: StoredOrder) -> list[Mismatch]:
    """Where the stored projection differs from the one computed now. Pure."""
    order = stored.record
    state = project(order.terms, stored.recorded)
    current = state.current
    compared: list[tuple[str, Any, Any]] = [
        (f"state.{name}", getattr(stored.state, name), getattr(state, name))
        for name in OrderState.__struct_fields__
    ]
    columns = {
        "status": state.status,
        "provider": current.provider if current else "",
        "amount_captured": state.amount_captured,
        "amount_refunded": state.amount_refunded,
        "attention": bool(state.attention),
        "paid_at": state.paid_at,
    }
    compared += [(name, stored.columns[name], value) for name, value in columns.items()]
    payments = {p.id: {name: getattr(p, name) for name in PAYMENT_COLUMNS} for p in state.payments}
    refunds = {r.id: {name: getattr(r, name) for name in REFUND_COLUMNS} for r in state.refunds}
    attention = frozenset((a.kind, a.payment_id or "", a.subject) for a in state.attention)
    compared += [
        ("payments", stored.payments, payments),
        ("refunds", stored.refunds, refunds),
        ("attention list", stored.attention, attention),
    ]
    return [
        Mismatch(order.merchant_id, order.id, name, _json(was), _json(now))
        for name, was, now in compared
        if was != now
    ]


#: What is compared of the rows of payments and refunds.
PAYMENT_COLUMNS = (
    "provider",
    "status",
    "amount",
    "amount_captured",
    "amount_refunded",
    "provider_order_id",
    "provider_payment_id",
)
REFUND_COLUMNS = ("payment_id", "provider_refund_id", "amount", "currency", "status", "imported")


def _json(value: Any) -> str:
    return msgspec.json.encode(value, order="sorted").decode()[:_LONGEST_VALUE]


class Progress(msgspec.Struct, frozen=True):
    """So many orders of a batch were compared, with these results."""

    orders: int
    found: tuple[Mismatch, ...]


async def verify(ledger: Ledger) -> AsyncIterator[Progress]:
    """Compare every order, batch by batch, in constant memory.

    An order that seems to differ may have been changing just then: it is read again, under its
    lock, before it is reported.
    """
    async for batch in ledger.orders():
        found: list[Mismatch] = []
        for suspect in [stored.record for stored in batch if mismatches(stored)]:
            stored = await ledger.order(suspect.merchant_id, suspect.id)
            found += mismatches(stored) if stored else []
        yield Progress(len(batch), tuple(found))
