"""Orders, attempts and movements as rows: made at random, stored, and summed up the naive way."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from gateway.bookkeeping import CATEGORY
from gateway.ids import dated_id
from gateway.movements import MovementType
from storage import tables as t
from storage.engine import Database

MERCHANT = "mer_reports"
PROVIDERS = ("acme", "bolt")
CURRENCIES = ("EUR", "JPY", "KWD", "USD")
_UNPAID = ("open", "processing", "authorized", "canceled", "expired")
_ATTEMPTS = ("open", "failed", "canceled", "expired")


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An order as reports see it."""

    number: int
    created_at: datetime
    paid_at: datetime | None
    status: str
    provider: str
    currency: str
    amount_captured: int
    amount_refunded: int
    amount_disputed: int
    fee: int | None
    merchant_id: str = MERCHANT
    livemode: bool = False

    @property
    def id(self) -> str:
        """Its id, dated as all ids are."""
        return dated_id("ord", self.created_at, str(self.number))


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt to pay an order."""

    order: Order
    number: int
    provider: str
    status: str


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A balance transaction."""

    order: Order
    number: int
    type: MovementType
    gross: int
    fee: int
    currency: str
    occurred_at: datetime
    sequence: int = 0
    settlement_currency: str | None = None

    @property
    def booked_at(self) -> datetime:
        """Hours later."""
        return self.occurred_at + timedelta(hours=self.number % 50)


def orders(number: int, since: datetime, until: datetime, seed: int) -> list[Order]:
    """Orders made and paid within a time and around its ends, some on the very second."""
    chance = random.Random(seed)
    return [_order(chance, i, since, until) for i in range(number)]


