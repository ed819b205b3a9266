"""Deliveries over real HTTP: signed, retried, paused, given up, and never confused."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import standardwebhooks
from aiohttp import web

from api import worker
from api.delivering import Deliverer
from gateway.deliveries import MAX_TRIES, PAUSES
from tests.webhooks.conftest import Clock, Gateway, Start, ids
from tests.webhooks.receiver import Received, Receiver, receiving


async def test_both_verifiers_accept_what_is_sent(lone: Gateway, receiver: Receiver) -> None:
    from svix.webhooks import Webhook, WebhookVerificationError

    endpoint = await lone.endpoint(receiver.url)
    event = await lone.tell("order.paid")
    await lone.deliver()
    (got,) = receiver.got
    sent = standardwebhooks.Webhook(endpoint["secret"]).verify(got.body, got.headers)
    Webhook(endpoint["secret"]).verify(got.body, got.headers)
    for forged in (got.body.replace(b"1800", b"1900"), got.body + b" "):
        with pytest.raises(WebhookVerificationError):
            Webhook(endpoint["secret"]).verify(forged, got.headers)
    feed = await lone.get(f"/v1/events/{event}")
    assert sent == {name: feed[name] for name in ("type", "timestamp", "sequence", "data")}
    assert got.headers["webhook-id"] == event
    assert got.headers["content-type"] == "application/json"


async def test_the_log_shows_what_was_sent_and_answered(lone: Gateway, receiver: Receiver) -> None:
    endpoint = await lone.endpoint(receiver.url)
    receiver.answer = lambda _: web.Response(status=500, text="x" * 9000)
    event = await lone.tell("order.paid")
    await lone.deliver()
    receiver.answer = lambda _: web.Response(text="thanks")
    lone.clock.advance(seconds=6)
    await lone.deliver()
    (listed,) = await lone.deliveries(endpoint=endpoint["id"], event=event)
    shown = await lone.get(f"/v1/deliveries/{listed['id']}")
    first, second = shown.pop("attempts")
    assert shown == listed
    assert (listed["status"], listed["tries"], listed["next_try_at"]) == ("delivered", 2, None)
    assert (listed["response_status"], listed["error"]) == (200, None)
    assert (first["number"], first["response_status"]) == (1, 500)
    assert first["response_body"] == "x" * 4096
    assert first["error"] == "answered 500"
    assert (second["number"], second["response_body"]) == (2, "thanks")
    assert second["request"]["body"].encode() == receiver.got[1].body
    assert second["request"]["headers"]["webhook-id"] == event
    assert "webhook-signature" not in second["request"]["headers"]
    assert second["milliseconds"] >= 0
    assert await lone.deliveries(status="pending") == []
    assert await lone.deliveries(event="order.paid") == [listed]
    assert await lone.deliveries(event="order.created") == []


async def test_down_for_a_while(gateway: Gateway, receiver: Receiver) -> None:
    """Every event arrives once after the circuit closes, none twice under an id after a 2xx."""
    await gateway.endpoint(receiver.url)
    receiver.always(503)
    told = [await gateway.tell("order.paid") for _ in range(30)]
    for _ in range(6):  # three minutes of failures
        await gateway.deliver()
        gateway.clock.advance(seconds=30)
    assert len(receiver.got) < 15  # the circuit spares a server that is down
    told += [await gateway.tell("order.paid") for _ in range(5)]
    receiver.got.clear()
    receiver.always(204)
    gateway.clock.advance(minutes=10)
    await gateway.deliver()
    assert sorted(receiver.receipts) == sorted(told)
    assert receiver.most <= 4
    gateway.clock.advance(days=2)
    await gateway.deliver()
    assert sorted(ids(receiver.got)) == sorted(told)
    assert {item["status"] for item in await gateway.deliveries(limit=500)} == {"delivered"}
    (endpoint,) = (await gateway.get("/v1/webhook_endpoints"))["data"]
    assert (endpoint["circuit"], endpoint["failing_since"]) == ("closed", None)


async def test_while_the_circuit_is_open_one_delivery_probes(
    lone: Gateway, receiver: Receiver
) -> None:
    endpoint = await lone.endpoint(receiver.url)
    receiver.always(500)
    for _ in range(12):
        await lone.tell("order.paid")
    await lone.deliver()
    shown = await lone.get(f"/v1/webhook_endpoints/{endpoint['id']}")
    assert shown["circuit"] == "open"
    receiver.got.clear()
    lone.clock.advance(seconds=90)
    for probes in (1, 1):
        await lone.deliver()
        assert len(receiver.got) == probes
    lone.clock.advance(seconds=121)  # it was open for twice as long
    await lone.deliver()
    assert len(receiver.got) == 2


async def test_what_is_resent_while_the_circuit_is_open_says_when_it_is_due(
    gateway: Gateway, receiver: Receiver
) -> None:
    endpoint = await gateway.endpoint(receiver.url)
    path = f"/v1/webhook_endpoints/{endpoint['id']}"
    receiver.always(500)
    for _ in range(5):
        await gateway.tell("order.paid")
    await gateway.deliver()
    receiver.always(200)
    receiver.got.clear()
    resent = await gateway.post(f"/v1/deliveries/{(await gateway.deliveries())[0]['id']}/resend")
    tested = await gateway.post(f"{path}/test", status=201)
    await gateway.deliver()
    assert receiver.got == []
    now = gateway.clock.now()
    for delivery in (resent, tested, *await gateway.deliveries(status="pending")):
        due = datetime.fromisoformat(delivery["next_try_at"])
        assert timedelta(seconds=30) < due - now <= timedelta(minutes=6)
    await gateway.http.patch(path, json={"status": "enabled"})  # nobody has to wait for it
    await gateway.deliver()
    assert sorted(ids(receiver.got)) == sorted([resent["event"], tested["event"]])


async def test_a_slow_endpoint_delays_nobody(
    lone: Gateway, receiver: Receiver, other: Receiver
) -> None:
    await lone.endpoint(receiver.url)
    await lone.endpoint(other.url)
    receiver.gate.clear()
    for _ in range(12):
        await lone.tell("order.paid")
    async with worker.running(lone.services):
        await other.has_receipted(12)
        assert receiver.receipts == []
        assert len(receiver.got) <= 4
        receiver.gate.set()
    # The worker has stopped, and finished what it had begun.
    assert len(receiver.receipts) == len(receiver.got) > 0
    pending = await lone.deliveries(status="pending", limit=500)
    assert len(pending) == 12 - len(receiver.got)
    assert all(delivery["next_try_at"] for delivery in pending)


async def test_many_slow_endpoints_leave_room_for_others(
    gateway: Gateway, receiver: Receiver, other: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All have more to be sent than they may have under way; one is looked at at a time."""
    for module in ("gateway.deliveries", "api.delivering"):
        monkeypatch.setattr(f"{module}.PER_PROCESS", 8)
    monkeypatch.setattr("storage.deliveries._ENDPOINTS", 1)
    for _ in range(3):
        await gateway.endpoint(receiver.url, "order.paid")
    await gateway.endpoint(other.url, "order.created")
    receiver.gate.clear()
    for _ in range(5):
        await gateway.tell("order.paid")
    deliverer = Deliverer(gateway.services)
    while await deliverer.start_due():
        pass
    under_way = Counter(deliverer._under_way.values())
    assert sorted(under_way.values()) == [1, 1, 4]
    await gateway.tell("order.created")
    await deliverer.start_due()
    await other.has_receipted(1)
    receiver.gate.set()
    await deliverer.finish()


