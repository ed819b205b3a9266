"""gateway.ports.Transaction on SQLAlchemy Core: orders, their facts and their projection.

The other parts, which `SqlTransaction` puts together: jobs, received events and idempotency keys
(storage/work.py), what is found later (storage/inbox.py), the attention list, operations, and what
others are told (storage/attention.py, operations.py, telling.py).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.errors import Conflict
from gateway.facts import Fact, Recorded
from gateway.ids import Ids
from gateway.order import OrderState, RefundState, order_columns
from gateway.records import OrderItem, OrderRecord
from storage import tables as t
from storage.attention import AttentionTransaction
from storage.engine import Database
from storage.inbox import InboxTransaction
from storage.matching import SettlementTransaction
from storage.operations import OperationTransaction
from storage.telling import TellingTransaction

_encode = msgspec.json.encode
_decode_fact = msgspec.json.Decoder(Fact).decode
_decode_metadata = msgspec.json.Decoder(dict[str, str]).decode


class LockedOrder(msgspec.Struct, frozen=True):
    """An order and its facts, read under its lock."""

    record: OrderRecord
    recorded: Sequence[Recorded]


def order_record(row: Row[Any], items: Sequence[Row[Any]]) -> OrderRecord:
    """An OrderRecord from its rows."""
    return OrderRecord(
        id=row.id,
        merchant_id=row.merchant_id,
        livemode=row.livemode,
        reference=row.reference,
        currency=row.currency,
        amount=row.amount,
        capture=row.capture,
        items=tuple(
            OrderItem(item.product_id, item.name, item.unit_amount, item.quantity) for item in items
        ),
        success_url=row.success_url,
        cancel_url=row.cancel_url,
        customer_email=row.customer_email,
        metadata=_decode_metadata(row.metadata),
        created_at=row.created_at,
        expires_at=row.expires_at,
    )


class SqlTransaction(
    AttentionTransaction,
    InboxTransaction,
    OperationTransaction,
    SettlementTransaction,
    TellingTransaction,
):
    """One transaction on one connection."""

    def __init__(self, database: Database, connection: AsyncConnection, ids: Ids) -> None:
        super().__init__(database, connection, ids)
        self._needed_attention: set[str] = set()  # orders that did when they were locked

    # --- orders and facts -------------------------------------------------------------------------

    async def add_order(self, order: OrderRecord) -> None:
        """Insert an order and its items. Raises Conflict `reference_taken`."""
        insert = self._insert(t.orders).values(
            **{
                name: getattr(order, name)
                for name in (
                    "merchant_id", "id", "livemode", "reference", "currency", "amount", "capture",
                    "success_url", "cancel_url", "customer_email", "created_at", "expires_at",
                )
            },
            metadata=_encode(order.metadata),
            **_order_state(OrderState(status="open"), order.created_at),
        )  # fmt: skip
        result = await self._execute(insert.on_conflict_do_nothing())
        if result.rowcount == 0:
            raise Conflict(
                f"there is an order with the reference {order.reference!r} already; references are "
                "unique per merchant and mode",
                code="reference_taken",
            )
        keys = {"merchant_id": order.merchant_id, "order_id": order.id}
        await self._insert_all(
            t.order_items,
            [
                keys
                | {
                    "position": position,
                    "product_id": item.product,
                    "name": item.name,
                    "unit_amount": item.unit_amount,
                    "quantity": item.quantity,
                }
                for position, item in enumerate(order.items)
            ],
        )
        await self._insert_all(
            t.order_metadata,
            [keys | {"key": key, "value": value} for key, value in order.metadata.items()],
        )

    async def lock_order(self, merchant_id: str, order_id: str) -> LockedOrder | None:
        """The order with its facts, locked until this transaction ends."""
        own = (t.orders.c.merchant_id == merchant_id) & (t.orders.c.id == order_id)
        row = (await self._execute(select(t.orders).where(own).with_for_update())).first()
        if row is None:
            return None
        if row.attention:
            self._needed_attention.add(order_id)
        items = await self._execute(
            select(t.order_items)
            .where(t.order_items.c.merchant_id == merchant_id, t.order_items.c.order_id == order_id)
            .order_by(t.order_items.c.position)
        )
        facts = await self._execute(
            select(t.facts.c.payment_id, t.facts.c.fact).where(
                t.facts.c.merchant_id == merchant_id, t.facts.c.order_id == order_id
            )
        )
        recorded = [Recorded(fact.payment_id, _decode_fact(fact.fact)) for fact in facts]
        return LockedOrder(order_record(row, items.all()), recorded)

    async def add_facts(
        self, order: OrderRecord, recorded: Sequence[Recorded], at: datetime
    ) -> Sequence[Recorded]:
        """Append facts; one that is known by its natural key is left alone. Returns the new."""
        unique = {(entry.payment_id, entry.fact.key): entry for entry in recorded}
        if not unique:
            return []
        insert = (
            self._insert(t.facts)
            .values(
                [
                    {
                        "merchant_id": order.merchant_id,
                        "order_id": order.id,
                        "payment_id": payment_id,
                        "key": key,
                        "kind": entry.fact.kind,
                        "fact": _encode(entry.fact),
                        "recorded_at": at,
                    }
                    for (payment_id, key), entry in sorted(unique.items())
                ]
            )
            .on_conflict_do_nothing()
            .returning(t.facts.c.payment_id, t.facts.c.key)
        )
        new = {(row.payment_id, row.key) for row in await self._execute(insert)}
        return [entry for identity, entry in unique.items() if identity in new]

    # --- the projection ---------------------------------------------------------------------------

    async def save_state(self, order: OrderRecord, state: OrderState, at: datetime) -> None:
        """Write the projection of an order that this transaction has locked."""
        await self._execute(
            update(t.orders)
            .where(t.orders.c.merchant_id == order.merchant_id, t.orders.c.id == order.id)
            .values(**_order_state(state, at))
        )
        keys = {"merchant_id": order.merchant_id, "order_id": order.id}
        await self._upsert(
            t.payments,
            [
                keys
                | {
                    "id": payment.id,
                    "provider": payment.provider,
                    "status": payment.status,
                    "amount": payment.amount,
                    "amount_captured": payment.amount_captured,
                    "amount_refunded": payment.amount_refunded,
                    "provider_order_id": payment.provider_order_id,
                    "provider_payment_id": payment.provider_payment_id,
                    "method": payment.method.type if payment.method else None,
                    "brand": payment.method.brand if payment.method else None,
                    "last4": payment.method.last4 if payment.method else None,
                    "created_at": payment.created_at or at,
                }
                for payment in state.payments
            ],
        )
        if state.refunds or state.disputes:  # a refund that is gone has become one of these
            await self._save_refunds(order, state)
        await self._save_provider_ids(order, state)
        had = order.id in self._needed_attention
        if had or state.attention:
            await self.sync_attention(order, state, at, had=had)
            self._needed_attention.add(order.id)

    async def _save_refunds(self, order: OrderRecord, state: OrderState) -> None:
        """A refund seen before its own answer linked it to ours was imported; now it is one with
        it. Money taken back by the provider may have been seen as a refund first."""
        kept = [refund.id for refund in state.refunds]
        c = t.refunds.c
        await self._execute(
            delete(t.refunds).where(
                c.merchant_id == order.merchant_id, c.order_id == order.id, c.id.not_in(kept)
            )
        )
        keys = {"merchant_id": order.merchant_id, "order_id": order.id}
        await self._upsert(
            t.refunds, [keys | _refund_row(order, state, refund) for refund in state.refunds]
        )

    async def _save_provider_ids(self, order: OrderRecord, state: OrderState) -> None:
        """Everything that a provider may call this order by, for its events and for search."""
        rows: dict[tuple[str, str], str] = {}
        for payment in state.payments:
            for provider_id in payment.provider_ids:
                rows[payment.provider, provider_id] = payment.id
        for refund in state.refunds:
            if refund.provider_refund_id:
                provider = state.payment(refund.payment_id).provider
                rows[provider, refund.provider_refund_id] = refund.payment_id
        for dispute in state.disputes:
            provider = state.payment(dispute.payment_id).provider
            for name in (dispute.provider_dispute_id, dispute.id):  # ours is nowhere else
                rows[provider, name] = dispute.payment_id
        if rows:
            insert = self._insert(t.provider_ids).values(
                [
                    {
                        "merchant_id": order.merchant_id,
                        "provider": provider,
                        "provider_id": provider_id,
                        "order_id": order.id,
                        "payment_id": payment_id,
                    }
                    for (provider, provider_id), payment_id in sorted(rows.items())
                ]
            )
            await self._execute(insert.on_conflict_do_nothing())

    async def find_payment(
        self, provider: str, payment_id: str | None, provider_ids: Sequence[str]
    ) -> tuple[str, str, str] | None:
        """(merchant, order, payment) by our id, else by any id the provider uses for it."""
        if payment_id:
            row = (
                await self._execute(
                    select(t.payments.c.merchant_id, t.payments.c.order_id, t.payments.c.id).where(
                        t.payments.c.id == payment_id
                    )
                )
            ).first()
            if row is not None:
                return row.merchant_id, row.order_id, row.id
        if not provider_ids:
            return None
        rows = await self._execute(
            select(t.provider_ids).where(
                t.provider_ids.c.provider == provider,
                t.provider_ids.c.provider_id.in_(list(provider_ids)),
            )
        )
        found = {row.provider_id: row for row in rows}
        for provider_id in provider_ids:  # the most specific first
            if provider_id in found:
                row = found[provider_id]
                return row.merchant_id, row.order_id, row.payment_id
        return None

    async def find_refund(self, merchant_id: str, refund_id: str) -> tuple[str, str] | None:
        """(order, payment) of a refund."""
        c = t.refunds.c
        row = (
            await self._execute(
                select(c.order_id, c.payment_id).where(
                    c.merchant_id == merchant_id, c.id == refund_id
                )
            )
        ).first()
        return None if row is None else (row.order_id, row.payment_id)


def _order_state(state: OrderState, at: datetime) -> dict[str, Any]:
    return {**order_columns(state), "updated_at": at, "state": _encode(state)}


def _refund_row(order: OrderRecord, state: OrderState, refund: RefundState) -> dict[str, Any]:
    return {
        "id": refund.id,
        "payment_id": refund.payment_id,
        "livemode": order.livemode,
        "provider": state.payment(refund.payment_id).provider,
        "provider_refund_id": refund.provider_refund_id,
        "amount": refund.amount,
        "currency": refund.currency,
        "status": refund.status,
        "reason": refund.reason,
        "imported": refund.imported,
        "failure_code": refund.failure.code if refund.failure else None,
        "failure_message": refund.failure.message if refund.failure else None,
        "metadata": _encode(refund.metadata),
        "created_at": refund.created_at,
    }
