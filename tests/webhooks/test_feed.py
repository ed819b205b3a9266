"""The event feed: every event once, in one order, without gaps."""

import asyncio
import itertools
import random
from collections import defaultdict
from datetime import datetime, timedelta

import msgspec
import pytest

from gateway.ids import Ids
from gateway.records import MerchantEvent, OrderRecord
from storage.engine import Database
from storage.feed import Feed
from storage.store import SqlStore
from tests.webhooks.conftest import Clock, Gateway, Start, ids

WRITERS, EACH, ORDERS = 8, 30, 4


class RolledBack(Exception):
    """On purpose."""


class Process:
    """A process's own connections to the database, with a clock that is off by some seconds."""

    def __init__(self, url: str, seed: int) -> None:
        self.random = random.Random(seed)
        self.clock = Clock()
        self.clock.advance(seconds=self.random.uniform(-5, 5))
        database = Database(url)
        self.ids = Ids(self.clock, self.random.randbytes)
        self.store = SqlStore(database, self.ids)
        self.feed = Feed(database, self.ids, self.clock)

    def event(self, merchant: str, order_id: str) -> MerchantEvent:
        """An event of an order."""
        return MerchantEvent(
            id=self.ids.new("evt"),
            merchant_id=merchant,
            livemode=False,
            type="order.processing",
            order_id=order_id,
            created_at=self.clock.now(),
            data=msgspec.Raw(b"{}"),
        )

    async def write(self, merchant: str, orders: list[str]) -> list[str]:
        """Transactions that take their time between writing and committing; some fail."""
        written: list[str] = []
        for _ in range(EACH):
            order = self.random.choice(orders)
            events = []
            try:
                async with self.store.transaction() as tx:
                    await tx.lock_order(merchant, order)
                    events = [
                        self.event(merchant, order) for _ in range(self.random.choice((1, 2)))
                    ]
                    await tx.add_events(events)
                    await asyncio.sleep(self.random.uniform(0, 0.01))
                    if self.random.random() < 0.1:
                        raise RolledBack
            except RolledBack:
                continue
            written += [event.id for event in events]
        return written

    async def place(self, done: asyncio.Event) -> None:
        """A worker's part."""
        while not done.is_set():
            await self.feed.place()
            await asyncio.sleep(0.002)

    async def follow(
        self, merchant: str, limit: int, done: asyncio.Event
    ) -> list[tuple[str, str, int]]:
        """A merchant's part: goes on from the cursor until there is no more."""
        seen: list[tuple[str, str, int]] = []
        place = 0
        while True:
            last = done.is_set()
            events, place = await self.feed.page(merchant, False, place, limit)
            seen += [(event.id, event.order_id, event.sequence) for event in events]
            if last and not events:
                return seen
            await asyncio.sleep(0)


async def orders_of(process: Process, merchant: str) -> list[str]:
    orders = []
    for _ in range(ORDERS):
        now = process.clock.now()
        record = OrderRecord(
            id=process.ids.new("ord"),
            merchant_id=merchant,
            livemode=False,
            reference=None,
            currency="USD",
            amount=100,
            capture="automatic",
            items=(),
            success_url="https://shop.example/",
            cancel_url="https://shop.example/",
            customer_email=None,
            metadata={},
            created_at=now,
            expires_at=now,
        )
        async with process.store.transaction() as tx:
            await tx.add_order(record)
        orders.append(record.id)
    return orders


async def test_followers_see_every_event_once_and_in_order(
    start: Start, postgresql_url: str
) -> None:
    gateway = await start(postgresql_url)
    processes = [Process(postgresql_url, seed) for seed in range(4)]
    orders = await orders_of(processes[0], gateway.merchant)
    done = asyncio.Event()
    try:
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            follow = [
                group.create_task(process.follow(gateway.merchant, limit, done))
                for process, limit in zip(processes, (1, 7, 100), strict=False)
            ]
            for process in processes[2:]:
                group.create_task(process.place(done))
            writers = [processes[number % 4] for number in range(WRITERS)]
            written = await asyncio.gather(*(w.write(gateway.merchant, orders) for w in writers))
            done.set()
        first, second, third = (task.result() for task in follow)
    finally:
        for process in processes:
            await process.store.close()
    everything = sorted(itertools.chain.from_iterable(written))
    assert len(everything) > WRITERS * EACH / 2
    assert sorted(event for event, _, _ in first) == everything
    assert first == second == third
    sequences = defaultdict(list)
    for _, order, sequence in first:
        sequences[order].append(sequence)
    for numbers in sequences.values():
        assert numbers == list(range(1, len(numbers) + 1))


