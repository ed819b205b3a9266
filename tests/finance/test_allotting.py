"""In which payout a line is, where the provider does not tell: it must not depend on the order in
which the books are read."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from gateway.provider_books import ProviderPayout
from gateway.registry import Provider
from gateway.settling import read
from tests.api.conftest import Gateway, open_gateway
from tests.finance.scripted import (
    Books,
    days,
    entry,
    payout_of_lines,
    put,
    start,
    statements,
)
from tests.finance.test_account_books import wrong

SOLD = (32, 28, 23, 18, 14, 9, 4, 2)
PAID_OUT = (30, 21, 12, 3)


@pytest.fixture
async def gateway(database_url: str) -> AsyncIterator[Gateway]:
    """On SQLite and on PostgreSQL."""
    async with open_gateway(database_url) as opened:
        yield opened


def months(books: Books, now: datetime, *, told: bool) -> None:
    """Sales of 100 and more; every few days a payout of the balance but for 10, which stay."""
    balance = 0
    for ago in sorted((*SOLD, *PAID_OUT), reverse=True):
        at = now - timedelta(days=ago)
        if ago in SOLD:
            balance += 100 + ago
            books.sell(f"t{ago}", 100 + ago, at, balance_after=balance if told else None)
        else:
            books.pay_out(f"p{ago}", balance - 10, at, left=10 if told else None)
            balance = 10


def due(*, told: bool) -> dict[str, list[tuple[str, int]]]:
    """The statements of all, had they been read in order."""
    left = ("carried_forward" if told else "unexplained", -10)
    found = {
        "p30": [("adjustment", 132)],
        "p21": [("brought_forward", 10), ("adjustment", 251)],
        "p12": [("brought_forward", 10), ("adjustment", 232)],
        "p3": [("brought_forward", 10), ("adjustment", 213)],
    }
    return {name: [*rows, left] for name, rows in found.items()}


ALLOTTED = {
    "t32": "p30",
    "t28": "p21",
    "t23": "p21",
    "t18": "p12",
    "t14": "p12",
    "t9": "p3",
    "t4": "p3",
    "t2": None,
}


async def reads(gateway: Gateway, provider: Provider, since: int, until: float) -> None:
    """`gateway settle` from so many days ago to so many."""
    now = gateway.clock.now()
    from_, to = now - timedelta(days=since), now - timedelta(days=until)
    await read(gateway.services.ctx, provider, from_, to)


async def allotted(gateway: Gateway) -> dict[str, str | None]:
    return {name: its for name, its in (await payout_of_lines(gateway)).items() if name in ALLOTTED}


@pytest.mark.parametrize("told", [True, False], ids=["balances", "none"])
@pytest.mark.parametrize(
    "times",
    [
        [(40, 0)],
        [(7, 0), (40, 20), (25, 10), (15, 0)],  # the command, while the job catches up
        [(40, 25), (7, 0), (30, 15), (20, 5), (10, 0)],
        [(12, 0), (40, 12)],  # `--from` long ago
        [(12, 0), (40, 31), (31, 12)],
        [(31, 0), (40, 31)],  # which brings lines only
    ],
)
async def test_the_order_of_reading_does_not_matter(
    gateway: Gateway, times: list[tuple[int, int]], told: bool
) -> None:
    books, provider = put(gateway, names_payout_lines=False)
    months(books, gateway.clock.now(), told=told)
    for since, until in times:
        await reads(gateway, provider, since, until)
    assert await statements(gateway) == due(told=told)
    assert await allotted(gateway) == ALLOTTED
    assert await wrong(gateway) == []


@pytest.mark.parametrize(
    ("before", "held", "between"),
    [
        ([], (40, 20), (27, 0)),
        ([(31, 25)], (40, 31), (24, 0)),
    ],
    ids=["a payout", "lines"],
)
async def test_somebody_reads_what_another_is_about_to_allot(
    gateway: Gateway,
    monkeypatch: pytest.MonkeyPatch,
    before: list[tuple[int, int]],
    held: tuple[int, int],
    between: tuple[int, int],
) -> None:
    """The lines of one are there, but not yet in their payouts."""
    books, provider = put(gateway, names_payout_lines=False)
    months(books, gateway.clock.now(), told=True)
    true, stored, go = books.list_payouts, asyncio.Event(), asyncio.Event()

    async def waiting(since: datetime, until: datetime) -> AsyncIterator[ProviderPayout]:
        stored.set()
        await go.wait()
        async for payout in true(since, until):
            yield payout

    for since, until in before:
        await reads(gateway, provider, since, until)
    monkeypatch.setattr(books, "list_payouts", waiting)
    task = asyncio.create_task(reads(gateway, provider, *held))
    await stored.wait()
    monkeypatch.setattr(books, "list_payouts", true)
    await reads(gateway, provider, *between)
    go.set()
    await task
    assert await statements(gateway) == due(told=True)
    assert await allotted(gateway) == ALLOTTED
    assert await wrong(gateway) == []


async def test_several_read_at_once(gateway: Gateway) -> None:
    books, provider = put(gateway, names_payout_lines=False)
    months(books, gateway.clock.now(), told=False)
    times = ((7, 0), (27, 10), (40, 20), (12, 0), (40, 0))
    await asyncio.gather(*(reads(gateway, provider, *one) for one in times))
    assert await statements(gateway) == due(told=False)
    assert await allotted(gateway) == ALLOTTED
    assert await wrong(gateway) == []


async def test_the_command_before_the_job_has_caught_up(gateway: Gateway) -> None:
    books, provider = put(gateway, names_payout_lines=False)
    months(books, gateway.clock.now(), told=True)
    await reads(gateway, provider, 7, 0.2)
    assert (await statements(gateway))["p3"] == [
        ("brought_forward", 119), ("adjustment", 104), ("carried_forward", -10),
    ]  # fmt: skip
    await start(gateway)
    await days(gateway, 1)
    assert await statements(gateway) == due(told=True)
    assert await allotted(gateway) == ALLOTTED


async def test_the_past_is_read_when_the_job_is_long_there(gateway: Gateway) -> None:
    """Further back than its first run."""
    books, provider = put(gateway, names_payout_lines=False)
    months(books, gateway.clock.now() - timedelta(days=40), told=True)
    await start(gateway)
    await days(gateway, 1)
    assert (await allotted(gateway))["t2"] is None
    assert "t9" not in await allotted(gateway)
    await reads(gateway, provider, 100, 42)
    assert await statements(gateway) == due(told=True)
    assert await allotted(gateway) == ALLOTTED


async def test_merchants_have_their_shares_after_lines_moved(gateway: Gateway) -> None:
    """What a payout was said to hold, and whose that is, is posted anew."""
    books, provider = put(gateway, names_payout_lines=False)
    order = await gateway.paid()
    await gateway.services.keys.merchant("Bob's shop")
    now = gateway.clock.now() + timedelta(days=40)
    capture = order["payments"][0]["provider_payment_id"]
    sale = entry("sale", "charge", 5400, now - timedelta(days=20), 540, object_id=capture)
    books.lines.append(sale)
    books.pay_out("early", 4860, now - timedelta(days=15))
    books.sell("nobodys", 100, now - timedelta(days=10))
    books.pay_out("late", 100, now - timedelta(days=5))
    gateway.clock.advance(days=40)
    await reads(gateway, provider, 30, 16)  # the sale
    await reads(gateway, provider, 7, 0.2)  # the late payout, which seems to have it
    rows = (await gateway.get("/v1/balance_transactions")).json()["data"]
    assert {row["type"]: row["payout"] for row in rows} == {"charge": "late", "payout": "late"}

    await reads(gateway, provider, 30, 0.2)

    rows = (await gateway.get("/v1/balance_transactions")).json()["data"]
    assert {row["payout"] for row in rows if row["type"] == "charge"} == {"early"}
    sums = {
        name: sum(row["net"] for row in rows if row["payout"] == name) for name in ("early", "late")
    }
    assert sums == {"early": 0, "late": 0}
    assert await wrong(gateway) == []
