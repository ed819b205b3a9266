"""The domain's surroundings, small enough to see through: a clock, a provider, a store."""

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import msgspec

from gateway.context import Context
from gateway.facts import Fact, ProviderFact, Recorded
from gateway.ids import Ids
from gateway.money import Money, ProviderScale
from gateway.movements import Movement
from gateway.order import OrderState
from gateway.ports import LockedOrder
from gateway.provider import (
    Capabilities,
    Checkout,
    CheckoutRequest,
    KeyWindows,
    OpenProvider,
    PaymentRef,
    ProviderEvent,
    RefundRequest,
)
from gateway.records import MerchantEvent, Operation, OrderRecord, TimelineEntry
from gateway.registry import Observer, Provider, Providers
from tests.gateway.build import DUE, FIRST, at

DAY = 24 * 3600
CHECKOUT = CheckoutRequest(
    order_id="ord_1",
    payment_id=FIRST,
    money=Money(DUE, "USD"),
    items=(),
    success_url="https://pay.example/return",
    cancel_url="https://pay.example/cancel",
    expires_at=at(30),
)


class MovableClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.time = at()

    def now(self) -> datetime:
        return self.time

    def move(self, by: timedelta) -> None:
        self.time += by


class Plugin:
    """A provider's plugin; every power can be taken away."""

    display_name = "Acme Pay"
    scale = ProviderScale()
    key_windows = KeyWindows(create=DAY, confirm=DAY, capture=DAY, cancel=DAY, refund=DAY)

    def __init__(
        self,
        name: str = "acme",
        currencies: frozenset[str] | None = None,
        capabilities: Capabilities | None = None,
    ) -> None:
        self.name = name
        self.currencies = currencies
        self.capabilities = capabilities or Capabilities(
            manual_capture=True,
            partial_capture=True,
            partial_refund=True,
            multiple_refunds=True,
            cancel=True,
            disputes=True,
            settlement=True,
        )
        self.events: list[str] = []

    def settings(self, environment: Mapping[str, str]) -> Any | None:
        return environment.get(f"{self.name.upper()}_KEY")

    @asynccontextmanager
    async def open(self, settings: Any) -> AsyncIterator[OpenProvider]:
        self.events.append(f"open {settings}")
        yield OpenProvider(Adapter(), "test")
        self.events.append("close")

    def read_event(self, body: bytes) -> ProviderEvent:
        raise AssertionError("no test here reads an event")


class Adapter:
    """Answers from a script: the next item is returned, or raised if it is an exception."""

    def __init__(self, *script: Sequence[ProviderFact] | BaseException) -> None:
        self.script = list(script)
        self.calls: list[tuple[str, str]] = []

    def _next(self, verb: str, key: str) -> Sequence[ProviderFact]:
        self.calls.append((verb, key))
        answer = self.script.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def create_order(self, request: CheckoutRequest, *, key: str) -> Checkout:
        self._next("create", key)
        return Checkout(provider_order_id="co_1", url="https://pay.example/co_1")

    async def confirm(self, payment: PaymentRef, *, key: str) -> Sequence[ProviderFact]:
        return self._next("confirm", key)

    async def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> ProviderEvent:
        raise AssertionError("no test here receives a webhook")

    async def refund(self, request: RefundRequest, *, key: str) -> Sequence[ProviderFact]:
        return self._next("refund", key)


class AbleAdapter(Adapter):
    """With all optional powers."""

    async def cancel(self, payment: PaymentRef, *, key: str) -> Sequence[ProviderFact]:
        return self._next("cancel", key)

    async def capture(
        self, payment: PaymentRef, money: Money, *, key: str
    ) -> Sequence[ProviderFact]:
        return self._next("capture", key)

    async def find_refunds(self, payment: PaymentRef) -> Sequence[ProviderFact]:
        return self._next("find_refunds", "")


