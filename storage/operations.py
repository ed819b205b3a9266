"""Operations in the database: every call to a provider, reserved before it is made."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Row, select, update

from gateway.records import Call, Operation
from storage import tables as t
from storage.work import WorkTransaction

_decode_call = msgspec.json.Decoder(Call).decode


class OperationTransaction(WorkTransaction):
    """The part of a transaction that concerns operations."""

    async def reserve(self, operation: Operation) -> Operation:
        """Insert the operation, or re-open the settled one with this key for a new call."""
        insert = self._insert(t.operations).values(
            merchant_id=operation.merchant_id,
            key=operation.key,
            order_id=operation.order_id,
            payment_id=operation.payment_id,
            provider=operation.provider,
            verb=operation.verb,
            call=msgspec.json.encode(operation.call),
            settled=False,
            outcome="reserved",
            attempts=0,
            created_at=operation.created_at,
        )
        await self._execute(
            insert.on_conflict_do_update(
                index_elements=["merchant_id", "key"],
                set_={
                    "call": insert.excluded.call,
                    "settled": False,
                    "outcome": "reserved",
                    "created_at": insert.excluded.created_at,
                },
                where=t.operations.c.settled,
            )
        )
        stored = await self.operation(operation.merchant_id, operation.key)
        assert stored is not None  # it was just written
        return stored

    async def operation(self, merchant_id: str, key: str) -> Operation | None:
        """The operation with this key."""
        c = t.operations.c
        found = select(t.operations).where(c.merchant_id == merchant_id, c.key == key)
        row = (await self._execute(found)).first()
        return None if row is None else _operation(row)

    async def unsettled(self, merchant_id: str, payment_id: str) -> Sequence[Operation]:
        """The payment's unsettled operations but for refunds: their keys begin with its id."""
        c = t.operations.c
        found = select(t.operations).where(
            c.merchant_id == merchant_id,
            c.key.between(f"{payment_id}-", f"{payment_id}-~"),
            c.settled.is_(False),
        )
        return [_operation(row) for row in await self._execute(found)]

    async def save_attempt(self, operation: Operation, *, settled: bool, outcome: str) -> None:
        """Count an attempt. What another process has settled meanwhile stays settled."""
        c = t.operations.c
        await self._execute(
            update(t.operations)
            .where(c.merchant_id == operation.merchant_id, c.key == operation.key)
            .values(
                attempts=c.attempts + 1,
                **({"settled": True, "outcome": outcome} if settled else {}),
            )
        )


def _operation(row: Row[Any]) -> Operation:
    return Operation(
        key=row.key,
        merchant_id=row.merchant_id,
        order_id=row.order_id,
        payment_id=row.payment_id,
        provider=row.provider,
        call=_decode_call(row.call),
        created_at=row.created_at,
        settled=row.settled,
        attempts=row.attempts,
    )
