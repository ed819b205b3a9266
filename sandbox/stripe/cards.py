"""The test cards and amounts that make the sandbox behave in some way, and other payment methods.

A card number never leaves `Method.of_card`: what is kept of it is brand, last4 and expiry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox.stripe.account import Object


@dataclass(frozen=True)
class Behaviour:
    """What happens with a payment: at once (`decline`), or afterwards (`later`)."""

    decline: str | None = None
    later: str | None = None
    brand: str = "visa"
    note: str = "succeeds"


CARDS = {
    "4242424242424242": Behaviour(note="succeeds (Visa)"),
    "5555555555554444": Behaviour(brand="mastercard", note="succeeds (Mastercard)"),
    "4000000000000002": Behaviour(decline="generic_decline", note="is declined"),
    "4000000000009995": Behaviour(
        decline="insufficient_funds", note="is declined: insufficient funds"
    ),
    "4000000000005126": Behaviour(
        later="refund_fails", note="succeeds; a refund succeeds, then fails after a minute"
    ),
    "4000000000007726": Behaviour(
        later="refund_pends", note="succeeds; a refund is pending for a minute, then succeeds"
    ),
    "4000000000000259": Behaviour(later="disputed", note="succeeds, then is disputed"),
}
AMOUNTS = {
    77701: Behaviour(decline="generic_decline", note="every card is declined"),
    77702: Behaviour(later="disputed", note="the payment succeeds, then is disputed"),
}
"""Totals in minor units that win over the card's own behaviour."""
GOOD_CARD = "4242424242424242"
BAD_CARD = "4000000000000002"
DECLINES = {
    "generic_decline": "Your card was declined.",
    "insufficient_funds": "Your card has insufficient funds.",
}
DELAYED = {"usd": "us_bank_account", "eur": "sepa_debit"}
"""The delayed bank debit of each currency that has one."""


@dataclass(frozen=True)
class Method:
    """A payment method as far as it is kept."""

    type: str
    last4: str
    brand: str = ""
    exp_month: int = 12
    exp_year: int = 2034
    decline: str | None = None
    later: str | None = None

    @classmethod
    def of_card(cls, number: str, amount: int, exp_month: int = 12, exp_year: int = 2034) -> Method:
        """The method behind a test card for a payment of `amount`. Raises KeyError for any other
        number."""
        behaviour = CARDS[number]
        special = AMOUNTS.get(amount, behaviour)
        return cls(
            type="card",
            last4=number[-4:],
            brand=behaviour.brand,
            exp_month=exp_month,
            exp_year=exp_year,
            decline=special.decline,
            later=special.later,
        )

    @classmethod
    def of_bank(cls, type: str) -> Method:
        """The test account of a delayed debit."""
        return cls(type=type, last4="6789" if type == "us_bank_account" else "3000")

    @property
    def delayed(self) -> bool:
        """Whether the money only clears days later."""
        return self.type != "card"

    def details(self, fingerprint: str) -> Object:
        """`payment_method_details` of a charge."""
        if self.type == "card":
            return {
                "card": self._card(fingerprint) | {"network_token": {"used": False}},
                "type": "card",
            }
        return {self.type: self._bank(fingerprint), "type": self.type}

    def _card(self, fingerprint: str) -> dict[str, Any]:
        checks = {
            "address_line1_check": None,
            "address_postal_code_check": None,
            "cvc_check": "pass",
        }
        return {
            "brand": self.brand,
            "checks": checks,
            "country": "US",
            "exp_month": self.exp_month,
            "exp_year": self.exp_year,
            "fingerprint": fingerprint,
            "funding": "credit",
            "installments": None,
            "last4": self.last4,
            "mandate": None,
            "network": self.brand,
            "three_d_secure": None,
            "wallet": None,
        }

    def _bank(self, fingerprint: str) -> dict[str, Any]:
        if self.type == "sepa_debit":
            return {
                "bank_code": "37040044",
                "branch_code": "",
                "country": "DE",
                "fingerprint": fingerprint,
                "last4": self.last4,
                "mandate": None,
            }
        return {
            "account_holder_type": "individual",
            "account_type": "checking",
            "bank_name": "STRIPE TEST BANK",
            "fingerprint": fingerprint,
            "last4": self.last4,
            "payment_reference": None,
            "routing_number": "110000000",
        }
