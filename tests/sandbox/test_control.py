"""The control calls themselves, and the index page."""

from __future__ import annotations

from datetime import datetime
from email.utils import parsedate_to_datetime

import pytest

from tests.sandbox.conftest import RunningSandbox
from tests.sandbox.stripe_client import StripeApi


def test_reset_forgets_everything_but_addresses_and_keys(
    sandbox: RunningSandbox, api: StripeApi
) -> None:
    before = sandbox.look("environment")
    session = api.checkout()
    sandbox.control("webhooks", provider="stripe", url="http://127.0.0.1:9/kept", mode="hold")
    sandbox.control("faults", provider="stripe", operation="*", fault="reset", times=9)
    sandbox.control("clock", advance_seconds=1000)
    sandbox.control("reset")
    assert sandbox.look("environment") == before
    state = sandbox.look("webhooks")
    assert (state["mode"], state["urls"]["stripe"]) == ("normal", "http://127.0.0.1:9/kept")
    assert sandbox.look("faults")["faults"] == []
    assert api.send("GET", f"checkout/sessions/{session['id']}").status_code == 404
    moved = datetime.fromisoformat(sandbox.look("clock")["now"]).timestamp()
    assert abs(moved - datetime.now().astimezone().timestamp()) < 60
    sandbox.control("webhooks", provider="stripe", url="")


def test_answers_have_the_sandboxs_time(sandbox: RunningSandbox, api: StripeApi) -> None:
    sandbox.control("clock", advance_seconds=86_400)
    date = api.send("GET", "checkout/sessions").headers.get_list("date")
    told = parsedate_to_datetime(", ".join(date))
    assert abs(told - datetime.fromisoformat(sandbox.look("clock")["now"])).total_seconds() < 60


@pytest.mark.parametrize(
    ("call", "body", "status"),
    [
        ("buyer", {"provider": "nobody", "id": "x", "action": "pay"}, 404),
        ("buyer", {"provider": "stripe", "id": "x", "action": "pay"}, 404),
        ("buyer", {"provider": "stripe", "action": "pay"}, 400),
        ("clock", {"advance_seconds": -1}, 400),
        ("clock", {"advance_seconds": "10"}, 400),
        ("refund", {"provider": "stripe", "id": "x", "amount": 1.5}, 400),
        ("dispute", {"provider": "stripe", "id": "x"}, 404),
        ("alter", {"provider": "stripe", "id": "x", "currency": 1}, 400),
    ],
)
def test_senseless_calls_say_why(
    sandbox: RunningSandbox, call: str, body: dict[str, object], status: int
) -> None:
    assert sandbox.control(call, status, **body)["error"]


@pytest.mark.parametrize("body", [b"[]", b"{", b"\xff"])
def test_a_body_must_be_a_json_object(sandbox: RunningSandbox, body: bytes) -> None:
    answer = sandbox.http.post("/_control/clock", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("the body must be")


def test_a_buyer_cannot_do_what_makes_no_sense(api: StripeApi) -> None:
    session = api.checkout()
    assert "action must be" in api.buyer(session, "dance", expect=400)["error"]
    api.buyer(session, "settle", expect=400)
    assert api.buyer(session, "abandon")["status"] == "open"
    api.sandbox.control("refund", 400, provider="stripe", id=session["id"])
    api.buyer(session, "approve")
    assert "is complete" in api.buyer(session, "pay", expect=400)["error"]


def test_any_id_of_a_payment_will_do(sandbox: RunningSandbox, api: StripeApi) -> None:
    intent = api.paid()
    for id in (intent["id"], intent["latest_charge"]["id"]):
        answer = sandbox.control("buyer", provider="stripe", id=id, action="abandon")
        assert answer["payment_intent"] == intent["id"]
    by_charge = sandbox.control(
        "refund", provider="stripe", id=intent["latest_charge"]["id"], amount=1
    )
    again = sandbox.control("buyer", provider="stripe", id=by_charge["id"], action="abandon")
    assert again["status"] == "complete"


def test_the_ledger_tells_each_provider_apart(sandbox: RunningSandbox, api: StripeApi) -> None:
    intent = api.paid()
    rows = sandbox.look("ledger?provider=stripe")["data"]
    assert rows == [
        {
            "provider": "stripe",
            "kind": "charge",
            "id": intent["latest_charge"]["id"],
            "parent": intent["id"],
            "order_ref": "pay_1",
            "amount": 5400,
            "currency": "USD",
            "status": "succeeded",
            "fee": 187,
            "created": rows[0]["created"],
        }
    ]
    assert sandbox.look("ledger?provider=paypal")["data"] == []


def test_the_index_page_explains_the_sandbox(sandbox: RunningSandbox) -> None:
    page = sandbox.http.get("/").text
    for expected in ("4000000000009995", "77701", "/_control/buyer", sandbox.url + "/stripe"):
        assert expected in page
    assert sandbox.http.get("/nothing").json()["error"] == "Not Found"
