"""What lists, files and sums can be restricted to, and the conditions that say so.

One definition for the API, the dashboard and the exports: the same filter finds the same rows. What
belongs to an order is found from an index of its own and joined; nothing here asks every order.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, CompoundSelect, Select, Table, select, true, union

from gateway.ids import earliest
from storage import tables as t
from storage.known import known_by

#: An id is dated when it is made. Its record's `created_at` is taken a moment before, and after a
#: clock was set back ids count on: so far the two may be apart.
MARGIN = timedelta(hours=1)

Orders = Select[Any] | CompoundSelect[Any]


class OrderFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What orders to list; None does not restrict. Ranges of time include their lower end only."""

    status: tuple[str, ...] | None = None
    provider: str | None = None
    currency: str | None = None
    reference: str | None = None
    customer_email: str | None = None
    provider_id: str | None = None
    metadata: Mapping[str, str] = {}
    created_from: datetime | None = None
    created_to: datetime | None = None
    paid_from: datetime | None = None
    paid_to: datetime | None = None
    amount_min: int | None = None
    amount_max: int | None = None
    attention: bool | None = None
    search: str | None = None


class RefundFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What refunds to list. `reference`, `customer_email`, `metadata`: of the order.

    `provider_id` is the refund's own; `search` finds all refunds of the orders known by it.
    """

    order: str | None = None
    payment: str | None = None
    status: tuple[str, ...] | None = None
    provider: str | None = None
    currency: str | None = None
    reference: str | None = None
    customer_email: str | None = None
    provider_id: str | None = None
    metadata: Mapping[str, str] = {}
    created_from: datetime | None = None
    created_to: datetime | None = None
    amount_min: int | None = None
    amount_max: int | None = None
    imported: bool | None = None
    search: str | None = None


class BookFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What balance transactions to list; as RefundFilter.

    Amounts are gross, so that money that went out is negative. `provider_id` is that of what moved
    the money, or of its booking.
    """

    order: str | None = None
    payment: str | None = None
    type: tuple[str, ...] | None = None
    provider: str | None = None
    currency: str | None = None
    payout: str | None = None
    reference: str | None = None
    customer_email: str | None = None
    provider_id: str | None = None
    metadata: Mapping[str, str] = {}
    created_from: datetime | None = None
    created_to: datetime | None = None
    occurred_from: datetime | None = None
    occurred_to: datetime | None = None
    amount_min: int | None = None
    amount_max: int | None = None
    search: str | None = None


Wanted = OrderFilter | RefundFilter | BookFilter
Condition = ColumnElement[bool]

TABLES: Mapping[type[Wanted], Table] = {
    OrderFilter: t.orders,
    RefundFilter: t.refunds,
    BookFilter: t.balance_transactions,
}


def conditions(merchant_id: str, livemode: bool, wanted: Wanted) -> list[Condition]:
    """The rows of the filter's own table that are wanted of one merchant and mode."""
    order_id = _order_id(wanted)
    few = few_orders(merchant_id, livemode, wanted)
    return [
        *_of_rows(merchant_id, livemode, wanted),
        *(order_id.in_(query) for query in (*few, *many_orders(merchant_id, wanted))),
    ]


def checks(merchant_id: str, livemode: bool, wanted: Wanted) -> list[Condition]:
    """The same, so that a row that was found is looked at, and nothing is searched by them.

    What may be said of many orders is asked for each row. What is said of few is asked once.
    """
    order_id = _order_id(wanted)
    few = few_orders(merchant_id, livemode, wanted)
    return [
        *_of_rows(merchant_id, livemode, wanted),
        *(order_id.in_(query).is_(true()) for query in few),  # so that it is not made a join
        *(
            query.with_only_columns(true())
            .where(t.order_metadata.c.order_id == order_id)
            .scalar_subquery()
            for query in many_orders(merchant_id, wanted)
        ),
    ]


def _order_id(wanted: Wanted) -> ColumnElement[Any]:
    return t.orders.c.id if isinstance(wanted, OrderFilter) else TABLES[type(wanted)].c.order_id


def _of_rows(merchant_id: str, livemode: bool, wanted: Wanted) -> list[Condition]:
    """The conditions on the columns of the filter's own table."""
    c = TABLES[type(wanted)].c
    found = [*own(wanted, merchant_id, livemode), *bounds(wanted)]
    if isinstance(wanted, OrderFilter):
        found += _of_orders(wanted)
    elif isinstance(wanted, RefundFilter):
        found += _of_refunds(wanted)
    else:
        found += _of_lines(wanted)
    for name in ("provider", "currency"):
        found += _equal(c[name], getattr(wanted, name))
    return [*found, *within(c.created_at, wanted.created_from, wanted.created_to)]


def own(wanted: Wanted, merchant_id: str, livemode: bool) -> tuple[Condition, Condition]:
    """The rows of one merchant and mode."""
    c = TABLES[type(wanted)].c
    return c.merchant_id == merchant_id, c.livemode == livemode


