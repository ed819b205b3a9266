"""Magic amounts: the last two digits of an amount in PayPal's smallest unit decide how it fares.

| ends in | what | does |
|---|---|---|
| 13 | capture | PENDING (a bank transfer) for three days, or until `settle` or `fail_async` |
| 17 | capture | refused with INSTRUMENT_DECLINED until the buyer has approved a second time |
| 21 | capture | DECLINED inside a COMPLETED order |
| 23 | capture | refused with PAYER_ACTION_REQUIRED until the buyer has approved a second time |
| 19 | refund | PENDING for three days, or until `settle` or `fail_async` |
| 29 | refund | refused with REFUND_FAILED_INSUFFICIENT_FUNDS |
"""

from __future__ import annotations

from sandbox.paypal.model import Instrument

NOTES = {
    13: "its capture is pending for three days",
    17: "its capture is refused until the buyer comes back",
    21: "its order is completed, but the capture is declined",
    23: "its capture needs the buyer once more",
}
"""What the pay page says of an order with such an amount."""


def instrument(amount: int, approvals: int) -> Instrument:
    """How a buyer's money behaves after the `approvals`-th approval of an order of `amount`."""
    match amount % 100:
        case 13:
            return Instrument.BANK_TRANSFER
        case 17 if approvals <= 1:
            return Instrument.DECLINED
        case 21:
            return Instrument.REFUSED
        case 23 if approvals <= 1:
            return Instrument.NEEDS_BUYER
    return Instrument.GOOD


def refund_is_pending(amount: int) -> bool:
    """Whether a refund of this amount waits."""
    return amount % 100 == 19


def refund_is_unfunded(amount: int) -> bool:
    """Whether the merchant's balance does not cover a refund of this amount."""
    return amount % 100 == 29
