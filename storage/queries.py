"""Reads: plain queries around the domain, with keyset pagination."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.order import OrderState
from gateway.records import Answer, KeyClaim, OrderRecord, TimelineEntry
from gateway.resources import OrderResource, RefundResource, order_resource, refund_resource
from storage import tables as t
from storage.engine import Database
from storage.filters import OrderFilter, RefundFilter
from storage.pages import newest
from storage.unit_of_work import order_record

_decode_state = msgspec.json.Decoder(OrderState).decode
_decode_data = msgspec.json.Decoder(dict[str, Any]).decode


class Found(msgspec.Struct, frozen=True):
    """An order as stored: its terms and its state."""

    record: OrderRecord
    state: OrderState
    updated_at: datetime


class Queries:
    """All reads of the API. Every one names the merchant and the mode, but for `any_order`."""

    def __init__(self, database: Database, client_token: Callable[[str], str]) -> None:
        self._database = database
        self._client_token = client_token

    def resource(self, found: Found) -> OrderResource:
        """The order as the API shows it."""
        return order_resource(
            found.record,
            found.state,
            client_token=self._client_token(found.record.id),
            updated_at=found.updated_at,
        )

    async def order(self, merchant_id: str, livemode: bool, order_id: str) -> OrderResource | None:
        """One order of this merchant and mode."""
        c = t.orders.c
        own = (c.merchant_id == merchant_id) & (c.livemode == livemode) & (c.id == order_id)
        found = await self._orders(select(t.orders).where(own))
        return self.resource(found[0]) if found else None

    async def any_order(self, order_id: str) -> Found | None:
        """An order by its id alone: for the buyer's return, who has no key."""
        found = await self._orders(select(t.orders).where(t.orders.c.id == order_id))
        return found[0] if found else None

    async def orders(
        self, merchant_id: str, livemode: bool, wanted: OrderFilter, after: str | None, limit: int
    ) -> tuple[list[OrderResource], str | None]:
        """A page of orders, newest first, and the id after which the next one starts."""
        c = t.orders.c
        async with self._database.read() as connection:
            place = None if after is None else (after,)
            ids = await newest(connection, merchant_id, livemode, wanted, place, limit + 1)
            query = select(t.orders).where(c.merchant_id == merchant_id, c.id.in_(ids[:limit]))
            found = await _load(connection, query.order_by(c.id.desc()))
        shown = [self.resource(order) for order in found]
        return shown, ids[limit - 1] if len(ids) > limit else None

    async def refund(
        self, merchant_id: str, livemode: bool, refund_id: str
    ) -> RefundResource | None:
        """One refund of this merchant and mode."""
        c = t.refunds.c
        query = select(c.id, c.order_id).where(
            c.merchant_id == merchant_id, c.livemode == livemode, c.id == refund_id
        )
        async with self._database.read() as connection:
            refunds = await _refunds(connection, merchant_id, query)
        return refunds[0] if refunds else None

    async def refunds(
        self, merchant_id: str, livemode: bool, wanted: RefundFilter, after: str | None, limit: int
    ) -> tuple[list[RefundResource], str | None]:
        """A page of refunds, newest first, and the id after which the next one starts."""
        c = t.refunds.c
        async with self._database.read() as connection:
            place = None if after is None else (after,)
            ids = await newest(connection, merchant_id, livemode, wanted, place, limit + 1)
            own = (c.merchant_id == merchant_id, c.id.in_(ids[:limit]))
            query = select(c.id, c.order_id).where(*own).order_by(c.id.desc())
            shown = await _refunds(connection, merchant_id, query)
        return shown, ids[limit - 1] if len(ids) > limit else None

    async def timeline(self, merchant_id: str, order_id: str) -> list[TimelineEntry]:
        """An order's story, in order."""
        c = t.timeline.c
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(t.timeline)
                .where(c.merchant_id == merchant_id, c.order_id == order_id)
                .order_by(c.id)
            )
            return [
                TimelineEntry(
                    row.id, row.at, row.kind, row.summary, row.rule, _decode_data(row.data)
                )
                for row in rows
            ]

    async def earlier(self, claim: KeyClaim) -> tuple[Answer | None, bool]:
        """The answer that this very request was given before; whether it has reserved its work."""
        c = t.idempotency_keys.c
        async with self._database.read() as connection:
            row = (
                await connection.execute(
                    select(c.answer_status, c.answer_body, c.resource_id).where(
                        c.merchant_id == claim.merchant_id,
                        c.livemode == claim.livemode,
                        c.key == claim.key,
                        c.fingerprint == claim.fingerprint,
                    )
                )
            ).first()
        if row is None:
            return None, False
        answered = row.answer_status is not None
        answer = Answer(row.answer_status, row.answer_body) if answered else None
        return answer, row.resource_id is not None

    async def ping(self) -> None:
        """Raises StoreUnavailable when the database does not answer."""
        async with self._database.read() as connection:
            await connection.execute(select(1))

    async def _orders(self, query: Select[Any]) -> list[Found]:
        async with self._database.read() as connection:
            return await _load(connection, query)


async def _load(connection: AsyncConnection, query: Select[Any]) -> list[Found]:
    """Orders with their items: two queries, however many orders."""
    rows = (await connection.execute(query)).all()
    items: dict[str, list[Row[Any]]] = {row.id: [] for row in rows}
    if rows:
        c = t.order_items.c
        found = await connection.execute(
            select(t.order_items)
            .where(c.merchant_id == rows[0].merchant_id, c.order_id.in_(list(items)))
            .order_by(c.order_id, c.position)
        )
        for item in found:
            items[item.order_id].append(item)
    return [
        Found(order_record(row, items[row.id]), _decode_state(row.state), row.updated_at)
        for row in rows
    ]


async def _refunds(
    connection: AsyncConnection, merchant_id: str, query: Select[Any]
) -> list[RefundResource]:
    """Refunds by a query for their ids and their orders', in its order."""
    rows = (await connection.execute(query)).all()
    ids = {row.order_id for row in rows}
    wanted = select(t.orders).where(t.orders.c.merchant_id == merchant_id, t.orders.c.id.in_(ids))
    orders = {order.record.id: order for order in await _load(connection, wanted)}
    shown = []
    for row in rows:
        order = orders[row.order_id]
        # One that was imported may have been found to be ours between the two queries.
        its = [refund for refund in order.state.refunds if refund.id == row.id]
        shown += [refund_resource(order.record, order.state, refund) for refund in its]
    return shown
