"""Checkout Sessions: parameters, the buyer's outcomes, expiry, lists and expansion."""

from __future__ import annotations

import time

import pytest
import stripe

from tests.sandbox.conftest import RunningSandbox
from tests.sandbox.stripe_client import StripeApi, form

PRICE = "line_items[0][price_data]"
INTENT = "payment_intent_data"
ITEM = [name for name in form() if name.startswith("line_items")]


def test_a_new_session_is_open_and_has_no_payment_intent(api: StripeApi) -> None:
    session = api.checkout()
    assert (session["status"], session["payment_status"]) == ("open", "unpaid")
    assert session["amount_total"] == 5400
    assert session["payment_intent"] is None
    assert session["expires_at"] - session["created"] == 86400
    assert session["url"] == f"{api.sandbox.url}/pay/stripe/{session['id']}"
    assert session["success_url"].endswith("{CHECKOUT_SESSION_ID}")
    assert api.get(f"checkout/sessions/{session['id']}") == session


def test_paying_completes_the_session_and_only_intent_metadata_reaches_the_intent(
    api: StripeApi,
) -> None:
    more = {"metadata[cart]": "9", "payment_intent_data[metadata][order]": "ord_1"}
    session = api.post("checkout/sessions", form() | more)
    api.buyer(session, "pay")
    paid = api.get(f"checkout/sessions/{session['id']}")
    assert (paid["status"], paid["payment_status"], paid["url"]) == ("complete", "paid", None)
    assert paid["metadata"] == {"cart": "9"}
    intent = api.intent(session)
    assert intent["metadata"] == {"order": "ord_1"}
    assert (intent["status"], intent["amount_received"]) == ("succeeded", 5400)
    charge = intent["latest_charge"]
    assert charge["payment_method_details"]["card"]["last4"] == "4242"
    assert charge["balance_transaction"]["fee"] == 187  # 2.9% of 54.00 is 1.566, and 0.30
    assert charge["balance_transaction"]["net"] == 5400 - 187
    assert api.event_types() == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
    ]


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"colour": "red"}, "parameter_unknown", "colour"),
        ({f"{PRICE}[colour]": "red"}, "parameter_unknown", f"{PRICE}[colour]"),
        ({"mode": None}, "parameter_missing", "mode"),
        ({"mode": "subscription"}, "sandbox_not_simulated", "mode"),
        ({"mode": "gift"}, None, "mode"),
        ({"success_url": None}, "parameter_missing", "success_url"),
        ({"success_url": "shop"}, "url_invalid", "success_url"),
        ({"success_url": "https://"}, "url_invalid", "success_url"),
        ({"success_url": ""}, "parameter_invalid_empty", "success_url"),
        ({f"{PRICE}[unit_amount]": "10.5"}, "parameter_invalid_integer", f"{PRICE}[unit_amount]"),
        ({f"{PRICE}[unit_amount]": "-1"}, "parameter_invalid_integer", f"{PRICE}[unit_amount]"),
        ({f"{PRICE}[unit_amount]": "49"}, "amount_too_small", None),
        ({f"{PRICE}[unit_amount]": "100000000"}, "amount_too_large", None),
        ({f"{PRICE}[currency]": "xyz"}, None, f"{PRICE}[currency]"),
        ({"line_items[0][quantity]": None}, "parameter_missing", "line_items[0][quantity]"),
        ({"line_items[0][price]": "price_1"}, "resource_missing", "line_items[0][price]"),
        ({"currency": "eur"}, None, "line_items"),
        ({"customer_email": "nobody"}, "email_invalid", "customer_email"),
        ({"client_reference_id": "x" * 201}, None, "client_reference_id"),
        ({f"metadata[{'k' * 41}]": "v"}, None, "metadata"),
        ({"metadata[k]": "v" * 501}, None, "metadata[k]"),
        ({"automatic_tax[enabled]": "true"}, "sandbox_not_simulated", "automatic_tax"),
        ({f"{INTENT}[capture_method]": "later"}, None, f"{INTENT}[capture_method]"),
        ({"metadata": "x", "metadata[k]": "v"}, None, "metadata[k]"),
        ({"metadata": "x"}, None, "metadata"),
        ({f"metadata[k{n}]": "v" for n in range(51)}, None, "metadata"),
        ({"client_reference_id[a]": "x", "client_reference_id": None}, None, "client_reference_id"),
        ({"expires_at": ""}, "parameter_invalid_empty", "expires_at"),
        ({"allow_promotion_codes": "yes"}, None, "allow_promotion_codes"),
        ({"line_items": "tea"}, None, "line_items"),
        ({"line_items[x][quantity]": "1"}, None, "line_items"),
        ({f"expand[{n}]": "line_items" for n in range(21)}, None, "expand"),
        ({"mode": "payment", **dict.fromkeys(ITEM)}, "parameter_missing", "line_items"),
        ({"client_reference_id": ""}, "parameter_invalid_empty", "client_reference_id"),
        ({"line_items[0]": "tea"}, None, "line_items[0]"),
        ({"line_items[1][quantity]": "1"}, "parameter_missing", "line_items[1]"),
        ({"payment_intent_data": "x"}, None, "payment_intent_data"),
        ({"success_url": "http://[shop"}, "url_invalid", "success_url"),
        ({"customer": "cus_1"}, "sandbox_not_simulated", "customer"),
        ({"ui_mode": "embedded_page"}, "sandbox_not_simulated", "ui_mode"),
        ({"a" + "[b]" * 11: "x"}, None, "a" + "[b]" * 11),
        ({"a[b": "x"}, None, "a[b"),
    ],
)  # fmt: skip
def test_wrong_parameters_are_refused(
    api: StripeApi, change: dict[str, str | None], code: str | None, param: str | None
) -> None:
    data = {k: v for k, v in (form() | change).items() if v is not None}
    error = api.refused("checkout/sessions", data)
    assert error["type"] == "invalid_request_error"
    assert (error.get("code"), error.get("param")) == (code, param)
    assert api.get("checkout/sessions")["data"] == []


