"""Saved views: what a person filters a list of the dashboard by, kept under a name."""

import msgspec
from sqlalchemy import delete, func, select

from gateway.errors import Conflict, NotFound
from gateway.ids import Ids
from gateway.ports import Clock
from storage import tables as t
from storage.engine import Database

#: So many views of one list may a merchant's people keep.
MOST = 100


class SavedView(msgspec.Struct, frozen=True):
    """A view. `query` is the page's address after the question mark; `shared`: all may use it."""

    id: str
    list: str
    owner: str
    shared: bool
    name: str
    query: str


class SavedViews:
    """Every read and write names the merchant, and whose views are meant."""

    def __init__(self, database: Database, ids: Ids, clock: Clock) -> None:
        self._database = database
        self._ids = ids
        self._clock = clock

    async def add(
        self, merchant_id: str, owner: str, list_: str, name: str, query: str, *, shared: bool
    ) -> SavedView:
        """Keep a view. Raises Conflict when there are too many."""
        view = SavedView(self._ids.new("view"), list_, owner, shared, name, query)
        c = t.saved_views.c
        count = select(func.count()).where(c.merchant_id == merchant_id, c.list == list_)
        async with self._database.write() as connection:
            if (await connection.scalar(count) or 0) >= MOST:
                raise Conflict(f"there are {MOST} views of this list: delete one first")
            await connection.execute(
                t.saved_views.insert().values(
                    merchant_id=merchant_id,
                    created_at=self._clock.now(),
                    **msgspec.structs.asdict(view),
                )
            )
        return view

    async def of_list(self, merchant_id: str, owner: str, list_: str) -> list[SavedView]:
        """The shared ones and the owner's, by name."""
        c = t.saved_views.c
        query = (
            select(t.saved_views)
            .where(
                c.merchant_id == merchant_id,
                c.list == list_,
                (c.owner == owner) | c.shared.is_(True),
            )
            .order_by(c.name, c.id)
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [
            SavedView(row.id, row.list, row.owner, row.shared, row.name, row.query) for row in rows
        ]

    async def remove(self, merchant_id: str, owner: str, view_id: str, *, any_shared: bool) -> None:
        """Delete one's own or, with `any_shared`, anybody's that all use. Raises NotFound."""
        c = t.saved_views.c
        whose = c.owner == owner
        if any_shared:
            whose |= c.shared.is_(True)
        async with self._database.write() as connection:
            result = await connection.execute(
                delete(t.saved_views).where(c.merchant_id == merchant_id, c.id == view_id, whose)
            )
        if result.rowcount == 0:
            raise NotFound("there is no such view of yours")
