"""Whose a line of a provider's books is, for who looks at it.

A line of an order is its merchant's. One of no order is booked as a merchant's own where there was
one merchant only, and stays theirs when others come; else it is nobody's, which not everybody sees.
"""

from typing import Any

from sqlalchemy import ColumnCollection, ColumnElement, and_, exists, or_, select

from gateway.settlement_store import Sight
from storage import tables as t

Columns = ColumnCollection[str, Any]


def seen(sight: Sight, of: Columns, record_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether a record, or a difference about one, is theirs to see."""
    b, m = t.balance_transactions.c, t.merchants.c
    same = and_(b.provider_balance_id == record_id, b.provider_balance_id != "")  # as its index
    if "object_id" in of:  # the return of a payout is booked by the payout's name
        back = (of.kind == "payout_failure", b.type == "payout_failure")
        same = or_(same, and_(*back, b.provider_id == of.object_id))
    booked = (b.order_id.is_(None), b.provider == of.provider, b.livemode == of.livemode, same)
    here = exists().where(b.merchant_id == sight.merchant_id, *booked)
    others = select(m.id).where(m.id != sight.merchant_id)
    elsewhere = exists().where(b.merchant_id.in_(others), *booked)
    theirs = ~elsewhere if sight.nobodys else and_(here, ~elsewhere)
    return or_(of.merchant_id == sight.merchant_id, and_(of.merchant_id == "", theirs))
