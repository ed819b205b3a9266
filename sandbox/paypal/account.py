"""The merchant's PayPal account: all objects by id, its invoices, its timers and its events."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import datetime
from itertools import count
from typing import Any, TypeVar

from sandbox.paypal import events
from sandbox.paypal.errors import Problem
from sandbox.paypal.model import Authorization, Capture, Dispute, Order, Payout, Refund
from sandbox.world import World

T = TypeVar("T")

EVENTS_KEPT = 20_000


class Account:
    """Everything that PayPal remembers of one merchant."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.orders: dict[str, Order] = {}
        self.authorizations: dict[str, Authorization] = {}
        self.captures: dict[str, Capture] = {}
        self.refunds: dict[str, Refund] = {}
        self.disputes: dict[str, Dispute] = {}
        self.payouts: list[Payout] = []
        self.planted: dict[str, tuple[str, str]] = {}
        """What the report tells wrongly: by transaction the kind, and a fresh id for a double."""
        self.events: dict[str, dict[str, Any]] = {}
        self._invoices: dict[tuple[str, str], object] = {}
        self._timers: list[tuple[datetime, int, Callable[[], None]]] = []
        self._sequence = count()

    @property
    def base(self) -> str:
        """The sandbox's own address, without a slash at the end."""
        return self.world.base_url

    def now(self) -> datetime:
        """The sandbox's present, in whole seconds as PayPal writes them."""
        return self.world.clock.now().replace(microsecond=0)

    def new_id(self) -> str:
        """An id for an order, authorization, capture or refund."""
        return self.world.ids.paypal()

    def later(self, moment: datetime, act: Callable[[], None]) -> None:
        """Do `act` once the clock has passed `moment`."""
        heapq.heappush(self._timers, (moment, next(self._sequence), act))

    def run_due(self) -> None:
        """Do what `later` was asked for and is due."""
        now = self.world.clock.now()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()

    def emit(self, event_type: str, resource: dict[str, Any], summary: str) -> None:
        """Remember an event and send it."""
        event = events.event(
            self.world.ids.paypal_event(),
            event_type,
            resource,
            summary,
            self.world.clock.now(),
            self.base,
        )
        self.events[event["id"]] = event
        if len(self.events) > EVENTS_KEPT:
            del self.events[next(iter(self.events))]
        self.world.webhooks.emit("paypal", event)

    def claim_invoice(self, purpose: str, invoice_id: str | None, owner: object) -> None:
        """Reserve an invoice number for its owner.

        Raises:
            Problem: DUPLICATE_INVOICE_ID, another owner has it.
        """
        if invoice_id is None:
            return
        if self._invoices.setdefault((purpose, invoice_id), owner) is not owner:
            raise Problem("DUPLICATE_INVOICE_ID", "/invoice_id", invoice_id)

    def order(self, order_id: str) -> Order:
        """An order that is not gone. Raises Problem INVALID_RESOURCE_ID (404)."""
        return self._found(self.orders, order_id, "/id")

    def authorization(self, authorization_id: str) -> Authorization:
        """Raises Problem INVALID_RESOURCE_ID (404)."""
        return self._found(self.authorizations, authorization_id, "/authorization_id")

    def capture(self, capture_id: str) -> Capture:
        """Raises Problem INVALID_RESOURCE_ID (404)."""
        return self._found(self.captures, capture_id, "/capture_id")

    def refund(self, refund_id: str) -> Refund:
        """Raises Problem INVALID_RESOURCE_ID (404)."""
        return self._found(self.refunds, refund_id, "/refund_id")

    def dispute(self, dispute_id: str) -> Dispute:
        """Raises Problem INVALID_RESOURCE_ID (404)."""
        return self._found(self.disputes, dispute_id, "/id")

    def _found(self, things: dict[str, T], thing_id: str, where: str) -> T:
        self.run_due()
        try:
            return things[thing_id]
        except KeyError:
            raise Problem("INVALID_RESOURCE_ID", where, thing_id, "path") from None
