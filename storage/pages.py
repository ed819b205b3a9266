"""Pages of long lists: the newest rows that a filter wants, without reading those it does not.

A page is the end of an index that has the list's order, if many rows are wanted; if few are, it is
all of them, sorted. A planner guesses which, from statistics of each column by itself, and is wrong
by seconds where columns hang together. Here it is found out (on PostgreSQL; a database of the size
that SQLite is for can be asked plainly):

* What few orders have (a reference, an id, an address) is looked up, and the rest is checked there.
* Otherwise the newest rows are read, a bounded number: what many rows are is found among them.
* What is rare has an index: of the *kinds*, sorted by status, provider and currency and within each
  by age, or of words of the metadata, or of amounts. The smallest set of these is looked through.
  Which kinds there are is found in as many steps in their index, so that it costs nothing to find
  that a provider is never paid in yen.
* What was paid in a time was made shortly before, which ids tell. The exceptions have an index.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import CTE, Row, Select, Table, exists, func, literal, select, text, union_all
from sqlalchemy import tuple_ as row_of
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.util import ClauseAdapter

from gateway.ids import earliest
from gateway.order import PAID_STATUSES
from storage import tables as t
from storage.filters import (
    MARGIN,
    BookFilter,
    Condition,
    OrderFilter,
    Orders,
    RefundFilter,
    Wanted,
    bounds,
    checks,
    conditions,
    few_orders,
    few_rows,
    many_orders,
    own,
    priced,
    within,
)

#: The newest rows that are looked through first; and, where a few of them are wanted, at most.
WINDOW = 1_500
WIDEST = 36_000
#: So many rows may be looked up one by one for a page.
FEW = 4_000

#: Within this time an order is paid once it was made, and money booked once it has moved, but for
#: those in the indexes with these conditions.
_SOON = timedelta(days=1)
PAID_LATE = "paid_at - created_at > interval '1 day'"
BOOKED_APART = "created_at - occurred_at NOT BETWEEN interval '-1 day' AND interval '1 day'"
_FIRST, _LAST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


class Listing(msgspec.Struct, frozen=True):
    """How the rows of a list are told apart and sorted.

    `kind`: the columns of the index of kinds. `order`: those that the newest come first by.
    `priced`: which of `kind` the index of amounts begins with. `order_id`: whose the rows are.
    """

    table: Table
    kind: tuple[str, ...]
    order: tuple[str, ...]
    priced: tuple[str, ...]
    order_id: str


_LISTINGS: Mapping[type[Wanted], Listing] = {
    OrderFilter: Listing(
        t.orders, ("status", "provider", "currency"), ("id",), ("currency",), "id"
    ),
    RefundFilter: Listing(
        t.refunds, ("status", "provider", "currency"), ("id",), ("currency",), "order_id"
    ),
    BookFilter: Listing(
        t.balance_transactions,
        ("type", "provider", "currency"),
        ("created_at", "id"),
        ("type", "currency"),
        "order_id",
    ),
}


class Newest:
    """The newest rows of one merchant and mode that a filter wants, after a place in the list.

    `place`: the values of the last row before, by which the list is sorted; None for the first
    page.
    """

    def __init__(
        self, merchant_id: str, livemode: bool, wanted: Wanted, place: Sequence[Any] | None
    ) -> None:
        self._who = (merchant_id, livemode)
        self._wanted = wanted
        self._list = _LISTINGS[type(wanted)]
        self._own = own(wanted, *self._who)
        self._c = self._list.table.c
        self._keys = [self._c[name] for name in self._list.order]
        self._place = place

    @property
    def _before(self) -> list[Condition]:
        """The rows after the place. None, if the place is later than all that are wanted.

        Two bounds of which one is of two columns are no range for an index.
        """
        end = getattr(self._wanted, "created_to", None)
        return self._after_place(end if isinstance(self._wanted, BookFilter) else None)

    def _after_place(self, end: datetime | None) -> list[Condition]:
        if self._place is None or (end is not None and self._place[0] >= end):
            return []
        bounds = zip(self._place, self._keys, strict=True)
        return [row_of(*self._keys) < row_of(*(literal(v, key.type) for v, key in bounds))]

    async def plainly(self, connection: AsyncConnection, limit: int) -> list[str]:
        """The ids, found as the database thinks best."""
        found = select(self._c.id).where(*conditions(*self._who, self._wanted), *self._before)
        return await self._ids(connection, found.order_by(*self._descending()).limit(limit))

    async def quickly(self, connection: AsyncConnection, limit: int) -> list[str]:
        """The same on PostgreSQL, after a few short looks at its indexes."""
        rows = few_rows(self._who[0], self._wanted)
        if rows is not None:
            return await self._ids(connection, self._among(rows, "id", limit))
        few = next(few_orders(*self._who, self._wanted), None)
        if few is not None:
            return await self._ids(connection, self._among(few, self._list.order_id, limit))
        if getattr(self._wanted, "attention", None) or getattr(self._wanted, "payout", None):
            return await self.plainly(connection, limit)  # each has an index in the list's order
        ids, is_more = await self._look(connection, WINDOW, limit)
        if len(ids) == limit or not is_more:
            return ids
        kinds = await self._kinds(connection)
        if not kinds:
            return []
        rare, number = await self._rarest(connection, kinds)
        widest = WIDEST // 3 if self._wanted.metadata else WIDEST  # each word is one more look
        window = WINDOW * 3 // 2 * limit // len(ids) if ids else widest
        if rare and number < min(FEW, window // 2):
            return await self._ids(connection, self._among(*rare, limit))
        if ids:
            ids, is_more = await self._look(connection, min(window, widest), limit)
            if len(ids) == limit or not is_more:
                return ids
        query = self._among(*rare, limit) if rare and number < FEW else self._merged(limit)
        return await self._ids(connection, query)

    async def _ids(self, connection: AsyncConnection, query: Select[Any]) -> list[str]:
        return list(await connection.scalars(query))

    def _descending(self, columns: Any = None) -> list[Any]:
        columns = self._c if columns is None else columns
        return [columns[name].desc() for name in self._list.order]

    async def _look(
        self, connection: AsyncConnection, window: int, limit: int
    ) -> tuple[list[str], bool]:
        """The ids wanted among the newest rows, and whether there are further rows."""
        there = [*self._own, *bounds(self._wanted), *self._before]
        newest = select(self._list.table).where(*there).order_by(*self._descending())
        rows = newest.limit(window).subquery("newest")
        among = ClauseAdapter(rows)
        wanted = [among.traverse(part) for part in checks(*self._who, self._wanted)]
        ids = select(rows.c.id).where(*wanted).order_by(*self._descending(rows.c)).limit(limit)
        beyond = newest.with_only_columns(self._c.id).offset(window).limit(1)
        looked = select(func.array(ids.scalar_subquery()), exists(beyond))
        found, is_more = (await connection.execute(looked)).one()
        return list(found), is_more

    def _known(self) -> CTE:
        """All the kinds that there are: one step in their index for each."""
        names, there = self._list.kind, [*self._own]
        chosen = getattr(self._wanted, names[0])
        if chosen is not None and len(chosen) == 1:
            there.append(self._c[names[0]] == chosen[0])
            names = names[1:]
        order = [self._c[name] for name in names]
        one = select(*(self._c[name] for name in self._list.kind)).order_by(*order).limit(1)
        known = select(one.where(*there).subquery()).cte("kinds", recursive=True)
        later = row_of(*order) > row_of(*(known.c[name] for name in names))
        following = one.where(*there, later).lateral("following")
        return known.union_all(select(following).select_from(known.join(following, literal(True))))

    def _asked(self, kinds: CTE) -> list[Condition]:
        """Which kinds are wanted."""
        asked: list[Condition] = []
        for name in self._list.kind:
            value = getattr(self._wanted, name)
            if value is not None:
                asked.append(kinds.c[name].in_((value,) if isinstance(value, str) else value))
        if isinstance(self._wanted, OrderFilter) and (
            self._wanted.paid_from is not None or self._wanted.paid_to is not None
        ):
            asked.append(kinds.c.status.in_(sorted(PAID_STATUSES)))
        return asked

    async def _kinds(self, connection: AsyncConnection) -> Sequence[Row[Any]]:
        kinds = self._known()
        return (await connection.execute(select(kinds).where(*self._asked(kinds)))).all()

    async def _rarest(
        self, connection: AsyncConnection, kinds: Sequence[Row[Any]]
    ) -> tuple[tuple[Orders, str] | None, int]:
        """What fewest rows have of what the filter asks for, and how many have it (up to FEW)."""
        candidates: list[tuple[Orders, str]] = [
            (query, self._list.order_id) for query in many_orders(self._who[0], self._wanted)
        ]
        prices = priced(self._wanted)
        if prices:
            known = [
                self._c[name].in_(sorted({getattr(kind, name) for kind in kinds}))
                for name in self._list.priced
            ]
            there = [*self._own, *known, *prices, *bounds(self._wanted), *self._before]
            candidates.append((select(self._c.id).where(*there), "id"))
        if isinstance(self._wanted, RefundFilter):  # their ids tell nothing of their times
            made = within(self._c.created_at, self._wanted.created_from, self._wanted.created_to)
            if times := [*made]:
                candidates.append((select(self._c.id).where(*self._own, *times), "id"))
        if not candidates:
            return None, FEW
        counts = [
            select(func.count()).select_from(query.limit(FEW).subquery()).scalar_subquery()
            for query, _ in candidates
        ]
        numbers = (await connection.execute(select(*counts))).one()
        least = min(range(len(numbers)), key=numbers.__getitem__)
        return candidates[least], numbers[least]

    def _among(self, few: Orders, column: str, limit: int) -> Select[Any]:
        """The newest wanted rows of those whose `column` is among `few`."""
        rows = self._each(few, column, "few").subquery("found")
        return select(rows.c.id).order_by(*self._descending(rows.c)).limit(limit)

    def _each(self, few: Orders, column: str, name: str) -> Select[Any]:
        """Looks at every row whose `column` is among `few`, one by one."""
        given = few.cte(name).prefix_with("MATERIALIZED", dialect="postgresql")
        (value,) = given.c
        row = (
            select(*self._keys)
            .where(*checks(*self._who, self._wanted), *self._before, self._c[column] == value)
            .offset(0)  # a fence: to be done for each
            .lateral(f"each_{name}")
        )
        return select(row).select_from(given.join(row, literal(True)))

    def _merged(self, limit: int) -> Select[Any]:
        """The newest rows of each kind that is wanted, and those whose times are unusual."""
        others = msgspec.structs.replace(self._wanted, **dict.fromkeys(self._list.kind))
        usual, unusual = self._times()
        _, last = self._booked()
        before = self._before if last is None else self._after_place(last)
        kinds = self._known()
        same = [self._c[name] == kinds.c[name] for name in self._list.kind]
        each = (
            select(*self._keys)
            .where(*checks(*self._who, others), *before, *usual, *same)
            .order_by(*self._descending())
            .limit(limit)
            .lateral("of_kind")
        )
        joined = kinds.join(each, literal(True))
        parts = [select(each).select_from(joined).where(*self._asked(kinds))]
        if unusual:
            there = (*self._own, *bounds(self._wanted), *self._before, *unusual)
            parts.append(self._each(select(self._c.id).where(*there), "id", "late"))
        found = union_all(*parts).subquery("found")
        return select(found.c.id).order_by(*self._descending(found.c)).limit(limit)

    def _times(self) -> tuple[list[Any], list[Any]]:
        """Further bounds of the rows whose times are usual, and what tells the unusual ones."""
        wanted = self._wanted
        if isinstance(wanted, OrderFilter) and wanted.paid_from is not None:
            first = earliest("ord", wanted.paid_from, -MARGIN - _SOON)
            paid = within(self._c.paid_at, wanted.paid_from, wanted.paid_to)
            return [self._c.id >= first, text(f"NOT ({PAID_LATE})")], [text(PAID_LATE), *paid]
        booked = self._booked()
        if isinstance(wanted, BookFilter) and any(booked):
            moved = within(self._c.occurred_at, wanted.occurred_from, wanted.occurred_to)
            usual = [*within(self._c.created_at, *booked), text(f"NOT ({BOOKED_APART})")]
            return usual, [text(BOOKED_APART), *moved]
        return [], []

    def _booked(self) -> tuple[datetime | None, datetime | None]:
        """When everything usual was booked of what moved in the time that is wanted."""
        if not isinstance(self._wanted, BookFilter):
            return None, None
        start, end = self._wanted.occurred_from, self._wanted.occurred_to
        return start and max(start, _FIRST) - _SOON, end and min(end, _LAST) + _SOON


async def newest(
    connection: AsyncConnection,
    merchant_id: str,
    livemode: bool,
    wanted: Wanted,
    place: Sequence[Any] | None,
    limit: int,
) -> list[str]:
    """The ids of a page: of the `limit` newest rows that are wanted, after a `place`."""
    rows = Newest(merchant_id, livemode, wanted, place)
    if connection.dialect.name != "postgresql":
        return await rows.plainly(connection, limit)
    # A plan made for any values would be a bad one for most.
    await connection.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))
    return await rows.quickly(connection, limit)
