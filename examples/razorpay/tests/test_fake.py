"""The fake: its page, its webhooks over HTTP, and refusals that a fake might forget."""

from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
import razorpay  # type: ignore[import-untyped]  # published without types
from gateway_razorpay.fake.account import Account, Refused
from gateway_razorpay.fake.app import Fake, running

from gateway.conformance import open_mailbox

LINK = {"amount": 5400, "currency": "INR", "description": "<b>Mug</b>"}
BACK = {"callback_url": "https://shop.example/return?lang=en", "callback_method": "get"}


@pytest.mark.anyio
async def test_the_page(fake: Fake) -> None:
    """A buyer is declined, tries again, pays, and is sent back with a signature that holds."""
    link = fake.account.create_link(LINK | BACK | {"reference_id": "one"})
    page = link["short_url"]
    async with aiohttp.ClientSession() as buyer:

        async def press(action: str) -> aiohttp.ClientResponse:
            return await buyer.post(page, data={"action": action}, allow_redirects=False)

        shown = await (await buyer.get(page)).text()
        assert "5400 INR" in shown
        assert "<b>Mug" not in shown
        assert "Try again" in await (await press("decline")).text()
        paid = await press("pay")
        assert paid.status == 303
        assert "Thank you" in await (await buyer.get(page)).text()
    sent_to = urlsplit(paid.headers["Location"])
    told = {name: values[0] for name, values in parse_qs(sent_to.query).items()}
    assert (sent_to.netloc, told["lang"]) == ("shop.example", "en")
    client = razorpay.Client(auth=(fake.key_id, fake.key_secret))
    signed = {
        "payment_link_id": told["razorpay_payment_link_id"],
        "payment_link_reference_id": told["razorpay_payment_link_reference_id"],
        "payment_link_status": told["razorpay_payment_link_status"],
        "razorpay_payment_id": told["razorpay_payment_id"],
        "razorpay_signature": told["razorpay_signature"],
    }
    assert client.utility.verify_payment_link_signature(signed)


@pytest.mark.anyio
async def test_webhooks() -> None:
    """They arrive, and the SDK holds them for Razorpay's."""
    async with open_mailbox() as mailbox, running(Fake(webhook_url=mailbox.url)) as fake:
        fake.buyer(fake.account.create_link(LINK)["id"], "pay")
        while len(mailbox.received) < len(fake.sent):
            assert fake.sending
            await next(iter(fake.sending))
        client = razorpay.Client(auth=(fake.key_id, fake.key_secret))
        for delivery in mailbox.received:
            signature = delivery.headers["x-razorpay-signature"]
            body = delivery.body.decode()
            client.utility.verify_webhook_signature(body, signature, fake.webhook_secret)
        ids = {delivery.headers["x-razorpay-event-id"] for delivery in mailbox.received}
        assert len(ids) == len(fake.sent)


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        ({"amount": 0}, "minimum"),
        ({"amount": "54"}, "integer"),
        ({"amount": 99}, "minimum 1.00 for INR"),
        ({"currency": "XXX"}, "currency"),
        ({"currency": "KWD", "amount": 1001}, "last digit"),
        ({"reference_id": "x" * 41}, "40"),
        ({"expire_by": 1}, "15 minutes"),
        ({"expire_by": 1 << 33}, "six months"),
        ({"callback_url": "https://shop.example"}, "callback_method"),
        ({"notes": {"x": "y" * 257}}, "256"),
        ({"cancel_url": "https://shop.example"}, "should not be sent"),
    ],
)
def test_links_that_are_refused(odd: dict[str, object], words: str) -> None:
    with pytest.raises(Refused, match=words):
        Account().create_link(LINK | odd)


def test_rules_of_money() -> None:
    """Once captured, once paid; a key of a refund is kept with its body."""
    account = Account(auto_capture=False)
    link = account.create_link(LINK)
    first, second = (account.pay(link["id"])["id"] for _ in range(2))
    with pytest.raises(Refused, match="equal to the amount"):
        account.capture(first, {"amount": 5300, "currency": "INR"})
    whole = {"amount": 5400, "currency": "INR"}
    account.capture(first, whole)
    with pytest.raises(Refused, match="already been captured"):
        account.capture(first, whole)
    with pytest.raises(Refused, match="already paid"):
        account.capture(second, whole)
    with pytest.raises(Refused, match="should be captured"):
        account.refund(second, {"amount": 100})
    refund = account.refund(first, {"amount": 400}, "key-of-ten")
    assert account.refund(first, {"amount": 400}, "key-of-ten") == refund
    for body, key, words in (
        ({"amount": 401}, "key-of-ten", "Different request"),
        ({"amount": 401}, "short", "10 characters"),
        ({"amount": 5001}, None, "greater than"),
    ):
        with pytest.raises(Refused, match=words):
            account.refund(first, body, key)
    account.refund(first, {"amount": 5000})
    with pytest.raises(Refused, match="fully refunded"):
        account.refund(first, {"amount": 1})
    with pytest.raises(Refused, match="not payable"):
        account.pay(link["id"])
    with pytest.raises(Refused, match="already paid"):
        account.cancel(link["id"])
