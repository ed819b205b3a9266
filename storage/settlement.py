"""What a provider's own books say, stored as read: its lines and its payouts.

They are compared with ours in storage/matching.py.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row, func, or_, select, update

from gateway.account_books import failure_key, payout_key
from gateway.ids import dated_id
from gateway.provider_books import ProviderPayout, ProviderTransaction
from gateway.settlement import opening
from gateway.settlement_store import Side
from storage import tables as t
from storage.account_books import AccountBooksTransaction

_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(ProviderTransaction).decode


def record_of(row: Row[Any]) -> ProviderTransaction:
    """A stored line, with the payout that it was found to be in."""
    line = _decode(row.data)
    return msgspec.structs.replace(line, payout_id=row.payout_id or None)


class ReadingTransaction(AccountBooksTransaction):
    """The part of a transaction that stores what a provider's own books say."""

    async def save_records(
        self, side: Side, lines: Sequence[ProviderTransaction], at: datetime
    ) -> None:
        """Store lines as read. One that is known is renewed; its payout and owner are kept."""
        if not lines:
            return
        owners = await self._owners(side, lines)
        # Always in one order: two that read the same at once must not wait for each other.
        unique = {line.id: line for line in sorted(lines, key=lambda line: line.id)}
        of = {line: owners.get(line, ("", "", ""))[0] for line in unique}
        moved = [(of[line.id], line.at) for line in unique.values()]
        closings = await self.closings(side.livemode, moved, at)
        insert = self._insert(t.provider_records).values(
            [
                {
                    "account": side.account,
                    "provider": side.provider,
                    "id": line.id,
                    "livemode": side.livemode,
                    **dict(zip(_OWNER, owners.get(line.id, ("", "", "")), strict=True)),
                    "kind": line.kind,
                    "gross": line.gross,
                    "fee": line.fee,
                    "net": line.net,
                    "currency": line.currency,
                    "at": line.at,
                    "payout_id": line.payout_id or "",
                    "object_id": line.object_id,
                    "available_at": line.available_at,
                    "movement": "",
                    "stage": "",
                    "data": _encode(line),
                    "read_at": closings.after(of[line.id], line.at, at),
                }
                for line in unique.values()
            ]
        )
        c, new = t.provider_records.c, insert.excluded
        kept = {name: func.coalesce(func.nullif(new[name], ""), c[name]) for name in _KEPT}
        told = {name: new[name] for name in _TOLD}
        await self._execute(
            insert.on_conflict_do_update(
                index_elements=["account", "provider", "id"], set_={**told, **kept}
            )
        )
        await self.book_records(side, list(unique.values()), owners, at)
        for line in unique.values():
            if line.kind == "payout_failure":
                await self._came_back(side, line.object_id, at)

    async def _came_back(self, side: Side, payout_id: str, at: datetime) -> None:
        """A payout did not reach the bank, or was returned by it."""
        c = t.provider_payouts.c
        failed = (
            update(t.provider_payouts)
            .where(*own(t.provider_payouts, side), c.provider_payout_id == payout_id)
            .values(status="failed")
        )
        if (await self._execute(failed)).rowcount:
            await self.book_payout(side, payout_id, at)

    async def _owners(
        self, side: Side, lines: Sequence[ProviderTransaction]
    ) -> dict[str, tuple[str, str, str]]:
        """(merchant, order, payment) of the lines that are about a payment of ours."""
        references = {line.reference for line in lines if line.reference}
        names = {name for line in lines for name in (line.object_id, *line.ids)}
        p, i = t.payments.c, t.provider_ids.c
        payments = await self._execute(
            select(p.merchant_id, p.order_id, p.id).where(
                p.id.in_(sorted(references)), p.provider == side.provider
            )
        )
        known = {row.id: (row.merchant_id, row.order_id, row.id) for row in payments}
        ids = await self._execute(
            select(i.provider_id, i.merchant_id, i.order_id, i.payment_id).where(
                i.provider_id.in_(sorted(names)), i.provider == side.provider
            )
        )
        by_id = {r.provider_id: (r.merchant_id, r.order_id, r.payment_id) for r in ids}
        owners = {}
        for line in lines:
            found = known.get(line.reference or "")
            for name in (line.object_id, *line.ids):
                found = found or by_id.get(name)
            if found is not None:
                owners[line.id] = found
        return owners

    async def save_payout(self, side: Side, payout: ProviderPayout, at: datetime) -> bool:
        """Store a payout; True when it is new. One that came back has failed, whatever is said."""
        r = t.provider_records.c
        returned = select(r.id).where(
            *own(t.provider_records, side), r.kind == "payout_failure", r.object_id == payout.id
        )
        came_back = (await self._execute(returned.limit(1))).first() is not None
        status = "failed" if came_back else payout.status
        row = {
            "account": side.account,
            "merchant_id": await self.sole_merchant(),
            "id": dated_id("pout", payout.at, side.provider, payout.id),
            "provider": side.provider,
            "provider_payout_id": payout.id,
            "livemode": side.livemode,
            "amount": payout.amount,
            "currency": payout.currency,
            "status": status,
            "at": payout.at,
            "arrives_at": payout.arrives_at,
            "transaction_id": payout.transaction_id,
            "balance_after": payout.balance_after,
            "brought_forward": 0,
            "read_at": at,
        }
        insert = self._insert(t.provider_payouts).values(row)
        made = await self._execute(insert.on_conflict_do_nothing())
        if made.rowcount == 1:
            return True
        c = t.provider_payouts.c
        await self._execute(
            update(t.provider_payouts)
            .where(c.account == side.account, c.id == row["id"])
            .values(status=status, arrives_at=payout.arrives_at, amount=payout.amount)
        )
        return False

    async def allot(self, side: Side, payout: ProviderPayout) -> None:
        """Of a provider that does not tell what a payout consists of: all that had come in by then
        and was in no earlier one; and what the one before had left in the balance."""
        c = t.provider_records.c
        p = t.provider_payouts.c
        before = (
            await self._execute(
                select(t.provider_payouts)
                .where(
                    *own(t.provider_payouts, side), p.currency == payout.currency, p.at < payout.at
                )
                .order_by(p.at.desc(), p.id.desc())
                .limit(1)
            )
        ).first()
        if before is not None:
            brought = await self._left_by(side, before)
        else:
            brought = await self._opening(side, payout.currency)
        await self._execute(
            update(t.provider_payouts)
            .where(*own(t.provider_payouts, side), p.provider_payout_id == payout.id)
            .values(brought_forward=brought)
        )
        await self._execute(
            update(t.provider_records)
            .where(
                *own(t.provider_records, side),
                c.currency == payout.currency,
                c.at <= payout.at,
                c.payout_id == "",
                or_(c.kind != "payout", c.id == (payout.transaction_id or "")),
            )
            .values(payout_id=payout.id)
        )

    async def _opening(self, side: Side, currency: str) -> int:
        """What was in the balance before the first line that we have read, where that is told."""
        c = t.provider_records.c
        its = (*own(t.provider_records, side), c.currency == currency)
        earliest = select(func.min(c.at)).where(*its).scalar_subquery()
        rows = await self._execute(select(t.provider_records).where(*its, c.at == earliest))
        return opening(record_of(row) for row in rows)

    async def _left_by(self, side: Side, payout: Row[Any]) -> int:
        """What a payout left in the balance: as told, or as its lines come to."""
        if payout.balance_after is not None:
            return int(payout.balance_after)
        c = t.provider_records.c
        total = await self._connection.scalar(
            select(func.coalesce(func.sum(c.net), 0)).where(
                *own(t.provider_records, side),
                c.payout_id == payout.provider_payout_id,
                c.kind != "payout",
            )
        )
        return int(payout.brought_forward + (total or 0) - payout.amount - (payout.fee or 0))

    async def mark_settled(self, side: Side, payout: ProviderPayout) -> None:
        """Note on our own lines which payout they were paid out with. Their amounts stay."""
        b, r = t.balance_transactions.c, t.provider_records.c
        inside = (*own(t.provider_records, side), r.payout_id == payout.id)
        paid_out = {"payout_id": payout.id, "settled_at": payout.arrives_at or payout.at}
        unmarked = (
            b.provider == side.provider,
            b.livemode == side.livemode,
            b.payout_id.is_(None),
        )
        booked = b.provider_balance_id == r.id
        named = (b.provider_id == r.object_id) & b.type.in_((r.kind, "conversion"))
        await self._execute(
            update(t.balance_transactions)
            .where(
                *inside,
                *unmarked,
                r.payment_id != "",
                b.merchant_id == r.merchant_id,
                b.order_id == r.order_id,
                b.payment_id == r.payment_id,
                booked | named,
            )
            .values(**paid_out, available_at=func.coalesce(b.available_at, r.available_at))
        )
        ids = select(r.id).where(*inside, or_(r.payment_id == "", r.kind == "fee"))
        back = select(r.object_id).where(*inside, r.kind == "payout_failure")
        returned = [failure_key(name) for name in (await self._execute(back)).scalars()]
        await self._execute(
            update(t.balance_transactions)
            .where(
                *unmarked,
                b.merchant_id.in_(select(t.merchants.c.id)),
                b.order_id.is_(None),
                b.provider_balance_id.in_(ids) | b.key.in_([payout_key(payout.id), *returned]),
            )
            .values(**paid_out)
        )


_OWNER = ("merchant_id", "order_id", "payment_id")
_KEPT = (*_OWNER, "payout_id")
_TOLD = (
    "kind", "gross", "fee", "net", "currency", "at", "object_id", "available_at", "data",
)  # fmt: skip


def own(table: Any, side: Side) -> tuple[Any, ...]:
    """The condition that a row is of this side."""
    c = table.c
    return c.account == side.account, c.provider == side.provider, c.livemode == side.livemode
