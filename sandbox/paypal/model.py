"""What PayPal remembers: orders, authorizations, captures, refunds, disputes, payouts.

Amounts are integers of PayPal's smallest unit (see `money`). Objects refer to each other, so
equality is identity.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sandbox.paypal.money import Money, fee, fee_returned

APPROVAL_WINDOW = timedelta(hours=6)
CAPTURE_WINDOW = timedelta(hours=6)
AUTHORIZATION_LIFE = timedelta(days=29)
REFUND_WINDOW = timedelta(days=180)
CLEARING = timedelta(days=3)
"""How long a bank transfer takes, either way."""


class Instrument(StrEnum):
    """How the buyer's money will behave when it is asked for."""

    GOOD = "good"
    BANK_TRANSFER = "bank_transfer"
    """Clears after `CLEARING`: until then the capture is PENDING."""
    DECLINED = "declined"
    """The capture call is refused; the buyer may go back and choose another."""
    NEEDS_BUYER = "needs_buyer"
    """The capture call is refused until the buyer has come back."""
    REFUSED = "refused"
    """The call succeeds, the order is completed, but its capture is DECLINED."""


@dataclass(slots=True, eq=False)
class Refund:
    """Money that went back, by the merchant's will or (`reversal`) against it."""

    id: str
    capture: Capture
    amount: int
    status: str
    created: datetime
    updated: datetime
    custom_id: str | None = None
    invoice_id: str | None = None
    note: str | None = None
    reversal: bool = False

    @property
    def fee_returned(self) -> int:
        """The part of the capture's fee that comes back; of a reversal, nothing."""
        return 0 if self.reversal else fee_returned(self.amount)

    @property
    def counts(self) -> bool:
        """Whether it takes from what can still be refunded."""
        return self.status in ("COMPLETED", "PENDING")

    @property
    def total_so_far(self) -> int:
        """What had been refunded of the capture once this refund was made."""
        until = self.capture.refunds.index(self) + 1
        return sum(refund.amount for refund in self.capture.refunds[:until] if refund.counts)


@dataclass(slots=True, eq=False)
class Capture:
    """Money taken from the buyer."""

    id: str
    order: Order
    unit: Unit
    amount: int
    currency: str
    status: str
    created: datetime
    updated: datetime
    invoice_id: str | None
    custom_id: str | None
    authorization: Authorization | None = None
    final: bool = True
    reason: str | None = None
    refunds: list[Refund] = field(default_factory=list)

    @property
    def fee(self) -> int:
        """What PayPal keeps of it."""
        return fee(self.amount)

    @property
    def settled(self) -> bool:
        """Whether the money has arrived, be it that some has gone back since."""
        return self.status in ("COMPLETED", "PARTIALLY_REFUNDED", "REFUNDED")

    @property
    def refundable(self) -> int:
        """What is left to refund, pending refunds taken off."""
        return self.amount - sum(refund.amount for refund in self.refunds if refund.counts)

    @property
    def refunded(self) -> int:
        """What has gone back for certain."""
        done = (refund.amount for refund in self.refunds if refund.status == "COMPLETED")
        return sum(done)

    def money(self, units: int) -> Money:
        """An amount in this capture's currency."""
        return Money(units, self.currency)


@dataclass(slots=True, eq=False)
class Authorization:
    """Money that the buyer's side holds for the merchant until `expires`."""

    id: str
    order: Order
    unit: Unit
    amount: int
    currency: str
    status: str
    created: datetime
    updated: datetime
    captures: list[Capture] = field(default_factory=list)

    @property
    def expires(self) -> datetime:
        """When the hold ends by itself."""
        return self.created + AUTHORIZATION_LIFE

    @property
    def captured(self) -> int:
        """The sum of its captures that were not declined."""
        return sum(c.amount for c in self.captures if c.status not in ("DECLINED", "FAILED"))


@dataclass(slots=True, eq=False)
class Unit:
    """One purchase unit; `details` are the fields of the request that are only ever shown again."""

    reference_id: str
    amount: int
    currency: str
    details: dict[str, Any]
    breakdown: dict[str, Any] | None = None
    authorizations: list[Authorization] = field(default_factory=list)
    captures: list[Capture] = field(default_factory=list)

    @property
    def custom_id(self) -> str | None:
        """The merchant's own reference, echoed on every payment."""
        return self.details.get("custom_id")

    @property
    def invoice_id(self) -> str | None:
        """The merchant's invoice number, which PayPal wants to see paid once only."""
        return self.details.get("invoice_id")


@dataclass(slots=True, eq=False)
class Order:
    """A checkout: created by the merchant, approved by the buyer, captured by the merchant."""

    id: str
    intent: str
    units: list[Unit]
    created: datetime
    updated: datetime
    wallet: bool
    """Whether it was created with `payment_source.paypal`."""
    return_url: str | None
    cancel_url: str | None
    brand: str | None
    status: str = "CREATED"
    payer: dict[str, Any] | None = None
    approved: datetime | None = None
    approvals: int = 0
    declines: int = 0
    instrument: Instrument = Instrument.GOOD

    @property
    def total(self) -> int:
        """The sum of its purchase units."""
        return sum(unit.amount for unit in self.units)

    @property
    def currency(self) -> str:
        """Its one currency."""
        return self.units[0].currency

    @property
    def open(self) -> bool:
        """Whether it still waits for the buyer or for the merchant."""
        return self.status in ("CREATED", "PAYER_ACTION_REQUIRED", "APPROVED")

    @property
    def deadline(self) -> datetime:
        """When an open order is gone."""
        if self.approved is not None:
            return self.approved + CAPTURE_WINDOW
        return self.created + APPROVAL_WINDOW


@dataclass(slots=True, eq=False)
class Dispute:
    """A buyer's complaint about a capture; `outcome` is None while it is open."""

    id: str
    capture: Capture
    amount: int
    reason: str
    created: datetime
    updated: datetime
    outcome: str | None = None
    fee: int = 0
    """What PayPal takes for a chargeback, by a transaction of its own: `fee_id`."""
    fee_id: str = ""


@dataclass(slots=True, eq=False)
class Payout:
    """Balance sent to the merchant's bank; `fee` is what PayPal takes for it besides."""

    id: str
    amount: Money
    created: datetime
    left: int = 0
    """What stayed in the balance."""
    fee: int = 0
    returned: datetime | None = None
    """When the bank sent it back, by the transaction `return_id`."""
    return_id: str = ""
