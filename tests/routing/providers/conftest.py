"""The stage of tests/faults: both adapters over the stand-in providers."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.faults.conftest import _quiet, house, sandbox, sandbox_url
from tests.faults.stage import Gateway, House, Merchant, Sandbox, client, open_gateway

__all__ = ["_quiet", "house", "sandbox", "sandbox_url"]


async def prefer(merchant: Merchant, first: str) -> None:
    """A policy under which all orders go to `first`, and to any other after it."""
    policy = {"rules": [{"providers": [first, "*"]}], "avoid_degraded": False}
    answer = await merchant.http.put("/v1/routing", json=policy)
    assert answer.status_code == 200, answer.text


def attempts(order: dict[str, Any]) -> list[tuple[str, str]]:
    """The attempts on an order."""
    return [(payment["provider"], payment["status"]) for payment in order["payments"]]


async def pages(sandbox: Sandbox) -> int:
    """How many pages both providers have opened."""
    created = await sandbox.calls("paypal", "create_order")
    key = sandbox.environment["STRIPE_SECRET_KEY"]
    async with client(sandbox.url, authorization=f"Bearer {key}") as http:
        answer = await http.get("/stripe/v1/checkout/sessions")
        sessions = answer.raise_for_status().json()["data"]
    # PayPal answers 201 for a new order, and 200 for a repeated key.
    return len(sessions) + len([call for call in created if call["status"] == 201])


@pytest.fixture
async def gateway(house: House, sandbox: Sandbox) -> AsyncIterator[Gateway]:
    """A gateway in this event loop, on SQLite."""
    async with open_gateway(house, sandbox) as opened:
        yield opened
