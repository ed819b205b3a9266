"""What an account moves by itself: payouts, their failure, fees of no order; booked and proven."""

import dataclasses
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import select, text, update

from gateway.account_books import shares
from gateway.facts import Captured, Fee
from gateway.provider_books import ProviderPayout, ProviderTransaction
from gateway.settlement_store import Side
from gateway.settling import compare
from gateway.verify_accounts import verify_accounts
from storage import account_ledger
from storage import tables as t
from storage.account_ledger import SqlAccounts
from tests.api.conftest import Gateway, code_of, open_gateway
from tests.finance.scripted import entry
from tests.finance.test_ledger import tell

AT = datetime(2026, 1, 1, tzinfo=UTC)
SIDE = Side("default", "fake", livemode=False)
CLEARING = "provider_clearing:fake:USD"


@pytest.fixture
async def gateway(database_url: str) -> AsyncIterator[Gateway]:
    """On SQLite and on PostgreSQL."""
    async with open_gateway(database_url) as opened:
        yield opened


def line(name: str, kind: Any, gross: int, fee: int = 0, **more: Any) -> ProviderTransaction:
    return entry(name, kind, gross, AT, fee, **more)


def payout(amount: int, status: Any = "paid", name: str = "po_1") -> ProviderPayout:
    arrives = AT + timedelta(days=2)
    return ProviderPayout(name, amount, "USD", status, AT + timedelta(days=1), arrives_at=arrives)


async def read(
    gateway: Gateway, lines: Sequence[ProviderTransaction], *payouts: ProviderPayout
) -> None:
    """What the settlement job does with what it reads."""
    now = gateway.clock.now()
    async with gateway.services.store.transaction() as tx:
        await tx.save_records(SIDE, lines, now)
        for one in payouts:
            await tx.save_payout(SIDE, one, now)
            await tx.book_payout(SIDE, one.id, now)
            await tx.mark_settled(SIDE, one)


async def balances(gateway: Gateway, key: str | None = None) -> dict[str, int]:
    answer = await gateway.get("/v1/ledger/accounts", key=key)
    return {row["account"]: row["balance"] for row in answer.json()["data"] if row["balance"]}


async def lines_of(gateway: Gateway, **filters: Any) -> list[tuple[str, int, int]]:
    found = (await gateway.get("/v1/balance_transactions", **filters)).json()["data"]
    return sorted((row["type"], row["gross"], row["fee"]) for row in found)


async def wrong(gateway: Gateway) -> list[str]:
    """What `gateway verify` finds in the accounts."""
    accounts = SqlAccounts(gateway.services.store.database)
    return [found.field async for done in verify_accounts(accounts) for found in done.found]


OF_NO_ORDER = [
    line("bt_fee", "fee", -500),
    line("bt_adj", "adjustment", 70),
    line("bt_dash", "charge", 4200, 150),
]


async def test_what_is_of_no_order_is_the_sole_merchants(gateway: Gateway) -> None:
    for _ in range(2):  # reading again changes nothing
        await read(gateway, OF_NO_ORDER)
        assert await lines_of(gateway) == [
            ("adjustment", 70, 0),
            ("adjustment", 4200, 150),
            ("fee", 0, 500),
        ]
        assert await balances(gateway) == {
            CLEARING: 3620,
            "fees:USD": 650,
            "suspense:USD": -4270,
        }
    assert await wrong(gateway) == []
    row = (await gateway.get("/v1/balance_transactions", type="fee")).json()["data"][0]
    assert (row["order"], row["payment"], row["paid_at"]) == (None, None, None)
    assert row["reporting_category"] == "fees"
    entry = (await gateway.get("/v1/ledger/entries", account="suspense:USD")).json()["data"][0]
    assert entry["order"] is None


async def test_a_payout_goes_from_clearing_to_the_bank(gateway: Gateway) -> None:
    inside = [replace(one, payout_id="po_1") for one in OF_NO_ORDER]
    await read(gateway, [*inside, line("bt_later", "adjustment", 10)], payout(3620, "pending"))
    assert await balances(gateway) == {
        CLEARING: 10,
        "payouts_in_transit:USD": 3620,
        "fees:USD": 650,
        "suspense:USD": -4280,
    }
    await read(gateway, [], payout(3620))
    await read(gateway, inside, payout(3620))
    paid = await balances(gateway)
    assert (paid[CLEARING], paid["bank:USD"]) == (10, 3620)
    assert "payouts_in_transit:USD" not in paid
    assert await wrong(gateway) == []
    found = (await gateway.get("/v1/balance_transactions", payout="po_1")).json()["data"]
    assert sum(row["net"] for row in found) == 0, "the payout is what its lines come to"
    types = [
        entry["type"]
        for entry in (await gateway.get("/v1/ledger/entries", account="bank:USD")).json()["data"]
    ]
    assert types == ["payout_paid"]


