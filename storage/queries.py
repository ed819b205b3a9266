"""Reads: plain queries around the domain, with keyset pagination."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, Select, exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.order import OrderState
from gateway.records import Answer, KeyClaim, OrderRecord, TimelineEntry
from gateway.resources import OrderResource, RefundResource, order_resource, refund_resource
from storage import tables as t
from storage.engine import Database
from storage.unit_of_work import order_record

_decode_state = msgspec.json.Decoder(OrderState).decode
_decode_data = msgspec.json.Decoder(dict[str, Any]).decode


class OrderFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What orders to list; None does not restrict. Ranges include their lower end only."""

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
        query = (
            select(t.orders)
            .where(c.merchant_id == merchant_id, c.livemode == livemode, *_conditions(wanted))
            .order_by(c.id.desc())
            .limit(limit + 1)
        )
        if after is not None:
            query = query.where(c.id < after)
        found = await self._orders(query)
        shown = [self.resource(order) for order in found[:limit]]
        return shown, shown[-1].id if len(found) > limit else None

    async def refund(
        self, merchant_id: str, livemode: bool, refund_id: str
    ) -> RefundResource | None:
        """One refund of this merchant and mode."""
        refunds, _ = await self.refunds(merchant_id, livemode, None, 1, refund_id=refund_id)
        return refunds[0] if refunds else None

    async def refunds(
        self,
        merchant_id: str,
        livemode: bool,
        after: str | None,
        limit: int,
        *,
        refund_id: str | None = None,
        order_id: str | None = None,
        status: str | None = None,
    ) -> tuple[list[RefundResource], str | None]:
        """A page of refunds, newest first, and the id after which the next one starts."""
        c = t.refunds.c
        query = (
            select(c.id, c.order_id)
            .where(c.merchant_id == merchant_id, c.livemode == livemode)
            .order_by(c.id.desc())
            .limit(limit + 1)
        )
        for column, value in ((c.id, refund_id), (c.order_id, order_id), (c.status, status)):
            if value is not None:
                query = query.where(column == value)
        if after is not None:
            query = query.where(c.id < after)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
            ids = {row.order_id for row in rows}
            wanted = select(t.orders).where(
                t.orders.c.merchant_id == merchant_id, t.orders.c.id.in_(ids)
            )
            orders = {order.record.id: order for order in await _load(connection, wanted)}
        shown = []
        for row in rows[:limit]:
            order = orders[row.order_id]
            refund = order.state.refund(row.id)
            shown.append(refund_resource(order.record, order.state, refund))
        return shown, shown[-1].id if len(rows) > limit else None

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


def _conditions(wanted: OrderFilter) -> Sequence[ColumnElement[bool]]:
    c = t.orders.c
    conditions: list[ColumnElement[bool]] = []
    if wanted.status is not None:
        conditions.append(c.status.in_(wanted.status))
    for column in (c.provider, c.currency, c.reference, c.customer_email, c.attention):
        value = getattr(wanted, column.name)
        if value is not None:
            conditions.append(column == value)
    for column, low, high in (
        (c.created_at, wanted.created_from, wanted.created_to),
        (c.paid_at, wanted.paid_from, wanted.paid_to),
    ):
        if low is not None:
            conditions.append(column >= low)
        if high is not None:
            conditions.append(column < high)
    if wanted.amount_min is not None:
        conditions.append(c.amount >= wanted.amount_min)
    if wanted.amount_max is not None:
        conditions.append(c.amount <= wanted.amount_max)
    if wanted.provider_id is not None:
        ids = t.provider_ids.c
        conditions.append(
            exists().where(
                ids.merchant_id == c.merchant_id,
                ids.order_id == c.id,
                ids.provider_id == wanted.provider_id,
            )
        )
    meta = t.order_metadata.c
    conditions += [
        exists().where(
            meta.merchant_id == c.merchant_id,
            meta.order_id == c.id,
            meta.key == key,
            meta.value == value,
        )
        for key, value in wanted.metadata.items()
    ]
    return conditions
