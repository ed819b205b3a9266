"""What we send: exact amounts as strings, nothing null, nothing that PayPal would refuse."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Rejected
from gateway.money import MAX_AMOUNT, Money, exponent
from gateway.provider import CheckoutRequest, LineItem, PaymentRef, RefundRequest
from providers.paypal.bodies import CURRENCIES, SCALE, capture_body, order_body, refund_body

REQUEST = CheckoutRequest(
    order_id="ord_1",
    payment_id="pay_1",
    money=Money(5400, "USD"),
    items=(LineItem("Lamp", 2450, 2), LineItem("Engraving", 500, 1)),
    success_url="https://pay.example/checkout/ord_1/return",
    cancel_url="https://pay.example/checkout/ord_1/cancel",
    expires_at=datetime(2026, 3, 1, 11, tzinfo=UTC),
    reference="A-1001",
)
PAYMENT = PaymentRef("ord_1", "pay_1", Money(5400, "USD"), "5O190127TN364715T")


def with_total(amount: int, currency: str) -> CheckoutRequest:
    """REQUEST for one item of that price."""
    return msgspec.structs.replace(
        REQUEST, money=Money(amount, currency), items=(LineItem("Lamp", amount, 1),)
    )


def test_order_body() -> None:
    assert json.loads(order_body(REQUEST)) == {
        "intent": "CAPTURE",
        "purchase_units": [
            {
                "reference_id": "ord_1",
                "custom_id": "pay_1",
                "invoice_id": "pay_1",
                "description": "Order A-1001",
                "amount": {
                    "currency_code": "USD",
                    "value": "54.00",
                    "breakdown": {"item_total": {"currency_code": "USD", "value": "54.00"}},
                },
                "items": [
                    {
                        "name": "Lamp",
                        "unit_amount": {"currency_code": "USD", "value": "24.50"},
                        "quantity": "2",
                    },
                    {
                        "name": "Engraving",
                        "unit_amount": {"currency_code": "USD", "value": "5.00"},
                        "quantity": "1",
                    },
                ],
            }
        ],
        "payment_source": {
            "paypal": {
                "experience_context": {
                    "return_url": "https://pay.example/checkout/ord_1/return",
                    "cancel_url": "https://pay.example/checkout/ord_1/cancel",
                    "user_action": "PAY_NOW",
                    "shipping_preference": "NO_SHIPPING",
                }
            }
        },
    }


def test_manual_capture_authorizes() -> None:
    body = json.loads(order_body(msgspec.structs.replace(REQUEST, capture="manual")))
    assert body["intent"] == "AUTHORIZE"


@pytest.mark.parametrize(
    ("amount", "currency", "value"),
    [
        (1000, "JPY", "1000"),
        (100_000, "HUF", "1000"),
        (2500, "TWD", "25"),
        (5, "EUR", "0.05"),
        (MAX_AMOUNT, "USD", "100000000000.00"),
    ],
)
def test_decimals_are_paypals(amount: int, currency: str, value: str) -> None:
    unit = json.loads(order_body(with_total(amount, currency)))["purchase_units"][0]
    assert unit["amount"]["value"] == value
    assert unit["items"][0]["unit_amount"]["value"] == value


@pytest.mark.parametrize(
    ("amount", "currency", "code"),
    [
        (12_345, "HUF", "DECIMALS_NOT_SUPPORTED"),
        (99, "TWD", "DECIMALS_NOT_SUPPORTED"),
        (1000, "KWD", "CURRENCY_NOT_SUPPORTED"),
        (1000, "XXX", "CURRENCY_NOT_SUPPORTED"),
    ],
)
def test_what_paypal_cannot_express(amount: int, currency: str, code: str) -> None:
    with pytest.raises(Rejected) as caught:
        order_body(with_total(amount, currency))
    assert caught.value.provider_code == code
    assert currency in caught.value.detail


def test_an_item_that_is_not_exact_though_the_total_is() -> None:
    items = (LineItem("a", 50, 1), LineItem("b", 50, 1))
    request = msgspec.structs.replace(REQUEST, money=Money(100, "HUF"), items=items)
    with pytest.raises(Rejected, match="HUF"):
        order_body(request)


def test_items_must_add_up() -> None:
    with pytest.raises(Rejected, match="add up"):
        order_body(msgspec.structs.replace(REQUEST, money=Money(5401, "USD")))


@pytest.mark.parametrize("quantity", [0, -1, 10_000_000_000])
def test_quantities(quantity: int) -> None:
    request = msgspec.structs.replace(
        REQUEST, money=Money(quantity, "USD"), items=(LineItem("a", 1, quantity),)
    )
    with pytest.raises(Rejected, match="quantities"):
        order_body(request)


@given(name=st.text(max_size=300), reference=st.text(max_size=300))
def test_texts_are_one_short_line(name: str, reference: str) -> None:
    request = msgspec.structs.replace(
        REQUEST, money=Money(1, "USD"), items=(LineItem(name, 1, 1),), reference=reference
    )
    body = order_body(request)
    assert body.isascii()
    unit = json.loads(body)["purchase_units"][0]
    for text in (unit["items"][0]["name"], unit["description"]):
        assert 1 <= len(text) <= 127
        assert len(text.splitlines()) == 1


def test_refund_body() -> None:
    request = RefundRequest(PAYMENT, "ref_1", Money(1000, "USD"), "CAPTURE", reason=None)
    plain = {
        "amount": {"currency_code": "USD", "value": "10.00"},
        "custom_id": "ref_1",
        "invoice_id": "ref_1",
    }
    assert json.loads(refund_body(request)) == plain
    for reason in ("", " \n"):
        assert json.loads(refund_body(msgspec.structs.replace(request, reason=reason))) == plain
    told = json.loads(refund_body(msgspec.structs.replace(request, reason="broken\n" + "x" * 300)))
    assert told["note_to_payer"].startswith("broken x")
    assert len(told["note_to_payer"]) == 255


def test_capture_body() -> None:
    assert json.loads(capture_body(Money(500, "JPY"))) == {
        "amount": {"currency_code": "JPY", "value": "500"},
        "final_capture": True,
    }


def nulls(value: Any) -> bool:
    """Whether a null, or a number where money may stand, hides anywhere."""
    if isinstance(value, dict):
        return any(nulls(inner) for inner in value.values())
    if isinstance(value, list):
        return any(nulls(inner) for inner in value)
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


@given(
    currency=st.sampled_from(sorted(CURRENCIES)),
    units=st.integers(1, 10**9),
    reason=st.none() | st.text(max_size=20),
)
def test_every_amount_comes_back_as_it_went(currency: str, units: int, reason: str | None) -> None:
    step = 10 ** (exponent(currency) - SCALE.decimals(currency))
    money = Money(units * step, currency)
    request = RefundRequest(PAYMENT, "ref_1", money, "CAPTURE", reason)
    for text in (order_body(with_total(money.amount, currency)), refund_body(request)):
        body = json.loads(text)
        assert not nulls(body)
        sent = body.get("amount") or body["purchase_units"][0]["amount"]
        assert SCALE.from_decimal(sent["value"], sent["currency_code"]) == money