async def test_a_payout_that_fails_comes_back(gateway: Gateway) -> None:
    await read(gateway, [line("bt_1", "adjustment", 900, payout_id="po_1")], payout(900))
    back = line("bt_back", "payout_failure", 900, object_id="po_1")
    await read(gateway, [back])
    assert await balances(gateway) == {CLEARING: 900, "suspense:USD": -900}
    assert ("payout_failure", 900, 0) in await lines_of(gateway)
    # A provider without a word for it shows the payout as it was.
    await read(gateway, [back], payout(900))
    assert await balances(gateway) == {CLEARING: 900, "suspense:USD": -900}
    assert await wrong(gateway) == []
    # It goes out with the next one.
    await read(gateway, [replace(back, payout_id="po_2")], payout(900, name="po_2"))
    assert await balances(gateway) == {"bank:USD": 900, "suspense:USD": -900}
    assert await wrong(gateway) == []


async def test_a_fee_that_names_a_payment_is_its_merchants(gateway: Gateway) -> None:
    """A chargeback costs a fee, which is a line of its own and no fact of the order."""
    order = await gateway.paid()
    (charge,) = (await gateway.get("/v1/balance_transactions")).json()["data"]
    name = charge["provider_id"]
    sale = line("bt_1", "charge", 5400, 540, object_id=name, payout_id="po_1")
    fee = line("bt_2", "fee", -2000, ids=(name,), payout_id="po_1")
    await read(gateway, [replace(fee, ids=())])  # whose it is, is not known yet
    await gateway.key(merchant=await gateway.services.keys.merchant("Bob's shop"))
    for _ in range(2):
        await read(gateway, [sale, fee], payout(2860))
        assert await lines_of(gateway, type="fee") == [("fee", 0, 2000)]
        held = await balances(gateway)
        assert (held.get(CLEARING, 0), held["bank:USD"], held["fees:USD"]) == (0, 2860, 2540)
    found = (await gateway.get("/v1/balance_transactions", payout="po_1")).json()["data"]
    assert sum(row["net"] for row in found) == 0
    assert await lines_of(gateway, order=order["id"]) == [("charge", 5400, 540)]
    assert await wrong(gateway) == []


async def test_a_fee_that_an_orders_facts_tell_of_is_booked_once(gateway: Gateway) -> None:
    order = await gateway.paid()
    (charge,) = (await gateway.get("/v1/balance_transactions")).json()["data"]
    fee = line("bt_2", "fee", -2000, ids=(charge["provider_id"],))
    await read(gateway, [fee])
    assert (await balances(gateway))["fees:USD"] == 2540
    told = Fee(object_id="of_bt_2", fee=2000, net=-2000, currency="USD", balance_id="bt_2")
    await tell(gateway, order, told)
    await read(gateway, [fee])
    assert (await balances(gateway))["fees:USD"] == 2540
    assert ("fee", 0, 2000) in await lines_of(gateway, order=order["id"])
    assert await wrong(gateway) == []


async def test_what_came_back_of_a_payout_that_nobody_saw_go_waits(gateway: Gateway) -> None:
    back = line("bt_back", "payout_failure", 900, object_id="po_1")
    await read(gateway, [back])
    assert await balances(gateway) == {CLEARING: 900, "suspense:USD": -900}
    assert await wrong(gateway) == []
    await read(gateway, [], payout(900))
    assert await balances(gateway) == {}, "it is the payout's"
    await read(gateway, [back], payout(900))
    assert await balances(gateway) == {}
    assert await wrong(gateway) == []


OWN = line("bt_out", "payout", -9_900, 100, object_id="po_1")


