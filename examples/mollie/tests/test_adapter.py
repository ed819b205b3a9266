"""What is peculiar to Mollie: what the kit cannot know of."""

import logging
from datetime import UTC, datetime, timedelta

import pytest
from gateway_mollie.adapter import MollieAdapter
from gateway_mollie.fake.app import API_KEY, Fake
from gateway_mollie.plugin import plugin

from gateway.conformance import Fault, open_proxy
from gateway.errors import OutcomeUnknown, Rejected, Unavailable, WebhookInvalid
from gateway.facts import (
    Authorized,
    Canceled,
    Captured,
    DisputeUpdated,
    PaidWith,
    ProviderFact,
    RefundUpdated,
)
from gateway.money import Money
from gateway.provider import CaptureMode, CheckoutRequest, LineItem, PaymentRef, RefundRequest

pytestmark = pytest.mark.anyio
FIVE = Money(500, "EUR")


def request(money: Money = FIVE, capture: CaptureMode = "automatic") -> CheckoutRequest:
    """A checkout of one payment, `pay_1`."""
    return CheckoutRequest(
        order_id="ord_1",
        payment_id="pay_1",
        money=money,
        items=(LineItem("Mug", money.amount, 1),),
        success_url="https://shop.example/return",
        cancel_url="https://shop.example/cancel",
        expires_at=datetime.now(UTC) + timedelta(hours=1),
        capture=capture,
    )


async def opened(adapter: MollieAdapter, asked: CheckoutRequest) -> PaymentRef:
    """The payment behind a new checkout."""
    checkout = await adapter.create_order(asked, key="pay_1-create")
    return PaymentRef(
        order_id="ord_1",
        payment_id="pay_1",
        money=asked.money,
        provider_order_id=checkout.provider_order_id,
        capture=asked.capture,
    )


def of(facts: object, kind: type[ProviderFact]) -> list[ProviderFact]:
    """The facts of one kind."""
    assert isinstance(facts, list)
    return [fact for fact in facts if isinstance(fact, kind)]


async def test_request(fake: Fake, adapter: MollieAdapter) -> None:
    """A payment names its webhook, and echoes our ids. Amounts have the currency's decimals."""
    payment = await opened(adapter, request(Money(500, "JPY")))
    sent = fake.books.payment(payment.provider_order_id).request
    assert sent["amount"] == {"currency": "JPY", "value": "500"}
    assert sent["webhookUrl"].endswith("/webhooks/mollie")
    assert sent["metadata"] == {"order_id": "ord_1", "payment_id": "pay_1"}
    assert sent["captureMode"] == "automatic"
    assert "method" not in sent


async def test_card_in_facts(fake: Fake, adapter: MollieAdapter) -> None:
    """Of a card only brand and last digits leave the adapter."""
    payment = await opened(adapter, request())
    fake.act(payment.provider_order_id, "pay")
    facts = await adapter.confirm(payment, key="confirm")
    assert of(facts, PaidWith) == [PaidWith(type="creditcard", brand="visa", last4="4242")]
    assert "TESTER" not in repr(facts)


async def test_rest_is_released(fake: Fake, adapter: MollieAdapter) -> None:
    """Mollie keeps holding what a capture leaves, until it is told to let go."""
    payment = await opened(adapter, request(capture="manual"))
    fake.act(payment.provider_order_id, "pay")
    assert len(of(await adapter.confirm(payment, key="confirm"), Authorized)) == 1
    facts = await adapter.capture(payment, Money(200, "EUR"), key="pay_1-capture-200")
    assert [getattr(fact, "amount", 0) for fact in of(facts, Captured)] == [200]
    assert fake.books.payment(payment.provider_order_id).status == "paid"
    again = await adapter.capture(payment, Money(200, "EUR"), key="pay_1-capture-200")
    assert of(again, Captured) == of(facts, Captured)


async def test_confirm_releases_what_was_left(fake: Fake, adapter: MollieAdapter) -> None:
    """A process may die between capture and release."""
    payment = await opened(adapter, request(capture="manual"))
    theirs = fake.act(payment.provider_order_id, "pay")
    body = {"amount": {"currency": "EUR", "value": "2.00"}, "metadata": {"payment_id": "pay_1"}}
    fake.books.capture(theirs, body)
    assert theirs.status == "authorized"
    facts = await adapter.confirm(payment, key="confirm")
    assert theirs.status == "paid"
    assert [getattr(fact, "amount", 0) for fact in of(facts, Captured)] == [200]


