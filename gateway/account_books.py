"""What an account at a provider moves by itself, for the books: payouts, monthly fees, adjustments.

An order's lines come from its facts (gateway/movements.py); these come from the provider's own
books, as the settlement job read them. Pure.
"""

from collections.abc import Mapping
from datetime import datetime

from gateway.bookkeeping import Posting
from gateway.ids import dated_id
from gateway.movements import Movement, natural_key
from gateway.provider_books import ProviderPayout, ProviderTransaction


def shares(amount: int, nets: Mapping[str, int], owner: str) -> dict[str, int]:
    """How much of a payout is whose: each merchant's lines in it, from `nets`; and what belongs to
    nobody, what was brought forward or cannot be explained, is `owner`'s, if there is one."""
    own = {merchant: net for merchant, net in nets.items() if merchant}
    if owner:
        own[owner] = amount - sum(net for merchant, net in own.items() if merchant != owner)
    return {merchant: share for merchant, share in own.items() if share}


def payout_movements(
    provider: str, payout: ProviderPayout, share: int, *, owner: bool
) -> tuple[Movement, ...]:
    """What a payout takes from the balance for somebody's `share` of it, and gives back, if it came
    back, once it has. The `owner` has its fee, and what came back less than it was."""
    gone = Movement(
        key=payout_key(payout.id),
        type="payout",
        payment_id="",
        provider=provider,
        gross=-share,
        fee=payout.fee if owner else 0,
        currency=payout.currency,
        settlement_currency=payout.currency,
        provider_id=payout.id,
        balance_id=payout.transaction_id or "",
        at=payout.at,
    )
    kept = 0 if payout.returned is None else payout.amount - payout.returned
    back = Movement(
        key=failure_key(payout.id),
        type="payout_failure",
        payment_id="",
        provider=provider,
        gross=share,
        fee=kept if owner else 0,
        currency=payout.currency,
        settlement_currency=payout.currency,
        provider_id=payout.id,
        at=payout.returned_at,
    )
    moved = (gone,) if payout.returned_at is None else (gone, back)
    return tuple(movement for movement in moved if movement.gross or movement.fee)


def payout_key(payout_id: str) -> str:
    """The key of the line of a payout."""
    return natural_key("payout", payout_id)


def failure_key(payout_id: str) -> str:
    """The key of the line that takes it back."""
    return natural_key("payout_failure", payout_id)


def record_key(record_id: str) -> str:
    """The key of the line of what stands in the provider's books only."""
    return natural_key("record", record_id)


def record_movement(provider: str, line: ProviderTransaction) -> Movement | None:
    """What a line of the provider's books that nothing else accounts for means for ours.

    A fee is a fee; whatever else it is (a payout that came back and was never seen to go, too)
    waits in suspense until somebody knows.
    """
    if line.kind == "payout":
        return None
    fee = line.kind == "fee"
    return Movement(
        key=record_key(line.id),
        type=("fee" if line.net < 0 else "fee_refund") if fee else "adjustment",
        payment_id="",
        provider=provider,
        gross=0 if fee else line.gross,
        fee=-line.net if fee else line.fee,
        currency=line.currency,
        settlement_currency=line.currency,
        provider_id=line.object_id,
        balance_id=line.id,
        at=line.at,
        available_at=line.available_at,
    )


def arrival(payout: ProviderPayout, share: int, booked: int) -> tuple[Posting, ...]:
    """What to post for the bank to have `share` once the payout is paid, and nothing before;
    `booked` is what it has."""
    due = (share if payout.status == "paid" else 0) - booked
    if not due:
        return ()
    return (
        Posting(f"bank:{payout.currency}", due),
        Posting(f"payouts_in_transit:{payout.currency}", -due),
    )


def arrival_id(provider: str, payout_id: str, at: datetime, number: int) -> str:
    """The id of the ledger transaction of the `number`th arrival: a bank may return a payout."""
    return dated_id("ltx", at, provider, payout_id, "paid", str(number))
