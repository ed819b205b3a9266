"""A provider's own books: their lines, its payouts, and the optional power to read them."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Literal, Protocol, runtime_checkable

import msgspec

from gateway.money import Money

#: What a line of a provider's own books is. `fee`: one that belongs to no movement (a monthly
#: one, or a chargeback's); `payout_failure`: a payout came back, whose id is `object_id`; `hold`:
#: money that the provider keeps back for a while, and its release; `conversion`: what the movement
#: `object_id` brought leaves one currency, or comes into another, where that is a line of its own;
#: `adjustment`: whatever else it may be.
TransactionKind = Literal[
    "charge",
    "refund",
    "refund_failure",
    "dispute",
    "dispute_reversal",
    "reversal",
    "fee",
    "hold",
    "conversion",
    "adjustment",
    "payout",
    "payout_failure",
]


class ProviderTransaction(msgspec.Struct, frozen=True):
    """One line of the provider's own books: a movement of the merchant's balance there.

    `gross`, `fee` and `net` are in `currency`, that of the balance, and gross − fee = net; they are
    signed from the merchant's view (a refund's gross is negative, a fee that is kept positive).
    `original` is the movement as the buyer knows it, where it was converted, at `rate`. `object_id`
    is what moved the money, by the name that it has in our facts (the capture, refund, dispute or
    reversal, or the payout). `ids` are others by which its payment may be known, `reference` is our
    own payment's or refund's id where the provider echoes it. `payout_id`: what it was paid out
    with, where the provider tells. `at`: when the balance changed.
    """

    id: str
    kind: TransactionKind
    gross: int
    fee: int
    net: int
    currency: str
    at: datetime
    object_id: str
    ids: tuple[str, ...] = ()
    reference: str | None = None
    original: Money | None = None
    rate: str | None = None
    available_at: datetime | None = None
    payout_id: str | None = None
    balance_after: int | None = None
    description: str = ""


class ProviderPayout(msgspec.Struct, frozen=True):
    """Money that the provider sent to the bank: `amount`, positive, in minor units of `currency`.

    `transaction_id` is its own line in the books, whose gross is −`amount`. `balance_after` is what
    stayed behind in that currency, where the provider tells. `itemized`: whether a provider that
    names the lines of its payouts names those of this one. No adapter tells the rest, which its
    lines in the books do: `fee`, what the provider took for it besides, and when it came back into
    the balance (`returned_at`), with how much (`returned`).
    """

    id: str
    amount: int
    currency: str
    status: Literal["pending", "paid", "failed"]
    at: datetime
    arrives_at: datetime | None = None
    transaction_id: str | None = None
    balance_after: int | None = None
    itemized: bool = True
    fee: int = 0
    returned_at: datetime | None = None
    returned: int | None = None


#: How much of the past is read again, where the adapter does not say.
REPORT_OVERLAP = timedelta(days=14)


@runtime_checkable
class ClearsWithin(Protocol):
    """Knows how late a line may appear under an old date."""

    @property
    def report_overlap(self) -> timedelta:
        """The books of older time than this do not change any more."""
        ...


@runtime_checkable
class ListsTransactions(Protocol):
    """Can read its own books: what the settlement job compares ours with."""

    @property
    def report_lag(self) -> timedelta:
        """The books of younger time than this may not be complete yet."""
        ...

    @property
    def names_payout_lines(self) -> bool:
        """Whether the provider tells which lines a payout consists of."""
        ...

    def list_transactions(
        self, since: datetime, until: datetime
    ) -> AsyncIterator[ProviderTransaction]:
        """The lines from `since` to `until`, both included, in any order, page by page; only such
        as have moved money for certain. Raises Unavailable."""
        ...

    def list_payouts(self, since: datetime, until: datetime) -> AsyncIterator[ProviderPayout]:
        """The payouts made in that time. Raises Unavailable."""
        ...

    def payout_transactions(self, payout_id: str) -> AsyncIterator[ProviderTransaction]:
        """The lines of one payout, without its own, where `names_payout_lines`; else none.

        Raises Unavailable.
        """
        ...
