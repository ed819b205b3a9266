"""`gateway events`: what is sent again, and what is read again."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import delete, func, select, update

from gateway.provider import ProviderEvent
from gateway.replay import Selection
from providers.stripe.plugin import StripePlugin
from storage import tables as t
from storage.ledger import SqlLedger
from storage.replays import SqlReplays
from tests.commands.running import command, lines
from tests.faults.stage import Gateway, House, Sandbox
from tests.recovery.story import events as told
from tests.recovery.story import merchant_of

Rows = list[dict[str, Any]]


async def written(gateway: Gateway) -> dict[str, Any]:
    """How many rows every table has, and the inbox with its states."""
    counts: dict[str, Any] = {}
    async with gateway.services.store.database.read() as connection:
        for table in t.metadata.sorted_tables:
            counts[table.name] = await connection.scalar(select(func.count()).select_from(table))
        c = t.inbox.c
        rows = await connection.execute(
            select(c.event_id, c.status, c.fence, c.run_at).order_by(c.event_id)
        )
        counts["states"] = [tuple(row) for row in rows]
    return counts


async def inbox(gateway: Gateway, kind: str) -> Any:
    """The stored event of a type."""
    async with gateway.services.store.database.read() as connection:
        found = await connection.execute(select(t.inbox).where(t.inbox.c.type == kind))
        return found.one()


# --- resend ---------------------------------------------------------------------------------------


async def endpoint(gateway: Gateway, *events: str) -> str:
    """A new endpoint of the merchant."""
    body = {"url": f"{gateway.url}/hook", "events": list(events)}
    answer = await gateway.http.post("/v1/webhook_endpoints", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def deliveries(gateway: Gateway) -> Rows:
    """All of them, oldest first."""
    rows: Rows = (await gateway.http.get("/v1/deliveries")).json()["data"]
    return rows[::-1]


async def delivered(gateway: Gateway) -> None:
    """As if the merchant had received everything."""
    async with gateway.services.store.database.write() as connection:
        await connection.execute(update(t.deliveries).values(status="delivered", attempts=1))


async def test_resend_one_delivery_or_an_event_to_all(house: House, gateway: Gateway) -> None:
    first = await endpoint(gateway, "*")
    await gateway.create("stripe")
    await gateway.services.feed.place()
    second, other = await endpoint(gateway, "order.created"), await endpoint(gateway, "order.paid")
    await delivered(gateway)
    (delivery,) = await deliveries(gateway)

    (again,) = await lines(house, "events", "resend", delivery["id"])
    assert [(d["id"], d["status"], d["tries"]) for d in again["data"]] == [
        (delivery["id"], "pending", 0)
    ]
    await delivered(gateway)
    (sent,) = await lines(house, "events", "resend", delivery["event"])
    assert {d["endpoint"] for d in sent["data"]} == {first, second}
    assert {d["status"] for d in sent["data"]} == {"pending"}
    assert {d["event"] for d in sent["data"]} == {delivery["event"]}
    (once_more,) = await lines(house, "events", "resend", delivery["event"])
    assert [d["id"] for d in once_more["data"]] == [d["id"] for d in sent["data"]]
    assert len(await deliveries(gateway)) == 2
    people = await command(house, "events", "resend", delivery["id"])
    assert delivery["id"] in people.stdout
    assert other not in people.stdout


async def test_resend_to_nobody(house: House, gateway: Gateway) -> None:
    endpoint_id = await endpoint(gateway, "*")
    await gateway.create("stripe")
    await gateway.services.feed.place()
    (delivery,) = await deliveries(gateway)
    await gateway.http.patch(f"/v1/webhook_endpoints/{endpoint_id}", json={"status": "disabled"})
    result = await command(house, "events", "resend", delivery["id"])
    assert result.exit_code == 1
    assert "disabled" in result.stderr
    result = await command(house, "events", "resend", delivery["event"])
    assert result.exit_code == 0
    assert "No enabled endpoint" in result.stdout
    assert (await command(house, "events", "resend", "evt_unknown")).exit_code == 1


# --- replay ---------------------------------------------------------------------------------------


async def test_what_was_applied_stays_the_same(house: House, gateway: Gateway) -> None:
    await gateway.paid("stripe")
    await gateway.paid("paypal", key="second")
    before = await written(gateway)
    day = f"{gateway.clock.now():%Y-%m-%d}"
    *read, total = await lines(house, "events", "replay", "--since", day)
    assert total["read"] == len(read) == before["inbox"]
    assert (total["changes"], total["applied"]) == (0, 0)
    assert {one["verdict"] for one in read} <= {"same", "ignored"}
    *_, total = await lines(house, "events", "replay", "--since", day, "--apply")
    assert total["applied"] == 0
    assert await written(gateway) == before
    *read, _ = await lines(house, "events", "replay", "--since", day, "--provider", "paypal")
    assert {one["provider"] for one in read} == {"paypal"}
    assert len(read) < before["inbox"]


async def test_an_event_that_yesterday_s_code_ignored(
    house: House, gateway: Gateway, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dispute that nobody understood: shown first, and applied only when told to."""
    order = await gateway.paid("stripe")

    def yesterday(self: StripePlugin, body: bytes) -> ProviderEvent:
        event = today(self, body)
        if not event.type.startswith("charge.dispute"):
            return event
        return ProviderEvent(id=event.id, type=event.type, at=event.at, ignored="unknown type")

    today = StripePlugin.read_event
    with monkeypatch.context() as old:
        old.setattr(StripePlugin, "read_event", yesterday)
        capture = order["payments"][0]["provider_payment_id"]
        await sandbox.control("dispute", provider="stripe", id=capture)
        await gateway.work()
    assert (await gateway.order(order))["disputes"] == []
    stored = await inbox(gateway, "charge.dispute.created")
    assert stored.status == "ignored"
    before = await written(gateway)
    calls = len((await sandbox.look("calls"))["data"])

    (shown, total) = await lines(house, "events", "replay", "--event", stored.event_id)
    assert (shown["verdict"], shown["was"], shown["order"]) == ("changes", "ignored", order["id"])
    assert any(fact.startswith("dispute") for fact in shown["facts"])
    assert (total["changes"], total["applied"]) == (1, 0)
    people = await command(house, "events", "replay", "--event", stored.event_id)
    assert "stays paid" in people.stdout
    assert "new: dispute" in people.stdout
    assert "nothing was written" in people.stdout
    assert await written(gateway) == before
    assert len((await sandbox.look("calls"))["data"]) == calls

    (_, total) = await lines(house, "events", "replay", "--event", stored.event_id, "--apply")
    assert total["applied"] == 1
    after = await gateway.order(order)
    assert len(after["disputes"]) == 1
    assert (await inbox(gateway, "charge.dispute.created")).status == "applied"
    assert "dispute.opened" in await told(gateway, order)
    entries = await gateway.timeline(order)
    assert [e for e in entries if e["rule"].startswith("replayed by an operator; ")]
    (shown, total) = await lines(house, "events", "replay", "--event", stored.event_id, "--apply")
    assert (shown["verdict"], total["applied"]) == ("same", 0)