@pytest.mark.parametrize(
    ("currency", "amount", "fits"),
    [("jpy", 50, True), ("jpy", 49, False), ("isk", 12300, True), ("isk", 12345, False),
     ("kwd", 12340, True), ("kwd", 12345, False), ("huf", 17500, True), ("ugx", 50, False)],
)  # fmt: skip
def test_currencies_are_counted_as_stripe_counts_them(
    api: StripeApi, currency: str, amount: int, fits: bool
) -> None:
    answer = api.send("POST", "checkout/sessions", form(amount, currency))
    assert answer.status_code == (200 if fits else 400)


@pytest.mark.parametrize(("ahead", "fits"), [(1700, False), (1830, True), (86430, False)])
def test_expiry_lies_between_half_an_hour_and_a_day(api: StripeApi, ahead: int, fits: bool) -> None:
    data = form(expires_at=str(int(time.time()) + ahead))
    answer = api.send("POST", "checkout/sessions", data)
    assert answer.status_code == (200 if fits else 400)
    if not fits:
        assert answer.json()["error"]["param"] == "expires_at"


@pytest.mark.parametrize(("ahead", "fits"), [(1700, False), (2000, True), (86430, False)])
def test_who_does_not_move_along_asks_by_the_real_clock(
    sandbox: RunningSandbox, api: StripeApi, ahead: int, fits: bool
) -> None:
    """Else nobody could buy in the demo any more, once its clock was moved."""
    sandbox.control("clock", advance_seconds=500_000)
    data = form(expires_at=str(int(time.time()) + ahead))
    answer = api.send("POST", "checkout/sessions", data)
    assert answer.status_code == (200 if fits else 400)
    if fits:
        session = answer.json()
        assert abs(session["expires_at"] - session["created"] - ahead) <= 5
        api.buyer(session, "pay")


def test_a_session_expires_by_the_clock(sandbox: RunningSandbox, api: StripeApi) -> None:
    session = api.checkout()
    sandbox.control("clock", advance_seconds=86399 - 60)
    assert api.get(f"checkout/sessions/{session['id']}")["status"] == "open"
    sandbox.control("clock", advance_seconds=120)
    expired = api.get(f"checkout/sessions/{session['id']}")
    assert (expired["status"], expired["url"]) == ("expired", None)
    assert api.event_types() == ["checkout.session.expired"]
    api.buyer(session, "pay", expect=400)


def test_only_an_open_session_can_be_expired(api: StripeApi) -> None:
    session = api.checkout()
    path = f"checkout/sessions/{session['id']}/expire"
    assert api.post(path)["status"] == "expired"
    assert "can be expired" in api.refused(path)["message"]
    paid = api.checkout()
    api.buyer(paid, "pay")
    api.refused(f"checkout/sessions/{paid['id']}/expire")
    assert api.get(f"checkout/sessions/{paid['id']}")["payment_status"] == "paid"


