"""Which orders are known by an id that somebody holds.

Ours says by its prefix what it is of. Anything else may be the merchant's own number, what a
provider calls the order, its payments, refunds, disputes, bookings or payouts, or an e-mail
address. Every look is one in an index, and exact.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import CompoundSelect, Select, Table, select, union

from storage import tables as t

#: Our ids by their prefix: where they are, beside the order's that they belong to.
_OURS: dict[str, Table] = {
    "pay": t.payments,
    "ref": t.refunds,
    "evt": t.events,
    "dlv": t.deliveries,
    "att": t.attention,
    "txn": t.balance_transactions,
    "exc": t.settlement_exceptions,
}


def known_by(merchant_id: str, livemode: bool, text: str) -> CompoundSelect[Any]:
    """Selects the ids of the orders of one merchant and mode that are known by `text`."""
    return union(*_places(merchant_id, livemode, text))


def _places(merchant_id: str, livemode: bool, text: str) -> Iterator[Select[Any]]:
    orders, ids, lines, payouts = (
        t.orders.c,
        t.provider_ids.c,
        t.balance_transactions.c,
        t.provider_payouts.c,
    )
    own = (orders.merchant_id == merchant_id, orders.livemode == livemode)
    yield select(orders.id).where(*own, orders.reference == text)
    yield select(ids.order_id).where(ids.merchant_id == merchant_id, ids.provider_id == text)
    booked = (
        lines.merchant_id == merchant_id,
        lines.livemode == livemode,
        lines.order_id.is_not(None),
    )
    yield select(lines.order_id).where(
        *booked, lines.provider_balance_id == text, lines.provider_balance_id != ""
    )
    yield select(lines.order_id).where(*booked, lines.payout_id == text)
    if "@" in text:
        yield select(orders.id).where(*own, orders.customer_email == text)
    prefix, _, digits = text.partition("_")
    if prefix == "ord":
        yield select(orders.id).where(*own, orders.id == text)
    elif prefix == "ltx":  # an entry of the ledger has the digits of its line
        yield select(lines.order_id).where(*booked, lines.id == f"txn_{digits}")
    elif prefix == "pout":
        theirs = select(payouts.provider_payout_id).where(payouts.id == text)
        yield select(lines.order_id).where(*booked, lines.payout_id.in_(theirs))
    elif prefix in _OURS:
        c = _OURS[prefix].c
        yield select(c.order_id).where(
            c.merchant_id == merchant_id, c.id == text, c.order_id.is_not(None)
        )