async def test_the_feed_over_http(gateway: Gateway) -> None:
    first = await gateway.tell("order.created")
    page = await gateway.get("/v1/events")
    (event,) = page["data"]
    order = event["order"]
    assert event | {"timestamp": None} == {
        "object": "event",
        "id": first,
        "livemode": False,
        "type": "order.created",
        "order": order,
        "timestamp": None,
        "sequence": 1,
        "data": {"object": "order", "id": "ord_1", "amount": 1800},
    }
    assert datetime.fromisoformat(event["timestamp"]).utcoffset() == timedelta()
    assert await gateway.get(f"/v1/events/{first}") == event
    # The follower goes on from the last page.
    empty = await gateway.get("/v1/events", cursor=page["next_cursor"])
    assert empty == {"data": [], "next_cursor": page["next_cursor"]}
    second = await gateway.tell("order.paid", order)
    more = await gateway.get("/v1/events", cursor=empty["next_cursor"])
    assert [(e["id"], e["sequence"]) for e in more["data"]] == [(second, 2)]


async def test_an_empty_feed_has_a_cursor(lone: Gateway) -> None:
    empty = await lone.get("/v1/events")
    assert empty["data"] == []
    event = await lone.tell("order.created")
    page = await lone.get("/v1/events", cursor=empty["next_cursor"])
    assert [e["id"] for e in page["data"]] == [event]


async def test_pages_and_filters(gateway: Gateway) -> None:
    kinds = ["order.created", "order.paid", "refund.created"]
    order = gateway.services.ctx.ids.new("ord")
    told = [await gateway.tell(kind, order) for kind in kinds for _ in range(3)]
    await gateway.tell("order.created")
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while events := (page := await gateway.get("/v1/events", limit=2, order=order, **cursor))[
        "data"
    ]:
        seen += [event["id"] for event in events]
        cursor = {"cursor": page["next_cursor"]}
    assert seen == told
    page = await gateway.get("/v1/events", type=["order.paid", "refund.created"], limit=500)
    assert [event["id"] for event in page["data"]] == told[3:]
    # A filtered follower does not look at the same events again.
    assert page["next_cursor"] == (await gateway.get("/v1/events", limit=500))["next_cursor"]


async def test_what_belongs_to_others_is_not_there(lone: Gateway) -> None:
    event = await lone.tell("order.created")
    live = await lone.tell("order.created", livemode=True)
    async with await lone.client(name="Another shop") as stranger:
        assert (await stranger.get("/v1/events")).json()["data"] == []
        assert (await stranger.get(f"/v1/events/{event}")).status_code == 404
    assert [e["id"] for e in (await lone.get("/v1/events"))["data"]] == [event]
    async with await lone.client(livemode=True) as own:
        assert [e["id"] for e in (await own.get("/v1/events")).json()["data"]] == [live]


async def test_scopes_and_bad_cursors(lone: Gateway) -> None:
    async with await lone.client("webhooks:write") as http:
        assert (await http.get("/v1/events")).status_code == 403
    async with await lone.client("orders:read") as http:
        assert (await http.get("/v1/events")).status_code == 200
    page = await lone.get("/v1/products")
    assert page["next_cursor"] is None
    for cursor in ("x", "cG9zXzA=", "ZXZ0XzAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAw"):
        answer = await lone.http.get("/v1/events", params={"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


async def test_sequence_outranks_ids(start: Start, database_url: str) -> None:
    """A process whose clock is behind writes the later event under the smaller id."""
    ahead, behind = Clock(), Clock()
    ahead.advance(minutes=10)
    one, two = await start(database_url, ahead), await start(database_url, behind)
    order = one.services.ctx.ids.new("ord")
    told = [await one.tell("order.created", order), await two.tell("order.paid", order)]
    between = await two.tell("order.created")
    assert told[1] < between < told[0]
    page = await two.get("/v1/events", order=order)
    assert [(e["id"], e["sequence"]) for e in page["data"]] == [(told[0], 1), (told[1], 2)]


async def test_a_backlog_is_placed_in_batches(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.feed.BATCH", 3)
    told = [await gateway.tell("order.created") for _ in range(10)]
    placed = [await gateway.services.feed.place() for _ in range(5)]
    assert placed == [3, 3, 3, 1, 0]
    events, _ = await gateway.services.feed.page(gateway.merchant, False, 0, 100)
    assert ids(events) == told


@pytest.mark.parametrize(
    "query",
    [
        "events?order=",
        "events?order=ord_1&order=ord_2",
        "events?limit=1&limit=2",
        "events?cursor=",
        "events?type=",
        "events?type=order.stolen",
        "deliveries?endpoint=",
        "deliveries?status=pending&status=failed",
        "deliveries?event=nonsense",
        "deliveries?event=",
    ],
)
async def test_filters_that_would_find_the_wrong_things(lone: Gateway, query: str) -> None:
    answer = await lone.http.get(f"/v1/{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    (error,) = answer.json()["errors"]
    assert error["path"] == query.partition("?")[2].partition("=")[0]
