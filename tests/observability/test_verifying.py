"""The worker's slow round finds an order that somebody has changed by hand."""

import asyncio

import pytest
from sqlalchemy import text

from api import verifying
from tests.faults.stage import Gateway


async def test_an_order_changed_by_hand_is_counted(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifying, "_PAUSE_SECONDS", 0.1)
    await gateway.create("stripe", "one")
    order = await gateway.create("stripe", "two")
    async with gateway.services.store.database.write() as connection:
        change = text("UPDATE orders SET amount_captured = 1 WHERE id = :id")
        await connection.execute(change, {"id": order["id"]})
    stop = asyncio.Event()
    verification = asyncio.create_task(verifying.keep_verifying(gateway.services, stop))
    seen = b""
    for _ in range(500):
        seen = gateway.services.metrics.render()
        if b"gateway_orders_verified_total 2.0" in seen:
            break
        await asyncio.sleep(0.01)
    stop.set()
    await verification
    assert b"gateway_projection_mismatches_total 1.0" in seen
