"""What others are told of an order: its events and its timeline, written with its state."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import func, select

from gateway.records import MerchantEvent, TimelineEntry
from storage import tables as t
from storage.work import WorkTransaction


class TellingTransaction(WorkTransaction):
    """The part of a transaction that concerns events and timelines."""

    async def add_events(self, events: Sequence[MerchantEvent]) -> None:
        """Append to the merchant's event feed.

        An event of an order gets the next number in its sequence: this transaction holds the
        order's lock, or has just inserted it. The place in the feed comes later (storage/feed.py).
        """
        last: dict[tuple[str, str], int] = {}
        rows = []
        for event in events:
            order = (event.merchant_id, event.order_id)
            if event.order_id:
                if order not in last:
                    last[order] = await self._last_sequence(*order)
                last[order] += 1
            rows.append(
                {
                    "merchant_id": event.merchant_id,
                    "id": event.id,
                    "livemode": event.livemode,
                    "type": event.type,
                    "order_id": event.order_id,
                    "created_at": event.created_at,
                    "data": bytes(event.data),
                    "sequence": last.get(order, 0),
                }
            )
        await self._insert_all(t.events, rows)
        self.left_work = self.left_work or bool(rows)

    async def _last_sequence(self, merchant_id: str, order_id: str) -> int:
        c = t.events.c
        last = await self._connection.scalar(
            select(func.max(c.sequence)).where(c.merchant_id == merchant_id, c.order_id == order_id)
        )
        return last or 0

    async def add_timeline(
        self, merchant_id: str, order_id: str, entries: Sequence[TimelineEntry]
    ) -> None:
        """Append to the order's timeline."""
        await self._insert_all(
            t.timeline,
            [
                {
                    "merchant_id": merchant_id,
                    "order_id": order_id,
                    "id": entry.id,
                    "at": entry.at,
                    "kind": entry.kind,
                    "summary": entry.summary,
                    "rule": entry.rule,
                    "data": msgspec.json.encode(entry.data),
                }
                for entry in entries
            ],
        )
