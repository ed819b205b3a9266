"""The books of a working gateway: booked with the state, proven, repaired, and read by the API."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.attempts import lock
from gateway.errors import StoreUnavailable
from gateway.facts import Captured, DisputeUpdated, Fact, Fee, RefundUpdated
from gateway.recording import record
from gateway.verify import UNBOOKED, mismatches, repair
from storage import tables as t
from storage.ledger import SqlLedger
from tests.api.conftest import Gateway, code_of, open_gateway

AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def gateway(database_url: str) -> AsyncIterator[Gateway]:
    """On SQLite and on PostgreSQL."""
    async with open_gateway(database_url) as opened:
        yield opened


async def tell(gateway: Gateway, order: dict[str, Any], *facts: Fact) -> None:
    """The provider says something about the order's payment."""
    ctx = gateway.services.ctx
    async with ctx.store.transaction() as tx:
        locked, _ = await lock(tx, gateway.merchant, order["id"])
        await record(ctx, tx, locked, order["payments"][0]["id"], facts, source="a test")


async def listed(gateway: Gateway, **filters: Any) -> list[dict[str, Any]]:
    answer = await gateway.get("/v1/balance_transactions", **filters)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def balances(gateway: Gateway, **query: Any) -> dict[str, int]:
    answer = await gateway.get("/v1/ledger/accounts", **query)
    assert answer.status_code == 200, answer.text
    for account in answer.json()["data"]:
        assert account["debits"] - account["credits"] == account["balance"]
    return {account["account"]: account["balance"] for account in answer.json()["data"]}


async def wrong(gateway: Gateway, order: dict[str, Any]) -> list[str]:
    """What `gateway verify` finds in an order."""
    stored = await SqlLedger(gateway.services.store.database).order(gateway.merchant, order["id"])
    assert stored is not None
    return [found.field for found in mismatches(stored)]


def refunded(status: Any = "succeeded", currency: str = "USD") -> RefundUpdated:
    return RefundUpdated(
        provider_refund_id="re_1", status=status, amount=2000, currency=currency, at=AT
    )


async def test_a_sale_a_refund_and_a_dispute_are_in_the_books(gateway: Gateway) -> None:
    order = await gateway.paid()
    await tell(gateway, order, refunded())
    await tell(
        gateway,
        order,
        DisputeUpdated(
            dispute_id="dp_1", status="needs_response", amount=1000, currency="USD", at=AT
        ),
        Fee(object_id="dp_1", fee=1500, net=-2500, currency="USD", balance_id="bt_1"),
    )

    lines = await listed(gateway, order=order["id"])
    assert [(line["type"], line["gross"], line["fee"], line["net"]) for line in lines] != []
    assert sorted((line["type"], line["gross"], line["fee"], line["net"]) for line in lines) == [
        ("charge", 5400, 540, 4860),
        ("dispute", -1000, 1500, -2500),
        ("refund", -2000, 0, -2000),
    ]
    now = await gateway.read(order)
    assert sum(line["net"] for line in lines) == now["net"] == 360
    assert await balances(gateway) == {
        "provider_clearing:fake:USD": 360,
        "sales:USD": -5400,
        "refunds:USD": 2000,
        "disputes:USD": 1000,
        "fees:USD": 2040,
    }
    assert await wrong(gateway, order) == []