async def test_gone_disables(gateway: Gateway, receiver: Receiver, other: Receiver) -> None:
    gone = await gateway.endpoint(receiver.url)
    await gateway.endpoint(other.url, "endpoint.disabled")
    order = gateway.services.ctx.ids.new("ord")
    for kind in ("order.created", "order.paid"):
        await gateway.tell(kind, order)
    receiver.always(410)
    await gateway.deliver()
    shown = await gateway.get(f"/v1/webhook_endpoints/{gone['id']}")
    assert (shown["status"], shown["disabled_reason"]) == (
        "disabled",
        "the endpoint answered 410 Gone",
    )
    assert [d["status"] for d in await gateway.deliveries(endpoint=gone["id"])] == [
        "canceled",
        "failed",
    ]
    (told,) = other.got
    assert (told.event["type"], told.event["sequence"]) == ("endpoint.disabled", 0)
    assert told.event["data"] == shown
    feed = await gateway.get("/v1/events", type="endpoint.disabled")
    assert [(e["id"], e["order"]) for e in feed["data"]] == [(told.id, None)]
    await gateway.tell("order.created")
    await gateway.deliver()
    assert len(receiver.got) == 1


async def test_five_days_of_failures_disable(
    lone: Gateway, receiver: Receiver, other: Receiver
) -> None:
    failing = await lone.endpoint(receiver.url)
    await lone.endpoint(other.url, "endpoint.disabled")
    receiver.always(500)
    for _ in range(12):
        await lone.tell("order.paid")
        await lone.deliver()
        lone.clock.advance(hours=11)
    assert (await lone.get(f"/v1/webhook_endpoints/{failing['id']}"))["status"] == "disabled"
    assert [got.event["data"]["id"] for got in other.got] == [failing["id"]]
    assert await lone.deliveries(status="pending", endpoint=failing["id"]) == []