async def test_the_fee_of_a_payout_is_a_fee(gateway: Gateway) -> None:
    """An instant one: 100.00 leave the balance, 99.00 reach the bank."""
    sold = line("bt_1", "adjustment", 10_000, payout_id="po_1")
    told = replace(payout(9_900), transaction_id="bt_out")
    for lines in ([sold], [OWN], [sold, OWN]):  # its own line may be read later
        await read(gateway, lines, told)
        assert await wrong(gateway) == []
    paid = {"bank:USD": 9_900, "fees:USD": 100, "suspense:USD": -10_000}
    assert await balances(gateway) == paid
    assert await lines_of(gateway, type="payout") == [("payout", -9_900, 0), ("payout", 0, 100)]
    found = (await gateway.get("/v1/balance_transactions", payout="po_1")).json()["data"]
    assert sum(row["net"] for row in found) == 0
    (shown,) = (await gateway.get("/v1/payouts")).json()["data"]
    explained = (await gateway.get(f"/v1/payouts/{shown['id']}")).json()
    assert explained["exact"]
    assert explained["rows"][-1] == {
        "kind": "payout_fee", "count": 0, "gross": 0, "fee": 100, "net": -100
    }  # fmt: skip
    # It comes back: the provider gives its fee back, but the bank took 3.00.
    await read(gateway, [line("bt_back", "payout_failure", 9_900, -100 + 300, object_id="po_1")])
    assert await balances(gateway) == {CLEARING: 9_700, "fees:USD": 300, "suspense:USD": -10_000}
    assert await wrong(gateway) == []


async def test_the_fee_of_a_payout_is_no_other_merchants(gateway: Gateway) -> None:
    """The payout was made when there was one merchant: what is nobody's of it is theirs."""
    await read(gateway, [OWN], replace(payout(9_900), transaction_id="bt_out"))
    other = await gateway.key(merchant=await gateway.services.keys.merchant("Bob's shop"))
    order = await dataclasses.replace(gateway, secret=other).paid()
    name = order["payments"][0]["provider_payment_id"]
    sold = line("bt_1", "charge", 10_000, 100, object_id=name, payout_id="po_1")
    await read(gateway, [sold], replace(payout(9_900), transaction_id="bt_out"))
    assert await balances(gateway) == {CLEARING: -100, "fees:USD": 100}
    held = await balances(gateway, other)
    assert held["bank:USD"] == 9_900
    assert await wrong(gateway) == []


async def test_a_payout_comes_back_when_it_came_back(gateway: Gateway) -> None:
    """In February: the month of January, which is closed, stays as it was."""
    january, february = datetime(2026, 1, 30, tzinfo=UTC), datetime(2026, 2, 3, tzinfo=UTC)
    gateway.clock.advance(days=31)
    sold = replace(line("bt_1", "adjustment", 900, payout_id="po_1"), at=january)
    paid = replace(payout(900), at=january, arrives_at=january + timedelta(days=1))
    await read(gateway, [sold], paid)
    asked = {"from": "2026-01-01", "to": "2026-02-01", "by": "occurred"}
    (before,) = (await gateway.get("/v1/reports/balance", **asked)).json()["data"]
    closed = await gateway.post("/v1/periods/2026-01/close", {"note": ""})
    assert closed.status_code == 200, closed.text
    gateway.clock.advance(days=3)
    # The list of payouts says that it failed before the books show its return.
    await read(gateway, [], replace(paid, status="failed"))
    assert await balances(gateway) == {"payouts_in_transit:USD": 900, "suspense:USD": -900}
    assert await wrong(gateway) == []
    back = replace(line("bt_back", "payout_failure", 900, object_id="po_1"), at=february)
    await read(gateway, [back], replace(paid, status="failed"))
    assert await balances(gateway) == {CLEARING: 900, "suspense:USD": -900}
    (after,) = (await gateway.get("/v1/reports/balance", **asked)).json()["data"]
    assert after == before
    late = (await gateway.get("/v1/periods/2026-01")).json()["late"]
    assert "payout_failure" not in {row["kind"] for row in late}
    entries = (await gateway.get("/v1/ledger/entries", account="bank:USD")).json()["data"]
    assert [entry["occurred_at"][:7] for entry in entries] == ["2026-02", "2026-01"]
    assert await wrong(gateway) == []


