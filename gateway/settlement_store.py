"""What settlement asks of the store, as a part of gateway.ports.Transaction."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from gateway.expectations import Payment
from gateway.facts import Fact
from gateway.provider_books import ProviderPayout, ProviderTransaction
from gateway.settlement import Matching


class Side(msgspec.Struct, frozen=True):
    """Whose books: one account at a provider, in one mode."""

    account: str
    provider: str
    livemode: bool


class Sight(msgspec.Struct, frozen=True):
    """Who looks: a merchant, and whether what belongs to nobody is for them to see as well."""

    merchant_id: str
    nobodys: bool


class Span(msgspec.Struct, frozen=True):
    """A time, both ends included."""

    since: datetime
    until: datetime


class Books(msgspec.Struct, frozen=True):
    """A payment: what we know of it, and what stands in the provider's books."""

    payment: Payment
    facts: tuple[Fact, ...]
    lines: tuple[ProviderTransaction, ...]


class SettlementTransactions(Protocol):
    """What settlement asks of a transaction."""

    async def save_records(
        self, side: Side, lines: Sequence[ProviderTransaction], at: datetime
    ) -> None:
        """Store lines as read; one that is known is renewed. What is no order's is booked."""
        ...

    async def save_payout(self, side: Side, payout: ProviderPayout, at: datetime) -> bool:
        """Store a payout; True when it is new."""
        ...

    async def pending_payouts(self, side: Side) -> Mapping[str, datetime]:
        """The stored payouts that may still arrive or fail, with the time of each."""
        ...

    async def allot(self, side: Side, payout: ProviderPayout) -> Sequence[ProviderPayout]:
        """Put all that had come in by then, and was in no earlier payout, into this new one.
        Returns it and the later ones that lost lines to it."""
        ...

    async def place(
        self, side: Side, span: Span, read_before: Span | None, started: datetime
    ) -> Sequence[ProviderPayout]:
        """Put lines of `span` that are in no payout, or are new since `started`, into the stored
        ones that they precede, but for those of a time that was `read_before`. Returns the
        payouts that have got or lost any."""
        ...

    async def book_payout(self, side: Side, payout_id: str, at: datetime) -> None:
        """Post a stored payout to the ledger, as far as that has not been done."""
        ...

    async def mark_settled(self, side: Side, payout: ProviderPayout) -> None:
        """Note on our own lines which payout they were paid out with."""
        ...

    async def mark_booked_late(self, payments: Sequence[Payment]) -> None:
        """The same for what we booked of these payments after their payouts had been read."""
        ...

    async def to_settle(self, side: Side, since: datetime, until: datetime) -> Sequence[Payment]:
        """The payments that have to be compared."""
        ...

    async def books(self, side: Side, payments: Sequence[Payment]) -> Sequence[Books]:
        """Everything about these payments, on both sides."""
        ...

    async def strangers(
        self, side: Side, since: datetime, until: datetime
    ) -> Sequence[ProviderTransaction]:
        """Lines of a time that are about no payment of ours."""
        ...

    async def save_matching(
        self,
        side: Side,
        payments: Sequence[Payment],
        strangers: Sequence[ProviderTransaction],
        matching: Matching,
        at: datetime,
    ) -> None:
        """Note the pairs, and bring the exceptions of these payments and lines up to date."""
        ...

    async def work_exception(
        self,
        sight: Sight,
        livemode: bool,
        exception_id: str,
        by: str,
        action: str,
        note: str,
        at: datetime,
    ) -> bool:
        """Note, resolve or re-open an exception; False when there is none of that id."""
        ...

    async def close_period(
        self,
        merchant_id: str,
        livemode: bool,
        period: str,
        by: str,
        note: str,
        now: Callable[[], datetime],
    ) -> None:
        """Lock a month; one that is locked stays as it is.

        It waits for those who are storing lines, and asks `now` then.
        """
        ...
