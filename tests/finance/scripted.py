"""The own books of the provider `fake`, as a test writes them, behind the real Provider."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace
from sqlalchemy import select

from gateway.errors import ProviderError
from gateway.provider_books import ProviderPayout, ProviderTransaction
from gateway.registry import Provider
from storage import tables as t
from tests.api.conftest import Gateway
from tests.api.fake import FakeProvider


class Books(FakeProvider):
    """The adapter with one power more. `inside`: the lines of each payout, by their ids."""

    report_lag = timedelta(hours=3)

    def __init__(self, *, names_payout_lines: bool) -> None:
        super().__init__("fake")
        self.names_payout_lines = names_payout_lines
        self.lines: list[ProviderTransaction] = []
        self.payouts: list[ProviderPayout] = []
        self.inside: dict[str, list[str]] = {}
        self.failing: dict[str, ProviderError] = {}

    async def list_transactions(
        self, since: datetime, until: datetime
    ) -> AsyncIterator[ProviderTransaction]:
        """Those of the time."""
        for line in self.lines:
            if since <= line.at <= until:
                yield line

    async def list_payouts(self, since: datetime, until: datetime) -> AsyncIterator[ProviderPayout]:
        """Those of the time."""
        for payout in self.payouts:
            if since <= payout.at <= until:
                yield payout

    async def payout_transactions(self, payout_id: str) -> AsyncIterator[ProviderTransaction]:
        """What `inside` says, or the error that the test wants."""
        if payout_id in self.failing:
            raise self.failing[payout_id]
        for line in self.lines:
            if line.id in self.inside.get(payout_id, ()):
                yield replace(line, payout_id=payout_id)

    def sell(self, name: str, net: int, at: datetime, **more: Any) -> None:
        """A line that is of no order."""
        self.lines.append(entry(name, "adjustment", net, at, **more))

    def pay_out(
        self, name: str, amount: int, at: datetime, *inside: str, left: int | None = None
    ) -> None:
        """A payout and its own line."""
        self.lines.append(entry(f"own_{name}", "payout", -amount, at, object_id=name))
        self.payouts.append(
            ProviderPayout(
                name, amount, "USD", "paid", at, transaction_id=f"own_{name}", balance_after=left
            )
        )
        self.inside[name] = list(inside)


def entry(
    name: str, kind: Any, gross: int, at: datetime, fee: int = 0, **more: Any
) -> ProviderTransaction:
    return ProviderTransaction(
        id=name,
        kind=kind,
        gross=gross,
        fee=fee,
        net=gross - fee,
        currency="USD",
        at=at,
        object_id=more.pop("object_id", f"of_{name}"),
        **more,
    )


def put(gateway: Gateway, *, names_payout_lines: bool) -> tuple[Books, Provider]:
    """Let `fake`, of which nobody has asked anything yet, have books."""
    provider = gateway.services.ctx.providers.get("fake")
    assert isinstance(provider, Provider)
    provider.adapter = gateway.fake = books = Books(names_payout_lines=names_payout_lines)
    return books, provider


async def start(gateway: Gateway) -> None:
    """The recurring job begins."""
    ctx = gateway.services.ctx
    async with ctx.store.transaction() as tx:
        await tx.enqueue("", "settle", "fake", ctx.now())
    await gateway.work()


async def days(gateway: Gateway, number: int) -> None:
    """The worker, twice a day (the job itself is hourly)."""
    for _ in range(2 * number):
        gateway.clock.advance(hours=12)
        await gateway.work()


async def statements(gateway: Gateway) -> dict[str, list[tuple[str, int]]]:
    """The rows of every payout's statement, by the provider's id, as (kind, net)."""
    told = {}
    for payout in (await gateway.get("/v1/payouts")).json()["data"]:
        found = (await gateway.get(f"/v1/payouts/{payout['id']}")).json()
        rows = [(row["kind"], row["net"]) for row in found["rows"]]
        assert sum(net for _, net in rows) == payout["amount"]
        told[payout["provider_payout_id"]] = rows
    return told


async def payout_of_lines(gateway: Gateway) -> dict[str, str | None]:
    """The payout of each of our lines, by the provider's id of its booking."""
    found = (await gateway.get("/v1/balance_transactions")).json()["data"]
    return {row["provider_balance_id"]: row["payout"] for row in found}


async def stored(gateway: Gateway) -> set[str]:
    """The ids of all lines that were read."""
    async with gateway.services.store.database.read() as connection:
        return set((await connection.execute(select(t.provider_records.c.id))).scalars())