async def test_ten_tries_then_failed(lone: Gateway, receiver: Receiver) -> None:
    await lone.endpoint(receiver.url)
    receiver.always(500)
    await lone.tell("order.paid")
    for pause in (timedelta(), *PAUSES):
        lone.clock.ahead += pause * 1.11
        await lone.deliver()
    assert len(receiver.got) == MAX_TRIES
    (delivery,) = await lone.deliveries()
    assert (delivery["status"], delivery["tries"]) == ("failed", MAX_TRIES)
    assert delivery["next_try_at"] is None


@pytest.mark.parametrize("header", ["90", None])
async def test_retry_after_is_honoured(
    lone: Gateway, receiver: Receiver, header: str | None
) -> None:
    await lone.endpoint(receiver.url)
    if header is None:
        at = lone.clock.now() + timedelta(seconds=90)
        header = at.strftime("%a, %d %b %Y %H:%M:%S GMT")
    receiver.always(429, **{"Retry-After": header})
    for _ in range(2):
        await lone.tell("order.paid")
        await lone.deliver()
    assert len(receiver.got) == 1  # the endpoint as a whole is left alone
    lone.clock.advance(seconds=80)
    await lone.deliver()
    assert len(receiver.got) == 1
    receiver.always(200)
    lone.clock.advance(seconds=11)
    await lone.deliver()
    assert len(receiver.receipts) == 2


async def test_rotation_overlaps_for_a_day(lone: Gateway, receiver: Receiver) -> None:
    endpoint = await lone.endpoint(receiver.url)
    path = f"/v1/webhook_endpoints/{endpoint['id']}"
    rotated = await lone.post(f"{path}/rotate")
    assert rotated["secret"] != endpoint["secret"]
    signers = []
    for hours in (0, 23.9, 0.2):
        lone.clock.advance(hours=hours)
        await lone.tell("order.paid")
        await lone.deliver()
        signers.append(_signers(receiver.got[-1], rotated, endpoint))
    assert signers == [2, 2, 1]


async def test_rotating_again_silences_no_secret(lone: Gateway, receiver: Receiver) -> None:
    """An answer was lost, so one asks again: the receiver still uses the secret before both."""
    made = [await lone.endpoint(receiver.url)]
    path = f"/v1/webhook_endpoints/{made[0]['id']}/rotate"
    for _ in range(4):
        lone.clock.advance(hours=5)
        made.insert(0, await lone.post(path))
    refused = await lone.post(path, status=409)
    assert "rotate again after" in refused["detail"]
    signers = []
    for hours in (0, 8.9, 0.2, 4.9):  # the first was replaced at 5 h, the second at 10 h
        lone.clock.advance(hours=hours)
        await lone.tell("order.paid")
        await lone.deliver()
        signers.append(_signers(receiver.got[-1], *made))
    assert signers == [5, 5, 4, 3]
    await lone.post(path)