class Locked(msgspec.Struct):
    """One order in memory."""

    record: OrderRecord
    recorded: list[Recorded]


class Memory:
    """A store of one order, of which `perform` and its like need only this much."""

    def __init__(self, order: OrderRecord, recorded: Sequence[Recorded]) -> None:
        self.order = Locked(order, list(recorded))
        self.saved: OrderState | None = None
        self.booked: tuple[Movement, ...] = ()
        self.stored: Operation | None = None  # what another process has made of it
        self.attempts: list[tuple[bool, str]] = []
        self.jobs: set[tuple[str, str]] = set()
        self.told: list[MerchantEvent] = []
        self.lines: list[TimelineEntry] = []

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["Memory"]:
        yield self

    async def lock_order(self, merchant_id: str, order_id: str) -> LockedOrder | None:
        return self.order if order_id == self.order.record.id else None

    async def add_facts(
        self, order: OrderRecord, recorded: Sequence[Recorded], at: datetime
    ) -> Sequence[Recorded]:
        known = {(entry.payment_id, entry.fact.key) for entry in self.order.recorded}
        new = [entry for entry in recorded if (entry.payment_id, entry.fact.key) not in known]
        self.order = Locked(self.order.record, [*self.order.recorded, *new])
        return new

    async def save_state(self, order: OrderRecord, state: OrderState, at: datetime) -> None:
        self.saved = state

    async def book(
        self, order: OrderRecord, movements: Sequence[Movement], at: datetime, *, first: bool
    ) -> int:
        self.booked = tuple(movements)
        return len(movements)

    async def operation(self, merchant_id: str, key: str) -> Operation | None:
        return self.stored

    async def save_attempt(self, operation: Operation, *, settled: bool, outcome: str) -> None:
        self.attempts.append((settled, outcome))

    async def enqueue(self, merchant_id: str, kind: str, subject: str, run_at: datetime) -> None:
        self.jobs.add((kind, subject))

    async def drop_job(self, merchant_id: str, kind: str, subject: str) -> None:
        self.jobs.discard((kind, subject))

    async def add_events(self, events: Sequence[MerchantEvent]) -> None:
        self.told += events

    async def add_timeline(
        self, merchant_id: str, order_id: str, entries: Sequence[TimelineEntry]
    ) -> None:
        self.lines += entries

    @property
    def facts(self) -> list[Fact]:
        return [entry.fact for entry in self.order.recorded]


def ignore(provider: str, verb: str, outcome: str, seconds: float) -> None:
    """An observer that does not look."""


def provider(
    adapter: Adapter | None = None,
    plugin: Plugin | None = None,
    observe: Observer = ignore,
    monotonic: Callable[[], float] = time.monotonic,
) -> Provider:
    """A provider in test mode."""
    return Provider(plugin or Plugin(), adapter or Adapter(), "test", observe, monotonic)


def context(
    adapter: Adapter | None = None,
    store: Any = None,
    clock: MovableClock | None = None,
    wake: Callable[[], None] = lambda: None,
    plugin: Plugin | None = None,
    ids: Ids | None = None,
) -> Context:
    """A context with one provider."""
    clock = clock or MovableClock()
    return Context(
        store=store,
        clock=clock,
        ids=ids or Ids(clock, lambda n: b"\x01" * n),
        providers=Providers([provider(adapter, plugin)]),
        public_url="https://pay.example",
        client_token=lambda order_id: f"token of {order_id}",
        wake=wake,
    )


def order(capture: Any = "automatic") -> OrderRecord:
    """An order over what is due."""
    return OrderRecord(
        id="ord_1",
        merchant_id="mer_1",
        livemode=False,
        reference=None,
        currency="USD",
        amount=DUE,
        capture=capture,
        items=(),
        success_url="https://shop.example/ok",
        cancel_url="https://shop.example/cart",
        customer_email=None,
        metadata={},
        created_at=at(),
        expires_at=at(30),
    )
