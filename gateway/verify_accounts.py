"""Verification of the lines that are of no order: payouts and what a provider's books alone tell.

Their truth is what was read from the providers' own books. Whatever is in the ledger of it is
computed anew from there, payout by payout and line by line, and compared.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

import msgspec

from gateway.account_books import payout_movements, record_movement, shares
from gateway.bookkeeping import Line, Posting, ledger_id, postings
from gateway.movements import Movement
from gateway.provider_books import ProviderPayout, ProviderTransaction
from gateway.verify import Mismatch, Progress


class BookedLines(msgspec.Struct, frozen=True):
    """The lines of one merchant with some keys, and what is in the ledger of each."""

    lines: Sequence[Line]
    entries: Mapping[str, Sequence[Posting]]


class StoredPayout(msgspec.Struct, frozen=True):
    """A payout as read; `nets` of its lines by merchant, `owner` who has what is nobody's.

    `booked` by merchant; `arrived` is what its arrival has posted to each account, by merchant.
    """

    provider: str
    payout: ProviderPayout
    nets: Mapping[str, int]
    owner: str
    booked: Mapping[str, BookedLines]
    arrived: Mapping[str, Mapping[str, int]]


class StoredRecord(msgspec.Struct, frozen=True):
    """A line of a provider's books, and what was booked of it; `elsewhere`: something else (an
    order's facts, a payout) accounts for it; `owner`: the merchant of the order that it is of."""

    provider: str
    line: ProviderTransaction
    elsewhere: bool
    owner: str
    booked: Mapping[str, BookedLines]


class Accounts(Protocol):
    """What verification asks of the store. Batches are of bounded size."""

    def stored_payouts(self) -> AsyncIterator[Sequence[StoredPayout]]:
        """All payouts."""
        ...

    def stored_records(self) -> AsyncIterator[Sequence[StoredRecord]]:
        """All lines of the providers' books that are of no order, or were booked as such, and the
        fees of orders."""
        ...


async def verify_accounts(accounts: Accounts) -> AsyncIterator[Progress]:
    """Compare every payout, then every line of no order, batch by batch, in constant memory."""
    async for payouts in accounts.stored_payouts():
        yield Progress(0, tuple(found for one in payouts for found in payout_mismatches(one)))
    async for records in accounts.stored_records():
        yield Progress(0, tuple(found for one in records for found in record_mismatches(one)))


def payout_mismatches(stored: StoredPayout) -> list[Mismatch]:
    """Where a payout is posted otherwise than it was read. Pure."""
    payout = stored.payout
    its = shares(payout.amount, stored.nets, stored.owner)
    found = []
    for merchant in sorted({*its, *stored.booked, *stored.arrived, stored.owner} - {""}):
        share, owner = its.get(merchant, 0), merchant == stored.owner
        movements = payout_movements(stored.provider, payout, share, owner=owner)
        found += _differences(merchant, payout.id, stored.booked.get(merchant), movements)
        at_bank = share if payout.status == "paid" else 0
        arrived = {name: sum_ for name, sum_ in stored.arrived.get(merchant, {}).items() if sum_}
        due = {
            f"bank:{payout.currency}": at_bank,
            f"payouts_in_transit:{payout.currency}": -at_bank,
        }
        due = {name: amount for name, amount in due.items() if amount}
        if arrived != due:
            found.append(_mismatch(merchant, f"payout {payout.id}, arrival", arrived, due))
    return found


def record_mismatches(stored: StoredRecord) -> list[Mismatch]:
    """Where a line that nothing else accounts for is booked otherwise than it was read. Pure.

    Of no order, nobody has to have it: with several merchants it is only listed.
    """
    movement = None if stored.elsewhere else record_movement(stored.provider, stored.line)
    holders = {*stored.booked, stored.owner} - {""} if movement else stored.booked
    found = []
    for merchant in sorted(holders):
        wanted = (movement,) if movement and stored.owner in ("", merchant) else ()
        found += _differences(merchant, stored.line.id, stored.booked.get(merchant), wanted)
    return found


def _differences(
    merchant: str, subject: str, booked: BookedLines | None, wanted: Sequence[Movement]
) -> list[Mismatch]:
    sums: dict[str, tuple[int, int, str]] = {}
    entries: Mapping[str, Sequence[Posting]] = booked.entries if booked else {}
    lines = booked.lines if booked else ()
    for line in lines:
        gross, fee, _ = sums.get(line.key, (0, 0, ""))
        sums[line.key] = gross + line.gross, fee + line.fee, line.currency
    due = {m.key: (m.gross, m.fee, m.currency) for m in wanted}
    standing = {key: told for key, told in sums.items() if key in due or any(told[:2])}
    posted = {ledger_id(line.id): sorted(_pairs(postings(line))) for line in lines}
    stored = {transaction: sorted(_pairs(its)) for transaction, its in entries.items()}
    compared = [
        (f"lines of {subject}", standing, due),
        (f"ledger of {subject}", stored, {name: its for name, its in posted.items() if its}),
    ]
    return [_mismatch(merchant, name, was, now) for name, was, now in compared if was != now]


def _pairs(its: Sequence[Posting]) -> list[tuple[str, int]]:
    return [(posting.account, posting.amount) for posting in its]


def _mismatch(merchant: str, field: str, stored: object, computed: object) -> Mismatch:
    return Mismatch(merchant, "", field, _json(stored), _json(computed))


def _json(value: object) -> str:
    return msgspec.json.encode(value, order="sorted").decode()[:300]
