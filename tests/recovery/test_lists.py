"""The providers' lists of events, through the adapters: every event, however many pages."""

from datetime import timedelta

import pytest

from gateway.errors import Unavailable
from gateway.provider import ListedEvent
from tests.faults.stage import PROVIDERS, Gateway


async def listed(gateway: Gateway, provider: str, hours: int = 1) -> list[ListedEvent]:
    """The events of the last hours, as the core gets them."""
    now = gateway.clock.now() + timedelta(minutes=10)
    found = gateway.services.ctx.providers[provider].list_events(now - timedelta(hours=hours), now)
    return [event async for event in found]


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_every_event_is_listed_once_with_its_body(
    gateway: Gateway, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        await gateway.paid(provider, key=str(number))
        await gateway.sandbox.control("clock", advance_seconds=20)
    await gateway.sandbox.delivered()
    sent = {
        delivery["event_id"]
        for delivery in (await gateway.sandbox.look("webhooks"))["log"]
        if delivery["provider"] == provider
    }
    whole = await listed(gateway, provider)
    assert {event.id for event in whole} == sent
    monkeypatch.setattr("providers.stripe.client.PAGE_SIZE", 3)
    monkeypatch.setattr("providers.paypal.notifications.PAGE_SIZE", 5)
    paged = await listed(gateway, provider)
    assert len(paged) >= len(sent)
    assert {event.id: event for event in paged} == {event.id: event for event in whole}
    plugin = gateway.services.ctx.providers[provider].plugin
    for event in whole:
        read = plugin.read_event(event.body)
        assert (read.id, read.type, read.at) == (event.id, event.type, event.at)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("fault", ["http_500", "http_429", "garbage"])
async def test_a_list_without_an_answer_is_unavailable(
    gateway: Gateway, provider: str, fault: str
) -> None:
    await gateway.sandbox.fault(provider, "list_events", fault)
    with pytest.raises(Unavailable):
        await listed(gateway, provider)
    assert await listed(gateway, provider) == []
