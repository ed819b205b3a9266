"""A store over a fresh database, and small builders for what is put into it."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from gateway.facts import Fact, PaymentStarted, Recorded
from gateway.ids import Ids
from gateway.order import OrderState, PaymentState
from gateway.records import OrderItem, OrderRecord, ReceivedEvent
from storage import tables as t
from storage.engine import Database
from storage.store import SqlStore

T0 = datetime(2026, 1, 1, 12, tzinfo=UTC)
MERCHANT = "mer_1"


class FixedClock:
    """Always T0."""

    def now(self) -> datetime:
        """T0."""
        return T0


def open_store(database_url: str) -> SqlStore:
    """A store as another process would open it; the caller closes it."""
    return SqlStore(Database(database_url), Ids(FixedClock(), os.urandom))


@asynccontextmanager
async def opened(database_url: str) -> AsyncIterator[SqlStore]:
    """A store, closed on exit."""
    store = open_store(database_url)
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[SqlStore]:
    """A store that knows the merchant `mer_1`, on both databases."""
    async with opened(database_url) as one:
        await add_merchant(one)
        yield one


@pytest.fixture
async def second(database_url: str, store: SqlStore) -> AsyncIterator[SqlStore]:
    """Another process's store over the same database."""
    async with opened(database_url) as other:
        yield other


async def add_merchant(store: SqlStore) -> None:
    """The merchant that everything here belongs to."""
    async with store.database.write() as connection:
        await connection.execute(
            t.merchants.insert().values(id=MERCHANT, name="Ada", created_at=T0)
        )


def order(number: int = 1, *, reference: str | None = None) -> OrderRecord:
    """Order number `number`: 10.00 USD."""
    return OrderRecord(
        id=f"ord_{number:032x}",
        merchant_id=MERCHANT,
        livemode=False,
        reference=reference,
        currency="USD",
        amount=1000,
        capture="automatic",
        items=(OrderItem(None, "Chair", 250, 2), OrderItem("prod_1", "Stool", 500, 1)),
        success_url="https://shop.example/ok",
        cancel_url="https://shop.example/cart",
        customer_email="ada@example.com",
        metadata={"cart": str(number % 3)},
        created_at=T0 + timedelta(seconds=number),
        expires_at=T0 + timedelta(hours=1),
    )


def event(number: int = 1, *, body: bytes = b"{}", event_id: str | None = None) -> ReceivedEvent:
    """A received event."""
    return ReceivedEvent(
        provider="fake",
        account="default",
        event_id=event_id or f"ev_{number:05}",
        type="paid",
        body=body,
        received_at=T0 + timedelta(milliseconds=number),
    )


def started(payment_id: str = "pay_1", amount: int = 1000) -> Recorded:
    """The first fact of a payment."""
    fact: Fact = PaymentStarted(provider="fake", amount=amount, currency="USD", at=T0)
    return Recorded(payment_id, fact)


def state_with(payment_id: str = "pay_1") -> OrderState:
    """An open order with one payment."""
    payment = PaymentState(
        id=payment_id, provider="fake", status="open", amount=1000, created_at=T0,
        provider_order_id=f"pg_{payment_id}", provider_ids=(f"pg_{payment_id}",),
    )  # fmt: skip
    return OrderState(status="open", payments=(payment,))
