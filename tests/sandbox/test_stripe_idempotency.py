"""Idempotency keys: the first result is the only one, for a day."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.sandbox.conftest import RunningSandbox
from tests.sandbox.stripe_client import StripeApi, form


def test_a_repeat_is_replayed(api: StripeApi) -> None:
    first = api.send("POST", "checkout/sessions", form(), idempotency_key="k")
    second = api.send("POST", "checkout/sessions", form(), idempotency_key="k")
    assert second.json() == first.json()
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert second.headers["original-request"] == first.headers["request-id"]
    assert second.headers["idempotency-key"] == "k"
    assert len(api.get("checkout/sessions")["data"]) == 1


def test_the_replay_is_the_first_answer_even_when_the_state_has_moved(api: StripeApi) -> None:
    session = api.post("checkout/sessions", form(), idempotency_key="k")
    api.buyer(session, "pay")
    assert api.post("checkout/sessions", form(), idempotency_key="k")["status"] == "open"


def test_other_parameters_or_another_call_are_refused(api: StripeApi) -> None:
    api.post("checkout/sessions", form(), idempotency_key="k")
    error = api.refused("checkout/sessions", form(5401), idempotency_key="k")
    assert error["type"] == "idempotency_error"
    intent = api.paid()
    error = api.refused("refunds", {"payment_intent": intent["id"]}, idempotency_key="k")
    assert error["type"] == "idempotency_error"
    assert "/v1/checkout/sessions" in error["message"]
    assert api.get("refunds")["data"] == []


def test_the_order_of_parameters_does_not_matter(api: StripeApi) -> None:
    first = api.post("checkout/sessions", form(), idempotency_key="k")
    turned = dict(reversed(form().items()))
    assert api.post("checkout/sessions", turned, idempotency_key="k")["id"] == first["id"]


def test_refusals_that_executed_are_kept(sandbox: RunningSandbox, api: StripeApi) -> None:
    intent = api.paid()
    api.post("refunds", {"payment_intent": intent["id"], "amount": 5000})
    data = {"payment_intent": intent["id"], "amount": 5400}
    api.refused("refunds", data, idempotency_key="k")
    made = api.get("refunds")["data"][0]
    sandbox.control("refund", provider="stripe", id=made["id"], status="failed")
    answer = api.send("POST", "refunds", data, idempotency_key="k")
    assert (answer.status_code, answer.headers["idempotent-replayed"]) == (400, "true")
    assert api.post("refunds", data, idempotency_key="other")["amount"] == 5400


def test_validation_failures_are_not_kept(api: StripeApi) -> None:
    api.refused("checkout/sessions", form() | {"colour": "red"}, idempotency_key="k")
    assert api.post("checkout/sessions", form(), idempotency_key="k")["status"] == "open"


def test_a_500_is_kept(sandbox: RunningSandbox, api: StripeApi) -> None:
    sandbox.control(
        "faults", provider="stripe", operation="create_session", fault="http_500", times=1
    )
    for replayed in (None, "true"):
        answer = api.send("POST", "checkout/sessions", form(), idempotency_key="k")
        assert answer.status_code == 500
        assert answer.json()["error"]["type"] == "api_error"
        assert answer.headers.get("idempotent-replayed") == replayed
    assert api.get("checkout/sessions")["data"] == []


@pytest.mark.parametrize("fault", ["http_429", "http_503"])
def test_an_overloaded_api_keeps_nothing(
    sandbox: RunningSandbox, api: StripeApi, fault: str
) -> None:
    sandbox.control("faults", provider="stripe", operation="create_session", fault=fault, times=1)
    answer = api.send("POST", "checkout/sessions", form(), idempotency_key="k")
    assert answer.status_code == int(fault[5:])
    assert answer.headers["stripe-should-retry"] == "true"
    assert answer.headers["retry-after"] == "1"
    assert api.post("checkout/sessions", form(), idempotency_key="k")["status"] == "open"


def test_a_key_in_use_is_a_conflict(sandbox: RunningSandbox, api: StripeApi) -> None:
    sandbox.control(
        "faults", provider="stripe", operation="create_session", fault="slow", times=1, seconds=5
    )
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(api.send, "POST", "checkout/sessions", form(), idempotency_key="k")
        sandbox.wait_for(lambda: sandbox.look("calls")["data"])
        error = api.refused("checkout/sessions", form(), 409, idempotency_key="k")
        assert error["code"] == "idempotency_key_in_use"
        first = slow.result()
    assert first.status_code == 200
    assert api.post("checkout/sessions", form(), idempotency_key="k") == first.json()
    assert len(api.get("checkout/sessions")["data"]) == 1


def test_after_a_day_the_key_runs_again(sandbox: RunningSandbox, api: StripeApi) -> None:
    first = api.post("checkout/sessions", form(), idempotency_key="k")
    sandbox.control("clock", advance_seconds=86000)
    assert api.post("checkout/sessions", form(), idempotency_key="k")["id"] == first["id"]
    sandbox.control("clock", advance_seconds=500)
    assert api.post("checkout/sessions", form(), idempotency_key="k")["id"] != first["id"]


def test_a_key_has_at_most_255_characters(api: StripeApi) -> None:
    api.post("checkout/sessions", form(), idempotency_key="k" * 255)
    error = api.refused("checkout/sessions", form(), idempotency_key="k" * 256)
    assert "255" in error["message"]


def test_the_event_names_the_request_and_its_key(api: StripeApi) -> None:
    session = api.checkout()
    path = f"checkout/sessions/{session['id']}/expire"
    answer = api.send("POST", path, {}, idempotency_key="why")
    event = api.get("events")["data"][0]
    assert event["request"] == {"id": answer.headers["request-id"], "idempotency_key": "why"}
    api.buyer(api.checkout(), "pay")
    assert api.get("events")["data"][0]["request"] == {"id": None, "idempotency_key": None}
