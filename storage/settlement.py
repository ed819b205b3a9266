"""What a provider's own books say, stored as read: its lines and its payouts.

They are compared with ours in storage/matching.py.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, func, or_, select, tuple_, update

from gateway.account_books import failure_key, payout_key
from gateway.expectations import Payment
from gateway.ids import dated_id
from gateway.provider_books import ProviderPayout, ProviderTransaction
from gateway.settlement_store import Side
from storage import tables as t
from storage.account_books import AccountBooksTransaction, Owner

#: The advisory locks of those who store what a provider says (SQLite has one writer anyway).
_LOCK = 7_305_011
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
        await self._lock_side(side)
        owners = await self._owners(side, lines)
        unique = {line.id: line for line in lines}
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

    async def _lock_side(self, side: Side) -> None:
        """Whoever stores what one side's books say does so after the other, until the commit.

        They change the same lines and payouts, each in the order in which they find them, and each
        goes by what others have stored. It comes first of all locks in a transaction.
        """
        if not self._database.is_sqlite:
            name = f"{side.account} {side.provider} {side.livemode}"
            await self._execute(select(func.pg_advisory_xact_lock(_LOCK, func.hashtext(name))))

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
        return owners | await self._owners_of_converted(side, lines, owners)

    async def _owners_of_converted(
        self, side: Side, lines: Sequence[ProviderTransaction], owners: Mapping[str, Owner]
    ) -> dict[str, Owner]:
        """Of conversions that name a line whose own id we do not know: whose that line is."""
        r = t.provider_records.c
        named = {
            line.id: line.object_id
            for line in lines
            if line.kind == "conversion" and line.id not in owners
        }
        stored = select(r.id, r.merchant_id, r.order_id, r.payment_id).where(
            *own(t.provider_records, side),
            r.id.in_(sorted(set(named.values()))),
            r.payment_id != "",
        )
        rows = (await self._execute(stored)).all() if named else ()
        known = {row.id: (row.merchant_id, row.order_id, row.payment_id) for row in rows}
        known |= owners
        return {name: known[of] for name, of in named.items() if of in known}

    async def save_payout(self, side: Side, payout: ProviderPayout, at: datetime) -> bool:
        """Store a payout; True when it is new. One that came back has failed, whatever is said."""
        await self._lock_side(side)
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
        if not payout.itemized:  # the only line that is known to be in it
            await self._execute(
                update(t.provider_records)
                .where(*own(t.provider_records, side), r.id == (payout.transaction_id or ""))
                .values(payout_id=payout.id)
            )
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

    async def pending_payouts(self, side: Side) -> Mapping[str, datetime]:
        """The stored payouts that may still arrive or fail, with the time of each."""
        c = t.provider_payouts.c
        rows = await self._execute(
            select(c.provider_payout_id, c.at).where(
                *own(t.provider_payouts, side), c.status == "pending"
            )
        )
        return {row.provider_payout_id: row.at for row in rows}

    async def mark_settled(self, side: Side, payout: ProviderPayout) -> None:
        """Note on our own lines which payout they were paid out with. Their amounts stay."""
        b, r = t.balance_transactions.c, t.provider_records.c
        inside = (*own(t.provider_records, side), r.payout_id == payout.id)
        await self._mark(*inside)
        ids = select(r.id).where(*inside, or_(r.payment_id == "", r.kind == "fee"))
        back = select(r.object_id).where(*inside, r.kind == "payout_failure")
        returned = [failure_key(name) for name in (await self._execute(back)).scalars()]
        await self._execute(
            update(t.balance_transactions)
            .where(
                b.provider == side.provider,
                b.livemode == side.livemode,
                b.payout_id.is_(None),
                b.merchant_id.in_(select(t.merchants.c.id)),
                b.order_id.is_(None),
                b.provider_balance_id.in_(ids) | b.key.in_([payout_key(payout.id), *returned]),
            )
            .values(payout_id=payout.id, settled_at=payout.arrives_at or payout.at)
        )

    async def mark_booked_late(self, payments: Sequence[Payment]) -> None:
        """The same for what we booked of these payments after their payouts had been read."""
        r = t.provider_records.c
        keys = [(p.merchant_id, p.payment_id) for p in payments]
        await self._mark(tuple_(r.merchant_id, r.payment_id).in_(keys))

    async def _mark(self, *which: ColumnElement[bool]) -> None:
        """Note the payout on the orders' lines that some records are the booking of.

        They have the record's id; or, where our fact did not tell it, the name of what moved the
        money, or are those that the record was matched with. (That name alone is not enough: the
        conversions of a refund and of its return have the same.)
        """
        b, r, p = t.balance_transactions.c, t.provider_records.c, t.provider_payouts.c
        named = (b.provider_id == r.object_id) | (r.movement == r.kind + ":" + b.provider_id)
        unbooked = (b.provider_balance_id == "") & b.type.in_((r.kind, "conversion"))
        await self._execute(
            update(t.balance_transactions)
            .where(
                *which,
                *(p[name] == r[name] for name in ("account", "provider", "livemode")),
                p.provider_payout_id == r.payout_id,
                r.payment_id != "",
                *(b[name] == r[name] for name in (*_OWNER, "provider", "livemode")),
                b.payout_id.is_(None),
                (b.provider_balance_id == r.id) | (unbooked & named),
            )
            .values(
                payout_id=r.payout_id,
                settled_at=func.coalesce(p.arrives_at, p.at),
                available_at=func.coalesce(b.available_at, r.available_at),
            )
        )

    async def _unmark(self, side: Side, payouts: Sequence[str]) -> None:
        """Forget which of our lines were paid out with these."""
        b = t.balance_transactions.c
        if payouts:
            await self._execute(
                update(t.balance_transactions)
                .where(
                    b.merchant_id.in_(select(t.merchants.c.id)),
                    b.provider == side.provider,
                    b.livemode == side.livemode,
                    b.payout_id.in_(payouts),
                )
                .values(payout_id=None, settled_at=None)
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
