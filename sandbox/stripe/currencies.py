"""How Stripe counts each currency, what it charges at least, and what the sandbox settles in."""

from __future__ import annotations

from fractions import Fraction

from sandbox.stripe.errors import StripeError


def _codes(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


ZERO_DECIMAL = _codes("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf")
"""Sent in whole units."""
THREE_DECIMAL = _codes("bhd jod kwd omr tnd")
"""Sent in thousandths, of which the last digit must be 0."""
WHOLE_HUNDREDS = _codes("isk ugx")
"""Have no minor unit any more but are sent as if they had two: whole units only."""
TWO_DECIMAL = _codes(
    "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd cad "
    "cdf chf cny cop crc cve czk dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl "
    "htg huf idr ils inr jmd kes kgs khr kyd kzt lak lbp lkr lrd lsl mad mdl mkd mmk mnt mop mur "
    "mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln qar ron rsd rub sar sbd "
    "scr sek sgd shp sle sos srd std szl thb tjs top try ttd twd tzs uah usd uyu uzs wst xcd yer "
    "zar zmw"
)
SUPPORTED = ZERO_DECIMAL | THREE_DECIMAL | WHOLE_HUNDREDS | TWO_DECIMAL

MINIMUM = {
    "usd": 50, "aed": 200, "aud": 50, "bgn": 100, "brl": 50, "cad": 50, "chf": 50, "czk": 1500,
    "dkk": 250, "eur": 50, "gbp": 30, "hkd": 400, "huf": 17500, "inr": 50, "jpy": 50, "mxn": 1000,
    "myr": 200, "nok": 300, "nzd": 50, "pln": 200, "ron": 200, "sek": 300, "sgd": 50, "thb": 1000,
}  # fmt: skip
MAXIMUM = 99_999_999

CONVERTED: dict[str, tuple[str, Fraction]] = {"dkk": ("eur", Fraction(67, 500))}
"""The sandbox's account has a bank account in every currency but these: they are converted, as
Stripe does it, and the balance transaction carries the rate."""


def decimals(currency: str) -> int:
    """How many digits of a Stripe amount stand behind the point."""
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2


def text(amount: int, currency: str) -> str:
    """An amount for people, such as `54.00 USD`; ISK and UGX without their empty decimals."""
    digits = decimals(currency)
    whole, rest = divmod(abs(amount), 10**digits)
    shown = f"{whole:,}"
    if digits and currency not in WHOLE_HUNDREDS:
        shown += f".{rest:0{digits}d}"
    return f"{'-' if amount < 0 else ''}{shown} {currency.upper()}"


def iso_minor_units(amount: int, currency: str) -> int:
    """A Stripe amount in the minor units of ISO 4217, which differ for ISK, UGX (none) and MGA."""
    if currency in WHOLE_HUNDREDS:
        return amount // 100
    return amount * 100 if currency == "mga" else amount


def from_iso_minor_units(amount: int, currency: str) -> int:
    """The opposite of `iso_minor_units`."""
    if currency in WHOLE_HUNDREDS:
        return amount * 100
    return amount // 100 if currency == "mga" else amount


def check_precision(amount: int, currency: str, param: str) -> None:
    """Raise StripeError for an amount finer than the currency allows."""
    step = 100 if currency in WHOLE_HUNDREDS else 10 if currency in THREE_DECIMAL else 1
    if amount % step:
        message = f"Invalid amount: amounts in {currency.upper()} must be divisible by {step}."
        raise StripeError(message, code="parameter_invalid_integer", param=param)


def check_total(total: int, currency: str) -> None:
    """Raise StripeError for a session total outside of what Stripe charges."""
    least = MINIMUM.get(currency, 1)
    what = "The Checkout Session's total amount due must"
    if total < least:
        message = f"{what} add up to at least {text(least, currency)}"
        raise StripeError(message, code="amount_too_small")
    if total > MAXIMUM:
        message = f"{what} be no more than {text(MAXIMUM, currency)}"
        raise StripeError(message, code="amount_too_large")


def settle(amount: int, currency: str) -> tuple[int, str, float | None]:
    """What reaches the balance: amount, currency and exchange rate (None: not converted)."""
    if currency not in CONVERTED:
        return amount, currency, None
    into, rate = CONVERTED[currency]
    return round(amount * rate), into, float(rate)


def fee(amount: int, currency: str) -> int:
    """Stripe's cut of a settled charge: 2.9% rounded half up, plus 30 minor units; a multiple of
    100 for the currencies that have no minor unit but are counted as if they had two."""
    cut = (amount * 29 + 500) // 1000 + 30
    return -(-cut // 100) * 100 if currency in WHOLE_HUNDREDS else cut
