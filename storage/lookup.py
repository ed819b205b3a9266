"""Finding something by whatever an operator has in hand, whoever's it is."""

import msgspec
from sqlalchemy import Table, select, union

from storage import tables as t
from storage.engine import Database


class Owned(msgspec.Struct, frozen=True, order=True):
    """An object, and whose it is."""

    merchant_id: str
    livemode: bool
    id: str


class Lookup:
    """Ids are unique; a merchant's references, and a provider's ids, need not be."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def orders(self, word: str) -> list[Owned]:
        """The orders with this id, with a payment or refund of this id, with this reference, or
        with anything that a provider calls by this id."""
        o = t.orders.c
        everyone = select(t.merchants.c.id)  # keys and indexes begin with the merchant
        by_own = select(o.merchant_id, o.id).where(o.id == word)
        by_reference = select(o.merchant_id, o.id).where(
            o.merchant_id.in_(everyone), o.livemode.in_((False, True)), o.reference == word
        )
        r, p, i = t.refunds.c, t.payments.c, t.provider_ids.c
        by_refund = select(r.merchant_id, r.order_id).where(
            r.merchant_id.in_(everyone), r.id == word
        )
        by_payment = select(p.merchant_id, p.order_id).where(p.id == word)
        by_provider = select(i.merchant_id, i.order_id).where(i.provider_id == word)
        found = union(by_own, by_reference, by_refund, by_payment, by_provider).subquery("found")
        query = select(o.merchant_id, o.livemode, o.id).join(
            found, (o.merchant_id == found.c.merchant_id) & (o.id == found.c.id)
        )
        async with self._database.read() as connection:
            return sorted(Owned(*row) for row in await connection.execute(query))

    async def merchants(self, word: str | None) -> list[str]:
        """The ids of the merchants with this id or name; of all, without a word."""
        c = t.merchants.c
        query = select(c.id).order_by(c.id)
        if word is not None:
            query = query.where((c.id == word) | (c.name == word))
        async with self._database.read() as connection:
            return [str(merchant_id) for merchant_id in await connection.scalars(query)]

    async def delivery(self, delivery_id: str) -> Owned | None:
        """The delivery with this id."""
        return await self._one(t.deliveries, delivery_id)

    async def event(self, event_id: str) -> Owned | None:
        """The event of a merchant's feed with this id."""
        return await self._one(t.events, event_id)

    async def _one(self, table: Table, object_id: str) -> Owned | None:
        c = table.c
        query = select(c.merchant_id, c.livemode, c.id).where(
            c.merchant_id.in_(select(t.merchants.c.id)), c.id == object_id
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        return None if row is None else Owned(*row)
