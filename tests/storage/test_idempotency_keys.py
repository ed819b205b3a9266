"""Idempotency keys: one taker, whoever comes first; what the others learn."""

import asyncio
from collections import Counter
from datetime import timedelta

from gateway.records import Answer, ClaimedKey, KeyClaim
from storage.queries import Queries
from storage.store import SqlStore
from tests.storage.conftest import MERCHANT, T0

LEASE = timedelta(seconds=40)
CLAIM = KeyClaim(MERCHANT, False, "k-1", "a" * 64)


async def _claim(store: SqlStore, claim: KeyClaim = CLAIM, *, seconds: int = 0) -> ClaimedKey:
    now = T0 + timedelta(seconds=seconds)
    async with store.transaction() as tx:
        return await tx.claim_key(claim, now, now + LEASE)


async def test_twenty_claims_at_once_have_one_taker(store: SqlStore, second: SqlStore) -> None:
    claimed = await asyncio.gather(*(_claim(one) for one in (store, second) * 10))
    assert Counter(one.outcome for one in claimed) == {"new": 1, "in_flight": 19}


async def test_a_claim_waits_for_the_transaction_that_holds_the_key(
    store: SqlStore, second: SqlStore
) -> None:
    """Were the first to roll back, the second must be able to take the key."""
    async with store.transaction() as tx:
        await tx.claim_key(CLAIM, T0, T0 + LEASE)
        waiting = asyncio.create_task(_claim(second))
        await asyncio.sleep(0.05)
        assert not waiting.done()
    assert (await waiting).outcome == "in_flight"

    other = KeyClaim(MERCHANT, False, "k-2", "a" * 64)
    try:
        async with store.transaction() as tx:
            await tx.claim_key(other, T0, T0 + LEASE)
            waiting = asyncio.create_task(_claim(second, other))
            await asyncio.sleep(0.05)
            raise LookupError
    except LookupError:
        pass
    assert (await waiting).outcome == "new"


async def test_an_answered_key_replays_for_ever(store: SqlStore, second: SqlStore) -> None:
    answer = Answer(201, b'{"id":"\xc3\xa4"}')
    await _claim(store)
    queries = Queries(second.database, str)
    assert await queries.earlier(CLAIM) == (None, False)
    async with store.transaction() as tx:
        await tx.answer_key(CLAIM, answer)
    claimed = await asyncio.gather(*(_claim(one, seconds=9**7) for one in (store, second) * 5))
    assert {(one.outcome, one.answer) for one in claimed} == {("done", answer)}
    assert await queries.earlier(CLAIM) == (answer, False)
    assert await queries.earlier(KeyClaim(MERCHANT, False, "k-1", "b" * 64)) == (None, False)


async def test_the_first_answer_stands(store: SqlStore, second: SqlStore) -> None:
    """A request whose lease ran out was carried on by another process; both got to an answer."""
    first, late = Answer(201, b'{"status":"succeeded"}'), Answer(201, b'{"status":"pending"}')
    await _claim(store)
    async with store.transaction() as tx:
        assert await tx.answer_key(CLAIM, first) == first
    async with second.transaction() as tx:
        assert await tx.answer_key(CLAIM, late) == first
    assert (await _claim(store)).answer == first


async def test_another_request_under_the_key_is_a_mismatch_whenever_it_comes(
    store: SqlStore,
) -> None:
    other = KeyClaim(MERCHANT, False, "k-1", "b" * 64)
    await _claim(store)
    assert (await _claim(store, other)).outcome == "mismatch"
    assert (await _claim(store, other, seconds=99)).outcome == "mismatch"
    async with store.transaction() as tx:
        await tx.answer_key(CLAIM, Answer(200, b"{}"))
    assert (await _claim(store, other)).outcome == "mismatch"


async def test_merchants_and_modes_have_their_own_keys(store: SqlStore) -> None:
    await _claim(store)
    for claim in (
        KeyClaim("mer_2", False, "k-1", "c" * 64),
        KeyClaim(MERCHANT, True, "k-1", "c" * 64),
    ):
        assert (await _claim(store, claim)).outcome == "new"


async def test_after_the_lease_one_of_many_carries_on_with_what_was_reserved(
    store: SqlStore, second: SqlStore
) -> None:
    await _claim(store)
    async with store.transaction() as tx:
        await tx.bind_key(CLAIM, "ord_1")
    assert (await _claim(second, seconds=39)).outcome == "in_flight"
    claimed = await asyncio.gather(*(_claim(one, seconds=41) for one in (store, second) * 5))
    assert Counter(one.outcome for one in claimed) == {"resumed": 1, "in_flight": 9}
    assert {one.resource_id for one in claimed if one.outcome == "resumed"} == {"ord_1"}
    assert (await _claim(second, seconds=80)).outcome == "in_flight", "the lease was renewed"


async def test_a_released_key_goes_on_at_once(store: SqlStore, second: SqlStore) -> None:
    await _claim(store)
    async with store.transaction() as tx:
        await tx.bind_key(CLAIM, "ord_1")
        await tx.release_key(CLAIM)
    claimed = await asyncio.gather(*(_claim(one, seconds=1) for one in (store, second) * 5))
    assert Counter(one.outcome for one in claimed) == {"resumed": 1, "in_flight": 9}
