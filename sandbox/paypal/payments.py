"""Payments v2: captures of authorizations, voids, refunds, and what becomes of them later."""

from __future__ import annotations

from typing import Any

from sandbox.paypal import magic
from sandbox.paypal.account import Account
from sandbox.paypal.errors import Problem
from sandbox.paypal.model import (
    CLEARING,
    REFUND_WINDOW,
    Authorization,
    Capture,
    Instrument,
    Order,
    Refund,
    Unit,
)
from sandbox.paypal.money import written
from sandbox.paypal.reading import money, text
from sandbox.paypal.represent import authorization_json, capture_json, refund_json

MOST_CAPTURES = 10
OVERAGE_PERCENT = 115


class Payments:
    """What can happen to money that was authorized, captured or refunded."""

    def __init__(self, account: Account) -> None:
        self.account = account

    def record(self, order: Order, unit: Unit, amount: int, currency: str, status: str) -> Capture:
        """Enter a capture in the books; the caller announces it."""
        now = self.account.now()
        capture = Capture(
            id=self.account.new_id(),
            order=order,
            unit=unit,
            amount=amount,
            currency=currency,
            status=status,
            created=now,
            updated=now,
            invoice_id=unit.invoice_id,
            custom_id=unit.custom_id,
        )
        unit.captures.append(capture)
        self.account.captures[capture.id] = capture
        if status == "PENDING":
            self.account.later(now + CLEARING, lambda: self.settle(capture))
        return capture

    def announce(self, capture: Capture, status: str | None = None) -> None:
        """Send the event for a capture's status; a PENDING one that fails is called DENIED."""
        amount = f"{written(capture.amount, capture.currency)} {capture.currency}"
        name = status or capture.status
        self.account.emit(
            f"PAYMENT.CAPTURE.{name}",
            capture_json(self.account.base, capture),
            f"Payment {name.lower()} for {amount}",
        )

    def settle(self, capture: Capture) -> None:
        """A pending capture arrives; of any other nothing changes."""
        if capture.status == "PENDING":
            self._leave_pending(capture, "COMPLETED")
            self.announce(capture)

    def fail(self, capture: Capture) -> None:
        """A pending capture never arrives."""
        self._leave_pending(capture, "DECLINED")
        self.announce(capture, "DENIED")

    def _leave_pending(self, capture: Capture, status: str) -> None:
        capture.status, capture.reason = status, None
        capture.updated = self.account.now()
        if capture.authorization is not None:
            self._restate(capture.authorization)

    def capture_authorization(self, held: Authorization, body: dict[str, Any]) -> Capture:
        """Take all or part of what is held. Raises Problem."""
        asked = money(body, "amount", "")
        invoice_id = text(body, "invoice_id", "", 127) or held.unit.invoice_id
        text(body, "note_to_payer", "", 255)
        final = body.get("final_capture", False)
        if not isinstance(final, bool):
            raise Problem("INVALID_PARAMETER_SYNTAX", "/final_capture", str(final))
        self._can_capture(held)
        if asked is not None and asked.currency != held.currency:
            raise Problem("AUTH_CAPTURE_CURRENCY_MISMATCH", "/amount/currency_code", asked.currency)
        amount = held.amount - held.captured if asked is None else asked.units
        if (held.captured + amount) * 100 > held.amount * OVERAGE_PERCENT:
            raise Problem("MAX_CAPTURE_AMOUNT_EXCEEDED", "/amount/value")
        self.account.claim_invoice("payment", invoice_id, held.order)
        instruments = (held.order.instrument, magic.instrument(amount, 2))
        pending = Instrument.BANK_TRANSFER in instruments
        status = "PENDING" if pending else "COMPLETED"
        capture = self.record(held.order, held.unit, amount, held.currency, status)
        capture.authorization, capture.invoice_id, capture.final = held, invoice_id, final
        capture.reason = "ECHECK" if pending else None
        held.captures.append(capture)
        self._restate(held)
        self.announce(capture)
        return capture

    def _can_capture(self, held: Authorization) -> None:
        if held.status == "VOIDED":
            expired = held.expires <= self.account.now()
            raise Problem("AUTHORIZATION_EXPIRED" if expired else "AUTHORIZATION_VOIDED")
        if held.status == "DENIED":
            raise Problem("AUTHORIZATION_DENIED")
        if held.status == "CAPTURED":
            raise Problem("AUTHORIZATION_ALREADY_CAPTURED")
        if len(held.captures) >= MOST_CAPTURES:
            raise Problem("MAX_CAPTURE_COUNT_EXCEEDED")

    def _restate(self, held: Authorization) -> None:
        """An authorization's status follows from its captures."""
        live = [c for c in held.captures if c.status not in ("DECLINED", "FAILED")]
        done = held.captured >= held.amount or any(c.final for c in live)
        held.status = "CAPTURED" if done else "PARTIALLY_CAPTURED" if live else "CREATED"
        held.updated = self.account.now()

    def void(self, held: Authorization) -> Authorization:
        """Give back what is still held. Raises Problem."""
        if held.status == "VOIDED":
            raise Problem("PREVIOUSLY_VOIDED")
        if held.status != "CREATED" and held.status != "PARTIALLY_CAPTURED":
            raise Problem("PREVIOUSLY_CAPTURED")
        self._end(held)
        return held

    def expire(self, held: Authorization) -> None:
        """Twenty-nine days have passed: what is still held goes back."""
        if held.status in ("CREATED", "PARTIALLY_CAPTURED"):
            self._end(held)

    def _end(self, held: Authorization) -> None:
        held.status = "VOIDED"
        held.updated = self.account.now()
        order = held.order
        if not held.captures and all(
            a.status == "VOIDED" for u in order.units for a in u.authorizations
        ):
            order.status = "VOIDED"
            order.updated = held.updated
        self.account.emit(
            "PAYMENT.AUTHORIZATION.VOIDED",
            authorization_json(self.account.base, held),
            "A payment authorization was voided",
        )

    def refund(self, capture: Capture, body: dict[str, Any]) -> Refund:
        """Give back all that is left, or an amount of it. Raises Problem."""
        asked = money(body, "amount", "")
        custom_id = text(body, "custom_id", "", 127)
        invoice_id = text(body, "invoice_id", "", 127)
        note = text(body, "note_to_payer", "", 255)
        if asked is not None and asked.currency != capture.currency:
            raise Problem(
                "REFUND_CAPTURE_CURRENCY_MISMATCH", "/amount/currency_code", asked.currency
            )
        amount = capture.refundable if asked is None else asked.units
        self._can_refund(capture, amount)
        refund = self._new_refund(capture, amount)
        self.account.claim_invoice("refund", invoice_id, refund)
        refund.custom_id = custom_id or capture.custom_id
        refund.invoice_id = invoice_id or capture.invoice_id
        refund.note = note
        if magic.refund_is_pending(amount):
            refund.status = "PENDING"
        self._enter(refund)
        return refund

    def _can_refund(self, capture: Capture, amount: int) -> None:
        if capture.status == "PENDING":
            raise Problem("PENDING_CAPTURE")
        if not capture.settled:
            raise Problem("REFUND_NOT_ALLOWED")
        if self.account.now() > capture.created + REFUND_WINDOW:
            raise Problem("REFUND_TIME_LIMIT_EXCEEDED")
        if capture.refundable == 0:
            raise Problem("CAPTURE_FULLY_REFUNDED")
        if amount > capture.refundable:
            raise Problem("REFUND_AMOUNT_EXCEEDED", "/amount/value")
        if amount < capture.amount and self._disputed(capture):
            raise Problem("TRANSACTION_DISPUTED")
        if magic.refund_is_unfunded(amount):
            raise Problem("REFUND_FAILED_INSUFFICIENT_FUNDS")

    def _disputed(self, capture: Capture) -> bool:
        disputes = self.account.disputes.values()
        return any(d.capture is capture and d.outcome is None for d in disputes)

    def reverse(self, capture: Capture, amount: int) -> Refund:
        """PayPal takes a captured amount back from the merchant, after a lost dispute."""
        refund = self._new_refund(capture, amount)
        refund.reversal = True
        refund.custom_id, refund.invoice_id = capture.custom_id, capture.invoice_id
        capture.reason = "CHARGEBACK"
        self._enter(refund)
        return refund

    def _new_refund(self, capture: Capture, amount: int) -> Refund:
        now = self.account.now()
        return Refund(self.account.new_id(), capture, amount, "COMPLETED", now, now)

    def _enter(self, refund: Refund) -> None:
        refund.capture.refunds.append(refund)
        self.account.refunds[refund.id] = refund
        if refund.status == "PENDING":
            self.account.later(refund.created + CLEARING, lambda: self.settle_refund(refund))
        self._refund_changed(refund)

    def settle_refund(self, refund: Refund) -> None:
        """A pending refund arrives; of any other nothing changes."""
        if refund.status == "PENDING":
            self._leave_pending_refund(refund, "COMPLETED")

    def fail_refund(self, refund: Refund) -> None:
        """A pending refund fails; its amount can be refunded again."""
        self._leave_pending_refund(refund, "FAILED")

    def _leave_pending_refund(self, refund: Refund, status: str) -> None:
        refund.status = status
        refund.updated = self.account.now()
        self._refund_changed(refund)

    def _refund_changed(self, refund: Refund) -> None:
        """Restate the capture, then tell the merchant."""
        capture = refund.capture
        if refund.status == "COMPLETED":
            whole = capture.refunded >= capture.amount
            capture.status = "REFUNDED" if whole else "PARTIALLY_REFUNDED"
            capture.updated = refund.updated
        done = "PAYMENT.CAPTURE.REVERSED" if refund.reversal else "PAYMENT.CAPTURE.REFUNDED"
        event_type = {
            "COMPLETED": done,
            "PENDING": "PAYMENT.REFUND.PENDING",
            "FAILED": "PAYMENT.REFUND.FAILED",
        }[refund.status]
        amount = f"{written(refund.amount, capture.currency)} {capture.currency}"
        self.account.emit(event_type, refund_json(self.account.base, refund), f"Refund of {amount}")
