"""Webhooks: signed, retried, and every way in which they may come."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import stripe

from tests.sandbox.conftest import Receiver, RunningSandbox
from tests.sandbox.stripe_client import StripeApi

PAID = [
    "payment_intent.created",
    "charge.succeeded",
    "payment_intent.succeeded",
    "checkout.session.completed",
]


@pytest.fixture
def hook(sandbox: RunningSandbox, receiver: Receiver) -> Iterator[Receiver]:
    """The receiver, registered for Stripe's events; gone again after the test."""
    sandbox.control("webhooks", provider="stripe", url=receiver.url)
    yield receiver
    sandbox.control("reset")
    sandbox.control("webhooks", provider="stripe", url="")


def pay(sandbox: RunningSandbox, api: StripeApi) -> None:
    """A paid session, all of whose webhooks have been tried."""
    api.buyer(api.checkout(), "pay")
    sandbox.settled()


def types(receiver: Receiver) -> list[str]:
    """The types of what came."""
    return [event["type"] for event in receiver.events()]


def test_events_are_signed_and_are_those_of_the_api(
    sandbox: RunningSandbox, api: StripeApi, hook: Receiver
) -> None:
    pay(sandbox, api)
    assert sorted(types(hook)) == sorted(PAID)
    listed = {event["id"]: event for event in api.get("events")["data"]}
    for headers, body in hook.received:
        signature = headers["stripe-signature"]
        secret = sandbox.environment["STRIPE_WEBHOOK_SECRET"]
        event = stripe.Webhook.construct_event(body, signature, secret)
        assert listed[event.id]["type"] == event.type
        assert event.livemode is False
        assert event.pending_webhooks == 1
        assert event.api_version == "2026-05-27.dahlia"


def test_a_refused_event_is_sent_again_with_the_same_id(
    sandbox: RunningSandbox, api: StripeApi, hook: Receiver
) -> None:
    session = api.checkout()
    hook.statuses[:] = [500, 404]
    api.post(f"checkout/sessions/{session['id']}/expire")
    sandbox.settled()
    assert len(hook.received) == 3
    assert len({event["id"] for event in hook.events()}) == 1
    log = sandbox.look("webhooks")["log"]
    assert [(entry["attempt"], entry["status"]) for entry in log] == [(1, 500), (2, 404), (3, 200)]


def test_hold_keeps_events_until_release(
    sandbox: RunningSandbox, api: StripeApi, hook: Receiver
) -> None:
    sandbox.control("webhooks", mode="hold")
    pay(sandbox, api)
    assert hook.received == []
    assert len(sandbox.look("webhooks")["held"]) == len(PAID)
    answer = sandbox.control("webhooks", mode="release")
    assert answer == {"mode": "hold", "released": len(PAID)}
    sandbox.settled()
    assert sorted(types(hook)) == sorted(PAID)
    assert sandbox.control("webhooks", release=True, mode="normal")["released"] == 0


def test_duplicate_sends_twice_and_once_more_under_another_id(
    sandbox: RunningSandbox, api: StripeApi, hook: Receiver
) -> None:
    sandbox.control("webhooks", mode="duplicate")
    api.post(f"checkout/sessions/{api.checkout()['id']}/expire")
    sandbox.settled()
    ids = [event["id"] for event in hook.events()]
    assert (len(ids), len(set(ids))) == (3, 2)


def test_shuffle_changes_the_order(sandbox: RunningSandbox, api: StripeApi, hook: Receiver) -> None:
    sandbox.control("webhooks", mode="shuffle")
    pay(sandbox, api)
    assert types(hook) != PAID
    assert sorted(types(hook)) == sorted(PAID)


def test_drop_loses_events_that_the_api_still_lists(
    sandbox: RunningSandbox, api: StripeApi, hook: Receiver
) -> None:
    sandbox.control("webhooks", mode="drop")
    pay(sandbox, api)
    assert hook.received == []
    assert api.event_types() == PAID