async def test_what_an_older_version_booked_of_payouts_stays(gateway: Gateway) -> None:
    """It knew no fee, and took what left PayPal's balance for what reached the bank."""
    sold = line("bt_1", "adjustment", 10_000, payout_id="po_1")
    old = replace(payout(10_000), transaction_id="bt_out")
    await read(gateway, [sold], old)
    await read(gateway, [OWN], old)
    assert await wrong(gateway) == []
    assert "fees:USD" not in await balances(gateway)
    await read(gateway, [], replace(old, amount=9_900))  # read again
    assert await balances(gateway) == {
        "bank:USD": 9_900, "fees:USD": 100, "suspense:USD": -10_000
    }  # fmt: skip
    assert await wrong(gateway) == []


async def test_a_return_that_an_older_version_booked_stays(gateway: Gateway) -> None:
    """It was dated as the payout was."""
    sold = line("bt_1", "adjustment", 900, payout_id="po_1")
    back = line("bt_back", "payout_failure", 900, object_id="po_1")
    await read(gateway, [sold], payout(900))
    await read(gateway, [back])
    async with gateway.services.store.database.write() as connection:
        older = {"fee": None, "returned_at": None, "returned": None}
        await connection.execute(update(t.provider_payouts).values(older))
    booked = await lines_of(gateway)
    assert await wrong(gateway) == []
    await read(gateway, [back], payout(900))
    assert await lines_of(gateway) == booked
    assert await wrong(gateway) == []


async def test_a_payout_is_read_after_the_line_that_took_it_back(gateway: Gateway) -> None:
    sold = line("bt_1", "adjustment", 900, payout_id="po_1")
    await read(gateway, [sold, line("bt_back", "payout_failure", 900, object_id="po_1")])
    await read(gateway, [], payout(900))
    assert await balances(gateway) == {CLEARING: 900, "suspense:USD": -900}
    assert await wrong(gateway) == []


async def test_what_turns_out_to_be_an_orders_is_taken_back(gateway: Gateway) -> None:
    order = await gateway.paid()
    (charge,) = (await gateway.get("/v1/balance_transactions")).json()["data"]
    before = await balances(gateway)
    await read(gateway, [line("bt_1", "charge", 5400, 540)])
    assert (await balances(gateway))["suspense:USD"] == -5400

    await read(gateway, [line("bt_1", "charge", 5400, 540, object_id=charge["provider_id"])])

    assert await balances(gateway) == before
    assert await lines_of(gateway, type="adjustment") == [
        ("adjustment", -5400, -540),
        ("adjustment", 5400, 540),
    ]
    assert await lines_of(gateway, order=order["id"]) == [("charge", 5400, 540)]
    first, second = (await gateway.get("/v1/balance_transactions", type="adjustment")).json()[
        "data"
    ]
    assert {first["corrects"], second["corrects"]} & {first["id"], second["id"]}
    assert await wrong(gateway) == []


async def test_of_several_merchants_each_has_its_share(gateway: Gateway) -> None:
    services = gateway.services
    mine = await gateway.paid()
    other = await gateway.key(merchant=await services.keys.merchant("Bob's shop"))
    theirs = await dataclasses.replace(gateway, secret=other).paid()
    captures = {}
    for order, key in ((mine, None), (theirs, other)):
        found = (await gateway.get("/v1/balance_transactions", key=key)).json()["data"]
        captures[order["id"]] = found[0]["provider_id"]
    lines = [
        line(f"bt_{number}", "charge", 5400, 540, object_id=name, payout_id="po_1")
        for number, name in enumerate(captures.values())
    ]
    await read(gateway, [*lines, line("bt_fee", "fee", -500, payout_id="po_1")], payout(9220))
    for key in (None, other):
        held = await balances(gateway, key)
        assert (held["bank:USD"], held.get(CLEARING, 0)) == (4860, 0)
        assert "suspense:USD" not in held, "the account's fee is nobody's"
    assert await wrong(gateway) == []

    back = line("bt_back", "payout_failure", 9220, object_id="po_1")
    await read(gateway, [back])
    for key in (None, other):
        assert (await balances(gateway, key))[CLEARING] == 4860
    await read(gateway, [replace(back, payout_id="po_2")], payout(9220, name="po_2"))
    for key in (None, other):
        held = await balances(gateway, key)
        assert (held["bank:USD"], held.get(CLEARING, 0)) == (4860, 0), "it went out after all"
        path = "/v1/balance_transactions"
        again = (await gateway.get(path, key=key, payout="po_2")).json()["data"]
        assert {row["type"] for row in again} == {"payout", "payout_failure"}
        assert sum(row["net"] for row in again) == 0
    assert await wrong(gateway) == []


