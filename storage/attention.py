"""The attention list in the database: kept in step with the orders' projections, and read."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, Row, func, select, tuple_, update

from gateway.attention import AttentionItem
from gateway.facts import AttentionKind
from gateway.order import OrderState
from gateway.records import OrderRecord
from storage import tables as t
from storage.engine import Database
from storage.work import WorkTransaction

#: Who resolved an item when nobody had to: what was wrong has been settled.
SYSTEM = "system"
_SUBJECT_LENGTH = 255
_UNIQUE = ("merchant_id", "kind", "order_id", "payment_id", "subject")


class AttentionTransaction(WorkTransaction):
    """The part of a transaction that concerns the attention list."""

    async def sync_attention(
        self, order: OrderRecord, state: OrderState, at: datetime, *, had: bool
    ) -> None:
        """Make the order's rows those of its projection. `had`: it may have open rows already."""
        shown = {
            (item.kind, item.payment_id or "", item.subject[:_SUBJECT_LENGTH]): item.detail
            for item in state.attention
        }
        for (kind, payment_id, subject), detail in sorted(shown.items()):
            await self._raise_attention(
                order.merchant_id, order.livemode, kind, subject, detail, at, order.id, payment_id
            )
        if had:
            c = t.attention.c
            await self._execute(
                update(t.attention)
                .where(
                    c.merchant_id == order.merchant_id,
                    c.order_id == order.id,
                    c.resolved_at.is_(None),
                    tuple_(c.kind, c.payment_id, c.subject).not_in(list(shown)),
                )
                .values(resolved_at=at, resolved_by=SYSTEM)
            )

    async def add_attention(
        self,
        merchant_id: str,
        livemode: bool,
        kind: AttentionKind,
        subject: str,
        detail: str,
        at: datetime,
    ) -> None:
        """Put something that belongs to no order on the list; an empty merchant: to nobody."""
        subject = subject[:_SUBJECT_LENGTH]
        await self._raise_attention(merchant_id, livemode, kind, subject, detail, at, "", "")

    async def clear_attention(
        self, merchant_id: str, kind: AttentionKind, subject: str, at: datetime
    ) -> None:
        """What was wrong with something that belongs to no order has been settled."""
        c = t.attention.c
        await self._execute(
            update(t.attention)
            .where(
                c.merchant_id == merchant_id,
                c.kind == kind,
                c.order_id == "",
                c.payment_id == "",
                c.subject == subject[:_SUBJECT_LENGTH],
                c.resolved_at.is_(None),
            )
            .values(resolved_at=at, resolved_by=SYSTEM)
        )

    async def attention_item(
        self, merchant_ids: tuple[str, ...], livemode: bool, item_id: str
    ) -> tuple[str, AttentionItem] | None:
        """The item with this id and whose it is."""
        query = select(t.attention).where(*_visible(merchant_ids, livemode))
        row = (await self._execute(query.where(t.attention.c.id == item_id))).first()
        return None if row is None else (row.merchant_id, _item(row))

    async def resolve_attention(
        self, merchant_id: str, item_id: str, by: str, note: str, at: datetime
    ) -> AttentionItem:
        """Note that a person has dealt with an item, unless it is resolved already."""
        c = t.attention.c
        own = (c.merchant_id == merchant_id) & (c.id == item_id)
        change = update(t.attention).where(own, c.resolved_at.is_(None))
        await self._execute(change.values(resolved_at=at, resolved_by=by, note=note))
        return _item((await self._execute(select(t.attention).where(own))).one())

    async def _raise_attention(
        self,
        merchant_id: str,
        livemode: bool,
        kind: AttentionKind,
        subject: str,
        detail: str,
        at: datetime,
        order_id: str,
        payment_id: str,
    ) -> None:
        """Insert an item, or open the one that is there again where it is no longer the same."""
        c = t.attention.c
        insert = self._insert(t.attention).values(
            merchant_id=merchant_id,
            id=self._ids.new("att"),
            livemode=livemode,
            kind=kind,
            subject=subject,
            order_id=order_id,
            payment_id=payment_id,
            detail=detail,
            created_at=at,
            resolved_by="",
            note="",
        )
        again = {"detail": insert.excluded.detail, "resolved_at": None, "resolved_by": ""}
        await self._execute(
            insert.on_conflict_do_update(
                index_elements=_UNIQUE,
                set_=again | {"note": ""},
                where=c.resolved_at.is_not(None) | (c.detail != insert.excluded.detail),
            )
        )


class AttentionQueries:
    """Reads of the attention list."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count_open(self, merchants: Sequence[str], livemode: bool) -> int:
        """How many items of these merchants wait for somebody."""
        c = t.attention.c
        query = select(func.count()).where(
            c.merchant_id.in_(merchants), c.livemode == livemode, c.resolved_at.is_(None)
        )
        async with self._database.read() as connection:
            return await connection.scalar(query) or 0

    async def items(
        self,
        merchant_ids: tuple[str, ...],
        livemode: bool,
        after: str | None,
        limit: int,
        *,
        kind: AttentionKind | None = None,
        status: str | None = None,
        order_id: str | None = None,
    ) -> tuple[list[AttentionItem], str | None]:
        """A page of items, newest first, and the id after which the next one starts."""
        c = t.attention.c
        query = select(t.attention).where(*_visible(merchant_ids, livemode))
        if kind is not None:
            query = query.where(c.kind == kind)
        if status is not None:
            is_open = c.resolved_at.is_(None)
            query = query.where(is_open if status == "open" else ~is_open)
        if order_id is not None:
            query = query.where(c.order_id == order_id)
        if after is not None:
            query = query.where(c.id < after)
        async with self._database.read() as connection:
            rows = (await connection.execute(query.order_by(c.id.desc()).limit(limit + 1))).all()
        shown = [_item(row) for row in rows[:limit]]
        return shown, shown[-1].id if len(rows) > limit else None


def _visible(merchant_ids: tuple[str, ...], livemode: bool) -> Sequence[ColumnElement[bool]]:
    c = t.attention.c
    return c.merchant_id.in_(merchant_ids), c.livemode == livemode


def _item(row: Row[Any]) -> AttentionItem:
    return AttentionItem(
        object="attention",
        id=row.id,
        livemode=row.livemode,
        kind=cast(AttentionKind, row.kind),
        status="open" if row.resolved_at is None else "resolved",
        detail=row.detail,
        order=row.order_id or None,
        payment=row.payment_id or None,
        subject=row.subject or None,
        created_at=row.created_at,
        resolved_at=row.resolved_at,
        resolved_by=row.resolved_by or None,
        note=row.note or None,
    )
