"""Money, times and statuses as the reader's language writes them. Pure."""

import copy
import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton, format_time
from babel.numbers import format_decimal, get_decimal_symbol, get_group_symbol

from gateway.errors import InvalidAmount, InvalidRequest
from gateway.money import EXPONENTS, exponent, parse_decimal
from gateway.money import format_decimal as plain
from gateway.zones import spans, time_zone

_DEFAULT = "en_GB"
#: In the words of a timeline, amounts are minor units followed by their currency.
_AMOUNT = re.compile(r"\b(\d+) ([A-Z]{3})\b")

#: A currency's code right before its amount, as some locales write what has no sign.
_CODE = re.compile(r"([A-Z]{3})(?=\d)")

#: What is typed of an amount; not \d, which takes any script's.
_DIGITS = re.compile(r"[0-9]{1,15}")
_SPACE = re.compile(r"\s")
_MINUS = ("-", "\N{MINUS SIGN}")

#: (tone, words): good, wait, back, off, bad.
_STATUS = {
    "open": ("wait", "Open"),
    "processing": ("wait", "Processing"),
    "authorized": ("wait", "Authorized"),
    "paid": ("good", "Paid"),
    "partially_refunded": ("back", "Partly refunded"),
    "refunded": ("back", "Refunded"),
    "canceled": ("off", "Canceled"),
    "expired": ("off", "Expired"),
    "creating": ("wait", "Creating"),
    "captured": ("good", "Captured"),
    "failed": ("bad", "Failed"),
    "pending": ("wait", "Pending"),
    "succeeded": ("good", "Succeeded"),
    "delivered": ("good", "Delivered"),
    "enabled": ("good", "Enabled"),
    "disabled": ("off", "Disabled"),
    "ok": ("good", "Healthy"),
    "degraded": ("bad", "Degraded"),
    "unknown": ("off", "Not used yet"),
    "waiting": ("wait", "Waiting"),
    "running": ("wait", "Being made"),
    "ready": ("good", "Ready"),
    "gone": ("off", "Gone by itself"),
    "resolved": ("good", "Resolved"),
    "needs_response": ("bad", "Needs response"),
    "under_review": ("wait", "Under review"),
    "won": ("good", "Won"),
    "lost": ("bad", "Lost"),
}


def status(name: str) -> tuple[str, str]:
    """The tone and the words of a status."""
    return _STATUS.get(name, ("off", name.replace("_", " ").capitalize()))


@lru_cache(maxsize=256)
def locale_of(accept_language: str) -> Locale:
    """The first language of the header that we can write numbers and dates in."""
    for part in accept_language[:200].split(","):
        tag = part.partition(";")[0].strip().replace("-", "_")
        if tag in ("", "*", "en"):
            continue
        try:
            return Locale.parse(tag)
        except (ValueError, UnknownLocaleError):
            continue
    return Locale.parse(_DEFAULT)


def money(amount: int, currency: str, locale: Locale) -> str:
    """`amount` minor units with their currency; exact, whatever the size."""
    try:
        decimals = exponent(currency)
    except InvalidAmount:
        return f"{amount} {currency}"
    pattern = copy.copy(locale.currency_formats["standard"])
    pattern.frac_prec = (decimals, decimals)
    text: str = pattern.apply(
        Decimal(plain(amount, decimals)), locale, currency=currency, currency_digits=False
    )
    return _CODE.sub("\\1\N{NO-BREAK SPACE}", text)


def editable(amount: int, currency: str, locale: Locale) -> str:
    """An amount as it may be typed: digits and the locale's decimal point."""
    return plain(amount, exponent(currency)).replace(".", get_decimal_symbol(locale))