def test_a_decline_leaves_the_session_open_and_a_second_card_pays(api: StripeApi) -> None:
    session = api.checkout()
    api.buyer(session, "decline")
    intent = api.intent(session)
    assert intent["status"] == "requires_payment_method"
    assert intent["last_payment_error"]["code"] == "card_declined"
    assert intent["last_payment_error"]["decline_code"] == "generic_decline"
    assert intent["latest_charge"]["status"] == "failed"
    assert api.get(f"checkout/sessions/{session['id']}")["status"] == "open"
    assert "payment_intent.payment_failed" in api.event_types()
    api.buyer(session, "pay")
    again = api.intent(session)
    assert (again["id"], again["status"]) == (intent["id"], "succeeded")
    assert again["last_payment_error"] is None
    charges = api.get("charges", payment_intent=intent["id"])["data"]
    assert [charge["status"] for charge in charges] == ["succeeded", "failed"]


@pytest.mark.parametrize(("end", "status"), [("settle", "paid"), ("fail_async", "unpaid")])
def test_a_delayed_payment_completes_unpaid_and_ends_later(
    api: StripeApi, end: str, status: str
) -> None:
    session = api.checkout()
    api.buyer(session, "pay_async")
    waiting = api.get(f"checkout/sessions/{session['id']}")
    assert (waiting["status"], waiting["payment_status"]) == ("complete", "unpaid")
    assert api.intent(session)["status"] == "processing"
    assert api.event_types()[-1] == "checkout.session.completed"
    api.buyer(session, end)
    assert api.get(f"checkout/sessions/{session['id']}")["payment_status"] == status
    last = "async_payment_succeeded" if end == "settle" else "async_payment_failed"
    assert api.event_types()[-1] == f"checkout.session.{last}"
    api.buyer(session, "settle", expect=400)


def test_a_delayed_payment_clears_by_the_clock(sandbox: RunningSandbox, api: StripeApi) -> None:
    session = api.checkout(currency="eur")
    api.buyer(session, "pay_async")
    sandbox.control("clock", advance_seconds=3 * 86400)
    assert api.get(f"checkout/sessions/{session['id']}")["payment_status"] == "paid"


def test_a_session_offers_only_the_methods_it_has(api: StripeApi) -> None:
    session = api.checkout(currency="gbp")
    assert session["payment_method_types"] == ["card"]
    assert "no delayed" in api.buyer(session, "pay_async", expect=400)["error"]
    error = api.refused("checkout/sessions", form() | {"payment_method_types[0]": "ideal"})
    assert error["param"] == "payment_method_types[0]"
    debit = api.post("checkout/sessions", form() | {"payment_method_types[0]": "us_bank_account"})
    assert "does not offer card" in api.buyer(debit, "pay", expect=400)["error"]
    assert api.buyer(debit, "pay_async")["status"] == "complete"


def test_sessions_are_listed_newest_first_page_by_page(api: StripeApi) -> None:
    made = [api.checkout()["id"] for _ in range(5)]
    first = api.get("checkout/sessions", limit=2)
    assert [s["id"] for s in first["data"]] == [made[4], made[3]]
    assert first["has_more"] is True
    rest = api.get("checkout/sessions", limit=3, starting_after=made[3])
    assert [s["id"] for s in rest["data"]] == [made[2], made[1], made[0]]
    assert rest["has_more"] is False
    before = api.get("checkout/sessions", limit=2, ending_before=made[1])
    assert [s["id"] for s in before["data"]] == [made[3], made[2]]
    assert before["has_more"] is True
    for cursor in ("starting_after", "ending_before"):
        error = api.send("GET", "checkout/sessions", {cursor: "cs_none"}).json()["error"]
        assert (error["code"], error["param"]) == ("resource_missing", cursor)
    assert api.send("GET", "checkout/sessions", {"limit": 101}).status_code == 400


def test_sessions_are_filtered(sandbox: RunningSandbox, api: StripeApi) -> None:
    paid, left = api.checkout(), api.checkout(customer_email="a@b.example")
    api.buyer(paid, "pay")

    def found(**params: str | int) -> list[str]:
        return [s["id"] for s in api.get("checkout/sessions", **params)["data"]]

    assert found(status="complete") == [paid["id"]]
    assert found(payment_intent=api.intent(paid)["id"]) == [paid["id"]]
    assert found(**{"customer_details[email]": "a@b.example"}) == [left["id"]]
    assert found(**{"created[gt]": paid["created"] + 100}) == []
    assert len(found(**{"created[gte]": paid["created"]})) == 2
    assert paid["id"] in found(created=paid["created"])