def _signers(got: Received, *endpoints: dict[str, Any]) -> int:
    """How many signatures there are; each by one of the secrets, the newest first."""
    at = datetime.fromtimestamp(int(got.headers["webhook-timestamp"]), UTC)
    given = got.headers["webhook-signature"].split()
    made = [
        standardwebhooks.Webhook(endpoint["secret"]).sign(got.id, at, got.body.decode())
        for endpoint in endpoints
    ]
    assert given == made[: len(given)]
    return len(given)


async def test_an_order_s_events_arrive_in_order(gateway: Gateway, receiver: Receiver) -> None:
    await gateway.endpoint(receiver.url)
    orders = [gateway.services.ctx.ids.new("ord") for _ in range(4)]
    for kind in ("order.created", "order.processing", "order.paid", "refund.created"):
        for order in orders:
            await gateway.tell(kind, order)
    await gateway.deliver()
    sequences: dict[str, list[int]] = {}
    feed = (await gateway.get("/v1/events"))["data"]
    order_of = {event["id"]: event["order"] for event in feed}
    for got in receiver.got:
        sequences.setdefault(order_of[got.id], []).append(got.event["sequence"])
    assert sequences == {order: [1, 2, 3, 4] for order in orders}


async def test_later_events_wait_for_three_tries_only(gateway: Gateway, receiver: Receiver) -> None:
    await gateway.endpoint(receiver.url)
    order = gateway.services.ctx.ids.new("ord")
    first = await gateway.tell("order.created", order)
    second = await gateway.tell("order.paid", order)
    elsewhere = await gateway.tell("order.created")
    receiver.answer = lambda got: web.Response(status=500 if got.id == first else 200)
    await gateway.deliver()
    assert sorted(ids(receiver.got)) == sorted([first, elsewhere])  # side by side, in any order
    receiver.got.clear()
    gateway.clock.advance(seconds=6)
    await gateway.deliver()
    assert ids(receiver.got) == [first]
    gateway.clock.advance(minutes=6)
    await gateway.deliver()
    assert ids(receiver.got) == [first, first, second]
    gateway.clock.advance(hours=1)
    receiver.always(200)
    await gateway.deliver()
    assert ids(receiver.got)[-1] == first
    assert receiver.got[-1].event["sequence"] == 1  # by which the receiver can tell


async def test_resend(gateway: Gateway, receiver: Receiver) -> None:
    endpoint = await gateway.endpoint(receiver.url)
    event = await gateway.tell("order.paid")
    await gateway.deliver()
    (delivery,) = await gateway.deliveries()
    again = await gateway.post(f"/v1/deliveries/{delivery['id']}/resend")
    assert (again["id"], again["status"], again["tries"]) == (delivery["id"], "pending", 0)
    await gateway.deliver()
    assert ids(receiver.got) == [event, event]
    shown = await gateway.get(f"/v1/deliveries/{delivery['id']}")
    assert [attempt["number"] for attempt in shown["attempts"]] == [1, 2]
    assert shown["status"] == "delivered"
    path = f"/v1/webhook_endpoints/{endpoint['id']}"
    await gateway.http.patch(path, json={"status": "disabled"})
    refused = await gateway.post(f"/v1/deliveries/{delivery['id']}/resend", status=409)
    assert "disabled" in refused["detail"]


