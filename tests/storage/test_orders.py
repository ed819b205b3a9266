"""Orders and facts: append-only, unique, locked; pages stand still; the number of queries too."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import func, select, update

from gateway.errors import Conflict
from gateway.facts import Captured, Recorded, RefundReserved
from gateway.provider import PaymentRef
from gateway.records import ConfirmCall, Operation
from storage import tables as t
from storage.filters import OrderFilter
from storage.queries import Queries
from storage.store import SqlStore
from tests.storage.conftest import MERCHANT, T0, order, started, state_with


async def _add(store: SqlStore, *numbers: int) -> None:
    for number in numbers:
        async with store.transaction() as tx:
            await tx.add_order(order(number))
            await tx.add_facts(order(number), [started(f"pay_{number}")], T0)
            await tx.save_state(order(number), state_with(f"pay_{number}"), T0)


def _captured(amount: int = 1000, *, seconds: int = 0) -> Recorded:
    at = T0 + timedelta(seconds=seconds)
    return Recorded("pay_1", Captured(capture_id="cap_1", amount=amount, currency="USD", at=at))


async def test_an_order_comes_back_as_it_was(store: SqlStore) -> None:
    await _add(store, 1)
    async with store.transaction() as tx:
        locked = await tx.lock_order(MERCHANT, order().id)
        assert await tx.lock_order("mer_2", order().id) is None
        assert await tx.lock_order(MERCHANT, "ord_none") is None
    assert locked is not None
    assert locked.record == order()
    assert locked.recorded == [started()]


async def test_a_fact_is_stored_once_and_the_first_telling_stays(
    store: SqlStore, second: SqlStore
) -> None:
    await _add(store, 1)
    async with store.transaction() as tx:
        assert await tx.add_facts(order(), [_captured(), _captured()], T0) == [_captured()]
        assert await tx.add_facts(order(), [], T0) == []
    async with second.transaction() as tx:
        again = [_captured(seconds=99), _captured(amount=1)]  # the amount is part of the key
        assert await tx.add_facts(order(), again, T0) == [_captured(amount=1)]
        locked = await tx.lock_order(MERCHANT, order().id)
    assert locked is not None
    assert sorted(locked.recorded, key=repr) == sorted(
        [started(), _captured(), _captured(amount=1)], key=repr
    )


async def test_twenty_tellings_at_once_are_one_fact(store: SqlStore, second: SqlStore) -> None:
    await _add(store, 1)

    async def tell(one: SqlStore) -> int:
        async with one.transaction() as tx:
            return len(await tx.add_facts(order(), [_captured()], T0))

    added = await asyncio.gather(*(tell(one) for one in (store, second) * 10))
    assert sorted(added) == [0] * 19 + [1]


async def test_nothing_in_the_store_changes_or_deletes_a_fact() -> None:
    """Append-only is a property of the code: it has an INSERT for facts, and nothing else."""
    import inspect

    from storage import queries, store, unit_of_work, work

    for module in (queries, store, unit_of_work, work):
        source = inspect.getsource(module)
        assert "update(t.facts" not in source
        assert "delete(t.facts" not in source
    assert "_upsert(\n            t.facts" not in inspect.getsource(unit_of_work)


async def test_a_reference_is_taken_once(store: SqlStore, second: SqlStore) -> None:
    async def add(one: SqlStore, number: int) -> str:
        try:
            async with one.transaction() as tx:
                await tx.add_order(order(number, reference="A-1"))
        except Conflict as error:
            return error.code
        return "added"

    stores = [store, second] * 5
    results = await asyncio.gather(*(add(one, n) for n, one in enumerate(stores, 1)))
    assert sorted(results) == ["added"] + ["reference_taken"] * 9
    await _add(store, 100, 101)  # without a reference any number


async def test_the_lock_serialises_two_reservations_of_the_same_money(
    store: SqlStore, second: SqlStore
) -> None:
    """Ten refunds of 300 from 1000, from two processes: three fit."""
    await _add(store, 1)

    async def reserve(one: SqlStore, refund: str) -> bool:
        async with one.transaction() as tx:
            locked = await tx.lock_order(MERCHANT, order().id)
            assert locked is not None
            held = [r.fact.amount for r in locked.recorded if isinstance(r.fact, RefundReserved)]
            await asyncio.sleep(
                0.005
            )  # long enough for the others to read, were they not locked out
            if sum(held) + 300 > 1000:
                return False
            fact = RefundReserved(refund_id=refund, amount=300, currency="USD", at=T0)
            await tx.add_facts(order(), [Recorded("pay_1", fact)], T0)
            return True

    reserved = await asyncio.gather(
        *(reserve(one, f"ref_{n}") for n, one in enumerate((store, second) * 5))
    )
    assert sorted(reserved) == [False] * 7 + [True] * 3


async def test_five_concurrent_increments_count_to_five(store: SqlStore, second: SqlStore) -> None:
    await _add(store, 1)
    mine = t.orders.c.id == order().id

    async def increment(one: SqlStore) -> None:
        async with one.database.write() as connection:
            query = select(t.orders.c.amount_captured).where(mine).with_for_update()
            amount = await connection.scalar(query) or 0
            await asyncio.sleep(0.005)
            await connection.execute(
                update(t.orders).where(mine).values(amount_captured=amount + 1)
            )

    await asyncio.gather(*(increment(one) for one in (store, second, store, second, store)))
    async with store.database.read() as connection:
        assert await connection.scalar(select(t.orders.c.amount_captured).where(mine)) == 5


async def test_all_statements_of_a_read_see_one_moment(store: SqlStore, second: SqlStore) -> None:
    count = select(func.count()).select_from(t.orders)
    async with store.database.read() as connection:
        assert await connection.scalar(count) == 0
        async with second.transaction() as tx:
            await tx.add_order(order())
        assert await connection.scalar(count) == 0
    async with store.database.read() as connection:
        assert await connection.scalar(count) == 1


async def test_a_transaction_that_raises_leaves_nothing(store: SqlStore) -> None:
    async def fail_late() -> None:
        async with store.transaction() as tx:
            await tx.add_order(order())
            await tx.add_facts(order(), [started()], T0)
            raise LookupError

    with pytest.raises(LookupError):
        await fail_late()
    for table in (t.orders, t.order_items, t.order_metadata, t.facts):
        async with store.database.read() as connection:
            assert await connection.scalar(select(func.count()).select_from(table)) == 0


async def test_an_operation_is_reserved_once_and_settles_for_good(store: SqlStore) -> None:
    await _add(store, 1)
    ref = PaymentRef(order().id, "pay_1", order().money, "pg_1")
    operation = Operation(
        "pay_1-confirm-0", MERCHANT, order().id, "pay_1", "fake", ConfirmCall(ref), T0
    )
    async with store.transaction() as tx:
        assert await tx.reserve(operation) == operation
        later = Operation(**{name: getattr(operation, name) for name in operation.__struct_fields__}
                          | {"created_at": T0 + timedelta(hours=1)})  # fmt: skip
        assert await tx.reserve(later) == operation, "an open one stays as it was reserved"
        await tx.save_attempt(operation, settled=False, outcome="unknown")
        await tx.save_attempt(operation, settled=True, outcome="succeeded")
        await tx.save_attempt(operation, settled=False, outcome="unknown")  # another's late answer
        stored = await tx.operation(MERCHANT, operation.key)
        assert stored is not None
        assert (stored.settled, stored.attempts) == (True, 3)
        reopened = await tx.reserve(later)
        assert (reopened.settled, reopened.created_at) == (False, later.created_at)
        assert await tx.operation("mer_2", operation.key) is None


async def test_a_payment_is_found_by_our_id_and_by_the_providers(store: SqlStore) -> None:
    await _add(store, 1, 2)
    async with store.transaction() as tx:
        expected = (MERCHANT, order(2).id, "pay_2")
        assert await tx.find_payment("fake", "pay_2", ()) == expected
        assert await tx.find_payment("fake", None, ("unknown", "pg_pay_2")) == expected
        assert await tx.find_payment("fake", "pay_2", ("pg_pay_1",)) == expected
        assert await tx.find_payment("other", None, ("pg_pay_2",)) is None
        assert await tx.find_payment("fake", None, ()) is None


# --- reads ----------------------------------------------------------------------------------------


def _queries(store: SqlStore) -> Queries:
    return Queries(store.database, lambda order_id: f"ct_{order_id}")


@contextmanager
def _counted(store: SqlStore) -> Iterator[list[str]]:
    statements: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        statements.append(statement)

    engine = store.database.engine.sync_engine
    sqlalchemy_event.listen(engine, "before_cursor_execute", note)
    yield statements
    sqlalchemy_event.remove(engine, "before_cursor_execute", note)


async def test_a_page_of_fifty_takes_as_many_queries_as_a_page_of_one(store: SqlStore) -> None:
    await _add(store, *range(1, 52))
    queries = _queries(store)
    counts = []
    for limit in (1, 10, 50):
        with _counted(store) as statements:
            shown, more = await queries.orders(MERCHANT, False, OrderFilter(), None, limit)
        assert (len(shown), more) == (limit, shown[-1].id)
        assert all(len(one.items) == 2 for one in shown)
        counts.append(len([s for s in statements if s.startswith("SELECT")]))
    assert counts == [3, 3, 3]  # their ids, the orders, their items


async def test_pages_stand_still_while_orders_are_added(store: SqlStore) -> None:
    await _add(store, *range(10, 20))
    queries = _queries(store)
    seen: list[str] = []
    after: str | None = None
    for turn in range(1, 10):
        shown, after = await queries.orders(MERCHANT, False, OrderFilter(), after, 3)
        seen += [one.id for one in shown]
        await _add(store, 100 + turn)  # newer: it belongs before the first page
        if after is None:
            break
    assert seen == [order(number).id for number in range(19, 9, -1)]


async def test_reads_name_the_merchant_and_the_mode(store: SqlStore) -> None:
    await _add(store, 1)
    queries = _queries(store)
    assert await queries.order(MERCHANT, False, order().id) is not None
    assert await queries.order("mer_2", False, order().id) is None
    assert await queries.order(MERCHANT, True, order().id) is None
    assert await queries.orders("mer_2", False, OrderFilter(), None, 9) == ([], None)
    assert await queries.orders(MERCHANT, True, OrderFilter(), None, 9) == ([], None)
