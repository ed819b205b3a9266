"""PayPal's amounts: decimal strings outside, integers of the smallest unit PayPal knows inside."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

WHOLE_ONLY = frozenset({"HUF", "JPY", "TWD"})
"""Currencies in which PayPal takes no decimals."""
_SUPPORTED = "AUD BRL CAD CNY CHF CZK DKK EUR GBP HKD ILS MXN MYR NOK NZD PHP PLN SEK SGD THB USD"
_OTHERS = (
    "AED AFN ALL AMD ANG AOA ARS AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BSD BTN BWP BYN BZD"
    " CDF CLP COP CRC CUP CVE DJF DOP DZD EGP ERN ETB FJD FKP GEL GHS GIP GMD GNF GTQ GYD HNL HTG"
    " IDR INR IQD IRR ISK JMD JOD KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD"
    " MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MZN NAD NGN NIO NPR OMR PAB PEN PGK PKR PYG QAR RON"
    " RSD RUB RWF SAR SBD SCR SDG SHP SLE SOS SRD SSP STN SVC SYP SZL TJS TMT TND TOP TRY TTD TZS"
    " UAH UGX UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW"
)
SUPPORTED = WHOLE_ONLY | frozenset(_SUPPORTED.split())
ISO_4217 = SUPPORTED | frozenset(_OTHERS.split())
"""All currencies; those that PayPal does not support are refused with another issue than those
that do not exist."""
ISO_WHOLE_ONLY = frozenset({"JPY"})
"""Of the currencies that PayPal supports, those that have no minor unit in ISO 4217 either."""

DECIMAL = re.compile(r"-?([0-9]+|[0-9]*\.[0-9]+)")
LARGEST = 999_999_999_999_999_99
"""PayPal's upper limit, 999,999,999,999,999.99, without its point."""

CONVERTED: dict[str, tuple[str, Decimal]] = {"DKK": ("EUR", Decimal("0.134"))}
"""The sandbox's account holds every currency but these: PayPal exchanges them at once. Both have
as many decimals as the other."""

FEE_BASIS_POINTS = 349
FEE_FIXED = 49


@dataclass(frozen=True, slots=True)
class Money:
    """`units` of PayPal's smallest unit: cents of USD, but whole forints of HUF."""

    units: int
    currency: str

    def of(self, units: int) -> Money:
        """Another amount in the same currency."""
        return Money(units, self.currency)

    def json(self) -> dict[str, str]:
        """PayPal's `money` object."""
        return {"currency_code": self.currency, "value": written(self.units, self.currency)}


def exchanged(money: Money) -> Money:
    """What becomes of an amount in the balance: itself, or another currency, rounded half up."""
    if money.currency not in CONVERTED:
        return money
    into, rate = CONVERTED[money.currency]
    return Money(int((money.units * rate).quantize(Decimal(1), ROUND_HALF_UP)), into)


def rate_json(currency: str) -> dict[str, str]:
    """PayPal's `exchange_rate` for one of `CONVERTED`."""
    into, rate = CONVERTED[currency]
    return {"source_currency": currency, "target_currency": into, "value": str(rate)}


def places(currency: str) -> int:
    """How many decimals PayPal writes in a currency: 2 or 0."""
    return 0 if currency in WHOLE_ONLY else 2


def written(units: int, currency: str) -> str:
    """An amount as PayPal writes it: `12.50` USD, `1250` JPY."""
    if not places(currency):
        return str(units)
    sign = "-" if units < 0 else ""
    return f"{sign}{abs(units) // 100}.{abs(units) % 100:02d}"


def to_iso(units: int, currency: str) -> int:
    """The same amount in minor units as ISO 4217 counts them: HUF and TWD have two decimals there,
    and so has everything else that PayPal supports, but JPY."""
    return units * 100 if currency in WHOLE_ONLY - ISO_WHOLE_ONLY else units


def from_iso(minor: int, currency: str) -> int:
    """The reverse of `to_iso`. Raises ValueError if PayPal cannot express the amount."""
    if currency not in WHOLE_ONLY - ISO_WHOLE_ONLY:
        return minor
    if minor % 100:
        raise ValueError(f"PayPal has no decimals in {currency}: {minor} is no multiple of 100")
    return minor // 100


def fee(units: int) -> int:
    """What PayPal keeps of a capture: 3.49 % rounded half up, plus 49 of the smallest unit, and
    never more than the capture itself."""
    return min(units, (units * FEE_BASIS_POINTS + 5_000) // 10_000 + FEE_FIXED)


def fee_returned(units: int) -> int:
    """What a refund gives back of the fee: 3.49 % of it rounded down, nothing of the fixed part;
    so partial refunds together never return more than the capture had cost."""
    return units * FEE_BASIS_POINTS // 10_000