async def test_capture_of_the_dashboard_keeps_the_rest(fake: Fake, adapter: MollieAdapter) -> None:
    """Who captures in parts at Mollie has plans for the rest."""
    payment = await opened(adapter, request(capture="manual"))
    theirs = fake.act(payment.provider_order_id, "pay")
    fake.books.capture(theirs, {"amount": {"currency": "EUR", "value": "2.00"}})
    await adapter.confirm(payment, key="confirm")
    assert theirs.status == "authorized"


async def test_method_that_cannot_be_held(fake: Fake, adapter: MollieAdapter) -> None:
    """iDEAL is paid at once, though manual capture was asked for: that is what is told."""
    payment = await opened(adapter, request(capture="manual"))
    fake.act(payment.provider_order_id, "pay", "ideal")
    facts = await adapter.confirm(payment, key="confirm")
    assert of(facts, Authorized) == []
    assert [getattr(fact, "amount", 0) for fact in of(facts, Captured)] == [500]


async def test_key_outlives_an_hour_only(fake: Fake, adapter: MollieAdapter) -> None:
    """Inside an hour a key has one effect; that is what `key_windows` says."""
    first = await opened(adapter, request())
    assert (await opened(adapter, request())).provider_order_id == first.provider_order_id
    fake.books.ahead += timedelta(hours=1)
    assert (await opened(adapter, request())).provider_order_id != first.provider_order_id


async def test_key_used_otherwise(adapter: MollieAdapter) -> None:
    """The answer says nothing of what was done under the key before: that is not refused."""
    await opened(adapter, request())
    with pytest.raises(OutcomeUnknown, match="key was used for another request"):
        await opened(adapter, request(Money(600, "EUR")))


async def test_long_key(fake: Fake, adapter: MollieAdapter) -> None:
    """Mollie takes 100 characters."""
    for _ in range(2):
        await adapter.create_order(request(), key="k" * 255)
    assert len(fake.books.payments) == 1


async def test_refund_just_like_another(fake: Fake, adapter: MollieAdapter) -> None:
    """Mollie turns it away for a while: nothing was done, and it may be asked for again."""
    payment = await opened(adapter, request())
    fake.act(payment.provider_order_id, "pay")
    asked = RefundRequest(payment, "ref_1", Money(100, "EUR"), payment.provider_order_id)
    await adapter.refund(asked, key="one")
    with pytest.raises(Unavailable):
        await adapter.refund(asked, key="two")


async def test_done_and_not_read(fake: Fake, environment: dict[str, str]) -> None:
    """What was done may not be called undone because the reading after it failed."""
    async with open_proxy(fake.url) as proxy:
        settings = plugin.settings(environment | {"MOLLIE_API_BASE": proxy.url})
        assert settings is not None
        async with plugin.open(settings) as provider:
            adapter = provider.adapter
            assert isinstance(adapter, MollieAdapter)
            payment = await opened(adapter, request(capture="manual"))
            fake.act(payment.provider_order_id, "pay")
            proxy.arm(Fault("answer", writes=False, status=503))
            with pytest.raises(OutcomeUnknown):
                await adapter.capture(payment, FIVE, key="capture")
            facts = await adapter.capture(payment, FIVE, key="capture")
    assert [getattr(fact, "amount", 0) for fact in of(facts, Captured)] == [500]


async def test_hold_is_let_go(fake: Fake, adapter: MollieAdapter) -> None:
    """Mollie accepts a release, and carries it out later: until then it is in doubt."""
    payment = await opened(adapter, request(capture="manual"))
    theirs = fake.act(payment.provider_order_id, "pay")
    fake.books.release_lasts = True
    for _ in range(2):
        with pytest.raises(OutcomeUnknown, match="not carried out"):
            await adapter.cancel(payment, key="cancel")
    fake.books.become(theirs, "canceled")
    assert of(await adapter.cancel(payment, key="cancel"), Canceled)


async def test_bank_transfer_is_closed(fake: Fake, adapter: MollieAdapter) -> None:
    """One of the few that Mollie closes while they are open."""
    payment = await opened(adapter, request())
    with pytest.raises(Rejected, match="when its time is over"):
        await adapter.cancel(payment, key="cancel")
    fake.books.payment(payment.provider_order_id).method = "banktransfer"
    assert of(await adapter.cancel(payment, key="cancel"), Canceled)


