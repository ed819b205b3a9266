"""The hosted pay page: honest, without scripts, and careful with card numbers."""

from __future__ import annotations

import pytest

from tests.sandbox.conftest import RunningSandbox
from tests.sandbox.stripe_client import StripeApi, form


def test_the_page_shows_the_order_and_that_it_is_no_real_money(
    sandbox: RunningSandbox, api: StripeApi
) -> None:
    session = api.post(
        "checkout/sessions",
        form() | {"line_items[0][price_data][product_data][name]": "<b>Tea</b>"},
    )
    answer = sandbox.http.get(session["url"])
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    for expected in ("54.00 USD", "No real money", "&lt;b&gt;Tea", "4242 4242 4242 4242"):
        assert expected in answer.text
    assert "https://shop.example/cart" in answer.text
    assert "<script" not in answer.text


def test_paying_sends_the_browser_on_with_the_session_id(api: StripeApi) -> None:
    session = api.checkout()
    answer = api.by_card(
        session, "5555 5555 5555 4444", email="a@b.example", name="Ada", expiry="1 / 2035"
    )
    assert answer.status_code == 303
    assert answer.headers["location"] == f"https://shop.example/ok?session={session['id']}"
    shown = api.get(f"checkout/sessions/{session['id']}")
    assert shown["customer_details"]["email"] == "a@b.example"
    card = api.intent(session)["latest_charge"]["payment_method_details"]["card"]
    assert (card["brand"], card["last4"], card["exp_year"]) == ("mastercard", "4444", 2035)


def test_the_card_number_is_kept_nowhere(sandbox: RunningSandbox, api: StripeApi) -> None:
    session = api.checkout()
    api.by_card(session, "4000000000009995")
    api.by_card(session, "5555555555554444")
    for path in ("charges", "payment_intents", "events", "checkout/sessions"):
        text = api.send("GET", path).text
        assert "5555555555554444" not in text
        assert "4000000000009995" not in text


def test_a_declined_card_comes_back_to_the_page(sandbox: RunningSandbox, api: StripeApi) -> None:
    session = api.checkout()
    answer = api.by_card(session, "4000000000009995")
    assert (answer.status_code, answer.headers["location"]) == (303, session["url"])
    assert "Your card has insufficient funds." in sandbox.http.get(session["url"]).text
    assert api.intent(session)["last_payment_error"]["decline_code"] == "insufficient_funds"


@pytest.mark.parametrize(
    ("card", "fields", "text"),
    [
        ("4111111111111111", {}, "Only the test cards"),
        ("", {}, "Only the test cards"),
        ("4242424242424242", {"expiry": "13/34"}, "MM / YY"),
        ("4242424242424242", {"expiry": "01/20"}, "in the past"),
        ("4242424242424242", {"cvc": "1"}, "security code"),
        ("4242424242424242", {"email": "nobody"}, "email"),
        ("4242424242424242", {"method": "cash"}, "payment method"),
    ],
)
def test_a_wrong_form_says_what_is_wrong_and_pays_nothing(
    api: StripeApi, card: str, fields: dict[str, str], text: str
) -> None:
    session = api.checkout()
    answer = api.by_card(session, card, **fields)
    assert answer.status_code == 422
    assert text in answer.text
    assert "4111111111111111" not in answer.text
    assert api.get(f"checkout/sessions/{session['id']}")["payment_intent"] is None


def test_the_page_offers_the_bank_debit_of_the_currency(
    sandbox: RunningSandbox, api: StripeApi
) -> None:
    session = api.checkout(currency="eur")
    assert "SEPA direct debit" in sandbox.http.get(session["url"]).text
    assert api.by_card(session, "", method="sepa_debit").status_code == 303
    assert api.intent(session)["status"] == "processing"


@pytest.mark.parametrize("end", ["paid", "expired"])
def test_a_closed_session_has_a_clear_page_and_takes_no_second_payment(
    sandbox: RunningSandbox, api: StripeApi, end: str
) -> None:
    session = api.checkout()
    if end == "paid":
        api.buyer(session, "pay")
    else:
        api.post(f"checkout/sessions/{session['id']}/expire")
    for answer in (sandbox.http.get(session["url"]), api.by_card(session, "4242424242424242")):
        assert answer.status_code == 200
        assert ("has been completed" if end == "paid" else "has expired") in answer.text
    charges = api.get("charges")["data"]
    assert len(charges) == (1 if end == "paid" else 0)


def test_a_closed_page_links_to_web_pages_only(sandbox: RunningSandbox, api: StripeApi) -> None:
    session = api.post("checkout/sessions", form() | {"success_url": "shop://ok"})
    answer = api.by_card(session, "4242424242424242")
    assert (answer.status_code, answer.headers["location"]) == (303, "shop://ok")
    assert "shop://" not in sandbox.http.get(session["url"]).text


def test_no_page_for_what_is_no_session(sandbox: RunningSandbox, api: StripeApi) -> None:
    intent = api.paid()
    for id in ("cs_test_none", intent["id"]):
        answer = sandbox.http.get(f"/pay/stripe/{id}")
        assert (answer.status_code, "No such checkout" in answer.text) == (404, True)
