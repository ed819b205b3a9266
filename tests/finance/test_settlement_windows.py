"""What the settlement job reads again, and what does not stop it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from gateway.errors import ProviderError, Rejected, Unavailable
from gateway.settling import read
from storage import tables as t
from tests.api.conftest import Gateway, open_gateway
from tests.finance.scripted import days, entry, put, start, statements, stored
from tests.finance.test_account_books import balances


@pytest.fixture
async def gateway(database_url: str) -> AsyncIterator[Gateway]:
    """On SQLite and on PostgreSQL."""
    async with open_gateway(database_url) as opened:
        yield opened


async def attempts(gateway: Gateway) -> int:
    """Of the job, since it last did what it had to."""
    query = select(t.jobs.c.attempts).where(t.jobs.c.kind == "settle")
    async with gateway.services.store.database.read() as connection:
        return int((await connection.execute(query)).scalar_one())


async def open_of(gateway: Gateway, order: dict[str, Any]) -> list[str]:
    """The kinds of the differences of an order."""
    query = {"status": "open", "order": order["id"]}
    found = (await gateway.get("/v1/reconciliation", **query)).json()["data"]
    return [item["kind"] for item in found]


@pytest.mark.parametrize("why", [Rejected("not this one"), Unavailable("an odd answer")])
async def test_a_payout_that_cannot_be_explained_does_not_stop_the_rest(
    gateway: Gateway, why: ProviderError
) -> None:
    """A refusal is final. Whatever else it is, it is asked again for some time first."""
    books, _ = put(gateway, names_payout_lines=True)
    now = gateway.clock.now()
    books.sell("bt_1", 1000, now - timedelta(hours=9))
    books.sell("bt_2", 300, now - timedelta(hours=7))
    books.pay_out("po_odd", 1000, now - timedelta(hours=8), "bt_1")
    books.pay_out("po_good", 300, now - timedelta(hours=6), "bt_2")
    books.failing["po_odd"] = why
    await start(gateway)
    told = {"po_odd": [("unexplained", 1000)], "po_good": [("adjustment", 300)]}
    assert await statements(gateway) == told, "at once"
    assert (await balances(gateway))["bank:USD"] == 1300

    books.sell("bt_3", 77, now + timedelta(days=20))
    await days(gateway, 8)
    if isinstance(why, Rejected):
        assert await attempts(gateway) == 0
    await days(gateway, 14)

    assert "bt_3" in await stored(gateway)
    assert await statements(gateway) == told


async def test_a_payout_that_could_not_be_explained_for_a_while(gateway: Gateway) -> None:
    books, _ = put(gateway, names_payout_lines=True)
    now = gateway.clock.now()
    books.sell("bt_1", 1000, now - timedelta(hours=9))
    books.pay_out("po_1", 1000, now - timedelta(hours=8), "bt_1")
    books.failing["po_1"] = Unavailable("not now")
    await start(gateway)
    assert await statements(gateway) == {"po_1": [("unexplained", 1000)]}
    assert await attempts(gateway) == 1
    books.failing.clear()
    gateway.clock.advance(minutes=1)
    await gateway.work()
    assert await attempts(gateway) == 0
    assert await statements(gateway) == {"po_1": [("adjustment", 1000)]}


async def test_a_payout_whose_lines_nobody_tells(gateway: Gateway) -> None:
    """One made by hand. It is not asked about, and is the only merchant's; then nobody's."""
    books, provider = put(gateway, names_payout_lines=True)
    now = gateway.clock.now()
    books.sell("bt_1", 1000, now - timedelta(hours=9))
    books.pay_out("po_hand", 1000, now - timedelta(hours=8))
    books.payouts[0] = replace(books.payouts[0], itemized=False)
    books.failing["po_hand"] = Rejected("not manual")
    assert await read(gateway.services.ctx, provider, now - timedelta(days=1), now) == []
    assert await statements(gateway) == {"po_hand": [("unexplained", 1000)]}
    assert await balances(gateway) == {"bank:USD": 1000, "suspense:USD": -1000}

    other = await gateway.key(merchant=await gateway.services.keys.merchant("Bob's shop"))
    books.pay_out("po_next", 500, now - timedelta(hours=7))
    books.payouts[1] = replace(books.payouts[1], itemized=False)
    await read(gateway.services.ctx, provider, now - timedelta(days=1), now)
    publishable = await gateway.key("restricted", scopes=("finance:read",))
    assert set(await statements(gateway)) == {"po_hand", "po_next"}
    for key, seen in ((publishable, {"po_hand"}), (other, {"po_next"})):
        found = (await gateway.get("/v1/payouts", key=key)).json()["data"]
        assert {payout["provider_payout_id"] for payout in found} == seen


@pytest.mark.parametrize("names", [True, False])
async def test_a_pending_payout_is_asked_about_until_it_arrives(
    gateway: Gateway, names: bool
) -> None:
    books, _ = put(gateway, names_payout_lines=names)
    now = gateway.clock.now()
    books.sell("bt_1", 1000, now - timedelta(hours=9))
    books.pay_out("po_1", 1000, now - timedelta(hours=8), "bt_1")
    paid = books.payouts[0]
    books.payouts[0] = replace(paid, status="pending", arrives_at=now + timedelta(days=30))
    await start(gateway)
    await days(gateway, 30)
    assert (await balances(gateway))["payouts_in_transit:USD"] == 1000
    books.payouts[0] = paid
    await days(gateway, 1)
    held = await balances(gateway)
    assert (held.get("bank:USD"), held.get("payouts_in_transit:USD", 0)) == (1000, 0)


async def test_what_clears_after_days_is_read_under_its_old_date(gateway: Gateway) -> None:
    """An eCheck at PayPal: six business days and two weekends. It goes out with the payout after
    it cleared, not with the one that follows its date."""
    books, _ = put(gateway, names_payout_lines=False)
    order = await gateway.paid()
    now = gateway.clock.now()
    capture = order["payments"][0]["provider_payment_id"]
    books.sell("bt_0", 200, now - timedelta(days=1), balance_after=200)
    await start(gateway)
    await days(gateway, 2)
    paid_out = gateway.clock.now() - timedelta(hours=6)
    books.pay_out("po_1", 200, paid_out, left=0)
    await days(gateway, 8)
    assert await open_of(gateway, order) == ["missing_there"]

    books.lines.append(entry("bt_1", "charge", 5400, now, 540, object_id=capture))
    await days(gateway, 1)
    assert await open_of(gateway, order) == []
    await days(gateway, 15)  # nobody looks at that time any more
    books.pay_out("po_2", 4860, gateway.clock.now(), left=0)
    await days(gateway, 1)
    assert await statements(gateway) == {
        "po_1": [("adjustment", 200)],
        "po_2": [("charge", 4860)],
    }