def test_forge_sends_bodies_that_the_signature_does_not_cover(
    sandbox: RunningSandbox, api: StripeApi, hook: Receiver
) -> None:
    sandbox.control("webhooks", mode="forge")
    pay(sandbox, api)
    assert len(hook.received) == len(PAID)
    for headers, body in hook.received:
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(
                body, headers["stripe-signature"], sandbox.environment["STRIPE_WEBHOOK_SECRET"]
            )


def test_the_signature_carries_the_receivers_time_unless_told(
    sandbox: RunningSandbox, api: StripeApi, hook: Receiver
) -> None:
    sandbox.control("clock", advance_seconds=90000)
    secret = sandbox.environment["STRIPE_WEBHOOK_SECRET"]
    pay(sandbox, api)
    headers, body = hook.received[0]
    signature = headers["stripe-signature"]
    assert stripe.WebhookSignature.verify_header(body.decode(), signature, secret, 300)
    sandbox.control("webhooks", signing_clock="sandbox")
    hook.received.clear()
    pay(sandbox, api)
    moved = int(hook.received[0][0]["stripe-signature"].split(",")[0][2:])
    assert moved - int(signature.split(",")[0][2:]) >= 90000


def test_without_an_address_nothing_is_sent(sandbox: RunningSandbox, api: StripeApi) -> None:
    pay(sandbox, api)
    assert {entry["error"] for entry in sandbox.look("webhooks")["log"]} == {"no webhook address"}
    assert api.get("events")["data"][0]["pending_webhooks"] == 0


def test_an_unreachable_address_is_tried_again(
    sandbox: RunningSandbox, api: StripeApi, hook: Receiver
) -> None:
    sandbox.control("webhooks", provider="stripe", url="http://127.0.0.1:9/nobody")
    api.post(f"checkout/sessions/{api.checkout()['id']}/expire")
    log = sandbox.wait_for(lambda: [e for e in sandbox.look("webhooks")["log"] if e["attempt"] > 1])
    assert log[0]["status"] is None
    sandbox.control("webhooks", provider="stripe", url=hook.url)
    sandbox.settled()
    assert types(hook) == ["checkout.session.expired"]


def test_the_endpoint_is_set_and_shown_by_the_api(api: StripeApi, hook: Receiver) -> None:
    listed = api.get("webhook_endpoints")["data"]
    assert [endpoint["url"] for endpoint in listed] == [hook.url]
    assert api.send("DELETE", "webhook_endpoints/we_sandbox").json()["deleted"] is True
    assert api.send("GET", "webhook_endpoints/we_sandbox").status_code == 404
    assert api.get("webhook_endpoints")["data"] == []
    data = {"url": hook.url, "enabled_events[]": "*"}
    made = api.post("webhook_endpoints", data)
    assert made["secret"] == api.sandbox.environment["STRIPE_WEBHOOK_SECRET"]
    assert api.get(f"webhook_endpoints/{made['id']}")["url"] == hook.url


def test_a_senseless_mode_is_refused(sandbox: RunningSandbox) -> None:
    sandbox.control("webhooks", 400, mode="loud")
    sandbox.control("webhooks", 400, signing_clock="lunar")
    sandbox.control("webhooks", 400, provider="stripe", url=1)
    sandbox.control("webhooks", 404, provider="nobody", url="http://127.0.0.1:9/")
    assert sandbox.look("webhooks")["mode"] == "normal"


def test_events_are_listed_by_type_and_for_thirty_days(
    sandbox: RunningSandbox, api: StripeApi
) -> None:
    pay(sandbox, api)
    found = api.get("events", type="payment_intent.*")["data"]
    assert [event["type"] for event in found] == PAID[2::-2]
    several = {"types[0]": "charge.succeeded", "types[1]": "checkout.session.completed"}
    assert len(api.get("events", **several)["data"]) == 2
    event = api.get(f"events/{found[0]['id']}")
    assert event["data"]["object"]["status"] == "succeeded"
    sandbox.control("clock", advance_seconds=31 * 86400)
    assert api.get("events")["data"] == []
