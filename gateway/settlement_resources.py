"""The shapes in which the API shows settlement: payouts, exceptions, closed months."""

from datetime import datetime
from typing import Literal

import msgspec

from gateway.settlement import ExceptionKind, StatementRow


class PayoutResource(msgspec.Struct, frozen=True):
    """Money that a provider sent to the bank. `amount` is in minor units of `currency`."""

    object: Literal["payout"]
    id: str
    livemode: bool
    provider: str
    provider_payout_id: str
    amount: int
    currency: str
    status: Literal["pending", "paid", "failed"]
    created_at: datetime
    arrives_at: datetime | None


class PayoutStatement(msgspec.Struct, frozen=True):
    """A payout explained: the `net` of all rows sums to its amount; `exact` if no row is
    `unexplained`. `others` are the lines of other merchants on the same provider account."""

    object: Literal["payout_statement"]
    payout: PayoutResource
    rows: list[StatementRow]
    exact: bool


class ExceptionNote(msgspec.Struct, frozen=True):
    """What was done about an exception, by whom (a key's id, or the machine), and when."""

    at: datetime
    by: str
    action: Literal["found", "noted", "resolved", "reopened", "gone"]
    note: str | None


class SettlementException(msgspec.Struct, frozen=True):
    """What does not agree: `expected` stands in our books, `actual` in the provider's."""

    object: Literal["settlement_exception"]
    id: str
    livemode: bool
    provider: str
    kind: ExceptionKind
    status: Literal["open", "resolved", "gone"]
    provider_transaction_id: str | None
    order: str | None
    payment: str | None
    expected: int | None
    expected_currency: str | None
    actual: int | None
    actual_currency: str | None
    occurred_at: datetime
    created_at: datetime
    updated_at: datetime
    notes: list[ExceptionNote]


class LateLine(msgspec.Struct, frozen=True):
    """A line of a closed month that came in after it was closed.

    `book`: the provider's (it was read at `read_at`), or ours (it was booked then, as
    `balance_transaction`).
    """

    book: Literal["provider", "ours"]
    provider: str
    provider_transaction_id: str | None
    balance_transaction: str | None
    kind: str
    order: str | None
    gross: int
    fee: int
    net: int
    currency: str
    occurred_at: datetime
    read_at: datetime


class PeriodResource(msgspec.Struct, frozen=True):
    """A month, by UTC; `late` is what came in after it was closed, the first 500 of each book."""

    object: Literal["period"]
    period: str
    status: Literal["open", "closed"]
    closed_at: datetime | None
    closed_by: str | None
    note: str | None
    late: list[LateLine]
