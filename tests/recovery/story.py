"""What the stories of this folder share."""

from typing import Any

from sqlalchemy import select

from gateway.confirm import confirm_payment
from storage import tables as t
from tests.faults.stage import Gateway

Order = dict[str, Any]


async def merchant_of(gateway: Gateway, order: Order) -> str:
    """The id of the merchant who owns an order."""
    async with gateway.services.store.database.read() as connection:
        return str(
            await connection.scalar(
                select(t.orders.c.merchant_id).where(t.orders.c.id == order["id"])
            )
        )


async def attention(gateway: Gateway, **query: str) -> list[dict[str, Any]]:
    """GET /v1/attention."""
    answer = await gateway.http.get("/v1/attention", params=query)
    items: list[dict[str, Any]] = answer.raise_for_status().json()["data"]
    return items


async def ask(gateway: Gateway, order: Order, attempt: int) -> None:
    """Ask the provider about one attempt, which captures what the buyer has approved."""
    merchant, payment = await merchant_of(gateway, order), order["payments"][attempt]["id"]
    await confirm_payment(gateway.services.ctx, merchant, order["id"], payment)


async def two_pages(gateway: Gateway, first: str, second: str) -> Order:
    """An order with two payable pages: the creation of the first was in doubt."""
    create = {"stripe": "create_session", "paypal": "create_order"}[first]
    await gateway.sandbox.fault(first, create, "garbage")
    answer = await gateway.ask_for_order(first)
    assert answer.json()["status"] == "processing", answer.text
    path = f"/v1/orders/{answer.json()['id']}/payments"
    answer = await gateway.post(path, "second", {"provider": second})
    assert answer.status_code == 201, answer.text
    await gateway.later(seconds=41)  # the first one's creation is taken up again
    order = await gateway.order(answer.json())
    assert [p["provider_order_id"] is None for p in order["payments"]] == [False, False], order
    return order


async def pay_both(gateway: Gateway, order: Order, known: int) -> Order:
    """The buyer pays on both pages; we know of the attempt `known` first, of the other later."""
    other = 1 - known
    await gateway.sandbox.webhooks("hold")
    for attempt in (known, other):
        await gateway.sandbox.buyer(order, "pay", attempt)
    if order["payments"][other]["provider"] == "paypal":
        # It is we who capture: captured without our knowing is an answer that was lost.
        await gateway.sandbox.fault("paypal", "capture_order", "garbage")
        await ask(gateway, order, other)
    await ask(gateway, order, known)
    order = await gateway.order(order)
    assert order["status"] == "paid"
    assert order["attention"] == [], order["attention"]
    return order


async def hear(gateway: Gateway, then: str = "normal") -> None:
    """What was held back arrives, and what was in doubt is settled; `then`: later webhooks."""
    await gateway.sandbox.webhooks("release")
    await gateway.sandbox.webhooks(then)
    await gateway.work()
    await gateway.later(seconds=41)


async def events(gateway: Gateway, order: Order) -> list[str]:
    """The types of what the merchant was told about an order, in its sequence."""
    c = t.events.c
    async with gateway.services.store.database.read() as connection:
        rows = await connection.execute(
            select(c.type).where(c.order_id == order["id"]).order_by(c.sequence)
        )
        return [row.type for row in rows]