async def test_books_and_state_are_committed_together(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await gateway.order()
    facts = [Captured(capture_id="cap_1", amount=5400, currency="USD", at=AT)]
    add_timeline = "storage.telling.TellingTransaction.add_timeline"

    async def fails(*_: Any) -> None:
        raise StoreUnavailable("gone")

    with monkeypatch.context() as patch:
        patch.setattr(add_timeline, fails)
        with pytest.raises(StoreUnavailable):
            await tell(gateway, order, *facts)
    assert await listed(gateway) == []
    assert (await gateway.read(order))["status"] == "open"
    await asyncio.gather(*(tell(gateway, order, *facts) for _ in range(5)))
    assert [line["type"] for line in await listed(gateway)] == ["charge"]
    assert await wrong(gateway, order) == []


async def test_a_correction_is_a_line_of_its_own_and_the_past_stays(gateway: Gateway) -> None:
    order = await gateway.paid()
    before = await balances(gateway)
    moment = gateway.clock.now().isoformat()
    (first,) = await listed(gateway, order=order["id"], type="charge")
    capture = first["provider_id"]
    gateway.clock.advance(hours=1)

    await tell(gateway, order, Captured(capture_id=capture, amount=5000, currency="USD", at=AT))

    correction, unchanged = await listed(gateway, order=order["id"], type="charge")
    assert unchanged == first | {"paid_at": None}, "5000 of 5400 is no payment"
    assert (correction["gross"], correction["corrects"]) == (-400, first["id"])
    assert await balances(gateway, at=moment) == before
    assert (await balances(gateway))["sales:USD"] == -5000
    assert await wrong(gateway, order) == []


async def test_a_trial_balance_of_any_time_is_exact(gateway: Gateway) -> None:
    """Whatever snapshots there are, and whenever they were made."""
    moments = []
    for pause in (0, 5, 30, 30, 70, 1, 30):
        gateway.clock.advance(hours=pause)
        order = await gateway.paid()
        await tell(gateway, order, refunded())
        moments += [gateway.clock.now(), gateway.clock.now().replace(hour=0, minute=0, second=0)]
        if pause == 70:
            await balances(gateway)  # makes the first snapshots

    e, s = t.ledger_entries.c, t.ledger_snapshots.c
    for at in [*moments, *reversed(moments)]:
        query = select(e.account, func.sum(e.amount)).where(e.created_at <= at).group_by(e.account)
        async with gateway.services.store.database.read() as connection:
            added = {account: int(total) for account, total in await connection.execute(query)}
        assert await balances(gateway, at=at.isoformat()) == added
    async with gateway.services.store.database.read() as connection:
        kept = (await connection.execute(select(s.at).distinct())).scalars().all()
    assert len(kept) == 4, "one for each past day on which anything was booked"


async def test_what_is_booked_into_the_past_is_in_its_trial_balance(gateway: Gateway) -> None:
    order = await gateway.paid()
    gateway.clock.advance(days=3)
    await gateway.paid()
    expected = await balances(gateway)
    yesterday = gateway.clock.now() - timedelta(days=1)
    async with gateway.services.store.database.write() as connection:
        for table in (t.ledger_entries, t.ledger_transactions, t.balance_transactions):
            await connection.execute(delete(table).where(table.c.created_at < yesterday))
        await connection.execute(delete(t.ledger_snapshots))
    await balances(gateway)
    gateway.clock.advance(days=3)
    assert await balances(gateway) != expected

    await repair(gateway.services.store, gateway.merchant, order["id"], gateway.clock.now())

    assert await balances(gateway) == expected


async def test_a_trial_balance_is_of_one_moment(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While an order of the past is booked, which drops the snapshot that is being read."""
    order, store = await gateway.paid(), gateway.services.store
    gateway.clock.advance(hours=1)
    async with store.database.write() as connection:
        for table in (t.ledger_entries, t.ledger_transactions, t.balance_transactions):
            await connection.execute(delete(table))
    await gateway.paid()
    gateway.clock.advance(days=3)
    before = await balances(gateway)
    scalar, looked = AsyncConnection.scalar, []

    async def scalar_and_repair(self: AsyncConnection, statement: Any) -> Any:
        found = await scalar(self, statement)
        if "max(ledger_snapshots.at)" in str(statement):
            looked.append(found)
            if len(looked) == 2:  # at first it looks for snapshots that are missing
                await repair(store, gateway.merchant, order["id"], gateway.clock.now())
        return found

    monkeypatch.setattr(AsyncConnection, "scalar", scalar_and_repair)
    assert await balances(gateway) == before
    assert looked[1] is not None


async def test_a_fee_learnt_later_corrects_the_charge(gateway: Gateway) -> None:
    order = await gateway.order()
    await tell(gateway, order, Captured(capture_id="cap_1", amount=5400, currency="USD", at=AT))
    fee = Fee(object_id="cap_1", fee=10, net=5390, currency="USD", balance_id="bt_1")
    await tell(gateway, order, fee)

    kept, charge = await listed(gateway)
    assert (charge["type"], charge["gross"], charge["fee"]) == ("charge", 5400, 0)
    assert (kept["type"], kept["gross"], kept["fee"]) == ("charge", 0, 10)
    assert (charge["corrects"], kept["corrects"]) == (None, charge["id"])
    assert charge["provider_balance_id"] == "bt_1", "what is no amount is filled in"
    assert charge["settlement_currency"] == charge["currency"] == "USD"
    assert (charge["reporting_category"], charge["paid_at"]) == ("sales", "2026-01-01T00:00:00Z")
    assert await wrong(gateway, order) == []


async def test_what_is_settled_in_another_currency_leaves_its_own(gateway: Gateway) -> None:
    order = await gateway.order()
    await tell(
        gateway,
        order,
        Captured(capture_id="cap_1", amount=5400, currency="USD", at=AT),
        Fee(object_id="cap_1", fee=150, net=4850, currency="EUR", balance_id="bt_1", rate="0.926"),
    )
    assert await balances(gateway) == {
        "provider_clearing:fake:USD": 0,
        "sales:USD": -5400,
        "conversion:USD": 5400,
        "provider_clearing:fake:EUR": 4850,
        "conversion:EUR": -5000,
        "fees:EUR": 150,
    }
    rates = {(line["rate"], line["settlement_currency"]) for line in await listed(gateway)}
    assert rates == {("0.926", "EUR")}
    assert await wrong(gateway, order) == []


async def test_an_order_from_before_the_ledger_is_booked_by_repair(gateway: Gateway) -> None:
    order = await gateway.paid()
    expected = await balances(gateway)
    async with gateway.services.store.database.write() as connection:
        for table in (t.ledger_entries, t.ledger_transactions, t.balance_transactions):
            await connection.execute(delete(table))
    assert await wrong(gateway, order) == [UNBOOKED]

    store, now = gateway.services.store, gateway.clock.now()
    assert await repair(store, gateway.merchant, order["id"], now) == 1
    assert await repair(store, gateway.merchant, order["id"], now) == 0
    assert await repair(store, gateway.merchant, "ord_none", now) == 0

    assert await wrong(gateway, order) == []
    assert await balances(gateway) == expected
    assert await balances(gateway, at="2026-01-01T00:00:00Z") == expected, "as of when it moved"


async def test_an_order_from_before_the_ledger_goes_on(gateway: Gateway) -> None:
    order = await gateway.paid()
    async with gateway.services.store.database.write() as connection:
        for table in (t.ledger_entries, t.ledger_transactions, t.balance_transactions):
            await connection.execute(delete(table))
    await tell(gateway, order, refunded())
    assert len(await listed(gateway)) == 2
    assert await wrong(gateway, order) == []


async def test_facts_that_were_lost_and_are_learnt_again_are_booked_once(gateway: Gateway) -> None:
    """Even if they read otherwise now: what stands in the books is corrected."""
    order = await gateway.paid()
    (charge,) = await listed(gateway)
    kinds = ("captured", "fee", "paid_with")
    async with gateway.services.store.database.write() as connection:
        await connection.execute(delete(t.facts).where(t.facts.c.kind.in_(kinds)))
    capture = charge["provider_id"]
    await tell(gateway, order, Captured(capture_id=capture, amount=5000, currency="USD", at=AT))

    assert sorted((line["gross"], line["fee"]) for line in await listed(gateway)) == [
        (-400, -540),
        (5400, 540),
    ]
    assert (await balances(gateway))["sales:USD"] == -5000
    assert await wrong(gateway, order) == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("UPDATE balance_transactions SET gross = 1, net = 1 WHERE type = 'charge'", True),
        ("UPDATE ledger_entries SET amount = amount + 1 WHERE position = 0", True),
        ("UPDATE balance_transactions SET net = net + 1 WHERE type = 'charge'", True),
        ("DELETE FROM ledger_entries WHERE position = 1", True),
        ("UPDATE balance_transactions SET settled_at = NULL", False),
    ],
)
async def test_a_hand_in_the_books_is_found(gateway: Gateway, change: str, found: bool) -> None:
    order = await gateway.paid()
    assert await wrong(gateway, order) == []
    async with gateway.services.store.database.write() as connection:
        await connection.execute(text(change))
    assert bool(await wrong(gateway, order)) == found


async def test_every_ledger_transaction_sums_to_zero(gateway: Gateway) -> None:
    order = await gateway.paid()
    await tell(gateway, order, refunded(), refunded("failed"))
    e = t.ledger_entries.c
    sums = select(func.sum(e.amount)).group_by(e.transaction_id)
    async with gateway.services.store.database.read() as connection:
        assert {int(total) for (total,) in await connection.execute(sums)} == {0}
    answer = (await gateway.get("/v1/ledger/entries", account="refunds:USD")).json()
    assert [entry["type"] for entry in answer["data"]] != []
    assert {entry["type"] for entry in answer["data"]} == {"refund", "refund_failure"}
    for entry in answer["data"]:
        assert sum(posting["amount"] for posting in entry["postings"]) == 0
        assert {posting["account"] for posting in entry["postings"]} == {
            "refunds:USD",
            "provider_clearing:fake:USD",
        }


@pytest.mark.parametrize("path", ["/v1/balance_transactions", "/v1/ledger/entries"])
async def test_pages_stand_still_while_money_moves(gateway: Gateway, path: str) -> None:
    for _ in range(8):
        await gateway.paid()
    whole = (await gateway.get(path, limit=500)).json()["data"]
    assert len(whole) == 8
    seen: list[str] = []
    cursor: dict[str, Any] = {}
    for _ in range(3):
        page = (await gateway.get(path, limit=3, **cursor)).json()
        seen += [line["id"] for line in page["data"]]
        cursor = {"cursor": page["next_cursor"]}
        await gateway.paid()
    assert cursor == {"cursor": None}
    assert seen == [line["id"] for line in whole]


async def test_filters(gateway: Gateway) -> None:
    first = await gateway.paid()
    await tell(gateway, first, refunded())
    between = gateway.clock.now().isoformat()
    second = await gateway.paid(currency="EUR", provider="other")
    await tell(gateway, second, refunded(currency="EUR"))
    async with gateway.services.store.database.write() as connection:
        c = t.balance_transactions.c
        await connection.execute(
            update(t.balance_transactions).where(c.type == "refund").values(payout_id="po_1")
        )

    async def orders(**filters: Any) -> list[str]:
        return [line["order"] for line in await listed(gateway, **filters)]

    both = [second["id"], second["id"], first["id"], first["id"]]
    assert await orders() == both
    assert set(await orders(order=first["id"])) == {first["id"]}
    assert set(await orders(payment=second["payments"][0]["id"])) == {second["id"]}
    assert await orders(payment="pay_none") == []
    assert await orders(type="charge") == both[1:3]
    assert set(await orders(provider="fake")) == {first["id"]}
    assert set(await orders(currency="EUR")) == {second["id"]}
    assert await orders(payout="po_1") == both[1:3]
    assert set(await orders(created_from=between)) == {second["id"]}
    assert set(await orders(created_to=between)) == {first["id"]}
    assert await orders(occurred_from="2026-01-01T00:00:00Z") == both
    assert await orders(occurred_to="2026-01-01T00:00:00Z") == []
    entries = await gateway.get("/v1/ledger/entries", order=first["id"], created_to=between)
    assert {entry["order"] for entry in entries.json()["data"]} == {first["id"]}
    later = await gateway.get("/v1/ledger/entries", order=first["id"], created_from=between)
    assert later.json()["data"] == []


async def test_one_line_is_read_by_its_id(gateway: Gateway) -> None:
    await gateway.paid()
    (charge,) = await listed(gateway, type="charge")
    answer = await gateway.get(f"/v1/balance_transactions/{charge['id']}")
    assert answer.json() == charge
    assert code_of(await gateway.get("/v1/balance_transactions/txn_none")) == (404, "not_found")


async def test_who_may_look(gateway: Gateway) -> None:
    order = await gateway.paid()
    finance = await gateway.key("restricted", scopes=("finance:read",))
    orders = await gateway.key("restricted", scopes=("orders:read",))
    live = await gateway.key(livemode=True)
    other = await gateway.key(merchant=await gateway.services.keys.merchant("Bob's shop"))
    (line, *_) = await listed(gateway, order=order["id"])
    one = f"/v1/balance_transactions/{line['id']}"
    for path in ("/v1/balance_transactions", "/v1/ledger/accounts", "/v1/ledger/entries"):
        assert (await gateway.get(path, key=finance)).json()["data"] != []
        assert code_of(await gateway.get(path, key=orders)) == (403, "forbidden")
        for foreign in (live, other):
            assert (await gateway.get(path, key=foreign)).json()["data"] == []
    assert (await gateway.get(one, key=finance)).status_code == 200
    assert (await gateway.get(one, key=live)).status_code == 404
    assert (await gateway.get(one, key=other)).status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        "/v1/balance_transactions?misspelt=1",
        "/v1/balance_transactions?type=gift",
        "/v1/balance_transactions?created_from=2026-01-01T00:00:00",
        "/v1/balance_transactions?cursor=x",
        "/v1/ledger/accounts?at=yesterday",
        "/v1/ledger/accounts?at=2026-01-01T00:00:00",
        "/v1/ledger/entries?currency=USD",
    ],
)
async def test_what_cannot_be_meant_is_refused(gateway: Gateway, query: str) -> None:
    assert code_of(await gateway.get(query)) == (400, "invalid_request")