def minor_units(text: str, currency: str, locale: Locale) -> int:
    """What was typed, in minor units. Raises InvalidAmount."""
    typed, decimals = text.strip(), exponent(currency)
    whole, point, fraction = typed.partition(get_decimal_symbol(locale))
    sign, digits = ("-", whole[1:]) if whole[:1] in _MINUS else ("", whole)
    digits = _ungrouped(digits, locale)
    if not _DIGITS.fullmatch(digits) or (point and not _DIGITS.fullmatch(fraction)):
        raise InvalidAmount(f"“{typed[:40]}” is not an amount")
    if len(fraction) > decimals:  # 1.000 may be meant as a thousand
        most = f"more than {decimals} decimals" if decimals else "decimals, which it cannot have"
        raise InvalidAmount(f"“{typed[:40]}” has {most} in {currency}")
    return parse_decimal(f"{sign}{digits}.{fraction or 0}", decimals)


def _ungrouped(digits: str, locale: Locale) -> str:
    """Without the locale's separators, if they stand where they belong; else as they are."""
    mark = get_group_symbol(locale)
    if mark.isspace():  # a keyboard has one space only
        digits = _SPACE.sub(mark, digits)
    if mark == "\N{RIGHT SINGLE QUOTATION MARK}":  # and one apostrophe
        digits = digits.replace("'", mark)
    plain_digits = digits.replace(mark, "")
    if mark not in digits or not _DIGITS.fullmatch(plain_digits):
        return digits
    proper = format_decimal(int(plain_digits), locale=locale)
    return plain_digits if digits == proper else digits


def number(value: int, locale: Locale) -> str:
    """A count."""
    return format_decimal(value, locale=locale)


def percent(text: str | None, locale: Locale) -> str:
    """A percentage, given as a decimal such as 2.9000; a dash where there is none."""
    if text is None:
        return "–"
    pattern = copy.copy(locale.percent_formats[None])
    pattern.frac_prec = (1, 1)
    number: str = pattern.apply(Decimal(text) / 100, locale)
    return number


def moment(at: datetime, locale: Locale, zone: tzinfo = UTC) -> str:
    """A time in a zone, to the minute."""
    at = at.astimezone(zone)
    time = format_time(at, "short", tzinfo=zone, locale=locale)
    return f"{format_date(at, 'medium', locale=locale)}, {time}"


def day(at: datetime | date, locale: Locale, zone: tzinfo = UTC) -> str:
    """A day; of a time, that in the zone."""
    if isinstance(at, datetime):
        at = at.astimezone(zone)
    return format_date(at, "medium", locale=locale)


def short_day(at: date, locale: Locale) -> str:
    """A day without its year."""
    return format_skeleton("MMMd", at, locale=locale)


def account(name: str) -> str:
    """An account of the ledger without its currency, which stands beside it."""
    kind, *rest = name.split(":")
    return " · ".join([kind.replace("_", " ").capitalize(), *rest[:-1]])


def clock(at: datetime, zone: tzinfo = UTC) -> str:
    """A time of day to the second."""
    return at.astimezone(zone).strftime("%H:%M:%S")


@lru_cache(maxsize=1)
def zones() -> dict[str, list[str]]:
    """The time zones that may be chosen, by continent."""
    found: dict[str, list[str]] = {"": ["UTC"]}
    for name in sorted(available_timezones()):
        area, _, place = name.partition("/")
        if place and area not in ("Etc", "SystemV", "posix", "right", "US"):
            found.setdefault(area, []).append(name)
    return found


def zone_of(name: str) -> ZoneInfo:
    """The zone of this name; UTC for one that this machine does not know."""
    try:
        return time_zone(name)
    except InvalidRequest:
        return ZoneInfo("UTC")


def start_of(day: date, zone: ZoneInfo) -> datetime:
    """The first moment of a day in a zone; of the next one, where the day was left out."""
    return spans(day, day + timedelta(days=3), zone, None)[0].since


def amounts(text: str, locale: Locale) -> str:
    """A timeline's words with its amounts as people write them."""

    def shown(found: re.Match[str]) -> str:
        known = found[2] in EXPONENTS  # `UTC` after a time is none
        return money(int(found[1]), found[2], locale) if known else found[0]

    return _AMOUNT.sub(shown, text)
