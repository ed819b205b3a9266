"""Stripe's own books: balance transactions and payouts, as lines to be compared with ours.

https://docs.stripe.com/api/balance_transactions, https://docs.stripe.com/reports/balance-transaction-types
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

import msgspec

from gateway.errors import Unavailable
from gateway.money import Money
from gateway.provider_books import ProviderPayout, ProviderTransaction, TransactionKind
from providers.stripe.client import Client
from providers.stripe.money import to_money
from providers.stripe.resources import Id, Metadata, Seconds, Units

_EXPAND = ("data.source",)
_KINDS: dict[str, TransactionKind] = {
    "charge": "charge",
    "payment": "charge",
    "refund": "refund",
    "payment_refund": "refund",
    "refund_failure": "refund_failure",
    "payment_failure_refund": "refund_failure",
    "payout": "payout",
    "payout_failure": "payout_failure",
    "payout_cancel": "payout_failure",
    "reserve_transaction": "hold",
    "reserve_hold": "hold",
    "reserve_release": "hold",
    "reserved_funds": "hold",
    "payment_network_reserve_hold": "hold",
    "payment_network_reserve_release": "hold",
    "payout_minimum_balance_hold": "hold",
    "payout_minimum_balance_release": "hold",
    "stripe_fee": "fee",
    "stripe_fx_fee": "fee",
    "tax_fee": "fee",
    "network_cost": "fee",
}
_PAYOUT_STATUSES: dict[str, Literal["pending", "paid", "failed"]] = {
    "paid": "paid",
    "pending": "pending",
    "in_transit": "pending",
    "failed": "failed",
    "canceled": "failed",
}


class Source(msgspec.Struct, frozen=True):
    """What moved the money: of its many types, the members that we ask for."""

    id: Id
    object: str
    amount: Units | None = None
    amount_captured: Units | None = None
    currency: str | None = None
    charge: str | None = None
    payment_intent: str | None = None
    metadata: Metadata | None = None


class Line(msgspec.Struct, frozen=True, tag_field="object", tag="balance_transaction"):
    """One line of the books, in the currency of settlement."""

    id: Id
    type: str
    amount: Units
    fee: Units
    net: Units
    currency: str
    created: Seconds
    available_on: Seconds | None = None
    exchange_rate: Decimal | None = None
    source: Source | str | None = None
    description: str | None = None


class Payout(msgspec.Struct, frozen=True, tag_field="object", tag="payout"):
    """Money on its way to the bank."""

    id: Id
    amount: Units
    currency: str
    created: Seconds
    status: str
    arrival_date: Seconds | None = None
    automatic: bool = True
    balance_transaction: str | None = None


async def lines(
    client: Client, since: datetime, until: datetime
) -> AsyncIterator[ProviderTransaction]:
    """The lines of a time, newest first."""
    async for line in client.walk(
        Line, "balance_transactions", created=_bounds(since, until), expand=_EXPAND
    ):
        yield transaction(line)


async def payouts(
    client: Client, since: datetime, until: datetime
) -> AsyncIterator[ProviderPayout]:
    """The payouts made in a time."""
    async for payout in client.walk(Payout, "payouts", created=_bounds(since, until)):
        money = to_money(payout.amount, payout.currency)
        if money is None:
            raise Unavailable(f"Stripe's payout {payout.id} has an amount that cannot exist")
        yield ProviderPayout(
            id=payout.id,
            amount=money.amount,
            currency=money.currency,
            status=_PAYOUT_STATUSES.get(payout.status, "pending"),
            at=_time(payout.created),
            arrives_at=None if payout.arrival_date is None else _time(payout.arrival_date),
            transaction_id=payout.balance_transaction,
            itemized=payout.automatic,
        )


async def payout_lines(client: Client, payout_id: str) -> AsyncIterator[ProviderTransaction]:
    """What an automatic payout consists of. Asked about one made by hand, Stripe refuses."""
    async for line in client.walk(Line, "balance_transactions", payout=payout_id, expand=_EXPAND):
        if line.type != "payout":
            yield msgspec.structs.replace(transaction(line), payout_id=payout_id)


def transaction(line: Line) -> ProviderTransaction:
    """A line in the gateway's terms. Raises Unavailable for an amount that cannot exist: a line
    left out would leave the books short without a word."""
    gross, fee = to_money(line.amount, line.currency), to_money(line.fee, line.currency)
    net = to_money(line.net, line.currency)
    if gross is None or fee is None or net is None:
        raise Unavailable(f"Stripe's balance transaction {line.id} has an amount that cannot exist")
    source = line.source if isinstance(line.source, Source) else None
    kind = _kind(line, source)
    return ProviderTransaction(
        id=line.id,
        kind=kind,
        gross=gross.amount,
        fee=fee.amount,
        net=net.amount,
        currency=gross.currency,
        at=_time(line.created),
        object_id=_object_id(line, kind, source),
        ids=()
        if source is None
        else tuple(name for name in (source.id, source.charge, source.payment_intent) if name),
        reference=_reference(kind, source),
        original=_original(gross, source),
        rate=None if line.exchange_rate is None else format(line.exchange_rate, "f"),
        available_at=None if line.available_on is None else _time(line.available_on),
        description=(line.description or "")[:200],
    )


def _kind(line: Line, source: Source | None) -> TransactionKind:
    if source is not None and source.object == "dispute":
        return "dispute" if line.amount < 0 else "dispute_reversal"
    return _KINDS.get(line.type, "adjustment")


def _object_id(line: Line, kind: TransactionKind, source: Source | None) -> str:
    """By the name in our facts: a capture is called by its PaymentIntent."""
    if source is None:
        return line.source if isinstance(line.source, str) else line.id
    if kind == "charge":
        return source.payment_intent or source.id
    return source.id


def _reference(kind: TransactionKind, source: Source | None) -> str | None:
    """What we had written into the metadata."""
    metadata = (source.metadata if source else None) or {}
    name = {"charge": "payment_id", "refund": "refund_id", "refund_failure": "refund_id"}.get(kind)
    return metadata.get(name) if name else None


def _original(gross: Money, source: Source | None) -> Money | None:
    """The movement in the buyer's currency, where that is another; signed as the line is. A
    charge's `amount` is what was authorized, of which less may have been captured."""
    if source is None:
        return None
    moved = source.amount if source.amount_captured is None else source.amount_captured
    money = to_money(moved, source.currency)
    if money is None or money.currency == gross.currency:
        return None
    return Money(money.amount if gross.amount > 0 else -money.amount, money.currency)


def _bounds(since: datetime, until: datetime) -> dict[str, int]:
    return {"gte": int(since.timestamp()), "lte": int(until.timestamp())}


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