def few_orders(merchant_id: str, livemode: bool, wanted: Wanted) -> Iterator[Orders]:
    """Selects of order ids, to each of which the order must belong: of few orders each."""
    o, ids, pay = t.orders.c, t.provider_ids.c, t.payments.c
    own_orders = (o.merchant_id == merchant_id, o.livemode == livemode)
    if wanted.reference is not None:
        yield select(o.id).where(*own_orders, o.reference == wanted.reference)
    if isinstance(wanted, OrderFilter):
        if wanted.provider_id is not None:
            yield select(ids.order_id).where(
                ids.merchant_id == merchant_id, ids.provider_id == wanted.provider_id
            )
    else:
        if wanted.order is not None:
            yield select(o.id).where(o.merchant_id == merchant_id, o.id == wanted.order)
        if wanted.payment is not None:
            yield select(pay.order_id).where(
                pay.merchant_id == merchant_id, pay.id == wanted.payment
            )
    if wanted.search is not None:
        yield known_by(merchant_id, livemode, wanted.search)
    if wanted.customer_email is not None:  # the least few
        yield select(o.id).where(*own_orders, o.customer_email == wanted.customer_email)


def few_rows(merchant_id: str, wanted: Wanted) -> Orders | None:
    """Selects the ids of the few rows that a filter may find by a provider's id of their own."""
    if isinstance(wanted, OrderFilter) or wanted.provider_id is None:
        return None
    c = TABLES[type(wanted)].c
    own_ids = (
        (c.provider_refund_id,)
        if isinstance(wanted, RefundFilter)
        else (c.provider_id, c.provider_balance_id)
    )
    return union(
        *(
            select(c.id).where(c.merchant_id == merchant_id, column == wanted.provider_id)
            for column in own_ids
        )
    )


def many_orders(merchant_id: str, wanted: Wanted) -> Iterator[Select[Any]]:
    """The same: of who knows how many orders."""
    meta = t.order_metadata.c
    for key, value in wanted.metadata.items():
        yield select(meta.order_id).where(
            meta.merchant_id == merchant_id, meta.key == key, meta.value == value
        )


def priced(wanted: Wanted) -> list[Condition]:
    """The condition on the amount."""
    c = TABLES[type(wanted)].c
    column = c.gross if isinstance(wanted, BookFilter) else c.amount
    return [*_between(column, wanted.amount_min, wanted.amount_max)]


def bounds(wanted: Wanted) -> Iterator[Condition]:
    """Where in the order of its list all rows are that are wanted, as far as their times tell."""
    if isinstance(wanted, OrderFilter):
        order_id = t.orders.c.id
        if wanted.created_from is not None:
            yield order_id >= earliest("ord", wanted.created_from, -MARGIN)
        for latest in (wanted.created_to, wanted.paid_to):  # what was paid had been made
            if latest is not None:
                yield order_id < earliest("ord", latest, MARGIN)
    elif isinstance(wanted, BookFilter):
        created = t.balance_transactions.c.created_at
        yield from within(created, wanted.created_from, wanted.created_to)


def _of_orders(wanted: OrderFilter) -> Iterator[Condition]:
    c = t.orders.c
    yield from _one_of(c.status, wanted.status)
    if wanted.attention is not None:  # so, and not `= true`: the words of the index
        yield c.attention if wanted.attention else ~c.attention
    yield from within(c.paid_at, wanted.paid_from, wanted.paid_to)
    yield from priced(wanted)


def _of_refunds(wanted: RefundFilter) -> Iterator[Condition]:
    c = t.refunds.c
    yield from _one_of(c.status, wanted.status)
    yield from _equal(c.payment_id, wanted.payment)
    yield from _equal(c.provider_refund_id, wanted.provider_id)
    yield from _equal(c.imported, wanted.imported)
    yield from priced(wanted)


def _of_lines(wanted: BookFilter) -> Iterator[Condition]:
    c = t.balance_transactions.c
    yield from _one_of(c.type, wanted.type)
    yield from _equal(c.payment_id, wanted.payment)
    yield from _equal(c.payout_id, wanted.payout)
    if wanted.provider_id is not None:
        yield (c.provider_id == wanted.provider_id) | (c.provider_balance_id == wanted.provider_id)
    yield from within(c.occurred_at, wanted.occurred_from, wanted.occurred_to)
    yield from priced(wanted)


def _equal(column: ColumnElement[Any], value: object) -> Iterator[Condition]:
    if value is not None:
        yield column == value


def _one_of(column: ColumnElement[Any], values: tuple[str, ...] | None) -> Iterator[Condition]:
    if values is not None:
        yield column == values[0] if len(values) == 1 else column.in_(values)


def within(
    column: ColumnElement[Any], start: datetime | None, end: datetime | None
) -> Iterator[Condition]:
    """From `start` to before `end`."""
    if start is not None:
        yield column >= start
    if end is not None:
        yield column < end


def _between(
    column: ColumnElement[Any], least: int | None, most: int | None
) -> Iterator[Condition]:
    if least is not None:
        yield column >= least
    if most is not None:
        yield column <= most
