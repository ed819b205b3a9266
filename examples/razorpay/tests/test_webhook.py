"""Deliveries: what is signed, what is not, and what Razorpay's payloads leave out."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from gateway_razorpay.adapter import RazorpayAdapter
from gateway_razorpay.fake.app import Fake
from gateway_razorpay.plugin import RazorpayPlugin
from gateway_razorpay.webhook import ASK, TELL, read_event

from gateway.errors import WebhookInvalid
from gateway.facts import Captured, Expired, Fee, PaidWith, RefundUpdated

from .requests import KEY, PAYMENT_ID, ref, request

pytestmark = pytest.mark.anyio


async def story(fake: Fake, adapter: RazorpayAdapter) -> dict[str, tuple[dict[str, str], bytes]]:
    """A payment and all that was sent about it, by type."""
    payment = ref(await adapter.create_order(request(), key=KEY))
    fake.buyer(payment.provider_order_id, "pay")
    return {json.loads(body)["event"]: (headers, body) for headers, body in fake.sent}


def event(type: str, created_at: int | None, **entities: Any) -> bytes:
    """An event as Razorpay writes it."""
    payload = {name: {"entity": entity} for name, entity in entities.items()}
    told = {"entity": "event", "event": type, "payload": payload}
    return json.dumps(told | ({} if created_at is None else {"created_at": created_at})).encode()


async def test_the_events_id_is_not_believed(fake: Fake, adapter: RazorpayAdapter) -> None:
    """It is not signed: under any other, the same body is the same event."""
    headers, body = (await story(fake, adapter))["payment_link.paid"]
    first = await adapter.verify_webhook(headers, body)
    for forged in ("evt_of_a_replay", ""):
        again = await adapter.verify_webhook(headers | {"x-razorpay-event-id": forged}, body)
        assert again == first
    assert read_event(body) == first
    assert len({(await adapter.verify_webhook(*sent)).id for sent in fake.sent}) == len(fake.sent)


@pytest.mark.parametrize(
    ("age", "fresh"),
    [
        (timedelta(0), True),
        (timedelta(days=7), True),  # played again from the Dashboard
        (timedelta(days=9), False),
        (timedelta(minutes=-4), True),
        (timedelta(minutes=-6), False),
    ],
)
async def test_age(fake: Fake, age: timedelta, fresh: bool) -> None:
    """By the time in the body, since the signature has none."""
    plugin = RazorpayPlugin()
    settings = plugin.settings(fake.environment())
    assert settings is not None
    sent = datetime.now(UTC) - age
    body = event("payment_link.expired", int(sent.timestamp()))
    async with plugin.open(settings) as provider:
        if fresh:
            await provider.adapter.verify_webhook(fake.sign(body), body)
        else:
            with pytest.raises(WebhookInvalid, match="too old"):
                await provider.adapter.verify_webhook(fake.sign(body), body)


async def test_a_body_without_a_time(fake: Fake, adapter: RazorpayAdapter) -> None:
    """As some documented samples are: it is taken, and dated by what it is about."""
    _, body = (await story(fake, adapter))["payment.captured"]
    told = json.loads(body)
    del told["created_at"]
    body = json.dumps(told).encode()
    read = await adapter.verify_webhook(fake.sign(body), body)
    assert read.at.timestamp() == told["payload"]["payment"]["entity"]["created_at"]


async def test_a_payment_is_known_by_its_link(fake: Fake, adapter: RazorpayAdapter) -> None:
    """A payment has not the link's notes, but its id in the description."""
    sent = await story(fake, adapter)
    (link_id,) = fake.account.links
    captured = await adapter.verify_webhook(*sent["payment.captured"])
    assert captured.payment_id is None
    assert link_id in captured.provider_ids
    paid = await adapter.verify_webhook(*sent["payment_link.paid"])
    assert paid.payment_id == PAYMENT_ID
    assert {type(fact) for fact in paid.facts} >= {Captured, Fee, PaidWith}


async def test_what_is_authorized_is_to_be_captured(fake: Fake, adapter: RazorpayAdapter) -> None:
    """The event tells of no money, and asks the core to ask."""
    read = await adapter.verify_webhook(*(await story(fake, adapter))["payment.authorized"])
    assert read.confirm
    assert not any(isinstance(fact, Captured | Fee) for fact in read.facts)


async def test_money_that_went_back_by_itself(fake: Fake, adapter: RazorpayAdapter) -> None:
    """The refund of a payment that nobody captured is no refund: there was no money of ours."""
    fake.account.auto_capture = False
    payment = ref(await adapter.create_order(request(), key=KEY))
    held = fake.buyer(payment.provider_order_id, "pay")
    fake.account.give_up(held["id"])
    refunds = [b for _, b in fake.sent if json.loads(b)["event"].startswith("refund.")]
    assert len(refunds) == 2
    for body in refunds:
        facts = read_event(body).facts
        assert [f.object_id for f in facts if isinstance(f, Expired)] == [held["id"]]
        assert not any(isinstance(fact, RefundUpdated) for fact in facts)


def test_types() -> None:
    """Of others nothing is read, whatever is in them."""
    assert len(ASK | TELL) == 10
    for type in ("order.paid", "payment_link.partially_paid", "invoice.paid", "payment.downtime"):
        read = read_event(event(type, 1, payment={"odd": True}))
        assert read.ignored
        assert not read.facts
    assert read_event(b'{"event": "account.updated"}').ignored


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{}", b"\xff", b"[" * 5000, b'{"event": 1}']
)
def test_rubbish(body: bytes) -> None:
    with pytest.raises(WebhookInvalid):
        read_event(body)


def test_a_known_type_with_something_else_inside() -> None:
    with pytest.raises(WebhookInvalid):
        read_event(event("payment.captured", 1, payment={"id": "pay_1"}))
    with pytest.raises(WebhookInvalid):
        read_event(b'{"event": "payment.captured", "payload": []}')
