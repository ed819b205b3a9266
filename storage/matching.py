"""The provider's lines compared with ours: the pairs, what does not agree, and what people do."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row, and_, bindparam, or_, select, tuple_, update

from gateway.expectations import Payment
from gateway.facts import Fact
from gateway.ids import dated_id
from gateway.provider_books import ProviderTransaction
from gateway.settlement import Found, Matching
from gateway.settlement_store import Books, Side, Sight
from storage import tables as t
from storage.allotting import AllottingTransaction
from storage.settlement import own, record_of
from storage.visibility import seen

_decode_fact = msgspec.json.Decoder(Fact).decode
Key = tuple[str, str]
#: Who did what the machine did.
MACHINE = "settlement"


class SettlementTransaction(AllottingTransaction):
    """gateway.settlement_store.SettlementTransactions."""

    async def to_settle(self, side: Side, since: datetime, until: datetime) -> Sequence[Payment]:
        """The payments that may have to be compared: theirs or ours moved, or disagreed before."""
        r, b, e, m = (
            t.provider_records.c,
            t.balance_transactions.c,
            t.settlement_exceptions.c,
            t.merchants.c,
        )
        theirs = select(r.merchant_id, r.order_id, r.payment_id).where(
            *own(t.provider_records, side), r.at >= since, r.at <= until, r.payment_id != ""
        )
        ours = (
            select(b.merchant_id, b.order_id, b.payment_id)
            .select_from(t.merchants.join(t.balance_transactions, m.id == b.merchant_id))
            .where(
                b.livemode == side.livemode,
                b.provider == side.provider,
                b.created_at >= since,
                b.order_id.is_not(None),
            )
        )
        open_ones = select(e.merchant_id, e.order_id, e.payment_id).where(
            *own(t.settlement_exceptions, side), e.status == "open", e.payment_id != ""
        )
        rows = await self._execute(theirs.union(ours, open_ones))
        return [Payment(*row) for row in sorted(tuple(row) for row in rows)]

    async def books(self, side: Side, payments: Sequence[Payment]) -> Sequence[Books]:
        """Everything about these payments, on both sides. Theirs stays so until the commit."""
        await self._lock_side(side)
        f, i, r = t.facts.c, t.provider_ids.c, t.provider_records.c
        keys = [(p.merchant_id, p.order_id, p.payment_id) for p in payments]
        facts: dict[str, list[Fact]] = {p.payment_id: [] for p in payments}
        ids: dict[str, set[str]] = {p.payment_id: set() for p in payments}
        lines: dict[str, list[ProviderTransaction]] = {p.payment_id: [] for p in payments}
        stored = select(f.payment_id, f.fact).where(
            tuple_(f.merchant_id, f.order_id, f.payment_id).in_(keys), f.kind.in_(_MONEY)
        )
        for row in await self._execute(stored):
            facts[row.payment_id].append(_decode_fact(row.fact))
        named = select(i.payment_id, i.provider_id).where(
            tuple_(i.merchant_id, i.order_id).in_([key[:2] for key in keys]),
            i.payment_id.in_(list(ids)),
        )
        for row in await self._execute(named):
            ids[row.payment_id].add(row.provider_id)
        records = select(t.provider_records).where(
            *own(t.provider_records, side),
            tuple_(r.merchant_id, r.payment_id).in_([(key[0], key[2]) for key in keys]),
        )
        for row in await self._execute(records):
            lines[row.payment_id].append(record_of(row))
        return [
            Books(
                msgspec.structs.replace(p, ids=frozenset(ids[p.payment_id])),
                tuple(facts[p.payment_id]),
                tuple(lines[p.payment_id]),
            )
            for p in payments
        ]

    async def strangers(
        self, side: Side, since: datetime, until: datetime
    ) -> Sequence[ProviderTransaction]:
        """Lines about no payment of ours, of a time."""
        c = t.provider_records.c
        rows = await self._execute(
            select(t.provider_records).where(
                *own(t.provider_records, side), c.at >= since, c.at <= until, c.payment_id == ""
            )
        )
        return [record_of(row) for row in rows]

    async def save_matching(
        self,
        side: Side,
        payments: Sequence[Payment],
        strangers: Sequence[ProviderTransaction],
        matching: Matching,
        at: datetime,
    ) -> None:
        """Note the pairs, and bring the exceptions of these payments and lines up to date."""
        await self._lock_side(side)
        await self._note_pairs(side, matching)
        e = t.settlement_exceptions.c
        concerned = or_(
            tuple_(e.merchant_id, e.payment_id).in_(
                [(p.merchant_id, p.payment_id) for p in payments]
            ),
            and_(e.merchant_id == "", e.record_id.in_([line.id for line in strangers])),
            # A line that belonged to nobody, and was found to be a payment's.
            and_(
                e.merchant_id == "",
                e.record_id.in_([pair.theirs.id for pair in matching.matches]),
            ),
        )
        query = select(t.settlement_exceptions).where(
            *own(t.settlement_exceptions, side), concerned
        )
        stored = {(row.merchant_id, row.id): row for row in await self._execute(query)}
        owners = {p.payment_id: p for p in payments}
        found = {}
        for item in matching.found:
            row = _exception(side, item, _owner(item, payments, owners), at)
            found[row["merchant_id"], row["id"]] = row
        await self._renew(stored, found, at)

    async def _note_pairs(self, side: Side, matching: Matching) -> None:
        if not matching.matches:
            return
        c = t.provider_records.c
        change = (
            update(t.provider_records)
            .where(*own(t.provider_records, side), c.id == bindparam("line"))
            .values(movement=bindparam("ours"), stage=bindparam("found_by"))
        )
        await self._connection.execute(
            change,
            [
                {"line": pair.theirs.id, "ours": pair.ours.key, "found_by": pair.stage}
                for pair in matching.matches
            ],
        )

    async def _renew(
        self, stored: dict[Key, Row[Any]], found: dict[Key, dict[str, Any]], at: datetime
    ) -> None:
        """Bring what is stored of some exceptions up to what was found; a few statements in all."""
        new = [row for key, row in sorted(found.items()) if key not in stored]
        notes = [_note((row["merchant_id"], row["id"]), MACHINE, "found", "", at) for row in new]
        changed = []
        for key, known in stored.items():
            row = found.get(key)
            if row is None:
                if known.status == "open":
                    changed.append(_change(known, {"status": "gone"}))
                    notes.append(_note(key, MACHINE, "gone", "both books agree now", at))
                continue
            same = all(getattr(known, name) == row[name] for name in _TOLD)
            again = known.status == "gone" or (known.status == "resolved" and not same)
            if not same or again:
                told = {name: row[name] for name in _TOLD}
                changed.append(_change(known, told | ({"status": "open"} if again else {})))
            if again:
                why = "it is back" if known.status == "gone" else "it reads otherwise now"
                notes.append(_note(key, MACHINE, "reopened", why, at))
        if new:  # another worker may be comparing the same
            insert = self._insert(t.settlement_exceptions).on_conflict_do_nothing()
            await self._connection.execute(insert, new)
        if changed:
            e = t.settlement_exceptions.c
            update_all = (
                update(t.settlement_exceptions)
                .where(e.merchant_id == bindparam("merchant"), e.id == bindparam("exception"))
                .values(
                    {name: bindparam(f"new_{name}") for name in (*_TOLD, "status")},
                )
                .values(updated_at=at)
            )
            await self._connection.execute(update_all, changed)
        await self._add_notes(notes)

    async def _add_notes(self, notes: Sequence[dict[str, Any]]) -> None:
        await self._insert_all(
            t.settlement_notes, [note | {"id": self._ids.new("tln")} for note in notes]
        )

    # --- what people do ---------------------------------------------------------------------------

    async def work_exception(
        self,
        sight: Sight,
        livemode: bool,
        exception_id: str,
        by: str,
        action: str,
        note: str,
        at: datetime,
    ) -> bool:
        """Note, resolve or re-open one; False when there is none of that id."""
        c = t.settlement_exceptions.c
        row = (
            await self._execute(
                select(c.merchant_id, c.id, c.status)
                .where(seen(sight, c, c.record_id), c.livemode == livemode, c.id == exception_id)
                .with_for_update()
            )
        ).first()
        if row is None:
            return False
        status = {"resolved": "resolved", "reopened": "open"}.get(action, row.status)
        await self._execute(
            update(t.settlement_exceptions)
            .where(c.merchant_id == row.merchant_id, c.id == row.id)
            .values(status=status, updated_at=at)
        )
        await self._add_notes([_note((row.merchant_id, row.id), by, action, note, at)])
        return True


_MONEY = ("captured", "fee", "refund_updated", "dispute_updated", "reversed")
_TOLD = ("expected", "expected_currency", "actual", "actual_currency", "record_id")


def _change(known: Row[Any], to: dict[str, Any]) -> dict[str, Any]:
    """The parameters that write one exception anew."""
    values = {name: to.get(name, getattr(known, name)) for name in (*_TOLD, "status")}
    named = {f"new_{name}": value for name, value in values.items()}
    return {"merchant": known.merchant_id, "exception": known.id} | named


def _note(key: Key, by: str, action: str, note: str, at: datetime) -> dict[str, Any]:
    """A line of an exception's story, but for its id."""
    return {
        "merchant_id": key[0],
        "exception_id": key[1],
        "at": at,
        "by": by,
        "action": action,
        "note": note,
    }


