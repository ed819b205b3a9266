"""Orders v2: create, approve, capture, authorize, and be gone in time."""

from __future__ import annotations

from typing import Any

from sandbox.paypal import magic
from sandbox.paypal.account import Account
from sandbox.paypal.errors import Problem
from sandbox.paypal.model import Authorization, Capture, Instrument, Order, Unit
from sandbox.paypal.money import written
from sandbox.paypal.order_request import read
from sandbox.paypal.payments import Payments
from sandbox.paypal.represent import BUYER, authorization_json, link, order_json, pay_page

MOST_DECLINES = 10


class Orders:
    """What can happen to an order."""

    def __init__(self, account: Account, payments: Payments) -> None:
        self.account = account
        self.payments = payments

    def create(self, body: dict[str, Any]) -> Order:
        """Make an order from a request body. Raises Problem."""
        asked = read(body)
        now = self.account.now()
        order = Order(
            id=self.account.new_id(),
            intent=asked.intent,
            units=asked.units,
            created=now,
            updated=now,
            wallet=asked.wallet,
            return_url=asked.return_url,
            cancel_url=asked.cancel_url,
            brand=asked.brand,
            status="PAYER_ACTION_REQUIRED" if asked.wallet else "CREATED",
        )
        self.account.orders[order.id] = order
        self._watch(order)
        return order

    def approve(self, order: Order, instrument: Instrument | None = None) -> None:
        """The buyer agrees to pay; without an `instrument` the amount decides how it fares.

        Approving again is for a buyer who was sent back after a refusal. Raises ValueError if
        there is nothing to approve.
        """
        if not order.open:
            raise ValueError(f"the order is {order.status}: there is nothing to approve")
        order.approvals += 1
        order.instrument = instrument or magic.instrument(order.total, order.approvals)
        order.status = "APPROVED"
        order.payer = BUYER
        order.approved = order.updated = self.account.now()
        self._watch(order)
        self._emit("CHECKOUT.ORDER.APPROVED", order, "An order has been approved by buyer")

    def capture(self, order: Order) -> Order:
        """Take the money of an approved order. Raises Problem."""
        self._ready(order, "CAPTURE", "ORDER_ALREADY_CAPTURED")
        captures = [self._capture_unit(order, unit) for unit in order.units]
        order.status = "COMPLETED"
        order.updated = self.account.now()
        self._emit("CHECKOUT.ORDER.COMPLETED", order, "Checkout Order Completed")
        for capture in captures:
            self.payments.announce(capture)
        return order

    def authorize(self, order: Order) -> Order:
        """Hold the money of an approved order. Raises Problem."""
        self._ready(order, "AUTHORIZE", "ORDER_ALREADY_AUTHORIZED")
        held = [self._authorize_unit(order, unit) for unit in order.units]
        order.status = "COMPLETED"
        order.updated = self.account.now()
        for authorization in held:
            amount = written(authorization.amount, authorization.currency)
            self.account.emit(
                "PAYMENT.AUTHORIZATION.CREATED",
                authorization_json(self.account.base, authorization),
                f"A payment authorization of {amount} {authorization.currency} was created",
            )
        return order

    def _ready(self, order: Order, intent: str, already: str) -> None:
        """Refuse unless the order can be paid now; claims its invoice numbers."""
        if order.intent != intent:
            raise Problem("ACTION_DOES_NOT_MATCH_INTENT", "/intent", order.intent)
        if order.status in ("COMPLETED", "VOIDED"):
            raise Problem(already)
        if order.status != "APPROVED":
            raise Problem("ORDER_NOT_APPROVED")
        if order.instrument is Instrument.DECLINED:
            order.declines += 1
            if order.declines > MOST_DECLINES:
                raise Problem("MAX_NUMBER_OF_PAYMENT_ATTEMPTS_EXCEEDED")
            raise Problem("INSTRUMENT_DECLINED", links=self._way_back(order, "redirect"))
        if order.instrument is Instrument.NEEDS_BUYER:
            order.status = "PAYER_ACTION_REQUIRED"
            raise Problem("PAYER_ACTION_REQUIRED", links=self._way_back(order, "payer-action"))
        if order.instrument is not Instrument.REFUSED:
            for unit in order.units:
                self.account.claim_invoice("payment", unit.invoice_id, order)

    def _way_back(self, order: Order, rel: str) -> list[dict[str, str]]:
        return [link(pay_page(self.account.base, order), rel, "GET")]

    def _capture_unit(self, order: Order, unit: Unit) -> Capture:
        status, reason = {
            Instrument.BANK_TRANSFER: ("PENDING", "ECHECK"),
            Instrument.REFUSED: ("DECLINED", None),
        }.get(order.instrument, ("COMPLETED", None))
        capture = self.payments.record(order, unit, unit.amount, unit.currency, status)
        capture.reason = reason
        return capture

    def _authorize_unit(self, order: Order, unit: Unit) -> Authorization:
        now = self.account.now()
        authorization = Authorization(
            id=self.account.new_id(),
            order=order,
            unit=unit,
            amount=unit.amount,
            currency=unit.currency,
            status="DENIED" if order.instrument is Instrument.REFUSED else "CREATED",
            created=now,
            updated=now,
        )
        unit.authorizations.append(authorization)
        self.account.authorizations[authorization.id] = authorization
        self.account.later(authorization.expires, lambda: self.payments.expire(authorization))
        return authorization

    def _watch(self, order: Order) -> None:
        self.account.later(order.deadline, lambda: self._expire(order))

    def _expire(self, order: Order) -> None:
        """Six hours after its creation or its approval an order that is still open is gone."""
        if not order.open or order.deadline > self.account.world.clock.now():
            return
        if self.account.orders.pop(order.id, None) is None:
            return
        if order.approved is not None:
            self._emit(
                "CHECKOUT.PAYMENT-APPROVAL.REVERSED", order, "A payment approval has been reversed"
            )

    def _emit(self, event_type: str, order: Order, summary: str) -> None:
        self.account.emit(event_type, order_json(self.account.base, order), summary)
