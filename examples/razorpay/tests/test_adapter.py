"""What is peculiar to Razorpay, against the fake: references, captures, refunds without keys."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from gateway_razorpay import adapter as adapter_module
from gateway_razorpay.adapter import RazorpayAdapter
from gateway_razorpay.fake.app import Fake
from gateway_razorpay.mapping import Payment

from gateway.errors import InvalidAmount, OutcomeUnknown, Rejected
from gateway.facts import (
    Canceled,
    Captured,
    Declined,
    Expired,
    Pending,
    RefundUpdated,
    Unrecognized,
)
from gateway.money import Money

from .requests import KEY, PAYMENT_ID, ref, refund, request

pytestmark = pytest.mark.anyio


async def test_reference_is_made_of_the_key(fake: Fake, adapter: RazorpayAdapter) -> None:
    """A digest of it, in the 40 characters that Razorpay takes."""
    await adapter.create_order(request(), key=KEY)
    references = [link["reference_id"] for link in fake.account.links.values()]
    assert references == [hashlib.sha256(KEY.encode()).hexdigest()[:40]]


async def test_a_link_carries_nothing_of_the_buyer(fake: Fake, adapter: RazorpayAdapter) -> None:
    """Razorpay would not fill it in, and would write to the buyer."""
    await adapter.create_order(request(customer_email="buyer@example.com"), key=KEY)
    (link,) = fake.account.links.values()
    assert link["customer"] == []
    assert (link["notify"], link["reminder_enable"]) == ({"sms": False, "email": False}, False)
    assert link["notes"] == {"gateway_payment": PAYMENT_ID}


async def test_expiry_is_moved_to_what_razorpay_takes(adapter: RazorpayAdapter) -> None:
    now = datetime.now(UTC)
    for asked, least, most in (
        (timedelta(seconds=5), timedelta(minutes=15), timedelta(minutes=20)),
        (timedelta(days=900), timedelta(days=170), timedelta(days=183)),
    ):
        checkout = await adapter.create_order(request(expires_at=now + asked), key=f"k-{asked}")
        assert checkout.expires_at is not None
        assert least < checkout.expires_at - now < most


async def test_a_taken_reference_is_another_request(fake: Fake, adapter: RazorpayAdapter) -> None:
    """The same key with another amount is refused, and not answered with the wrong link."""
    await adapter.create_order(request(), key=KEY)
    with pytest.raises(Rejected, match="already exists"):
        await adapter.create_order(request(money=Money(9900, "INR")), key=KEY)
    assert len(fake.account.links) == 1


async def test_a_filter_that_is_not_heeded(
    fake: Fake, adapter: RazorpayAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the list holds, only the link of that very reference is taken, on any page."""
    monkeypatch.setattr(adapter_module, "PAGE", 2)
    first = await adapter.create_order(request(), key=KEY)
    for number in range(5):
        await adapter.create_order(request(), key=f"another-{number}")
    fake.account.listing = "whole"
    assert await adapter.create_order(request(), key=KEY) == first


async def test_a_link_that_is_not_shown(fake: Fake, adapter: RazorpayAdapter) -> None:
    """It exists, Razorpay says, and is in no list: nobody may call that a refusal."""
    await adapter.create_order(request(), key=KEY)
    fake.account.listing = "empty"
    with pytest.raises(OutcomeUnknown, match="does not show it"):
        await adapter.create_order(request(), key=KEY)


async def test_what_is_authorized_is_captured(fake: Fake, adapter: RazorpayAdapter) -> None:
    """On an account that leaves that to us, or after a late authorization; and only once."""
    fake.account.auto_capture = False
    payment = ref(await adapter.create_order(request(), key=KEY))
    fake.buyer(payment.provider_order_id, "pay")
    fake.buyer(payment.provider_order_id, "pay")
    for _ in range(2):
        captured = [f for f in await adapter.confirm(payment, key="c") if isinstance(f, Captured)]
        assert [(fact.amount, fact.currency) for fact in captured] == [(5400, "INR")]
    statuses = sorted(one["status"] for one in fake.account.payments.values())
    assert statuses == ["authorized", "captured"]


async def test_another_amount_is_not_captured(fake: Fake, adapter: RazorpayAdapter) -> None:
    fake.account.auto_capture = False
    checkout = await adapter.create_order(request(), key=KEY)
    fake.buyer(checkout.provider_order_id, "pay")
    facts = await adapter.confirm(ref(checkout, money=Money(5500, "INR")), key="c")
    (odd,) = [fact for fact in facts if isinstance(fact, Unrecognized)]
    assert odd.state == "authorized for 5400 INR instead of the price"
    assert not any(isinstance(fact, Captured) for fact in facts)
    assert [one["status"] for one in fake.account.payments.values()] == ["authorized"]


