"""Balance transactions and payouts as the provider's books."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from gateway.errors import Unavailable
from gateway.money import Money
from providers.stripe.adapter import StripeAdapter
from providers.stripe.settlement import Line, transaction
from tests.stripe.fake import FakeStripe

AT = 1_767_225_600
SINCE = datetime.fromtimestamp(AT, UTC)


def booked(**changed: Any) -> dict[str, Any]:
    """A charge of 54.00 USD with a fee of 1.87."""
    return {
        "object": "balance_transaction",
        "id": "txn_1",
        "type": "charge",
        "amount": 5400,
        "fee": 187,
        "net": 5213,
        "currency": "usd",
        "created": AT,
        "available_on": AT + 172_800,
        "exchange_rate": None,
        "source": charge(),
        **changed,
    }


def charge(**changed: Any) -> dict[str, Any]:
    return {
        "object": "charge",
        "id": "ch_1",
        "amount": 5400,
        "currency": "usd",
        "payment_intent": "pi_1",
        "metadata": {"payment_id": "pay_1"},
        **changed,
    }


def line(**changed: Any) -> Line:
    return msgspec.convert(booked(**changed), Line, strict=False)


def test_a_charge_is_called_by_its_intent() -> None:
    told = transaction(line())
    assert (told.kind, told.gross, told.fee, told.net) == ("charge", 5400, 187, 5213)
    assert (told.object_id, told.ids, told.reference) == ("pi_1", ("ch_1", "pi_1"), "pay_1")
    assert told.original is None


def test_a_converted_charge_carries_the_buyers_amount() -> None:
    told = transaction(
        line(
            amount=1340, fee=69, net=1271, currency="eur", exchange_rate=0.134,
            source=charge(amount=10_000, currency="dkk"),
        )
    )  # fmt: skip
    assert (told.original, told.rate) == (Money(10_000, "DKK"), "0.134")
    assert (told.gross, told.currency) == (1340, "EUR")


def test_of_a_converted_charge_what_was_captured_counts() -> None:
    source = charge(amount=10_000, amount_captured=4_000, currency="dkk")
    told = transaction(line(amount=536, fee=30, net=506, currency="eur", source=source))
    assert told.original == Money(4_000, "DKK")


@pytest.mark.parametrize(
    ("type", "amount", "source", "kind", "object_id"),
    [
        ("payment", 5400, charge(), "charge", "pi_1"),
        ("charge", 5400, charge(payment_intent=None), "charge", "ch_1"),
        ("refund", -500, {"object": "refund", "id": "re_1", "charge": "ch_1"}, "refund", "re_1"),
        ("payment_refund", -500, "re_1", "refund", "re_1"),
        ("refund_failure", 500, "re_1", "refund_failure", "re_1"),
        ("adjustment", -500, {"object": "dispute", "id": "du_1"}, "dispute", "du_1"),
        ("adjustment", 500, {"object": "dispute", "id": "du_1"}, "dispute_reversal", "du_1"),
        ("adjustment", 500, None, "adjustment", "txn_1"),
        ("stripe_fee", -500, None, "fee", "txn_1"),
        ("payout", -500, "po_1", "payout", "po_1"),
        ("reserve_transaction", -500, "rsv_1", "hold", "rsv_1"),
        ("payout_failure", 500, {"object": "payout", "id": "po_1"}, "payout_failure", "po_1"),
    ],
)
def test_kinds(type: str, amount: int, source: Any, kind: str, object_id: str) -> None:
    told = transaction(line(type=type, amount=amount, fee=0, net=amount, source=source))
    assert (told.kind, told.object_id) == (kind, object_id)


def test_a_refund_is_referred_to_by_our_id_of_it() -> None:
    source = {
        "object": "refund", "id": "re_1", "charge": "ch_1", "payment_intent": "pi_1",
        "metadata": {"payment_id": "pay_1", "refund_id": "ref_1"},
    }  # fmt: skip
    told = transaction(line(type="refund", amount=-5, fee=0, net=-5, source=source))
    assert (told.reference, told.ids) == ("ref_1", ("re_1", "ch_1", "pi_1"))


def test_an_amount_that_cannot_exist_is_not_left_out() -> None:
    with pytest.raises(Unavailable):
        transaction(line(currency="zzz"))


async def test_lists_are_walked_to_their_end(adapter: StripeAdapter, fake: FakeStripe) -> None:
    fake.will({"data": [booked(), booked(id="txn_2")], "has_more": True})
    fake.will({"data": [booked(id="txn_3")], "has_more": False})
    found = [told.id async for told in adapter.list_transactions(SINCE, SINCE)]
    assert found == ["txn_1", "txn_2", "txn_3"]
    assert [call.params.get("starting_after") for call in fake.calls] == [None, "txn_2"]
    assert fake.calls[0].params["created[gte]"] == str(AT)
    assert fake.calls[0].params["expand[0]"] == "data.source"


async def test_a_payout_and_its_lines(adapter: StripeAdapter, fake: FakeStripe) -> None:
    payout = {
        "object": "payout", "id": "po_1", "amount": 5213, "currency": "usd", "created": AT,
        "status": "in_transit", "arrival_date": AT + 1, "balance_transaction": "txn_9",
    }  # fmt: skip
    fake.will({"data": [payout], "has_more": False})
    (told,) = [payout async for payout in adapter.list_payouts(SINCE, SINCE)]
    assert (told.id, told.amount, told.currency, told.status) == ("po_1", 5213, "USD", "pending")
    assert told.itemized
    fake.will({"data": [payout | {"automatic": False}], "has_more": False})
    (by_hand,) = [payout async for payout in adapter.list_payouts(SINCE, SINCE)]
    assert not by_hand.itemized
    own = booked(id="txn_9", type="payout", amount=-5213, fee=0, net=-5213, source="po_1")
    fake.will({"data": [own, booked()], "has_more": False})
    found = [line async for line in adapter.payout_transactions("po_1")]
    assert [(line.id, line.payout_id) for line in found] == [("txn_1", "po_1")]
    assert fake.calls[-1].params["payout"] == "po_1"
