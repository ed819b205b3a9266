"""How Stripe counts money where it differs from ISO 4217 (docs.stripe.com/currencies)."""

from gateway.errors import InvalidAmount
from gateway.money import Money, ProviderScale

_ZERO_DECIMAL = (
    "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF",
    "XOF", "XPF",
)  # fmt: skip
#: Without decimals in ISO 4217, yet sent as hundredths, which must come out whole.
_WHOLE_HUNDREDTHS = ("ISK", "UGX")
_THREE_DECIMAL = ("BHD", "JOD", "KWD", "OMR", "TND")

SCALE = ProviderScale(
    exponents={
        **dict.fromkeys(_ZERO_DECIMAL, 0),
        **dict.fromkeys(_WHOLE_HUNDREDTHS, 2),
        **dict.fromkeys(_THREE_DECIMAL, 3),
    },
    steps={
        **dict.fromkeys(_WHOLE_HUNDREDTHS, 100),
        **dict.fromkeys(_THREE_DECIMAL, 10),
    },
)


def to_units(amount: int, currency: str) -> int:
    """Our minor units as Stripe's. Raises InvalidAmount where that is not exact."""
    return SCALE.to_provider(Money(amount, currency))


def to_money(units: int | None, currency: str | None) -> Money | None:
    """Stripe's amount as ours; None when it is missing, or no amount that can exist."""
    if units is None or currency is None:
        return None
    try:
        return SCALE.from_provider(units, currency.upper())
    except InvalidAmount:
        return None
