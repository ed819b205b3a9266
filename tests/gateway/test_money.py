"""Amounts: exact or refused."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.errors import InvalidAmount
from gateway.money import (
    EXPONENTS,
    MAX_AMOUNT,
    Amount,
    Currency,
    Money,
    PositiveAmount,
    ProviderScale,
    exponent,
    format_decimal,
    parse_decimal,
)

currencies = st.sampled_from(sorted(EXPONENTS))
amounts = st.integers(-MAX_AMOUNT, MAX_AMOUNT)
scales = st.builds(
    ProviderScale,
    exponents=st.dictionaries(currencies, st.integers(0, 4), max_size=40),
    steps=st.dictionaries(currencies, st.sampled_from([1, 10, 100]), max_size=20),
)


def test_exponents_are_those_of_iso_4217() -> None:
    assert [exponent(code) for code in ("JPY", "ISK", "USD", "HUF", "TWD", "KWD", "TND")] == [
        0, 0, 2, 2, 2, 3, 3,
    ]  # fmt: skip
    assert all(len(code) == 3 and code.isupper() and code.isascii() for code in EXPONENTS)
    assert set(EXPONENTS.values()) == {0, 2, 3}


@pytest.mark.parametrize("code", ["usd", "XXX", "", "US", "USDT", "HRK", "ＵＳＤ"])
def test_unknown_currencies_are_refused(code: str) -> None:
    with pytest.raises(InvalidAmount, match="not an active ISO 4217 currency"):
        exponent(code)


@pytest.mark.parametrize(
    ("amount", "decimals", "text"),
    [
        (1234, 2, "12.34"),
        (5, 2, "0.05"),
        (-5, 3, "-0.005"),
        (1234, 0, "1234"),
        (-1234, 0, "-1234"),
        (0, 2, "0.00"),
        (100, 2, "1.00"),
    ],
)
def test_decimal_strings(amount: int, decimals: int, text: str) -> None:
    assert format_decimal(amount, decimals) == text
    assert parse_decimal(text, decimals) == amount


@given(amounts, st.integers(0, 6))
def test_every_amount_survives_its_decimal_string(amount: int, decimals: int) -> None:
    text = format_decimal(amount, decimals)

    assert parse_decimal(text, decimals) == amount
    assert Decimal(text) * 10**decimals == amount


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "1 ", " 1", "  1", "+1", "1e3", "1E3", "0x10", "1_000", "1,000", "1,5", ".5", "5.",
        "--1", "-", "1.2.3", "NaN", "inf", "1\n", "\t1", "１２", "١٢", "१२.३४", "1.٥", "²", "1\x00",
        "1" * 16, "0." + "0" * 11, "−1", "$1",
    ],
)  # fmt: skip
def test_what_is_not_a_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(InvalidAmount, match="is not a decimal amount"):
        parse_decimal(text, 2)


@given(st.text(max_size=12), st.integers(0, 3))
@example("٣", 2)
def test_hostile_text_is_refused_or_exact(text: str, decimals: int) -> None:
    try:
        value = parse_decimal(text, decimals)
    except InvalidAmount:
        return
    assert text.isascii()
    assert Decimal(text) * 10**decimals == value


@pytest.mark.parametrize(("text", "value"), [("1.2300", 123), ("1.2", 120), ("-0.00", 0)])
def test_more_decimals_are_accepted_when_they_are_zeros(text: str, value: int) -> None:
    assert parse_decimal(text, 2) == value


def test_what_would_be_rounded_is_refused() -> None:
    with pytest.raises(InvalidAmount, match="more than 2 decimals"):
        parse_decimal("1.001", 2)
    with pytest.raises(InvalidAmount, match="more than 0 decimals"):
        parse_decimal("100.5", 0)


@given(scales, amounts, currencies)
def test_what_a_provider_takes_comes_back_the_same(
    scale: ProviderScale, amount: int, currency: str
) -> None:
    money = Money(amount, currency)
    try:
        units = scale.to_provider(money)
    except InvalidAmount:
        return
    assert type(units) is int
    assert scale.from_provider(units, currency) == money
    assert scale.from_decimal(scale.to_decimal(money), currency) == money
    ours = Decimal(amount).scaleb(-exponent(currency))
    theirs = Decimal(units).scaleb(-scale.decimals(currency))
    assert ours == theirs


@given(scales, amounts, currencies)
def test_what_a_provider_says_is_exact_or_refused(
    scale: ProviderScale, units: int, currency: str
) -> None:
    try:
        money = scale.from_provider(units, currency)
    except InvalidAmount:
        assert scale.decimals(currency) > exponent(currency)
        return
    assert Decimal(money.amount).scaleb(-exponent(currency)) == Decimal(units).scaleb(
        -scale.decimals(currency)
    )


@pytest.mark.parametrize("currency", sorted(EXPONENTS))
def test_without_deviations_the_units_are_ours(currency: str) -> None:
    money = Money(123, currency)

    assert ProviderScale().to_provider(money) == 123
    assert ProviderScale().from_provider(123, currency) == money


ODD = ProviderScale(
    exponents={"HUF": 0, "ISK": 2, "MGA": 0}, steps={"ISK": 100, "KWD": 10, "UGX": 100}
)


@pytest.mark.parametrize(
    ("money", "units", "text"),
    [
        (Money(12300, "HUF"), 123, "123"),
        (Money(123, "ISK"), 12300, "123.00"),
        (Money(1230, "KWD"), 1230, "1.230"),
        (Money(-12300, "HUF"), -123, "-123"),
    ],
)
def test_deviations(money: Money, units: int, text: str) -> None:
    assert ODD.to_provider(money) == units
    assert ODD.from_provider(units, money.currency) == money
    assert ODD.to_decimal(money) == text


@pytest.mark.parametrize("money", [Money(12345, "HUF"), Money(1234, "KWD"), Money(-1, "HUF")])
def test_inexact_amounts_are_refused(money: Money) -> None:
    with pytest.raises(InvalidAmount, match="cannot be expressed exactly"):
        ODD.to_provider(money)
    with pytest.raises(InvalidAmount):
        ODD.to_decimal(money)


def test_a_providers_fraction_of_our_smallest_unit_is_refused() -> None:
    with pytest.raises(InvalidAmount, match="cannot be expressed exactly"):
        ODD.from_provider(12345, "ISK")
    with pytest.raises(InvalidAmount):
        ODD.from_provider(1, "XXX")


@pytest.mark.parametrize(
    "body", [b"-1", b"1.0", b'"1"', b"1e2", b"true", b"10000000000001", b"null"]
)
def test_amounts_in_requests_are_integers_within_limits(body: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(body, type=Amount)


def test_the_limits_themselves_are_taken() -> None:
    assert msgspec.json.decode(b"0", type=Amount) == 0
    assert msgspec.json.decode(b"10000000000000", type=PositiveAmount) == MAX_AMOUNT
    assert MAX_AMOUNT * 900_000 < 2**63, "sums over many orders fit a BIGINT"
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b"0", type=PositiveAmount)


@pytest.mark.parametrize("code", ["usd", "US", "USDX", "U$D", "USD\\n"])
def test_currency_codes_in_requests_are_three_capitals(code: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(f'"{code}"'.encode(), type=Currency)