async def test_recover(gateway: Gateway, receiver: Receiver) -> None:
    """Since a time: what failed, was canceled or never made; not what was delivered or waits."""
    early = await gateway.tell("order.paid")
    await gateway.deliver()
    gateway.clock.advance(hours=1)
    since = gateway.clock.now()
    before = [await gateway.tell("order.paid"), await gateway.tell("order.created")]
    await gateway.deliver()
    endpoint = await gateway.endpoint(receiver.url, "order.paid")
    delivered = await gateway.tell("order.paid")
    await gateway.deliver()
    path = f"/v1/webhook_endpoints/{endpoint['id']}"
    canceled = await gateway.tell("order.paid")
    await gateway.services.feed.place()
    await gateway.http.patch(path, json={"status": "disabled"})
    missed = await gateway.tell("order.paid")
    await gateway.deliver()
    body = {"since": since.isoformat()}
    assert (await gateway.post(f"{path}/recover", body, 409))["code"] == "conflict"
    await gateway.http.patch(path, json={"status": "enabled"})
    assert (await gateway.post(f"{path}/recover", body))["recovered"] == 3
    assert (await gateway.post(f"{path}/recover", body))["recovered"] == 0
    await gateway.deliver()
    assert sorted(ids(receiver.got)) == sorted([delivered, before[0], canceled, missed])
    assert early not in ids(receiver.got)
    extremes = ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"]
    for wrong in (None, "2026-01-01T00:00:00", "yesterday", 5, *extremes):
        await gateway.post(f"{path}/recover", {"since": wrong}, 400)
    await gateway.post(f"{path}/recover", {}, 400)


