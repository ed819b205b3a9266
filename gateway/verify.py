"""Verification: every order computed anew from its facts, and compared with what is stored.

Facts are the truth and the tables of orders, payments, refunds and attention their projection, so
that any difference is a bug, a change of the rules, or a hand in the database. The ledger, too, is
proven: its entries are what the balance transactions post, these sum up to the movements that the
facts tell of, and the movements to the amounts of the order.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from gateway.bookkeeping import Line, Posting, ledger_id, postings
from gateway.expectations import Payment
from gateway.facts import Recorded
from gateway.movements import Movement, moved
from gateway.order import OrderState, OrderTerms, order_columns
from gateway.ports import Store
from gateway.projection import project
from gateway.records import OrderRecord

_LONGEST_VALUE = 300
Rows = Mapping[str, Mapping[str, Any]]


class StoredOrder(msgspec.Struct, frozen=True):
    """An order as the database has it: its facts, and all that was made of them.

    `columns` are those of the order's row; `payments` and `refunds` columns of their rows by id;
    `attention` the open items as (kind, payment or empty, subject). `lines` are its balance
    transactions, `entries` what is in the ledger by the id of the transaction.
    """

    record: OrderRecord
    recorded: Sequence[Recorded]
    state: OrderState
    columns: Mapping[str, Any]
    payments: Rows
    refunds: Rows
    attention: frozenset[tuple[str, str, str]]
    lines: Sequence[Line]
    entries: Mapping[str, Sequence[Posting]]


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
    compared: list[tuple[str, Any, Any]] = [
        (f"state.{name}", getattr(stored.state, name), getattr(state, name))
        for name in OrderState.__struct_fields__
    ]
    columns = order_columns(state)
    compared += [(name, stored.columns[name], value) for name, value in columns.items()]
    payments = {p.id: {name: getattr(p, name) for name in PAYMENT_COLUMNS} for p in state.payments}
    refunds = {r.id: {name: getattr(r, name) for name in REFUND_COLUMNS} for r in state.refunds}
    attention = frozenset((a.kind, a.payment_id or "", a.subject) for a in state.attention)
    compared += [
        ("payments", stored.payments, payments),
        ("refunds", stored.refunds, refunds),
        ("attention list", stored.attention, attention),
        *_books(stored, state),
    ]
    return [
        Mismatch(order.merchant_id, order.id, name, _json(was), _json(now))
        for name, was, now in compared
        if was != now
    ]


#: The order is from before the ledger, or a version without one worked on it.
UNBOOKED = "balance transactions, none"
BOOKED = "balance transactions"
#: What `repair` can mend of the books: it only ever adds lines.
BOOKS = frozenset({UNBOOKED, BOOKED})
#: Columns that a version without them leaves as they are when it writes an order.
LATER_COLUMNS = frozenset(
    (
        "amount_refundable",
        "amount_disputed",
        "fee",
        "net",
        "provider_order_id",
        "provider_payment_id",
        "method",
        "brand",
        "last4",
    )
)


def _books(stored: StoredOrder, state: OrderState) -> list[tuple[str, Any, Any]]:
    movements = moved(stored.recorded, state)
    booked: dict[str, tuple[int, int, str]] = {}
    for line in stored.lines:
        gross, fee, _ = booked.get(f"{line.payment_id} {line.key}", (0, 0, ""))
        booked[f"{line.payment_id} {line.key}"] = gross + line.gross, fee + line.fee, line.currency
    wanted = {f"{m.payment_id} {m.key}": (m.gross, m.fee, m.currency) for m in movements}
    # What facts have taken back is booked with its opposite.
    standing = {key: sums for key, sums in booked.items() if key in wanted or any(sums[:2])}
    posted = {ledger_id(line.id): _sorted(postings(line)) for line in stored.lines}
    entries = {line: _sorted(its) for line, its in stored.entries.items()}
    return [
        (BOOKED if stored.lines else UNBOOKED, standing, wanted),
        ("net", [line.net for line in stored.lines], [ln.gross - ln.fee for ln in stored.lines]),
        ("ledger", entries, {line: its for line, its in posted.items() if its}),
        ("sums of movements", totals(stored.record.terms, movements, state), amounts(state)),
    ]


def totals(
    terms: OrderTerms, movements: Sequence[Movement], state: OrderState
) -> dict[str, int | None]:
    """The movements in the order's currency, summed up as the order's amounts are. Pure.

    An order has no fee while that of a capture is not known, or is in another currency.
    """
    own = [movement for movement in movements if movement.currency == terms.currency]

    def gross(*types: str) -> int:
        return sum(movement.gross for movement in own if movement.type in types)

    return {
        "captured": gross("charge"),
        "refunded": -gross("refund", "refund_failure"),
        "disputed": -gross("dispute", "dispute_reversal", "reversal"),
        "fee": None if state.fee is None else sum(movement.fee for movement in own),
    }


def amounts(state: OrderState) -> dict[str, int | None]:
    """What `totals` must be."""
    return {
        "captured": state.amount_captured,
        "refunded": state.amount_refunded,
        "disputed": state.amount_disputed,
        "fee": state.fee,
    }


def _sorted(entries: Sequence[Posting]) -> list[tuple[str, int]]:
    return sorted((entry.account, entry.amount) for entry in entries)


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


def repairable(found: Sequence[Mismatch]) -> bool:
    """Whether `repair` can mend what was found of one order.

    An order whose stored state is not what its facts say is none: a person has to know why.
    """
    fields = {mismatch.field for mismatch in found}
    return bool(fields) and (fields <= LATER_COLUMNS or bool(fields & BOOKS))


async def repair(
    store: Store, merchant_id: str, order_id: str, now: datetime, found: Sequence[Mismatch] = ()
) -> int:
    """Book what the ledger lacks of an order; returns how many lines that were.

    Where `found` is nothing worse than columns that an older version did not write, they are
    written. Otherwise it only adds lines. An order that has none is from before the ledger, and is
    booked as of when the last of its money moved; what is missing of another one is booked `now`.
    """
    async with store.transaction() as tx:
        locked = await tx.lock_order(merchant_id, order_id)
        if locked is None:
            return 0
        order = locked.record
        state = project(order.terms, locked.recorded)
        fields = {mismatch.field for mismatch in found}
        if fields & LATER_COLUMNS and fields <= LATER_COLUMNS | BOOKS:
            await tx.save_state(order, state, now)
        movements = moved(locked.recorded, state)
        times = [movement.at for movement in movements if movement.at]
        unbooked = not await tx.is_booked(merchant_id, order_id)
        at = min(now, max(times, default=now)) if unbooked else now
        booked = await tx.book(order, movements, at, first=unbooked, backdated=at < now)
        if booked:  # perhaps of what was paid out long ago
            names = sorted({movement.payment_id for movement in movements})
            await tx.mark_booked_late([Payment(merchant_id, order_id, name) for name in names])
        return booked
