"""Disputes: a buyer complains, and somebody wins."""

from __future__ import annotations

from sandbox.paypal.account import Account
from sandbox.paypal.model import Capture, Dispute
from sandbox.paypal.payments import Payments
from sandbox.paypal.represent import dispute_json

REASONS = (
    "MERCHANDISE_OR_SERVICE_NOT_RECEIVED",
    "MERCHANDISE_OR_SERVICE_NOT_AS_DESCRIBED",
    "UNAUTHORISED",
    "CREDIT_NOT_PROCESSED",
    "DUPLICATE_TRANSACTION",
    "INCORRECT_AMOUNT",
    "PAYMENT_BY_OTHER_MEANS",
    "CANCELED_RECURRING_BILLING",
    "PROBLEM_WITH_REMITTANCE",
    "OTHER",
)
OUTCOMES = {"won": "RESOLVED_SELLER_FAVOUR", "lost": "RESOLVED_BUYER_FAVOUR"}


class Disputes:
    """What can happen to a dispute."""

    def __init__(self, account: Account, payments: Payments) -> None:
        self.account = account
        self.payments = payments

    def of(self, capture: Capture) -> Dispute | None:
        """The open dispute about a capture, if there is one."""
        disputes = self.account.disputes.values()
        return next((d for d in disputes if d.capture is capture and d.outcome is None), None)

    def open(self, capture: Capture, amount: int | None, reason: str) -> Dispute:
        """The buyer complains about a settled capture, or about `amount` of it.

        Raises ValueError if there is nothing to complain about.
        """
        if not capture.settled or not capture.refundable:
            raise ValueError(f"the capture is {capture.status}: nothing of it can be disputed")
        if self.of(capture) is not None:
            raise ValueError("the capture is disputed already")
        if reason not in REASONS:
            raise ValueError(f"reason must be one of: {', '.join(REASONS)}")
        disputed = capture.refundable if amount is None else amount
        if not 0 < disputed <= capture.refundable:
            raise ValueError(f"amount must be from 1 to {capture.refundable}")
        now = self.account.now()
        number = self.account.world.ids.text(5, "0123456789")
        dispute = Dispute(
            f"PP-D-{number}-{len(self.account.disputes) + 1}", capture, disputed, reason, now, now
        )
        self.account.disputes[dispute.id] = dispute
        self._emit("CREATED", dispute, f"A new dispute opened with Case # {dispute.id}")
        return dispute

    def resolve(self, dispute: Dispute, won: bool, fee: int = 0) -> Dispute:
        """Close an open one; if the merchant lost, the money goes back as a reversal, and where it
        was a chargeback, that costs a `fee`."""
        dispute.outcome = OUTCOMES["won" if won else "lost"]
        dispute.updated = self.account.now()
        left = dispute.capture.refundable
        if not won and left:
            self.payments.reverse(dispute.capture, min(dispute.amount, left))
        if fee:
            dispute.fee, dispute.fee_id = fee, self.account.new_id()
        self._emit("RESOLVED", dispute, f"A dispute was resolved with case # {dispute.id}")
        return dispute

    def _emit(self, what: str, dispute: Dispute, summary: str) -> None:
        resource = dispute_json(self.account.base, dispute)
        self.account.emit(f"CUSTOMER.DISPUTE.{what}", resource, summary)