async def test_later_events_see_what_earlier_ones_change(
    house: House, gateway: Gateway, sandbox: Sandbox
) -> None:
    """Facts lost by an accident: all events together show one way from open to paid."""
    order = await gateway.paid("stripe")
    kinds = ("captured", "authorized", "buyer_approved", "fee")
    async with gateway.services.store.database.write() as connection:
        await connection.execute(delete(t.facts).where(t.facts.c.kind.in_(kinds)))
    day = f"{gateway.clock.now():%Y-%m-%d}"
    *shown, total = await lines(house, "events", "replay", "--since", day)
    ways = [(one["status_before"], one["status_after"]) for one in shown if one["facts"]]
    assert ways[-1][1] == "paid"
    assert all(left[1] == right[0] for left, right in pairwise(ways))
    assert total["changes"] == len(ways)
    assert len([way for way in ways if way[0] != "paid" and way[1] == "paid"]) == 1
    *_, total = await lines(house, "events", "replay", "--since", day, "--apply")
    assert total["applied"] == total["changes"] == len(ways)
    stored = await SqlLedger(gateway.services.store.database).snapshot(
        await merchant_of(gateway, order), order["id"]
    )
    assert stored is not None
    assert stored.state.status == "paid"
    await gateway.work()  # the rest is asked for
    await sandbox.agrees(await gateway.order(order))


async def test_a_dead_letter_is_cured(
    house: House, gateway: Gateway, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await gateway.create("stripe")

    def broken(self: StripePlugin, body: bytes) -> ProviderEvent:
        raise ValueError

    with monkeypatch.context() as old:
        old.setattr(StripePlugin, "read_event", broken)
        await sandbox.buyer(order)
        for _ in range(12):
            await gateway.later(minutes=11)
    items = (await gateway.http.get("/v1/attention")).json()["data"]
    assert {item["kind"] for item in items} == {"dead_letter"}
    dead = await inbox(gateway, "checkout.session.completed")
    assert dead.status == "dead"
    *_, total = await lines(
        house, "events", "replay", "--since", f"{dead.received_at:%Y-%m-%d}", "--apply"
    )
    assert total["applied"] == len(items)
    await gateway.work()
    assert (await gateway.order(order))["status"] == "paid"
    open_items = await gateway.http.get("/v1/attention", params={"status": "open"})
    assert open_items.json()["data"] == []


async def test_what_cannot_be_replayed(house: House, gateway: Gateway, sandbox: Sandbox) -> None:
    order = await gateway.paid("stripe")
    stored = await inbox(gateway, "checkout.session.completed")
    again = ("events", "replay", "--event", stored.event_id)

    async def becomes(verdict: str, **values: Any) -> None:
        own = t.inbox.c.event_id == stored.event_id
        async with gateway.services.store.database.write() as connection:
            await connection.execute(update(t.inbox).where(own).values(**values))
        (shown, total) = await lines(house, *again, "--apply")
        assert (shown["verdict"], total["applied"]) == (verdict, 0), shown
        assert shown["detail"]

    await becomes("unreadable", body=b"{}")
    await becomes("waiting", status="received", run_at=gateway.clock.now() + timedelta(hours=1))
    strange = stored.body.replace(order["payments"][0]["id"].encode(), b"pay_unknown")
    for known in ("provider_order_id", "provider_payment_id"):
        strange = strange.replace(order["payments"][0][known].encode(), b"xx_unknown")
    await becomes("orphan", status="applied", body=strange)
    assert (await command(house, *again[:3], "evt_unknown")).exit_code == 1
    assert (await command(house, "events", "replay")).exit_code == 2
    assert (await command(house, "events", "replay", "--since", "yesterday")).exit_code == 2


async def test_an_event_that_another_process_has_taken_up(gateway: Gateway) -> None:
    await gateway.paid("stripe")
    stored = await inbox(gateway, "checkout.session.completed")
    replays = SqlReplays(gateway.services.store.database, gateway.services.ctx.ids)
    (event,) = [one async for one in replays.events(Selection(event_id=stored.event_id))]
    lease = gateway.clock.now() + timedelta(seconds=40)
    assert await replays.claim(event, lease) is not None
    assert await replays.claim(event, lease) is None
