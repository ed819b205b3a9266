"""Money as an integer of minor units beside its currency, and how providers count it.

Our minor units follow ISO 4217: 1234 USD is 12.34 dollars, 1234 JPY is 1,234 yen, 1234 KWD is
1.234 dinar. Providers deviate for a handful of currencies; each adapter states its deviations once,
as a `ProviderScale`, and converts at its edge.
"""

import re
from collections.abc import Mapping
from typing import Annotated

import msgspec

from gateway.errors import InvalidAmount

# ISO 4217, active codes by their number of decimals.
_ZERO = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"
_TWO = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF
CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG
HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU
MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR
SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED
VES WST XCD XCG YER ZAR ZMW ZWG
"""
EXPONENTS: Mapping[str, int] = {
    **dict.fromkeys(_ZERO.split(), 0),
    **dict.fromkeys(_TWO.split(), 2),
    **dict.fromkeys(_THREE.split(), 3),
}

#: The largest amount in minor units that we accept: a hundred billion of any currency with two
#: decimals, far under 2**63, so that sums over many orders fit a BIGINT.
MAX_AMOUNT = 10**13

Currency = Annotated[  # the length, since $ also matches before a line's end
    str, msgspec.Meta(pattern=r"^[A-Z]{3}$", max_length=3, description="ISO 4217 code")
]
Amount = Annotated[int, msgspec.Meta(ge=0, le=MAX_AMOUNT, description="Minor units")]
PositiveAmount = Annotated[int, msgspec.Meta(ge=1, le=MAX_AMOUNT, description="Minor units")]

_DECIMAL = re.compile(r"(-?)([0-9]{1,15})(?:\.([0-9]{1,10}))?")  # not \d: it takes any script's


class Money(msgspec.Struct, frozen=True):
    """An amount in minor units of `currency` (ISO 4217, upper case)."""

    amount: int
    currency: str


def exponent(currency: str) -> int:
    """The number of decimals of `currency`. Raises InvalidAmount for an unknown code."""
    try:
        return EXPONENTS[currency]
    except KeyError:
        raise InvalidAmount(f"{currency!r} is not an active ISO 4217 currency") from None


def format_decimal(amount: int, decimals: int) -> str:
    """`amount` minor units as an exact decimal string: (1234, 2) is "12.34", (-5, 3) "-0.005"."""
    sign = "-" if amount < 0 else ""
    digits = str(abs(amount)).rjust(decimals + 1, "0")
    if decimals == 0:
        return sign + digits
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}"


def parse_decimal(text: str, decimals: int) -> int:
    """The exact inverse of `format_decimal`; more decimals are accepted only when they are zeros.

    Raises InvalidAmount for anything that is not a plain decimal number or would be rounded.
    """
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise InvalidAmount(f"{text[:40]!r} is not a decimal amount")
    sign, whole, fraction = match[1], match[2], match[3] or ""
    if fraction[decimals:].strip("0"):
        raise InvalidAmount(f"{text[:40]!r} has more than {decimals} decimals")
    value = int(whole + fraction[:decimals].ljust(decimals, "0"))
    return -value if sign else value


class ProviderScale(msgspec.Struct, frozen=True):
    """How one provider counts money where it differs from ISO 4217.

    `exponents` overrides the number of decimals; `steps` demands that an amount in the provider's
    units is a multiple (some want the last digit of three-decimal currencies to be 0).
    """

    exponents: Mapping[str, int] = {}
    steps: Mapping[str, int] = {}

    def decimals(self, currency: str) -> int:
        """The decimals that the provider uses for `currency`."""
        return self.exponents.get(currency, exponent(currency))

    def to_provider(self, money: Money) -> int:
        """Our minor units as the provider's. Raises InvalidAmount where that is not exact."""
        shift = self.decimals(money.currency) - exponent(money.currency)
        if shift >= 0:
            units: int = money.amount * 10**shift
        else:
            units, rest = divmod(money.amount, 10**-shift)
            if rest:
                raise self._inexact(money)
        if units % self.steps.get(money.currency, 1):
            raise self._inexact(money)
        return units

    def from_provider(self, units: int, currency: str) -> Money:
        """The provider's minor units as ours. Raises InvalidAmount where that is not exact."""
        shift = exponent(currency) - self.decimals(currency)
        if shift >= 0:
            return Money(units * 10**shift, currency)
        amount, rest = divmod(units, 10**-shift)
        if rest:
            raise self._inexact(Money(units, currency))
        return Money(amount, currency)

    def to_decimal(self, money: Money) -> str:
        """Our minor units as the provider's decimal string ("12.34"). Raises InvalidAmount."""
        return format_decimal(self.to_provider(money), self.decimals(money.currency))

    def from_decimal(self, text: str, currency: str) -> Money:
        """The provider's decimal string as our minor units. Raises InvalidAmount."""
        return Money(parse_decimal(text, exponent(currency)), currency)

    def _inexact(self, money: Money) -> InvalidAmount:
        return InvalidAmount(
            f"{money.amount} minor units of {money.currency} cannot be expressed exactly at this "
            f"provider, which counts {money.currency} in {self.decimals(money.currency)} decimals "
            f"and steps of {self.steps.get(money.currency, 1)}"
        )