def test_expansion_reaches_down_and_refuses_what_is_none(api: StripeApi) -> None:
    session = api.checkout()
    api.buyer(session, "pay")
    path = f"checkout/sessions/{session['id']}"
    shown = api.get(
        path, **{"expand[]": ["line_items", "payment_intent.payment_method", "customer"]}
    )
    assert shown["line_items"]["data"][0]["description"] == "Tea"
    assert shown["payment_intent"]["payment_method"]["card"]["brand"] == "visa"
    assert shown["customer"] is None
    listed = api.get("checkout/sessions", **{"expand[]": "data.payment_intent.latest_charge"})
    assert listed["data"][0]["payment_intent"]["latest_charge"]["paid"] is True
    for wrong in ("nonsense", "payment_intent.nonsense", "data.customer", "a.b.c.d.e"):
        error = api.send("GET", path, {"expand[]": wrong}).json()["error"]
        assert error["param"] == "expand"
    assert api.get(f"{path}/line_items")["data"][0]["amount_total"] == 5400


@pytest.mark.parametrize(
    "headers",
    [{"authorization": ""}, {"authorization": "Bearer sk_test_wrong_and_long_enough"},
     {"authorization": "Basic !!!"}, {"authorization": "Basic c2tfd3Jvbmc6"}],
)  # fmt: skip
def test_another_key_is_refused_and_not_repeated(api: StripeApi, headers: dict[str, str]) -> None:
    answer = api.send("POST", "checkout/sessions", form(), **headers)
    assert answer.status_code == 401
    assert answer.headers["request-id"].startswith("req_")
    assert "wrong_and_long" not in answer.text


@pytest.mark.parametrize("body", ["mode=payment&mode=payment", "mode=%ff", "mode[]=a&mode=b"])
def test_a_malformed_form_is_refused(api: StripeApi, body: str) -> None:
    answer = api.sandbox.http.post(
        "/stripe/v1/checkout/sessions",
        content=body,
        headers={"authorization": f"Bearer {api.key}"},
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_features_that_are_off_and_metadata_that_is_emptied_change_nothing(api: StripeApi) -> None:
    more = {"automatic_tax[enabled]": "false", "metadata": "", "submit_type": "pay"}
    more["custom_text[submit][message]"] = "Thank you"
    session = api.post("checkout/sessions", form() | more)
    assert (session["metadata"], session["submit_type"]) == ({}, "pay")


def test_basic_authentication_works(api: StripeApi) -> None:
    answer = api.sandbox.http.get("/stripe/v1/account", auth=(api.key, ""))
    assert answer.json()["object"] == "account"


def test_unknown_addresses_and_objects_are_stripe_errors(api: StripeApi) -> None:
    answer = api.send("GET", "nonsense")
    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "invalid_request_error"
    missing = api.send("GET", "checkout/sessions/cs_test_none").json()["error"]
    assert missing["code"] == "resource_missing"


def test_the_official_sdk_pays_refunds_and_reads(sandbox: RunningSandbox, api: StripeApi) -> None:
    client = stripe.StripeClient(
        api.key, base_addresses={"api": sandbox.environment["STRIPE_API_BASE"]}
    )
    session = client.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "success_url": "https://shop.example/ok",
            "line_items": [
                {
                    "quantity": 2,
                    "price_data": {
                        "currency": "usd",
                        "unit_amount": 1000,
                        "product_data": {"name": "Tea"},
                    },
                }
            ],
            "payment_intent_data": {"metadata": {"order": "1"}},
            "expand": ["line_items"],
        },
        {"idempotency_key": "first"},
    )
    assert session.amount_total == 2000
    sandbox.control("buyer", provider="stripe", id=session.id, action="pay")
    paid = client.v1.checkout.sessions.retrieve(session.id)
    assert paid.payment_status == "paid"
    assert isinstance(paid.payment_intent, str)
    refund = client.v1.refunds.create({"payment_intent": paid.payment_intent, "amount": 500})
    assert refund.status == "succeeded"
    listed = client.v1.refunds.list({"payment_intent": paid.payment_intent, "limit": 1})
    assert [item.id for item in listed.auto_paging_iter()] == [refund.id]
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.create({"payment_intent": paid.payment_intent, "amount": 1501})
    assert refused.value.param == "amount"
