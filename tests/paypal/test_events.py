"""Webhook bodies: the facts they prove, the same as those of a read, and nothing else."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import WebhookInvalid
from gateway.facts import BuyerApproved, PaidWith, Reversed, Unrecognized
from gateway.provider import ProviderEvent
from providers.paypal.events import READERS
from providers.paypal.mapping import order_facts
from providers.paypal.plugin import plugin
from providers.paypal.resources import Order
from tests.paypal import payloads as p

AT = datetime(2026, 3, 1, 10, 5, 1, 123000, tzinfo=UTC)


def read(kind: str, resource: dict[str, Any], **changes: Any) -> ProviderEvent:
    return plugin.read_event(json.dumps(p.event(kind, resource, **changes)).encode())


def keys(event: ProviderEvent) -> list[str]:
    return [fact.key for fact in event.facts]


def test_an_approval_is_to_be_captured() -> None:
    event = read("CHECKOUT.ORDER.APPROVED", p.order("APPROVED"))
    assert event == ProviderEvent(
        id="WH-58D329510W468432D-8HN650336L201105X",
        type="CHECKOUT.ORDER.APPROVED",
        at=AT,
        payment_id="pay_1",
        provider_ids=(p.ORDER_ID,),
        facts=(
            BuyerApproved(provider_order_id=p.ORDER_ID, at=datetime(2026, 3, 1, 10, 5, tzinfo=UTC)),
            PaidWith(type="paypal"),
        ),
        confirm=True,
    )


def test_a_completed_order_proves_its_captures_only() -> None:
    bare = read("CHECKOUT.ORDER.COMPLETED", p.order("COMPLETED"))
    assert (bare.facts, bare.confirm) == ((), True)
    full = read(
        "CHECKOUT.ORDER.COMPLETED", p.order("COMPLETED", payments={"captures": [p.capture()]})
    )
    assert f"captured:{p.CAPTURE_ID}:5400:USD" in keys(full)


def test_a_withdrawn_approval_asks_for_the_truth() -> None:
    resource = {"order_id": p.ORDER_ID, "purchase_units": [{"custom_id": "pay_1"}]}
    for event in (
        read("CHECKOUT.PAYMENT-APPROVAL.REVERSED", resource),
        read("CHECKOUT.PAYMENT-APPROVAL.REVERSED", p.order("VOIDED")),
    ):
        assert event.payment_id == "pay_1"
        assert event.provider_ids == (p.ORDER_ID,)
        assert (event.facts, event.confirm) == ((), True)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("PAYMENT.CAPTURE.COMPLETED", "COMPLETED"),
        ("PAYMENT.CAPTURE.PENDING", "PENDING"),
        ("PAYMENT.CAPTURE.DENIED", "DECLINED"),
        ("PAYMENT.CAPTURE.DECLINED", "DECLINED"),
    ],
)
def test_a_capture_is_the_same_fact_by_event_and_by_read(kind: str, status: str) -> None:
    related = {"related_ids": {"order_id": p.ORDER_ID, "authorization_id": p.AUTHORIZATION_ID}}
    event = read(kind, p.capture(status, supplementary_data=related))
    order = p.order("COMPLETED", payments={"captures": [p.capture(status)]})
    seen = order_facts(msgspec.convert(order, Order), AT)
    assert event.payment_id == "pay_1"
    assert event.provider_ids == (p.CAPTURE_ID, p.ORDER_ID, p.AUTHORIZATION_ID)
    assert event.facts
    assert set(keys(event)) == {fact.key for fact in seen} - {"paid_with:paypal:None:None"}
    assert not event.confirm


def test_a_capture_without_its_fee_asks_for_it() -> None:
    assert read("PAYMENT.CAPTURE.COMPLETED", p.capture(seller_receivable_breakdown=None)).confirm


@pytest.mark.parametrize(
    ("kind", "status", "key"),
    [
        ("PAYMENT.AUTHORIZATION.CREATED", "CREATED", f"authorized:{p.AUTHORIZATION_ID}:5400:USD"),
        ("PAYMENT.AUTHORIZATION.VOIDED", "VOIDED", f"canceled:{p.AUTHORIZATION_ID}"),
    ],
)
def test_authorizations(kind: str, status: str, key: str) -> None:
    event = read(kind, p.authorization(status))
    assert key in keys(event)
    assert event.provider_ids == (p.AUTHORIZATION_ID, p.ORDER_ID)
    assert event.payment_id == "pay_1"


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("PAYMENT.CAPTURE.REFUNDED", "COMPLETED"),
        ("PAYMENT.REFUND.PENDING", "PENDING"),
        ("PAYMENT.REFUND.FAILED", "FAILED"),
    ],
)
def test_a_refund_is_the_same_fact_by_event_and_by_read(kind: str, status: str) -> None:
    event = read(kind, p.refund(status))
    order = p.order("COMPLETED", payments={"refunds": [p.refund(status)]})
    seen = order_facts(msgspec.convert(order, Order), AT)
    assert event.payment_id is None  # the custom id is the refund's
    assert event.provider_ids == (p.REFUND_ID, p.CAPTURE_ID)
    assert set(keys(event)) == {fact.key for fact in seen if fact.kind != "paid_with"}


def test_a_refund_from_the_dashboard() -> None:
    event = read("PAYMENT.CAPTURE.REFUNDED", p.refund(custom_id="pay_1", invoice_id="pay_1"))
    assert event.payment_id == "pay_1"
    assert f"refund_updated:{p.REFUND_ID}:succeeded:None" in keys(event)


def test_a_reversal_is_no_refund() -> None:
    event = read("PAYMENT.CAPTURE.REVERSED", p.refund(custom_id="pay_1", invoice_id=None))
    assert isinstance(event.facts[0], Reversed)
    assert event.payment_id == "pay_1"
    assert event.provider_ids == (p.REFUND_ID, p.CAPTURE_ID)


@pytest.mark.parametrize("kind", ["CREATED", "UPDATED", "RESOLVED"])
def test_disputes(kind: str) -> None:
    event = read(f"CUSTOMER.DISPUTE.{kind}", p.dispute())
    assert keys(event) == ["dispute_updated:PP-D-1001:needs_response"]
    assert event.payment_id == "pay_1"
    assert event.provider_ids == (p.CAPTURE_ID, "PP-D-1001")


def test_an_unknown_type_is_ignored_in_words() -> None:
    event = read("BILLING.PLAN.CREATED", {"id": "P-1"})
    assert (event.facts, event.confirm) == ((), False)
    assert event.ignored == "events of type BILLING.PLAN.CREATED are not used"


def test_someone_elses_custom_id_is_not_ours() -> None:
    assert (
        read("PAYMENT.CAPTURE.COMPLETED", p.capture(custom_id="A-1", invoice_id="B")).payment_id
        is None
    )


@pytest.mark.parametrize("kind", READERS)
def test_a_known_type_that_cannot_be_read_is_kept(kind: str) -> None:
    event = read(kind, {"id": 7, "dispute_id": 7, "order_id": 7, "custom_id": "pay_9"})
    assert event.facts == (Unrecognized(object_id=event.id, state=f"{kind} unreadable", at=AT),)
    assert event.payment_id == "pay_9"
    assert event.confirm


GOOD = p.event("PAYMENT.CAPTURE.COMPLETED", p.capture())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'"text"',
        b"\xff\xfe",
        b"{" * 100_000,
        b"[" * 100_000,
        json.dumps(GOOD).encode()[:-1],
        json.dumps(GOOD).encode() + b"{}",
        json.dumps(GOOD | {"resource": None}).encode(),
        json.dumps(GOOD | {"resource": []}).encode(),
        json.dumps(GOOD | {"id": ""}).encode(),
        json.dumps(GOOD | {"id": 1}).encode(),
        json.dumps(GOOD | {"event_type": ""}).encode(),
        json.dumps(GOOD | {"create_time": "soon"}).encode(),
        json.dumps(GOOD).replace('"54.00"', "NaN").encode(),
    ],
)
def test_what_is_no_event(body: bytes) -> None:
    with pytest.raises(WebhookInvalid):
        plugin.read_event(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    kind=st.sampled_from([*READERS, "OTHER"]),
    resource=st.dictionaries(
        st.sampled_from(["id", "status", "amount", "links", "custom_id", "purchase_units"]),
        json_values,
    ),
)
def test_hostile_resources_never_surprise(kind: str, resource: dict[str, Any]) -> None:
    """Whatever stands in a resource: an event or WebhookInvalid, no other exception."""
    body = msgspec.json.encode(p.event(kind, resource))
    try:
        event = plugin.read_event(body)
    except WebhookInvalid:
        return
    assert event.type == kind


@given(body=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_hostile_bodies_never_surprise(body: bytes) -> None:
    with pytest.raises(WebhookInvalid):
        plugin.read_event(body)