async def test_what_was_the_sole_merchants_stays_theirs_when_others_come(gateway: Gateway) -> None:
    lines = [
        line("bt_x", "charge", 9000, 300, payout_id="po_1"),  # by hand, at the provider
        line("bt_fee", "fee", -500, payout_id="po_1"),
        line("bt_back", "payout_failure", 8200, object_id="po_1", payout_id="po_2"),
    ]
    await read(gateway, lines, payout(8200, status="failed"))
    await read(gateway, [], payout(8200, name="po_2"))
    await compare(gateway.services.ctx, SIDE, AT - timedelta(hours=1), AT + timedelta(hours=3))
    (stranger,) = (await gateway.get("/v1/reconciliation")).json()["data"]
    before = await _seen(gateway, None)
    assert sorted(rows for _, rows in before.values()) == [["charge", "fee"], ["payout_failure"]]

    merchant = await gateway.services.keys.merchant("Bob's shop")
    other = await gateway.key(merchant=merchant)
    finance = await gateway.key("restricted", scopes=("finance:read",))
    assert await _seen(gateway, finance) == before
    assert await _seen(gateway, None) == before
    assert await _seen(gateway, other) == {}
    for payout_id in before:
        assert code_of(await gateway.get(f"/v1/payouts/{payout_id}", key=other))[0] == 404
    assert (await gateway.get("/v1/reconciliation", key=other)).json()["data"] == []
    path = f"/v1/reconciliation/{stranger['id']}"
    assert code_of(await gateway.get(path, key=other))[0] == 404
    answer = await gateway.post(f"{path}/resolve", {"note": "not mine"}, key=other)
    assert code_of(answer)[0] == 404
    assert (await gateway.get(path, key=finance)).json()["status"] == "open"

    # What comes now is nobody's: for the secret keys of all.
    await read(gateway, [line("bt_y", "charge", 700, payout_id="po_3")], payout(700, name="po_3"))
    for key, found in ((None, 1), (other, 1), (finance, 0)):
        assert len(set(await _seen(gateway, key)) - set(before)) == found


async def _seen(gateway: Gateway, key: str | None) -> dict[str, tuple[int, list[str]]]:
    """Payouts by id: their amount, and the kinds in the statement."""
    found = {}
    for one in (await gateway.get("/v1/payouts", key=key)).json()["data"]:
        told = (await gateway.get(f"/v1/payouts/{one['id']}", key=key)).json()
        found[one["id"]] = (one["amount"], [row["kind"] for row in told["rows"]])
    return found


async def test_payments_are_paid_out_with_their_payout(gateway: Gateway) -> None:
    await gateway.paid()
    (charge,) = (await gateway.get("/v1/balance_transactions")).json()["data"]
    told = line("bt_1", "charge", 5400, 540, object_id=charge["provider_id"], payout_id="po_1")
    await read(gateway, [replace(told, available_at=AT)], payout(4860))
    (charge,) = (await gateway.get("/v1/balance_transactions", type="charge")).json()["data"]
    assert (charge["payout"], charge["settled_at"]) == ("po_1", "2026-01-03T00:00:00Z")
    assert charge["available_on"] == "2026-01-01T00:00:00Z"
    assert charge["net"] == 4860
    assert await wrong(gateway) == []


async def test_what_is_converted_by_lines_of_their_own_agrees(gateway: Gateway) -> None:
    """The account has no dollars: two more lines, which name the sale, make euros of them."""
    order = await gateway.order()
    now = gateway.clock.now()
    captured = Captured(capture_id="cap_1", amount=5400, currency="USD", at=now)
    booked = Fee(object_id="cap_1", fee=270, net=4500, currency="EUR", rate="0.8833")
    await tell(gateway, order, captured, booked)
    reference = order["payments"][0]["id"]
    sale = line("cap_1", "charge", 5400, 306, object_id="cap_1", reference=reference)
    out = line("out", "conversion", -5094, object_id="cap_1")
    into = replace(line("into", "conversion", 4500, object_id="cap_1"), currency="EUR")
    by_hand = [line("sold", "conversion", -100), line("got", "conversion", 88)]
    await read(gateway, [sale, out, into, *by_hand])
    await compare(gateway.services.ctx, SIDE, AT - timedelta(days=1), now + timedelta(hours=2))
    found = (await gateway.get("/v1/reconciliation")).json()["data"]
    assert {row["provider_transaction_id"] for row in found} == {"sold", "got"}
    held = await balances(gateway)
    assert held["provider_clearing:fake:EUR"] == 4500
    assert held[CLEARING] == -12, "what was converted by hand waits in suspense"
    assert held["suspense:USD"] == 12
    assert await wrong(gateway) == []


