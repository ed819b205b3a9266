"""Transaction search as the provider's books: kinds, signs, windows and what cannot be read."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from gateway.errors import Rejected, Unavailable
from providers.paypal.client import PayPalClient
from providers.paypal.resources import TransactionInfo, TransactionPage
from providers.paypal.settlement import LONGEST, lines, payouts, transaction

START = datetime(2026, 1, 1, tzinfo=UTC)


def info(**changed: Any) -> TransactionInfo:
    """A sale of 54.00 USD with a fee of 2.37."""
    told = {
        "transaction_id": "T1",
        "transaction_event_code": "T0006",
        "transaction_status": "S",
        "transaction_initiation_date": "2026-01-05T10:00:00Z",
        "transaction_amount": {"currency_code": "USD", "value": "54.00"},
        "fee_amount": {"currency_code": "USD", "value": "-2.37"},
        "ending_balance": {"currency_code": "USD", "value": "100.00"},
        "paypal_reference_id": "ORDER1",
        "custom_field": "pay_1",
    }
    return msgspec.convert(told | changed, TransactionInfo)


def amount(value: str, currency: str = "USD") -> dict[str, str]:
    return {"currency_code": currency, "value": value}


def test_a_sale() -> None:
    line = transaction(info())
    assert line is not None
    assert (line.kind, line.gross, line.fee, line.net) == ("charge", 5400, 237, 5163)
    assert (line.object_id, line.ids, line.reference) == ("T1", ("ORDER1",), "pay_1")
    assert line.balance_after == 10_000
    assert line.at == datetime(2026, 1, 5, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("code", "value", "kind"),
    [
        ("T0000", "5.00", "charge"),
        ("T0006", "-5.00", "adjustment"),
        ("T0106", "-5.00", "fee"),
        ("T0200", "-5.00", "conversion"),
        ("T0400", "-5.00", "payout"),
        ("T0400", "5.00", "payout_failure"),
        ("T1101", "5.00", "payout_failure"),
        ("T1110", "-5.00", "hold"),
        ("T1111", "5.00", "hold"),
        ("T2101", "-5.00", "hold"),
        ("T1106", "-5.00", "reversal"),
        ("T1107", "-5.00", "refund"),
        ("T1201", "-5.00", "reversal"),
        ("T1202", "5.00", "dispute_reversal"),
        ("T9999", "5.00", "adjustment"),
        ("", "5.00", "adjustment"),
    ],
)
def test_kinds(code: str, value: str, kind: str) -> None:
    line = transaction(info(transaction_event_code=code, transaction_amount=amount(value)))
    assert line is not None
    assert line.kind == kind


@pytest.mark.parametrize("code", ["T0200", "T1101"])
def test_what_is_about_another_transaction_names_it(code: str) -> None:
    line = transaction(info(transaction_event_code=code, paypal_reference_id="T0"))
    assert line is not None
    assert (line.id, line.object_id, line.ids) == ("T1", "T0", ("T0",))


def test_a_fee_given_back_is_negative() -> None:
    line = transaction(
        info(
            transaction_event_code="T1107",
            transaction_amount=amount("-10.00"),
            fee_amount=amount("0.34"),
        )
    )
    assert line is not None
    assert (line.gross, line.fee, line.net) == (-1000, -34, -966)


def test_forints_have_two_decimals_here_and_none_there() -> None:
    line = transaction(info(transaction_amount=amount("9000", "HUF"), fee_amount=None))
    assert line is not None
    assert (line.gross, line.fee, line.currency) == (900_000, 0, "HUF")
    assert line.balance_after is None  # that was told in another currency


@pytest.mark.parametrize("status", ["P", "D", ""])
def test_what_has_not_moved_money_is_none(status: str) -> None:
    assert transaction(info(transaction_status=status)) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"transaction_amount": None},
        {"transaction_amount": amount("1.234")},
        {"fee_amount": amount("-1.00", "EUR")},
        {"fee_amount": amount("much")},
        {"transaction_initiation_date": "yesterday"},
    ],
)
def test_what_cannot_be_read_is_not_left_out(changed: dict[str, Any]) -> None:
    with pytest.raises(Unavailable):
        transaction(info(**changed))


class Report(PayPalClient):
    """A report with one transaction an hour, that shows no more than `most` of a search."""

    def __init__(self, most: int = 10**6, size: int = 100) -> None:
        self.most, self.size = most, size
        self.asked: list[tuple[datetime, datetime]] = []

    async def search_transactions(
        self, since: datetime, until: datetime, page: int
    ) -> TransactionPage:
        """Some of the transactions of a time."""
        assert until - since <= LONGEST
        self.asked.append((since, until))
        hours = [
            START + timedelta(hours=hour)
            for hour in range(24 * 70)
            if since <= START + timedelta(hours=hour) <= until
        ]
        if len(hours) > self.most:
            raise Rejected("too many", provider_code="RESULTSET_TOO_LARGE")
        shown = hours[(page - 1) * self.size : page * self.size]
        details = [
            {
                "transaction_info": msgspec.to_builtins(
                    info(
                        transaction_id=at.strftime("%m%dT%H"),
                        transaction_initiation_date=at.isoformat(),
                    )
                )
            }
            for at in shown
        ]
        pages = -(-len(hours) // self.size)
        return msgspec.convert(
            {"transaction_details": details, "total_pages": pages}, TransactionPage
        )


@pytest.mark.parametrize("most", [10**6, 100, 7])
async def test_long_times_and_full_ones_are_read_in_parts(most: int) -> None:
    """Every transaction once: no window longer than 31 days, no page too many, none left out."""
    report = Report(most)
    found = [line.id async for line in lines(report, START, START + timedelta(days=69))]
    assert len(found) == len(set(found)) == 24 * 69 + 1


async def test_a_withdrawal_that_costs_something() -> None:
    """100.00 leave the balance, and 99.00 reach the bank."""

    class Withdrawals(Report):
        async def search_transactions(
            self, since: datetime, until: datetime, page: int
        ) -> TransactionPage:
            told = info(
                transaction_event_code="T0400",
                transaction_amount=amount("-99.00"),
                fee_amount=amount("-1.00"),
            )
            details = [{"transaction_info": msgspec.to_builtins(told)}]
            return msgspec.convert(
                {"transaction_details": details, "total_pages": 1}, TransactionPage
            )

    (own,) = [line async for line in lines(Withdrawals(), START, START)]
    (payout,) = [payout async for payout in payouts(Withdrawals(), START, START)]
    assert (own.kind, own.gross, own.fee, own.net) == ("payout", -9_900, 100, -10_000)
    assert (payout.amount, payout.transaction_id) == (9_900, own.id)


async def test_a_refusal_of_another_kind_is_unavailable() -> None:
    class Refusing(Report):
        async def search_transactions(
            self, since: datetime, until: datetime, page: int
        ) -> TransactionPage:
            raise Rejected("no", provider_code="INVALID_REQUEST")

    with pytest.raises(Unavailable):
        [line async for line in lines(Refusing(), START, START + timedelta(days=1))]
