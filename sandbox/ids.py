"""Identifiers that look like the providers' own, from a generator that a test can seed."""

from __future__ import annotations

from random import Random

ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
HEX = "0123456789abcdef"


class Ids:
    """Draws identifiers from one random generator; each call returns a new one."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def text(self, length: int, alphabet: str = ALPHANUMERIC) -> str:
        """`length` random characters of `alphabet`."""
        return "".join(self._random.choices(alphabet, k=length))

    def stripe(self, prefix: str, length: int = 24) -> str:
        """A Stripe id such as `re_3Kx…`; `prefix` is given without its underscore."""
        return f"{prefix}_{self.text(length)}"

    def stripe_session(self) -> str:
        """A Checkout Session id of test mode, `cs_test_…`, as long as Stripe's are."""
        return f"cs_test_a1{self.text(56)}"

    def paypal(self) -> str:
        """A PayPal order, capture, authorization or refund id: 17 upper-case characters."""
        return self.text(17, UPPER)

    def paypal_event(self) -> str:
        """A PayPal webhook event id, `WH-…-…`."""
        return f"WH-{self.paypal()}-{self.paypal()}"

    def paypal_debug(self) -> str:
        """A PayPal `debug_id`: 13 hexadecimal digits."""
        return self.text(13, HEX)

    def event(self, provider: str) -> str:
        """An event id in the style of `provider`."""
        return self.paypal_event() if provider == "paypal" else self.stripe("evt", 24)
