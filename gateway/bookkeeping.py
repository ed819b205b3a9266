"""Double-entry bookkeeping: the lines that movements of money make, and what each line posts.

A line (a balance transaction) is never changed in its amounts. Where later facts make a movement
another one, a further line with the difference is booked, so that every sum as of a past moment
stays what it was. Each line posts entries that sum to zero, by construction.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from gateway.ids import dated_id, derived_id
from gateway.movements import Movement, MovementType

#: The account that a movement's gross amount is for; the other side is the provider's clearing.
CONTRA: Mapping[MovementType, str] = {
    "charge": "sales",
    "refund": "refunds",
    "refund_failure": "refunds",
    "dispute": "disputes",
    "dispute_reversal": "disputes",
    "reversal": "disputes",
    "fee": "suspense",  # a fee has no gross amount; a hand in the database would show here
    "fee_refund": "suspense",
    "conversion": "conversion",
    "payout": "payouts_in_transit",
    "payout_failure": "payouts_in_transit",
    "adjustment": "suspense",
}
ReportingCategory = Literal[
    "sales", "refunds", "disputes", "fees", "conversions", "payouts", "adjustments"
]
#: What finance counts a movement as.
CATEGORY: Mapping[MovementType, ReportingCategory] = {
    "charge": "sales",
    "refund": "refunds",
    "refund_failure": "refunds",
    "dispute": "disputes",
    "dispute_reversal": "disputes",
    "reversal": "disputes",
    "fee": "fees",
    "fee_refund": "fees",
    "conversion": "conversions",
    "payout": "payouts",
    "payout_failure": "payouts",
    "adjustment": "adjustments",
}


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A balance transaction as it is stored; `sequence` 0 is the first of its movement's key.

    Amounts are minor units of `currency`; `gross` is positive for money that came in. A line of
    the account itself (a payout, a monthly fee) is of no payment: `payment_id` is empty.
    """

    id: str
    payment_id: str
    key: str
    sequence: int
    type: MovementType
    provider: str
    gross: int
    fee: int
    net: int
    currency: str
    provider_id: str
    provider_balance_id: str = ""
    refund_id: str | None = None
    dispute_id: str | None = None
    rate: str | None = None
    settlement_currency: str | None = None
    occurred_at: datetime | None = None
    available_at: datetime | None = None


class Posting(msgspec.Struct, frozen=True):
    """One entry of a ledger transaction: a debit is positive, a credit negative."""

    account: str
    amount: int


class BalanceTransactionResource(msgspec.Struct, frozen=True):
    """One movement of money at a provider, or the correction of one.

    `net` = `gross` - `fee`, in minor units of `currency`; `gross` is positive for money that came
    in. A line of the account itself (a payout, a monthly fee) has no order. `settlement_currency`
    is that of the provider's booking, once it is known; if it is another, conversions at `rate`
    follow. `corrects` names the movement's first line where this one corrects it. `paid_at` is when
    the order was paid, `occurred_at` the provider's time of this movement, `available_on` when it
    can be paid out, `settled_at` when it was, with `payout`; `created_at` when it was booked here.
    """

    object: Literal["balance_transaction"]
    id: str
    livemode: bool
    type: MovementType
    reporting_category: ReportingCategory
    order: str | None
    order_reference: str | None
    payment: str | None
    refund: str | None
    dispute: str | None
    provider: str
    provider_id: str
    provider_balance_id: str | None
    gross: int
    fee: int
    net: int
    currency: str
    settlement_currency: str | None
    rate: str | None
    corrects: str | None
    payout: str | None
    paid_at: datetime | None
    occurred_at: datetime
    available_on: datetime | None
    settled_at: datetime | None
    created_at: datetime


class LedgerAccountResource(msgspec.Struct, frozen=True):
    """An account of the ledger and its sums; `balance` = `debits` - `credits`, minor units."""

    account: str
    currency: str
    debits: int
    credits: int
    balance: int


class TrialBalanceResource(msgspec.Struct, frozen=True):
    """All accounts with what had been booked up to `at`. Per currency the balances sum to zero."""

    at: datetime
    data: list[LedgerAccountResource]


class LedgerPostingResource(msgspec.Struct, frozen=True):
    """One side of a ledger entry: a debit is positive, a credit negative."""

    account: str
    currency: str
    amount: int