async def test_nothing_is_captured_of_a_closed_link(fake: Fake, adapter: RazorpayAdapter) -> None:
    """What we have closed stays closed; the money is in doubt until it has gone back."""
    fake.account.auto_capture = False
    payment = ref(await adapter.create_order(request(), key=KEY))
    held = fake.buyer(payment.provider_order_id, "pay")
    facts = await adapter.cancel(payment, key="c")
    assert {type(fact) for fact in facts} >= {Canceled, Pending}
    facts = await adapter.confirm(payment, key="c")
    assert not any(isinstance(fact, Captured) for fact in facts)
    fake.account.give_up(held["id"])
    facts = await adapter.confirm(payment, key="c")
    assert [f.object_id for f in facts if isinstance(f, Expired)] == [held["id"]]
    assert not any(isinstance(fact, Captured | RefundUpdated | Pending) for fact in facts)


async def test_a_capture_that_somebody_else_made(
    fake: Fake, adapter: RazorpayAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Razorpay's refusal means that it is done: it is read."""
    fake.account.auto_capture = False
    payment = ref(await adapter.create_order(request(), key=KEY))
    held = fake.buyer(payment.provider_order_id, "pay")
    ours = adapter._capture

    async def late(one: Payment) -> None:
        fake.account.capture(held["id"], {"amount": 5400, "currency": "INR"})
        await ours(one)

    monkeypatch.setattr(adapter, "_capture", late)
    facts = await adapter.confirm(payment, key="c")
    assert [f.capture_id for f in facts if isinstance(f, Captured)] == [held["id"]]


async def test_a_second_try_after_a_decline(fake: Fake, adapter: RazorpayAdapter) -> None:
    """Razorpay lets the buyer try again on the same page; all tries are told."""
    payment = ref(await adapter.create_order(request(), key=KEY))
    fake.buyer(payment.provider_order_id, "decline")
    fake.buyer(payment.provider_order_id, "pay")
    facts = await adapter.confirm(payment, key="c")
    assert [f.code for f in facts if isinstance(f, Declined)] == ["payment_declined"]
    assert [f.amount for f in facts if isinstance(f, Captured)] == [5400]


async def test_one_refund_where_there_are_no_keys(fake: Fake, adapter: RazorpayAdapter) -> None:
    """Only in some countries is the header heeded: we look before we send."""
    fake.account.refund_keys = False
    payment = ref(await adapter.create_order(request(), key=KEY))
    paid = fake.buyer(payment.provider_order_id, "pay")
    for _ in range(2):
        facts = await adapter.refund(refund(payment, paid["id"], 1000), key="refund-one")
        assert [f.amount for f in facts if isinstance(f, RefundUpdated)] == [1000]
    await adapter.refund(refund(payment, paid["id"], 1000, 2), key="refund-two")
    assert [one["amount"] for one in fake.account.refunds.values()] == [1000, 1000]


async def test_many_refunds(
    fake: Fake, adapter: RazorpayAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Razorpay gives them page by page."""
    monkeypatch.setattr(adapter_module, "PAGE", 3)
    payment = ref(await adapter.create_order(request(), key=KEY))
    paid = fake.buyer(payment.provider_order_id, "pay")
    for number in range(7):
        request_ = refund(payment, paid["id"], 100 + number, number)
        await adapter.refund(request_, key=f"refund-number-{number}")
    found = [f for f in await adapter.find_refunds(payment) if isinstance(f, RefundUpdated)]
    assert sorted(fact.amount for fact in found) == [100 + number for number in range(7)]
    assert {fact.refund_id for fact in found} == {f"ref_{number}" for number in range(7)}


async def test_a_paid_link_without_an_order(fake: Fake, adapter: RazorpayAdapter) -> None:
    """Some answers lack the order: then the link's own payments are read."""
    payment = ref(await adapter.create_order(request(), key=KEY))
    paid = fake.buyer(payment.provider_order_id, "pay")
    del fake.account.links[payment.provider_order_id]["order_id"]
    facts = await adapter.confirm(payment, key="c")
    assert [f.capture_id for f in facts if isinstance(f, Captured)] == [paid["id"]]
    fake.account.links[payment.provider_order_id]["payments"] = None
    (odd,) = [f for f in await adapter.confirm(payment, key="c") if isinstance(f, Unrecognized)]
    assert odd.state == "link paid without a payment"


async def test_amounts_that_razorpay_cannot_express(adapter: RazorpayAdapter) -> None:
    """The last of three decimals must be 0. The core asks the plugin's scale before it calls."""
    with pytest.raises(InvalidAmount):
        await adapter.create_order(request(money=Money(1001, "KWD")), key=KEY)