async def test_chargeback(fake: Fake, adapter: MollieAdapter) -> None:
    """The money is gone at once; it may come back."""
    payment = await opened(adapter, request())
    fake.act(payment.provider_order_id, "pay")
    for act, status in ((fake.charge_back, "needs_response"), (fake.reverse_chargeback, "won")):
        act(payment.provider_order_id)
        (dispute,) = of(await adapter.confirm(payment, key="confirm"), DisputeUpdated)
        assert isinstance(dispute, DisputeUpdated)
        assert (dispute.status, dispute.amount) == (status, 500)


async def test_webhooks_of_one_payment(fake: Fake, adapter: MollieAdapter) -> None:
    """All look the same. Those of one state have one id, those of two states have two."""
    payment = await opened(adapter, request())
    body = f"id={payment.provider_order_id}".encode()
    ids: list[str] = []
    for act in (
        lambda: None,
        lambda: fake.act(payment.provider_order_id, "pay"),
        lambda: fake.refund_in_dashboard(payment.provider_order_id, 100),
        lambda: fake.charge_back(payment.provider_order_id),
    ):
        act()
        await fake.quiet()
        seen = {(await adapter.verify_webhook({}, body)).id for _ in range(2)}
        assert len(seen) == 1
        ids += seen
    assert len(set(ids)) == 4


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"id=",
        b"id=ord_12345",
        b"id=tr_12345&id=tr_54321",
        b"id=tr_12345/../x",
        b"id=tr_\xc3\xa9",
        b'{"id":"tr_12345"}',
        b"id=tr_12345" + b"6" * 1000,
        b"&".join([b"id=tr_12345"] * 20),
    ],
)
async def test_no_webhook(fake: Fake, adapter: MollieAdapter, body: bytes) -> None:
    """Mollie is not even asked."""
    fake.url = ""
    with pytest.raises(WebhookInvalid, match="no webhook"):
        await adapter.verify_webhook({}, body)


async def test_webhook_of_somebody_else(adapter: MollieAdapter) -> None:
    """Mollie, asked with our key, knows no such payment."""
    with pytest.raises(WebhookInvalid, match="no such payment"):
        await adapter.verify_webhook({}, b"id=tr_forged12345")


async def test_refunds_of_the_dashboard(fake: Fake, adapter: MollieAdapter) -> None:
    """They are found, and have no refund_id."""
    payment = await opened(adapter, request())
    fake.act(payment.provider_order_id, "pay")
    fake.refund_in_dashboard(payment.provider_order_id, 100)
    await fake.quiet()
    (found,) = await adapter.find_refunds(payment)
    assert isinstance(found, RefundUpdated)
    assert (found.amount, found.status, found.refund_id) == (100, "succeeded", None)


async def test_capture_before_it_is_held(adapter: MollieAdapter) -> None:
    """Nothing is there to capture."""
    payment = await opened(adapter, request(capture="manual"))
    with pytest.raises(Rejected):
        await adapter.capture(payment, FIVE, key="capture")


async def test_nothing_is_logged(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The SDK, left alone, logs the key and all bodies where CLIENT_DEBUG is set."""
    monkeypatch.setenv("CLIENT_DEBUG", "1")
    caplog.set_level(logging.DEBUG)
    settings = plugin.settings(environment)
    assert settings is not None
    async with plugin.open(settings) as provider:
        await provider.adapter.create_order(request(), key="pay_1-create")
    assert API_KEY not in caplog.text
    assert "shop.example" not in caplog.text


async def test_check(adapter: MollieAdapter) -> None:
    """The doctor's question."""
    await adapter.check()


async def test_wrong_key(fake: Fake, environment: dict[str, str]) -> None:
    """The error names the setting to be cured, and not its value."""
    settings = plugin.settings(environment | {"MOLLIE_API_KEY": "test_" + "x" * 30})
    assert settings is not None
    async with plugin.open(settings) as opened:
        assert isinstance(opened.adapter, MollieAdapter)
        with pytest.raises(Unavailable, match="MOLLIE_API_KEY") as told:
            await opened.adapter.check()
    assert "xxx" not in str(told.value)