async def test_recover_in_batches(
    gateway: Gateway, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = [await gateway.tell("order.paid") for _ in range(7)]
    await gateway.deliver()
    endpoint = await gateway.endpoint(receiver.url)
    monkeypatch.setattr("storage.delivery_log.BATCH", 3)
    body = {"since": "2020-01-01T00:00:00Z"}
    path = f"/v1/webhook_endpoints/{endpoint['id']}/recover"
    assert (await gateway.post(path, body))["recovered"] == 7
    await gateway.deliver()
    assert sorted(ids(receiver.got)) == told


async def test_a_test_event_goes_to_one_endpoint(
    lone: Gateway, receiver: Receiver, other: Receiver
) -> None:
    endpoint = await lone.endpoint(receiver.url, "order.paid")
    await lone.endpoint(other.url)
    delivery = await lone.post(f"/v1/webhook_endpoints/{endpoint['id']}/test", status=201)
    assert (delivery["event_type"], delivery["status"]) == ("endpoint.test", "pending")
    await lone.deliver()
    assert ids(receiver.got) == [delivery["event"]]
    assert receiver.got[0].event["data"]["id"] == endpoint["id"]
    assert other.got == []


async def test_a_killed_worker_s_delivery_is_made_again(
    start: Start, database_url: str, receiver: Receiver
) -> None:
    """At least once: a receipt that nobody could note any more is asked for again."""
    clock = Clock()
    killed, survivor = await start(database_url, clock), await start(database_url, clock)
    await killed.endpoint(receiver.url)
    event = await killed.tell("order.paid")
    receiver.gate.clear()
    deliverer = Deliverer(killed.services)
    await deliverer.start_due()
    await receiver.arrived.wait()
    for task in tuple(deliverer._under_way):
        task.cancel()
    await asyncio.gather(*deliverer._under_way, return_exceptions=True)
    receiver.gate.set()
    await survivor.deliver()
    assert len(receiver.got) == 1  # the lease holds
    clock.advance(seconds=41)
    await survivor.deliver()
    assert ids(receiver.got) == [event, event]
    (delivery,) = await survivor.deliveries()
    assert (delivery["status"], delivery["tries"]) == ("delivered", 1)


async def test_a_worker_that_lost_its_lease_changes_nothing(
    start: Start, database_url: str, receiver: Receiver
) -> None:
    clock = Clock()
    slow, quick = await start(database_url, clock), await start(database_url, clock)
    await slow.endpoint(receiver.url)
    await slow.tell("order.paid")
    receiver.gate.clear()
    deliverer = Deliverer(slow.services)
    await deliverer.start_due()
    await receiver.arrived.wait()
    clock.advance(seconds=41)
    late, receiver.gate = receiver.gate, asyncio.Event()
    receiver.gate.set()
    await quick.deliver()
    receiver.always(500)
    late.set()
    await deliverer.finish()
    (delivery,) = await quick.deliveries()
    assert (delivery["status"], delivery["error"]) == ("delivered", None)
    attempts = (await quick.get(f"/v1/deliveries/{delivery['id']}"))["attempts"]
    assert sorted(attempt["response_status"] for attempt in attempts) == [200, 500]


async def test_two_workers_deliver_each_once_and_no_more_than_four_at_once(
    start: Start, postgresql_url: str, receiver: Receiver
) -> None:
    clock = Clock()
    workers = [await start(postgresql_url, clock) for _ in range(2)]
    await workers[0].endpoint(receiver.url)
    told = [await workers[0].tell("order.paid") for _ in range(40)]
    await asyncio.gather(*(_until(gateway, receiver, 40) for gateway in workers))
    assert sorted(ids(receiver.got)) == told
    assert receiver.most <= 4


async def _until(gateway: Gateway, receiver: Receiver, count: int) -> None:
    async with worker.running(gateway.services):
        await receiver.has_receipted(count)


async def test_live_and_test_mode_do_not_mix(lone: Gateway, receiver: Receiver) -> None:
    await lone.endpoint(receiver.url)
    await lone.tell("order.paid", livemode=True)
    await lone.deliver()
    assert receiver.got == []


async def test_without_the_setting_loopback_is_refused(
    start: Start, store_url: str, receiver: Receiver
) -> None:
    clock = Clock()
    allowed = await start(store_url, clock)
    await allowed.endpoint(receiver.url)
    strict = await start(store_url, clock, loopback=False)
    body = {"url": receiver.url, "events": ["*"]}
    refused = await strict.post("/v1/webhook_endpoints", body, 400)
    assert refused["errors"][0]["path"] == "url"
    await strict.tell("order.paid")
    await strict.deliver()
    assert receiver.got == []
    (delivery,) = await strict.deliveries()
    assert delivery["error"] == "not sent: its address is not a public one"


async def test_metrics(gateway: Gateway, receiver: Receiver) -> None:
    await gateway.endpoint(receiver.url)
    receiver.always(500)
    await gateway.tell("order.paid")
    await gateway.deliver()
    gateway.clock.advance(seconds=6)
    text = (await gateway.http.get("/metrics")).text
    assert 'gateway_delivery_seconds_count{outcome="pending"} 1.0' in text
    oldest = 'gateway_backlog_oldest_seconds{what="deliveries"}'
    waits = next(line for line in text.splitlines() if line.startswith(oldest))
    assert 6 <= float(waits.split()[1]) < 20
    receiver.always(200)
    await gateway.deliver()
    text = (await gateway.http.get("/metrics")).text
    assert 'gateway_delivery_seconds_count{outcome="delivered"} 1.0' in text
    assert f"{oldest} 0.0" in text


async def test_secrets_sealed_under_another_key_are_told(
    lone: Gateway, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = await lone.endpoint(receiver.url)
    sealer = lone.services.endpoints._sealer
    monkeypatch.setattr(sealer, "unseal", lambda _: None)
    await lone.tell("order.paid")
    await lone.deliver()
    (delivery,) = await lone.deliveries()
    assert "rotate" in delivery["error"]
    assert receiver.got == []
    monkeypatch.undo()
    await lone.post(f"/v1/webhook_endpoints/{endpoint['id']}/rotate")
    lone.clock.advance(seconds=6)
    await lone.deliver()
    assert len(receiver.receipts) == 1


async def test_a_receiver_that_is_not_there(lone: Gateway) -> None:
    async with receiving() as gone:
        url = gone.url
    await lone.endpoint(url)
    await lone.tell("order.paid")
    await lone.deliver()
    (delivery,) = await lone.deliveries()
    assert (delivery["response_status"], delivery["error"]) == (None, "no connection")
