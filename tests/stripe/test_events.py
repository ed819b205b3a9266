"""Events: what each proves, whom it concerns, and that a read later tells the same facts."""

from typing import Any

import pytest

from gateway.facts import Captured, ProviderFact, ProviderIds
from providers.stripe.plugin import plugin
from tests.stripe.payloads import (
    Json,
    charge,
    dispute,
    event,
    intent,
    refund,
    session,
)

UNPAID: Json = {"payment_status": "unpaid"}
ERROR = {"charge": "ch_0", "code": "card_declined", "message": "Your card was declined."}


def keys(facts: tuple[ProviderFact, ...]) -> list[str]:
    """All but the ids, which are looked at on their own."""
    return [fact.key for fact in facts if not isinstance(fact, ProviderIds)]


@pytest.mark.parametrize(
    ("type", "object", "facts", "confirm"),
    [
        ("checkout.session.completed", session(), ["captured:pi_1:5400:USD"], True),
        ("checkout.session.completed", session(**UNPAID), ["buyer_approved:cs_test_1"], True),
        (
            "checkout.session.async_payment_succeeded",
            session(),
            ["captured:pi_1:5400:USD"],
            True,
        ),
        (
            "checkout.session.async_payment_failed",
            session(**UNPAID),
            ["buyer_approved:cs_test_1", "failed:pi_1"],
            True,
        ),
        (
            "checkout.session.expired",
            session(status="expired", payment_intent=None, **UNPAID),
            ["expired:cs_test_1"],
            False,
        ),
        ("payment_intent.succeeded", intent(), ["captured:pi_1:5400:USD"], True),
        ("payment_intent.processing", intent(status="processing"), ["pending:pi_1"], False),
        (
            "payment_intent.payment_failed",
            intent(status="requires_payment_method", last_payment_error=ERROR),
            ["declined:ch_0"],
            False,
        ),
        (
            "payment_intent.amount_capturable_updated",
            intent(status="requires_capture", amount_capturable=5400, amount_received=0),
            ["authorized:pi_1:5400:USD"],
            True,
        ),
        ("payment_intent.canceled", intent(status="canceled"), ["canceled:pi_1"], False),
        (
            "charge.succeeded",
            charge(),
            ["captured:pi_1:5400:USD", "paid_with:card:visa:4242"],
            True,
        ),
        ("charge.succeeded", charge(captured=False), ["paid_with:card:visa:4242"], True),
        (
            "charge.captured",
            charge(amount_captured=4000),
            ["captured:pi_1:4000:USD", "paid_with:card:visa:4242"],
            True,
        ),
        ("charge.updated", charge(status="failed"), [], True),
        (
            "charge.refunded",
            charge(),
            ["captured:pi_1:5400:USD", "paid_with:card:visa:4242"],
            True,
        ),
        ("refund.created", refund(), ["refund_updated:re_1:succeeded:ref_1"], True),
        ("refund.updated", refund(status="pending"), ["refund_updated:re_1:pending:ref_1"], True),
        ("refund.failed", refund(status="failed"), ["refund_updated:re_1:failed:ref_1"], True),
        ("charge.refund.updated", refund(), ["refund_updated:re_1:succeeded:ref_1"], True),
        (
            "charge.dispute.created",
            dispute(),
            ["dispute_updated:dp_1:needs_response", "fee:dp_1:1500:-6900:USD:txn_3"],
            False,
        ),
        (
            "charge.dispute.closed",
            dispute(status="won"),
            ["dispute_updated:dp_1:won", "fee:dp_1:1500:-6900:USD:txn_3"],
            False,
        ),
    ],
)
def test_what_an_event_proves(type: str, object: Json, facts: list[str], confirm: bool) -> None:
    told = plugin.read_event(event(type, object))
    assert (told.id, told.type, told.ignored) == ("evt_1", type, None)
    assert keys(told.facts) == facts
    assert told.confirm is confirm
    assert object["id"] in told.provider_ids
    assert told.payment_id == (None if "dispute" in type else "pay_1")


def test_everything_that_names_the_payment_is_given() -> None:
    assert plugin.read_event(event("refund.created", refund())).provider_ids == (
        "pi_1",
        "ch_1",
        "re_1",
    )
    told = plugin.read_event(event("payment_intent.succeeded", intent(latest_charge=charge())))
    assert told.provider_ids == ("pi_1", "ch_1")


def test_the_payment_is_found_by_the_reference_too() -> None:
    told = plugin.read_event(event("checkout.session.completed", session(metadata=None)))
    assert told.payment_id == "pay_1"
    stranger = session(metadata={}, client_reference_id=None)
    assert plugin.read_event(event("checkout.session.completed", stranger)).payment_id is None


def test_two_events_of_one_occurrence_tell_the_same() -> None:
    first = plugin.read_event(event("checkout.session.completed", session(), id="evt_1"))
    again = plugin.read_event(event("checkout.session.completed", session(), id="evt_2"))
    assert first.facts == again.facts
    assert first.id != again.id


@pytest.mark.parametrize(
    ("type", "object"),
    [
        ("checkout.session.completed", session()),
        ("payment_intent.succeeded", intent()),
        ("charge.succeeded", charge()),
        ("charge.updated", charge()),
        ("charge.captured", charge()),
    ],
)
def test_every_event_of_one_payment_tells_one_capture(type: str, object: Json) -> None:
    told = plugin.read_event(event(type, object))
    captures = {fact.key for fact in told.facts if isinstance(fact, Captured)}
    assert captures == {"captured:pi_1:5400:USD"}


def test_what_concerns_no_payment_of_ours_is_ignored_in_words() -> None:
    unknown = plugin.read_event(event("customer.created", {"id": "cus_1"}))
    assert (unknown.facts, unknown.confirm) == ((), False)
    assert unknown.ignored == "events of type customer.created tell nothing that others do not"
    subscription = session(mode="subscription", payment_intent=None)
    told = plugin.read_event(event("checkout.session.completed", subscription))
    assert (told.facts, told.confirm) == ((), False)
    assert told.ignored is not None


def without(object: Json, *names: str) -> dict[str, Any]:
    return {name: value for name, value in object.items() if name not in names}


@pytest.mark.parametrize(
    ("type", "object", "facts"),
    [
        # before 2020: sessions without any status, charges without amount_captured
        (
            "checkout.session.completed",
            without(session(), "status", "payment_status", "mode", "metadata"),
            [],
        ),
        (
            "checkout.session.expired",
            without(session(payment_intent=None), "status"),
            ["expired:cs_test_1"],
        ),
        ("charge.succeeded", without(charge(), "amount_captured"), ["paid_with:card:visa:4242"]),
        # before 2022-11-15: refunds inside the charge, charges inside the PaymentIntent
        (
            "charge.refunded",
            charge(refunds={"object": "list", "data": [refund(metadata={})], "has_more": False}),
            [
                "captured:pi_1:5400:USD",
                "paid_with:card:visa:4242",
                "refund_updated:re_1:succeeded:None",
            ],
        ),
        (
            "payment_intent.succeeded",
            without(intent(), "latest_charge") | {"charges": {"data": [charge()]}},
            ["captured:pi_1:5400:USD"],
        ),
        # a charge of somebody who does not use PaymentIntents
        (
            "charge.succeeded",
            charge(payment_intent=None, payment_method_details=None),
            ["captured:ch_1:5400:USD"],
        ),
    ],
)
def test_old_shapes(type: str, object: Json, facts: list[str]) -> None:
    told = plugin.read_event(event(type, object, api_version="2018-02-28"))
    assert keys(told.facts) == facts
