"""`gateway settle`: reads what the providers report by now, and says what is open."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, text

from gateway.errors import Unavailable
from gateway.provider_books import ProviderTransaction
from gateway.settlement import match
from gateway.settlement_store import Side
from providers.stripe.adapter import StripeAdapter
from storage import tables as t
from tests.faults.stage import Gateway, House
from tests.finance.test_settlement_job import move, sell, settle
from tests.recovery.test_audit import run


async def test_settle_as_a_command(store_house: House, gateway: Gateway) -> None:
    await gateway.paid("stripe")
    code, lines = await run(store_house, "settle")
    assert code == 0
    none = [{"provider": "paypal", "open": 0}, {"provider": "stripe", "open": 0}]
    assert sorted(lines, key=lambda line: str(line["provider"])) == none
    at = datetime.now(UTC) - timedelta(days=20)
    line = ProviderTransaction(
        id="txn_1", kind="charge", gross=500, fee=20, net=480, currency="USD", at=at,
        object_id="ch_of_nobody",
    )  # fmt: skip
    async with gateway.services.store.transaction() as tx:
        side = Side("default", "stripe", livemode=False)
        await tx.save_matching(side, [], [line], match([], [line], at), at)
    code, lines = await run(store_house, "settle")
    assert code == 1
    assert {"provider": "stripe", "open": 1} in lines
    code, _ = await run(store_house, "settle", "--from", "2026-02-02", "--to", "2026-02-01")
    assert code == 2


async def test_settle_says_which_books_cannot_be_read(store_house: House, gateway: Gateway) -> None:
    await gateway.sandbox.fault("stripe", "list_balance_transactions", "http_500", 5)
    code, lines = await run(store_house, "settle")
    assert code == 1
    assert [line["provider"] for line in lines if "why" in line] == ["stripe"]


async def test_settle_names_a_payout_that_cannot_be_explained(
    store_house: House, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(_: StripeAdapter, payout_id: str) -> AsyncIterator[ProviderTransaction]:
        raise Unavailable(f"no sense in {payout_id}")

    await sell(gateway, "stripe", 1)
    await move(gateway, days=3)
    await gateway.sandbox.control("payout", provider="stripe")
    monkeypatch.setattr(StripeAdapter, "payout_transactions", odd)
    code, lines = await run(store_house, "settle", "--ahead", "4")
    assert code == 1
    (why,) = (str(line["why"]) for line in lines if "why" in line)
    assert re.fullmatch("payout (po_.*): no sense in \\1", why)


async def test_verify_proves_what_payouts_posted(store_house: House, gateway: Gateway) -> None:
    await sell(gateway, "stripe", 1)
    await move(gateway, days=3)
    await gateway.sandbox.control("payout", provider="stripe")
    await move(gateway, hours=1)
    await settle(gateway, "stripe")
    code, lines = await run(store_house, "verify")
    assert (code, lines[-1]["differing"]) == (0, 0)
    hand = "UPDATE ledger_entries SET amount = amount + 1 WHERE account = 'bank:USD'"
    async with gateway.services.store.database.write() as connection:
        await connection.execute(text(hand))
    code, (found, sums) = await run(store_house, "verify")
    assert (code, sums["differing"]) == (1, 1)
    assert str(found["field"]).endswith(", arrival")


async def test_a_sandbox_whose_clock_is_ahead(store_house: House, gateway: Gateway) -> None:
    """So a payout is rehearsed: docs/reconciliation.md. What is ahead is read only if asked."""
    await sell(gateway, "stripe", 1)
    await move(gateway, days=3)
    await gateway.sandbox.control("payout", provider="stripe")
    payouts = select(func.count()).select_from(t.provider_payouts)

    async def read() -> int:
        async with gateway.services.store.database.read() as connection:
            return await connection.scalar(payouts) or 0

    await run(store_house, "settle")
    assert await read() == 0
    code, lines = await run(store_house, "settle", "--ahead", "4")
    assert (code, await read()) == (0, 1)
    assert {"provider": "stripe", "open": 0} in lines
