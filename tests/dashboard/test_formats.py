"""Money in the reader's language is exact, and what is shown to be typed is understood again."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.dashboard import formats
from api.dashboard.charts import HEIGHT, by_day
from gateway.errors import InvalidAmount
from gateway.money import EXPONENTS, MAX_AMOUNT
from gateway.reports import Group

LANGUAGES = ("en-US", "de-DE", "fr-CH", "hi-IN", "ja", "sv", "pt-BR", "de-AT")
languages = st.sampled_from(LANGUAGES).map(formats.locale_of)


@given(st.integers(0, MAX_AMOUNT), st.sampled_from(sorted(EXPONENTS)), languages)
def test_what_is_to_be_typed_is_understood(amount: int, currency: str, locale: object) -> None:
    text = formats.editable(amount, currency, locale)  # type: ignore[arg-type]
    assert formats.minor_units(text, currency, locale) == amount  # type: ignore[arg-type]


@given(st.integers(-MAX_AMOUNT, MAX_AMOUNT), st.sampled_from(sorted(EXPONENTS)), languages)
def test_every_digit_is_shown(amount: int, currency: str, locale: object) -> None:
    text = formats.money(amount, currency, locale)  # type: ignore[arg-type]
    digits = "".join(c for c in text if c.isdigit())
    assert digits.lstrip("0") == str(abs(amount)).lstrip("0")


@pytest.mark.parametrize(
    ("language", "shown", "when"),
    [
        ("en-US,en;q=0.5", "$1,234.50", "Jan 31, 2026, 1:05\u202fPM"),
        ("de-DE", "1.234,50\xa0$", "31.01.2026, 13:05"),
        ("xx,de;q=0.5", "1.234,50\xa0$", "31.01.2026, 13:05"),
        ("", "US$1,234.50", "31 Jan 2026, 13:05"),
        ("*;q=1, ../../etc", "US$1,234.50", "31 Jan 2026, 13:05"),
    ],
)
def test_by_language(language: str, shown: str, when: str) -> None:
    locale = formats.locale_of(language)
    assert formats.money(123450, "USD", locale) == shown
    assert formats.moment(datetime(2026, 1, 31, 13, 5, 59, tzinfo=UTC), locale) == when


@pytest.mark.parametrize("text", ["", "x", "1.000,00", "1e3", "NaN", "Infinity", "1.005", "1,2,3"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(InvalidAmount):
        formats.minor_units(text, "USD", formats.locale_of("en-US"))


@pytest.mark.parametrize(
    ("text", "currency", "language", "words"),
    [
        ("1_0", "USD", "en-US", "is not an amount"),
        ("\u0661", "USD", "en-US", "is not an amount"),  # Arabic
        ("1.\u0661", "USD", "en-US", "is not an amount"),
        ("\uff11", "JPY", "ja", "is not an amount"),  # full width
        ("1,000", "JPY", "de-DE", "has decimals, which it cannot have in JPY"),
        ("1,000", "JPY", "fr-FR", "has decimals, which it cannot have in JPY"),
        ("1.000", "JPY", "en-US", "has decimals, which it cannot have in JPY"),
        ("1,000", "EUR", "de-DE", "has more than 2 decimals"),
        ("1.0000", "KWD", "en-US", "has more than 3 decimals"),
        ("10,00", "USD", "en-US", "is not an amount"),
        ("1.0.0", "USD", "en-US", "is not an amount"),
        ("--1", "USD", "en-US", "is not an amount"),
        ("1" * 16, "USD", "en-US", "is not an amount"),
        ("1" + " " * 50 + "2", "USD", "fr-FR", "is not an amount"),
    ],
)
def test_what_could_be_another_amount_is_refused(
    text: str, currency: str, language: str, words: str
) -> None:
    with pytest.raises(InvalidAmount) as refused:
        formats.minor_units(text, currency, formats.locale_of(language))
    assert words in refused.value.detail


@pytest.mark.parametrize(
    ("text", "currency", "language", "units"),
    [
        (" 1,000 ", "JPY", "en-US", 1000),
        ("1.000", "JPY", "de-DE", 1000),
        ("1 234 567,8", "EUR", "fr-FR", 123456780),
        ("1\u202f234,50", "EUR", "fr-FR", 123450),
        ("1'234.50", "CHF", "de-CH", 123450),
        ("12,34,567", "INR", "hi-IN", 123456700),
        ("-5.00", "USD", "en-US", -500),
        ("\N{MINUS SIGN}5,00", "SEK", "sv", -500),
        ("1.234", "KWD", "en-US", 1234),
    ],
)
def test_the_separators_of_the_locale_are_understood(
    text: str, currency: str, language: str, units: int
) -> None:
    assert formats.minor_units(text, currency, formats.locale_of(language)) == units


def test_a_status_that_is_new_has_words_too() -> None:
    assert formats.status("partially_refunded") == ("back", "Partly refunded")
    assert formats.status("on_hold") == ("off", "On hold")


def test_a_chart_stacks_each_day_up_to_the_top() -> None:
    days = [date(2026, 1, 1) + timedelta(days=number) for number in range(7)]

    def group(day: date, provider: str, captured: int) -> Group:
        return Group(currency="USD", period=day, provider=provider, amount_captured=captured)

    sums = [
        group(days[0], "a", 300),
        group(days[0], "b", 100),
        group(days[2], "b", 200),
        group(date(2025, 12, 31), "b", 50),
    ]
    chart = by_day(sums, days)
    assert chart.top == 400
    assert [bar.height for bar in chart.bars] == [HEIGHT * 0.75, HEIGHT * 0.25, HEIGHT * 0.5]
    assert chart.bars[1].y == 0
    assert all(bar.y >= 0 for bar in chart.bars)
    assert by_day([], days).bars == []


def test_times_and_days_are_told_in_the_zone() -> None:
    at, locale = datetime(2026, 1, 31, 23, 30, tzinfo=UTC), formats.locale_of("en-GB")
    berlin = formats.zone_of("Europe/Berlin")
    assert formats.moment(at, locale, berlin) == "1 Feb 2026, 00:30"
    assert formats.day(at, locale, berlin) == "1 Feb 2026"
    assert formats.start_of(date(2026, 2, 1), berlin) == datetime(2026, 1, 31, 23, tzinfo=UTC)
    assert formats.zone_of("Europe/Atlantis").key == "UTC"
    assert {"Europe/Berlin", "Asia/Kolkata"} <= {
        name for names in formats.zones().values() for name in names
    }
    # Apia left out 30 December 2011.
    apia = formats.zone_of("Pacific/Apia")
    assert formats.start_of(date(2011, 12, 30), apia) == datetime(2011, 12, 30, 10, tzinfo=UTC)


def test_a_percentage_is_written_as_the_locale_does() -> None:
    assert formats.percent("2.9000", formats.locale_of("en-US")) == "2.9%"
    assert formats.percent("12.3456", formats.locale_of("de")) == "12,3\N{NO-BREAK SPACE}%"
    assert formats.percent(None, formats.locale_of("de")) == "–"


def test_a_code_does_not_stick_to_its_amount() -> None:
    text = formats.money(1234560, "KWD", formats.locale_of("en-US"))
    assert text == "KWD\N{NO-BREAK SPACE}1,234.560"
    assert formats.money(-100, "USD", formats.locale_of("en-US")) == "-$1.00"


def test_amounts_in_words_are_written_out_and_times_are_left() -> None:
    told = "the buyer disputes 98765 JPY of 1234 USD; answer by 2026-12-30 22:07 UTC"
    assert formats.amounts(told, formats.locale_of("en-US")) == (
        "the buyer disputes ¥98,765 of $12.34; answer by 2026-12-30 22:07 UTC"
    )


def test_an_account_is_told_in_words() -> None:
    assert formats.account("provider_clearing:fake:USD") == "Provider clearing · fake"
    assert formats.account("bank:USD") == "Bank"
