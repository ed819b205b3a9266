"""Which requests for an order the sandbox's PayPal takes, and how it refuses the others."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import RunningSandbox
from tests.sandbox.paypal_client import PayPal, issue, order_body, usd


@pytest.fixture
def paypal(sandbox: RunningSandbox) -> PayPal:
    return PayPal(sandbox)


@pytest.mark.parametrize("currency", ["HUF", "JPY", "TWD"])
def test_currencies_without_decimals(paypal: PayPal, currency: str) -> None:
    capture = paypal.captured("1250", currency)
    assert capture["amount"] == {"currency_code": currency, "value": "1250"}
    assert capture["seller_receivable_breakdown"]["paypal_fee"]["value"] == "93"
    refused = paypal.post("/v2/checkout/orders", order_body("12.50", currency))
    assert issue(refused) == "DECIMAL_PRECISION"
    minor = {"HUF": 125_000, "JPY": 1_250, "TWD": 125_000}[currency]
    assert [row["amount"] for row in paypal.ledger()] == [minor]


def item(value: str = "5.00", quantity: str = "2", **more: Any) -> dict[str, Any]:
    return {"name": "Mug", "quantity": quantity, "unit_amount": usd(value)} | more


def broken_down(value: str, items: list[Any] | None = None, **parts: str) -> dict[str, Any]:
    breakdown = {name: usd(part) for name, part in parts.items()}
    body = order_body()
    unit = body["purchase_units"][0]
    unit["amount"] = usd(value) | {"breakdown": breakdown}
    if items is not None:
        unit["items"] = items
    return body


def without(body: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != name}


def units(*entries: dict[str, Any]) -> dict[str, Any]:
    return order_body() | {"purchase_units": list(entries)}


BAD_SHAPES: list[tuple[Any, str]] = [
    (b"{", "MALFORMED_REQUEST_JSON"),
    (b"[]", "MALFORMED_REQUEST_JSON"),
    (b"\xff", "MALFORMED_REQUEST_JSON"),
    (b"[" * 100_000, "MALFORMED_REQUEST_JSON"),
    (without(order_body(), "intent"), "MISSING_REQUIRED_PARAMETER"),
    (without(order_body(), "purchase_units"), "MISSING_REQUIRED_PARAMETER"),
    (order_body(intent="SELL"), "INVALID_PARAMETER_VALUE"),
    (units(), "INVALID_ARRAY_MIN_ITEMS"),
    (units(*[{"amount": usd("1")}] * 11), "INVALID_ARRAY_MAX_ITEMS"),
    (order_body() | {"purchase_units": "none"}, "INVALID_PARAMETER_SYNTAX"),
    (units({}), "MISSING_REQUIRED_PARAMETER"),
    (units({"amount": "5.00"}), "INVALID_PARAMETER_SYNTAX"),
    (units({"amount": {"currency_code": "USD"}}), "MISSING_REQUIRED_PARAMETER"),
    (units({"amount": {"currency_code": "USD", "value": None}}), "MISSING_REQUIRED_PARAMETER"),
    (units({"amount": {"currency_code": "USD", "value": 5}}), "INVALID_PARAMETER_SYNTAX"),
    (order_body("5,00"), "INVALID_PARAMETER_SYNTAX"),
    (order_body("٥"), "INVALID_PARAMETER_SYNTAX"),
    (order_body("1e2"), "INVALID_PARAMETER_SYNTAX"),
    (order_body("9" * 33), "INVALID_STRING_LENGTH"),
    (order_body(currency="US"), "INVALID_STRING_LENGTH"),
    (order_body(custom_id="x" * 128), "INVALID_STRING_LENGTH"),
    (order_body(invoice_id=""), "INVALID_STRING_LENGTH"),
    (order_body(items=[without(item(), "name")]), "MISSING_REQUIRED_PARAMETER"),
    (order_body(items=[item(quantity="0")]), "INVALID_PARAMETER_SYNTAX"),
    (order_body(items=[item(quantity="1.5")]), "INVALID_PARAMETER_SYNTAX"),
    (
        order_body(wallet=False) | {"application_context": {"return_url": "nowhere"}},
        "INVALID_PARAMETER_SYNTAX",
    ),
    (
        order_body(wallet=False) | {"application_context": {"return_url": "http://[x"}},
        "INVALID_PARAMETER_SYNTAX",
    ),
]
BAD_SUMS: list[tuple[Any, str]] = [
    (order_body("1.234"), "DECIMAL_PRECISION"),
    (order_body("0.00"), "CANNOT_BE_ZERO_OR_NEGATIVE"),
    (order_body("-1.00"), "CANNOT_BE_ZERO_OR_NEGATIVE"),
    (order_body("1000000000000000.00"), "MAX_VALUE_EXCEEDED"),
    (order_body(currency="QQQ"), "INVALID_CURRENCY_CODE"),
    (order_body(currency="usd"), "INVALID_CURRENCY_CODE"),
    (order_body("1.00", "KWD"), "CURRENCY_NOT_SUPPORTED"),
    (broken_down("9.00", item_total="10.00"), "AMOUNT_MISMATCH"),
    (broken_down("10.00", item_total="12.00", discount="-2.00"), "CANNOT_BE_NEGATIVE"),
    (broken_down("10.00", [item()], shipping="10.00"), "ITEM_TOTAL_REQUIRED"),
    (order_body("10.00", items=[item()]), "ITEM_TOTAL_REQUIRED"),
    (broken_down("9.00", [item()], item_total="9.00"), "ITEM_TOTAL_MISMATCH"),
    (broken_down("10.00", [item(tax=usd("1.00"))], item_total="10.00"), "TAX_TOTAL_REQUIRED"),
    (
        broken_down("11.00", [item(tax=usd("1.00"))], item_total="10.00", tax_total="1.00"),
        "TAX_TOTAL_MISMATCH",
    ),
    (
        broken_down(
            "10.00", [item(unit_amount=usd("5") | {"currency_code": "EUR"})], item_total="10"
        ),
        "MULTI_CURRENCY_ORDER",
    ),
    (units({"amount": usd("1")}, {"amount": usd("2")}), "REFERENCE_ID_REQUIRED"),
    (units(*[{"reference_id": "a", "amount": usd("1")}] * 2), "DUPLICATE_REFERENCE_ID"),
    (
        units(
            {"reference_id": "a", "amount": usd("1")},
            {"reference_id": "b", "amount": {"currency_code": "EUR", "value": "1"}},
        ),
        "MULTI_CURRENCY_ORDER",
    ),
]


@pytest.mark.parametrize(("body", "expected"), BAD_SHAPES)
def test_badly_formed_orders_are_refused(paypal: PayPal, body: Any, expected: str) -> None:
    answer = paypal.post("/v2/checkout/orders", body)
    assert issue(answer, 400) == expected
    assert answer.json()["name"] == "INVALID_REQUEST"


@pytest.mark.parametrize(("body", "expected"), BAD_SUMS)
def test_orders_that_do_not_add_up_are_refused(paypal: PayPal, body: Any, expected: str) -> None:
    answer = paypal.post("/v2/checkout/orders", body)
    assert issue(answer) == expected
    assert answer.json()["name"] == "UNPROCESSABLE_ENTITY"


def test_a_full_breakdown_adds_up(paypal: PayPal) -> None:
    body = broken_down(
        "14.50",
        [item(tax=usd("0.50"))],
        item_total="10.00",
        tax_total="1.00",
        shipping="5.00",
        shipping_discount="1.00",
        discount="0.50",
    )
    unit = paypal.post("/v2/checkout/orders", body).json()["purchase_units"][0]
    assert unit["items"][0]["name"] == "Mug"
    assert unit["amount"]["breakdown"]["discount"] == usd("0.50")


def test_a_payment_source_needs_a_request_id(paypal: PayPal) -> None:
    refused = paypal.post("/v2/checkout/orders", order_body(), key=None)
    assert issue(refused, 400) == "PAYPAL_REQUEST_ID_REQUIRED"
    assert paypal.post("/v2/checkout/orders", order_body(wallet=False), key=None).is_success
    assert issue(paypal.post("/v2/checkout/orders", order_body(), key="k" * 109), 400)
