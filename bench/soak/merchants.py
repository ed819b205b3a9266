"""Merchants and their buyers: each lives through one order after another."""

import asyncio
import uuid
from contextlib import suppress
from random import Random
from typing import Any

import httpx

from bench.soak.client import Books, Client
from bench.soak.town import PROVIDERS, Town

#: Ends of amounts that decide how PayPal's stand-in fares (docs/sandbox.md), and plain ones.
_ENDS = (0, 0, 50, 99, 13, 17, 19, 21, 23, 29)
_PAID = ("paid", "partially_refunded", "refunded")
Order = dict[str, Any]


class Merchant:
    """One merchant's life, by the numbers that `rng` gives."""

    def __init__(self, town: Town, client: Client, books: Books, rng: Random) -> None:
        self._town = town
        self._client = client
        self._books = books
        self._rng = rng

    async def live(self) -> None:
        """One order after another, for ever."""
        while True:
            await self._sell()
            await asyncio.sleep(self._rng.uniform(0, 0.5))

    def _key(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128)))

    def _chance(self, probability: float) -> bool:
        return self._rng.random() < probability

    async def _sell(self) -> None:
        order = await self._create()
        if order is None:
            return
        await self._buyer(order)
        if self._chance(0.15):
            order = await self._change_provider(order) or order
            await self._buyer(order)
        if self._chance(0.08):
            status, _ = await self._client.post(f"/v1/orders/{order['id']}/cancel", {}, self._key())
            self._books.counts["cancels"] += status == 200
        order = await self._outcome(order)
        if order["status"] == "authorized":
            order = await self._capture(order)
        if order["status"] in _PAID and self._chance(0.6):
            await self._refund(order)
        if order["status"] in _PAID and order["provider"] == "stripe" and self._chance(0.05):
            await self._happens("refund", order["payments"][-1], amount=100)  # in its dashboard

    async def _create(self) -> Order | None:
        amount = self._rng.randint(2, 200) * 100 + self._rng.choice(_ENDS)
        capture = "manual" if self._chance(0.2) else "automatic"
        body = {
            "provider": self._rng.choice(PROVIDERS),
            "currency": self._rng.choice(("USD", "EUR", "GBP")),
            "reference": self._key(),
            "items": [{"name": "Lamp", "unit_amount": amount, "quantity": 1}],
            "success_url": "https://shop.example/thanks",
            "cancel_url": "https://shop.example/cart",
            "capture": capture,
            "metadata": {"capture": capture},
            "expires_in": 1800,
        }
        status, order = await self._client.post("/v1/orders", body, self._key())
        if status != 201:
            self._books.counts["orders refused or in doubt"] += 1
            return None
        self._books.orders.add(order["id"])
        self._books.counts["orders"] += 1
        found: Order = order
        return found

    async def _buyer(self, order: Order) -> None:
        """The buyer at one of the order's pages; mostly the latest, sometimes in an old tab."""
        payments = [p for p in order["payments"] if p["provider_order_id"]]
        if not payments:
            return
        payment = payments[-1] if self._chance(0.9) else self._rng.choice(payments)
        ways = [["pay"]] * 6 + [["decline", "pay"], ["decline"], ["pay_async"], ["abandon"]]
        if self._chance(0.03):  # the provider has another amount in its books
            await self._happens("alter", payment, amount=order["amount"] + 100)
        for action in self._rng.choice(ways):
            await self._happens("buyer", payment, action=action)
        if self._chance(0.6):
            await self._client.visit(f"/checkout/{order['id']}/return")
        if self._chance(0.5):  # the bank is quick
            action = "settle" if self._chance(0.7) else "fail_async"
            await self._happens("buyer", payment, action=action)

    async def _happens(self, call: str, payment: Order, **what: Any) -> None:
        """At the provider. Some of it makes no sense by now: a page is closed, say."""
        with suppress(httpx.HTTPStatusError):
            provider, provider_id = payment["provider"], payment["provider_order_id"]
            await self._town.control(call, provider=provider, id=provider_id, **what)
            self._books.counts[" ".join((call, what.get("action", "")))] += 1

    async def _change_provider(self, order: Order) -> Order | None:
        status, changed = await self._client.post(
            f"/v1/orders/{order['id']}/payments", {"provider": self._rng.choice(PROVIDERS)},
            self._key(),
        )  # fmt: skip
        self._books.counts["changes of provider"] += status == 201
        return changed if status == 201 else None

    async def _outcome(self, order: Order) -> Order:
        """Look a few times; some merchants ask, some only wait to be told."""
        path, asks = f"/v1/orders/{order['id']}", self._chance(0.5)
        for _ in range(6):
            if asks and self._chance(0.5):
                await self._client.post(f"{path}/confirm")
            order = await self._client.get(path) or order
            if order["status"] not in ("open", "processing"):
                break
            await asyncio.sleep(self._rng.uniform(0.2, 1))
        return order

    async def _capture(self, order: Order) -> Order:
        path = f"/v1/orders/{order['id']}"
        if self._chance(0.1):
            return order  # forgotten
        if self._chance(0.2):
            await self._client.post(f"{path}/cancel", {}, self._key())
            return order
        part = {"amount": self._rng.randint(1, order["amount"])} if self._chance(0.4) else {}
        status, _ = await self._client.post(f"{path}/capture", part, self._key())
        self._books.counts["captures"] += status == 200
        return await self._client.get(path) or order

    async def _refund(self, order: Order) -> None:
        """All of it or parts, each asked for up to three times, at once, under its key."""
        for _ in range(self._rng.randint(1, 3)):
            key = self._key()
            body: dict[str, Any] = {"metadata": {"key": key}}
            if self._chance(0.7):
                body["amount"] = self._rng.randint(1, max(order["amount_captured"], 1))
            path, times = f"/v1/orders/{order['id']}/refunds", self._rng.randint(1, 3)
            answers = await asyncio.gather(
                *(self._client.post(path, body, key) for _ in range(times))
            )
            for status, refund in answers:
                if status == 201:
                    self._books.refunds[key] = refund["id"]
                    self._books.counts["refund answers"] += 1


async def merchants(town: Town, books: Books, seed: int, number: int) -> None:
    """So many of them, for ever."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=32)
    async with (
        httpx.AsyncClient(timeout=12, limits=limits) as http,
        asyncio.TaskGroup() as tasks,
    ):
        for n in range(number):
            rng = Random(f"{seed} merchant {n}")
            client = Client(town, http, books, rng)
            tasks.create_task(Merchant(town, client, books, rng).live())