class LedgerEntryResource(msgspec.Struct, frozen=True):
    """A balance transaction in the ledger; its postings sum to zero.

    A payout has a second entry, of type `payout_paid`, once it has reached the bank.
    """

    object: Literal["ledger_entry"]
    id: str
    livemode: bool
    type: str
    balance_transaction: str
    order: str | None
    postings: list[LedgerPostingResource]
    occurred_at: datetime
    created_at: datetime


def missing_lines(known: Sequence[Line], wanted: Iterable[Movement]) -> list[Line]:
    """The lines to add to `known`, those of one order, for the books to say `wanted`. Pure."""
    booked: dict[tuple[str, str], list[Line]] = {}
    for line in known:
        booked.setdefault((line.payment_id, line.key), []).append(line)
    lines = []
    for movement in wanted:
        its = booked.pop((movement.payment_id, movement.key), [])
        lines += _difference(its, movement.gross, movement.fee, _line(movement, len(its)))
    for its in booked.values():  # what later facts showed not to have been
        last = max(its, key=lambda line: line.sequence)
        lines += _difference(its, 0, 0, _next(last, len(its)))
    return lines


def described(known: Sequence[Line], wanted: Iterable[Movement]) -> list[Line]:
    """Those of `known` of which something is known better now that is no amount. Pure."""
    movements = {(movement.payment_id, movement.key): movement for movement in wanted}
    better = []
    for line in known:
        if movement := movements.get((line.payment_id, line.key)):
            now = _line(movement, line.sequence)
            new = msgspec.structs.replace(
                line,
                refund_id=now.refund_id,
                dispute_id=now.dispute_id,
                provider_balance_id=now.provider_balance_id,
                rate=now.rate,
                settlement_currency=now.settlement_currency,
                occurred_at=now.occurred_at or line.occurred_at,
                available_at=now.available_at or line.available_at,
            )
            if new != line:
                better.append(new)
    return better


def _difference(booked: Sequence[Line], gross: int, fee: int, line: Line) -> list[Line]:
    gross -= sum(known.gross for known in booked)
    fee -= sum(known.fee for known in booked)
    if booked and gross == fee == 0:
        return []
    return [msgspec.structs.replace(line, gross=gross, fee=fee, net=gross - fee)]


def _line(movement: Movement, sequence: int) -> Line:
    return Line(
        id=_id(movement.payment_id, movement.provider, movement.key, sequence, movement.at),
        payment_id=movement.payment_id,
        key=movement.key,
        sequence=sequence,
        type=movement.type,
        provider=movement.provider,
        gross=movement.gross,
        fee=movement.fee,
        net=movement.net,
        currency=movement.currency,
        provider_id=movement.provider_id,
        provider_balance_id=movement.balance_id,
        refund_id=movement.refund_id,
        dispute_id=movement.dispute_id,
        rate=movement.rate,
        settlement_currency=movement.settlement_currency,
        occurred_at=movement.at,
        available_at=movement.available_at,
    )


def _next(line: Line, sequence: int) -> Line:
    following = _id(line.payment_id, line.provider, line.key, sequence, line.occurred_at)
    return msgspec.structs.replace(line, id=following, sequence=sequence)


def _id(payment_id: str, provider: str, key: str, sequence: int, at: datetime | None) -> str:
    if payment_id:
        return line_id(payment_id, key, sequence)
    assert at is not None  # what the provider's own books tell of has a date
    return account_line_id(provider, key, sequence, at)


def line_id(payment_id: str, key: str, sequence: int) -> str:
    """The id of a movement's line, always the same."""
    return derived_id("txn", payment_id, key, str(sequence))


def account_line_id(provider: str, key: str, sequence: int, at: datetime) -> str:
    """The same of a line of the account itself; `at` is when its first line occurred."""
    return dated_id("txn", at, provider, key, str(sequence))


def ledger_id(balance_transaction_id: str) -> str:
    """The id of the ledger transaction of a line: the same digits."""
    return "ltx" + balance_transaction_id.removeprefix("txn")


def postings(line: Line) -> tuple[Posting, ...]:
    """What a line posts, without entries of nothing. They sum to zero: net - gross + fee. Pure."""
    clearing = f"provider_clearing:{line.provider}:{line.currency}"
    all_of_it = (
        Posting(clearing, line.net),
        Posting(f"{CONTRA[line.type]}:{line.currency}", -line.gross),
        Posting(f"fees:{line.currency}", line.fee),
    )
    return tuple(posting for posting in all_of_it if posting.amount)