def _order(chance: random.Random, number: int, since: datetime, until: datetime) -> Order:
    length = int((until - since) / timedelta(minutes=15))
    made = since + timedelta(minutes=15) * chance.randrange(-50, length + 50)
    if chance.random() < 0.7:
        made += timedelta(microseconds=chance.randrange(900_000_000))
    paid = chance.random() < 0.7
    captured = chance.choice((0, 1, 7, 999, 5400, 10**9)) if paid else 0
    refunded = chance.choice((0, 0, captured // 3, captured))
    status = "paid" if not refunded else "partially_refunded"
    return Order(
        number=number,
        created_at=made,
        paid_at=made + timedelta(seconds=chance.choice((-3, 0, 1, 30, 61, 4000))) if paid else None,
        status=status if paid else chance.choice(_UNPAID),
        provider=chance.choice(PROVIDERS),
        currency=chance.choice(CURRENCIES),
        amount_captured=captured,
        amount_refunded=refunded,
        amount_disputed=chance.choice((0, 0, 0, captured)),
        fee=chance.choice((None, 0, captured // 33, 15)) if paid else None,
        merchant_id=MERCHANT if chance.random() < 0.95 else "mer_other",
        livemode=chance.random() < 0.05,
    )


def attempts(made: Sequence[Order], seed: int) -> list[Attempt]:
    """One to three attempts for each order, the last at the order's provider."""
    chance = random.Random(seed)
    found: list[Attempt] = []
    for order in made:
        for _ in range(chance.choice((0, 0, 0, 1, 2))):
            provider, status = chance.choice(PROVIDERS), chance.choice(_ATTEMPTS)
            found.append(Attempt(order=order, number=len(found), provider=provider, status=status))
        status = "captured" if order.paid_at else chance.choice(_ATTEMPTS)
        found.append(
            Attempt(order=order, number=len(found), provider=order.provider, status=status)
        )
    return found


def lines(made: Sequence[Order], seed: int) -> list[Line]:
    """What moved with these orders: charges, refunds, disputes, fees learnt later, conversions."""
    chance = random.Random(seed)
    return [
        msgspec.structs.replace(line, number=number)
        for number, line in enumerate(line for order in made for line in _lines(chance, order))
    ]


def _lines(chance: random.Random, order: Order) -> Iterator[Line]:
    if order.paid_at is None:
        return
    at = order.paid_at

    def line(type: MovementType, gross: int, fee: int = 0, **more: Any) -> Line:
        told: dict[str, Any] = {"currency": order.currency, "occurred_at": at} | more
        return Line(order=order, number=0, type=type, gross=gross, fee=fee, **told)

    fee = order.fee or 0
    settled = None if order.fee is None else order.currency
    if chance.random() < 0.2:
        yield line("charge", order.amount_captured, settlement_currency="CHF")
        yield line("conversion", -order.amount_captured)
        yield line("conversion", 2 * order.amount_captured, 5, currency="CHF")
    elif chance.random() < 0.5:
        yield line("charge", order.amount_captured, fee, settlement_currency=settled)
    else:
        yield line("charge", order.amount_captured + 1, settlement_currency=settled)
        yield line("charge", -1, fee, sequence=1, settlement_currency=settled)
    at += timedelta(hours=chance.randrange(200))
    if order.amount_refunded:
        yield line("refund", -order.amount_refunded)
        if chance.random() < 0.2:
            at += timedelta(days=1)
            yield line("refund_failure", order.amount_refunded)
    if order.amount_disputed:
        yield line("dispute", -order.amount_disputed, 1500)
        yield line("dispute_reversal", order.amount_disputed)
        yield line("adjustment", 77)
        yield line("reversal", -1)
        yield line("fee_refund", 0, -3)
    if chance.random() < 0.1:
        yield line("payout", -order.amount_captured)


async def store(
    database: Database,
    made: Sequence[Order] = (),
    attempted: Sequence[Attempt] = (),
    moved: Sequence[Line] = (),
) -> None:
    """Insert them, with what else the tables want to know."""
    async with database.write() as connection:
        at = datetime(2026, 1, 1, tzinfo=UTC)
        for merchant in (MERCHANT, "mer_other"):
            row = {"id": merchant, "name": merchant, "created_at": at}
            await connection.execute(t.merchants.insert().values(row))
        for table, rows in (
            (t.orders, [_order_row(order) for order in made]),
            (t.payments, [_payment_row(attempt) for attempt in attempted]),
            (t.balance_transactions, [_line_row(line) for line in moved]),
        ):
            for start in range(0, len(rows), 500):
                await connection.execute(table.insert(), rows[start : start + 500])


def _order_row(order: Order) -> dict[str, Any]:
    told = msgspec.structs.asdict(order)
    del told["number"]
    return told | {
        "id": order.id,
        "amount": order.amount_captured,
        "amount_refundable": 0,
        "capture": "automatic",
        "success_url": "",
        "cancel_url": "",
        "metadata": b"{}",
        "expires_at": order.created_at,
        "attention": False,
        "updated_at": order.created_at,
        "state": b"{}",
    }


def _payment_row(attempt: Attempt) -> dict[str, Any]:
    return {
        "merchant_id": attempt.order.merchant_id,
        "id": f"pay_{attempt.number:032x}",
        "order_id": attempt.order.id,
        "provider": attempt.provider,
        "status": attempt.status,
        "amount": 0,
        "amount_captured": 0,
        "amount_refunded": 0,
        "created_at": attempt.order.created_at,
    }


def _line_row(line: Line) -> dict[str, Any]:
    return {
        "merchant_id": line.order.merchant_id,
        "id": f"txn_{line.number:032x}",
        "livemode": line.order.livemode,
        "order_id": line.order.id,
        "payment_id": f"pay_{line.order.number:032x}",
        "provider": line.order.provider,
        "key": str(line.number),
        "sequence": line.sequence,
        "type": line.type,
        "reporting_category": CATEGORY[line.type],
        "gross": line.gross,
        "fee": line.fee,
        "net": line.gross - line.fee,
        "currency": line.currency,
        "settlement_currency": line.settlement_currency,
        "provider_id": "",
        "provider_balance_id": "",
        "occurred_at": line.occurred_at,
        "created_at": line.booked_at,
    }