@pytest.mark.parametrize("apart", [False, True])
async def test_a_conversion_is_whose_the_line_is_that_it_names(
    gateway: Gateway, apart: bool
) -> None:
    """Nobody but the line itself knows its id: it is known by its capture."""
    await gateway.paid()
    (charge,) = (await gateway.get("/v1/balance_transactions")).json()["data"]
    taken = line("rv_1", "reversal", -900, object_id="rv_1", ids=(charge["provider_id"],))
    out = line("out", "conversion", 900, object_id="rv_1", ids=("rv_1",))
    for batch in ([taken], [out]) if apart else ([out, taken],):
        await read(gateway, batch)
    assert await lines_of(gateway, type="adjustment") == []
    r = t.provider_records.c
    async with gateway.services.store.database.read() as connection:
        owners = (await connection.execute(select(r.payment_id))).scalars().all()
    assert set(owners) == {charge["payment"]}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE balance_transactions SET gross = 1, net = 1 WHERE type = 'payout'",
        "UPDATE balance_transactions SET fee = 1, net = -1 WHERE type = 'fee'",
        "UPDATE ledger_entries SET amount = amount + 1 WHERE account = 'bank:USD'",
        "DELETE FROM ledger_entries WHERE account = 'payouts_in_transit:USD'",
        "UPDATE provider_payouts SET status = 'failed'",
        "UPDATE provider_payouts SET amount = 1",
        "UPDATE provider_payouts SET fee = 1",
        "UPDATE provider_payouts SET returned_at = at",
        "UPDATE provider_records SET net = 0 WHERE payment_id <> ''",
        "UPDATE balance_transactions SET key = 'x' WHERE provider_balance_id = 'bt_own'",
    ],
)
async def test_a_hand_in_the_accounts_is_found(gateway: Gateway, change: str) -> None:
    await gateway.paid()
    (charge,) = (await gateway.get("/v1/balance_transactions")).json()["data"]
    own = line("bt_1", "charge", 5400, 540, object_id=charge["provider_id"], payout_id="po_1")
    of_order = line("bt_own", "fee", -2000, ids=(charge["provider_id"],))
    fee = line("bt_fee", "fee", -500, payout_id="po_1")
    await read(gateway, [own, fee, of_order], payout(4360))
    assert await wrong(gateway) == []
    async with gateway.services.store.database.write() as connection:
        p = t.provider_payouts.c
        owner = await connection.scalar(select(p.merchant_id))
        assert owner == gateway.merchant
        if "provider_records" in change:  # that nobody has the rest
            await connection.execute(update(t.provider_payouts).values(merchant_id=""))
        await connection.execute(text(change))
    assert await wrong(gateway) != []


async def test_what_is_booked_meanwhile_is_not_found(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job of every hour may work beside `gateway verify`."""
    await read(gateway, [line("bt_1", "adjustment", 900, payout_id="po_1")], payout(900, "pending"))
    booked, arrivals = account_ledger._booked, [payout(900)]

    async def arrives_meanwhile(*arguments: Any) -> Any:
        while arrivals:
            await read(gateway, [], arrivals.pop())
        return await booked(*arguments)

    monkeypatch.setattr(account_ledger, "_booked", arrives_meanwhile)
    assert await wrong(gateway) == []
    assert (await balances(gateway))["bank:USD"] == 900


nets = st.dictionaries(st.sampled_from(["", "mer_1", "mer_2", "mer_3"]), st.integers(-99, 99))


@given(st.integers(-99, 99), nets, st.sampled_from(["", "mer_1", "mer_9"]))
def test_a_payout_is_shared_out_wholly_where_somebody_has_the_rest(
    amount: int, own: dict[str, int], owner: str
) -> None:
    its = shares(amount, own, owner)
    assert "" not in its
    assert 0 not in its.values()
    if owner:
        assert sum(its.values()) == amount
    for merchant in {*own} - {"", owner}:
        assert its.get(merchant, 0) == own[merchant]
