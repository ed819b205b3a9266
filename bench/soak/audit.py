"""The reckoning: what the gateway has stored, what it told, and what the providers' ledger says."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import httpx

from bench.soak.client import Books
from bench.soak.town import Town

Order = dict[str, Any]
Row = dict[str, Any]
#: Statuses of the sandbox's ledger in which no money has moved, or has come back.
_NO_MONEY = frozenset(
    ("authorized", "canceled", "cancelled", "created", "declined", "denied", "failed", "voided")
)
_SETTLED = ("authorized", "paid", "partially_refunded", "refunded", "canceled", "expired")


async def audit(town: Town, books: Books) -> list[str]:
    """Every breach, one line each; the counts go to the books."""
    orders = {order["id"]: order for order in await _orders(town)}
    ledger = (await town.look("ledger"))["data"]
    for order in orders.values():
        books.counts[f"order {order['status']}"] += 1
        for item in order["attention"]:
            books.counts[f"attention {item['kind']}"] += 1
    return [
        *books.breaches,
        *told(books, orders),
        *charges(list(orders.values()), ledger, books.counts),
        *refunds(list(orders.values()), ledger, books.counts),
        *(breach for order in orders.values() for breach in _order(order)),
        *await _rest(town),
        *await _verified(town),
    ]


async def _orders(town: Town) -> list[Order]:
    headers = {"authorization": f"Bearer {town.key}"}
    found: list[Order] = []
    async with httpx.AsyncClient(base_url=town.apis[0], headers=headers, timeout=60) as http:
        query: dict[str, Any] = {"limit": 500}
        while True:
            page = (await http.get("/v1/orders", params=query)).raise_for_status().json()
            found += page["data"]
            if page["next_cursor"] is None:
                return found
            query["cursor"] = page["next_cursor"]


async def keep_stories(town: Town, breaches: list[str]) -> None:
    """The orders that are in breach and their timelines, as files beside the logs."""
    headers = {"authorization": f"Bearer {town.key}"}
    async with httpx.AsyncClient(base_url=town.apis[0], headers=headers, timeout=60) as http:
        for name in {breach.split(":")[0] for breach in breaches if breach.startswith("ord_")}:
            story = [(await http.get(f"/v1/orders/{name}{part}")).json() for part in _STORY]
            (town.folder / f"{name}.json").write_text(json.dumps(story, indent=1))


_STORY = ("", "/timeline")


def _moved(ledger: list[Row], kind: str) -> list[Row]:
    rows = [row for row in ledger if row["kind"] == kind and row["status"].lower() not in _NO_MONEY]
    return [row for row in rows if (kind, row["status"].lower()) != ("charge", "pending")]


def told(books: Books, orders: dict[str, Order]) -> Iterator[str]:
    """I4: what was acknowledged is there. I2: one refund for a key."""
    for order_id in books.orders - orders.keys():
        yield f"{order_id}: was created with 201 and is not there"
    refunds = [refund for order in orders.values() for refund in order["refunds"]]
    there = {refund["id"] for refund in refunds}
    for key, refund_id in books.refunds.items():
        if refund_id not in there:
            yield f"{refund_id}: was promised under the key {key} and is not there"
    keys = Counter(refund["metadata"].get("key") for refund in refunds)
    for name, number in keys.items():
        if name is not None and number > 1:
            yield f"{number} refunds under the key {name}"


def charges(orders: list[Order], ledger: list[Row], counts: Counter[str]) -> Iterator[str]:
    """I8: each charge is on its payment, once; and nothing of ours is not at the provider."""
    payments = {payment["id"]: payment for order in orders for payment in order["payments"]}
    wrong = {
        item["payment"]
        for order in orders
        for item in order["attention"]
        if item["kind"] in ("amount_mismatch", "currency_mismatch")
    }
    rows: dict[str, list[Row]] = defaultdict(list)
    for row in _moved(ledger, "charge"):
        rows[row["order_ref"]].append(row)
        counts["charges at the providers"] += 1
        if row["order_ref"] not in payments:
            yield f"{row['id']}: {row['amount']} were taken for {row['order_ref']}, unknown here"
    for payment_id, payment in payments.items():
        its = rows[payment_id]
        if len(its) > 1:
            yield f"{payment_id}: charged {len(its)} times: {[row['id'] for row in its]}"
        taken = sum(row["amount"] for row in its)
        if taken != payment["amount_captured"] and payment_id not in wrong:
            ours = f"{payment['amount_captured']} ({payment['status']})"
            yield f"{payment_id}: {taken} taken at the provider, {ours} here"


def refunds(orders: list[Order], ledger: list[Row], counts: Counter[str]) -> Iterator[str]:
    """I8: the same refunds on both sides, id by id and amount by amount."""
    rows = _moved(ledger, "refund")
    counts["refunds at the providers"] += len(rows)
    theirs = {(row["id"], -row["amount"], row["currency"]) for row in rows}
    made = [refund for order in orders for refund in order["refunds"]]
    live = [refund for refund in made if refund["status"] in ("pending", "succeeded")]
    ours = {(r["provider_refund_id"], r["amount"], r["currency"]) for r in live}
    if len(ours) != len(live):
        yield "two refunds of ours are one at the provider"
    for row in theirs - ours:
        yield f"refund {row} at the provider is not here"
    for row in ours - theirs:
        yield f"refund {row} here is not at the provider"


def _order(order: Order) -> Iterator[str]:
    """I1, I5 and I7."""
    name, attention = order["id"], {item["kind"] for item in order["attention"]}
    if order["status"] not in _SETTLED and not attention:
        yield f"{name}: neither settled nor in attention: {order['status']}"
    for payment in order["payments"]:
        given = [
            refund["amount"]
            for refund in order["refunds"]
            if refund["payment"] == payment["id"] and refund["status"] in ("pending", "succeeded")
        ]
        if sum(given) > payment["amount_captured"]:
            yield f"{payment['id']}: {sum(given)} refunded of {payment['amount_captured']}"
    captured = [payment for payment in order["payments"] if payment["amount_captured"]]
    full = any(payment["amount_captured"] == order["amount"] for payment in captured)
    partly = order["metadata"].get("capture") == "manual"
    if order["status"] == "paid" and not (full or (captured and partly)):
        yield f"{name}: paid, with {[p['amount_captured'] for p in captured]} of {order['amount']}"
    if len(captured) > 1 and "paid_twice" not in attention:
        yield f"{name}: paid {len(captured)} times, and nobody is told"


async def _rest(town: Town) -> Iterator[str]:
    """I5 of what belongs to no order: nothing unknown may be left on the attention list."""
    headers = {"authorization": f"Bearer {town.key}"}
    async with httpx.AsyncClient(base_url=town.apis[0], headers=headers, timeout=60) as http:
        query: dict[str, str | int] = {"limit": 500, "status": "open"}
        answer = (await http.get("/v1/attention", params=query)).raise_for_status().json()
    loose = [item for item in answer["data"] if item["order"] is None]
    return iter([f"{item['kind']} {item['subject']}: {item['detail']}" for item in loose])


async def _verified(town: Town) -> list[str]:
    """`gateway verify`: every order is what its facts say."""
    program = town.command("verify", "--json")
    lines = (await program.run(check=False)).splitlines()
    found = json.loads(lines[-1]) if lines else {"differing": -1}
    return [f"gateway verify: {line}" for line in lines] if found["differing"] else []