def _owner(item: Found, payments: Iterable[Payment], owners: dict[str, Payment]) -> Payment | None:
    """Whose payment an exception is about."""
    if item.ours is not None:
        return owners.get(item.ours.payment_id)
    line = item.theirs
    if line is None:
        return None
    if line.reference in owners:
        return owners[line.reference]
    names = {line.object_id, *line.ids}
    return next((payment for payment in payments if payment.ids & names), None)


def _exception(side: Side, item: Found, owner: Payment | None, at: datetime) -> dict[str, Any]:
    line = item.theirs or item.ours
    assert line is not None
    return {
        "merchant_id": owner.merchant_id if owner else "",
        "id": dated_id("exc", line.at, side.provider, item.kind, item.subject),
        "livemode": side.livemode,
        "account": side.account,
        "provider": side.provider,
        "kind": item.kind,
        "subject": item.subject,
        "record_id": item.theirs.id if item.theirs else "",
        "order_id": owner.order_id if owner else "",
        "payment_id": owner.payment_id if owner else "",
        "expected": item.expected.amount if item.expected else None,
        "expected_currency": item.expected.currency if item.expected else "",
        "actual": item.actual.amount if item.actual else None,
        "actual_currency": item.actual.currency if item.actual else "",
        "status": "open",
        "occurred_at": line.at,
        "created_at": at,
        "updated_at": at,
    }
