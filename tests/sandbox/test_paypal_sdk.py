"""PayPal's own SDK against the sandbox: each understands what the other sends."""

from __future__ import annotations

from typing import Any

import pytest
from paypalserversdk.configuration import Configuration, Server
from paypalserversdk.exceptions.error_exception import ErrorException
from paypalserversdk.http.auth.o_auth_2 import ClientCredentialsAuthCredentials
from paypalserversdk.models.amount_with_breakdown import AmountWithBreakdown
from paypalserversdk.models.capture_request import CaptureRequest
from paypalserversdk.models.money import Money
from paypalserversdk.models.order_request import OrderRequest
from paypalserversdk.models.payment_source import PaymentSource
from paypalserversdk.models.paypal_wallet import PaypalWallet
from paypalserversdk.models.paypal_wallet_experience_context import PaypalWalletExperienceContext
from paypalserversdk.models.purchase_unit_request import PurchaseUnitRequest
from paypalserversdk.models.refund_request import RefundRequest
from paypalserversdk.paypal_serversdk_client import PaypalServersdkClient

from tests.sandbox.conftest import RunningSandbox

FULL = "return=representation"


@pytest.fixture
def sdk(sandbox: RunningSandbox) -> PaypalServersdkClient:
    settings = sandbox.environment

    class StandIn(Configuration):  # type: ignore[misc]  # published without types
        def get_base_uri(self, server: Server = Server.DEFAULT) -> str:
            return settings["PAYPAL_API_BASE"]

    credentials = ClientCredentialsAuthCredentials(
        settings["PAYPAL_CLIENT_ID"], settings["PAYPAL_CLIENT_SECRET"]
    )
    return PaypalServersdkClient(
        config=StandIn(client_credentials_auth_credentials=credentials, timeout=10)
    )


def make(sdk: PaypalServersdkClient, key: str, intent: str = "CAPTURE") -> Any:
    context = PaypalWalletExperienceContext(
        return_url="https://shop.example/ok",
        cancel_url="https://shop.example/cart",
        user_action="PAY_NOW",
        shipping_preference="NO_SHIPPING",
    )
    amount = AmountWithBreakdown(currency_code="USD", value="25.00")
    unit = PurchaseUnitRequest(amount=amount, custom_id="pay_1", invoice_id=f"SDK-{key}")
    body = OrderRequest(
        intent=intent,
        purchase_units=[unit],
        payment_source=PaymentSource(paypal=PaypalWallet(experience_context=context)),
    )
    return sdk.orders.create_order({"body": body, "prefer": FULL, "paypal_request_id": key})


def test_capture_and_refund(sandbox: RunningSandbox, sdk: PaypalServersdkClient) -> None:
    created = make(sdk, "o-1")
    assert created.status_code == 201
    assert created.body.status == "PAYER_ACTION_REQUIRED"
    assert any(link.rel == "payer-action" for link in created.body.links)
    order_id = created.body.id
    with pytest.raises(ErrorException) as refused:
        sdk.orders.capture_order({"id": order_id, "paypal_request_id": "c-1"})
    assert refused.value.response_code == 422
    assert refused.value.details[0].issue == "ORDER_NOT_APPROVED"
    assert refused.value.debug_id
    sandbox.control("buyer", provider="paypal", id=order_id, action="approve")
    asked = {"id": order_id, "prefer": FULL, "paypal_request_id": "c-1"}
    captured = sdk.orders.capture_order(asked)
    capture = captured.body.purchase_units[0].payments.captures[0]
    assert (captured.status_code, capture.status, capture.amount.value) == (
        201,
        "COMPLETED",
        "25.00",
    )
    assert capture.seller_receivable_breakdown.paypal_fee.value == "1.36"
    assert sdk.orders.capture_order(asked).status_code == 200
    assert sdk.payments.get_captured_payment({"capture_id": capture.id}).body.custom_id == "pay_1"
    refund = sdk.payments.refund_captured_payment(
        {
            "capture_id": capture.id,
            "prefer": FULL,
            "paypal_request_id": "r-1",
            "body": RefundRequest(amount=Money(currency_code="USD", value="5.00")),
        }
    ).body
    assert (refund.status, refund.seller_payable_breakdown.net_amount.value) == (
        "COMPLETED",
        "4.83",
    )
    assert sdk.payments.get_refund({"refund_id": refund.id}).body.id == refund.id
    order = sdk.orders.get_order({"id": order_id}).body
    assert order.purchase_units[0].payments.captures[0].status == "PARTIALLY_REFUNDED"


def test_authorize_capture_and_void(sandbox: RunningSandbox, sdk: PaypalServersdkClient) -> None:
    order_id = make(sdk, "o-2", "AUTHORIZE").body.id
    sandbox.control("buyer", provider="paypal", id=order_id, action="approve")
    order = sdk.orders.authorize_order({"id": order_id, "prefer": FULL}).body
    held = order.purchase_units[0].payments.authorizations[0]
    assert held.status == "CREATED"
    part = CaptureRequest(amount=Money(currency_code="USD", value="10.00"), final_capture=False)
    capture = sdk.payments.capture_authorized_payment(
        {"authorization_id": held.id, "prefer": FULL, "body": part}
    ).body
    assert (capture.status, capture.amount.value) == ("COMPLETED", "10.00")
    voided = sdk.payments.void_payment({"authorization_id": held.id, "prefer": FULL})
    assert (voided.status_code, voided.body.status) == (200, "VOIDED")
    again = sdk.payments.get_authorized_payment({"authorization_id": held.id}).body
    assert again.status == "VOIDED"


def test_transaction_search(sandbox: RunningSandbox, sdk: PaypalServersdkClient) -> None:
    order_id = make(sdk, "o-3").body.id
    sandbox.control("buyer", provider="paypal", id=order_id, action="approve")
    order = sdk.orders.capture_order({"id": order_id, "prefer": FULL}).body
    day = order.create_time[:10]
    found = sdk.transaction_search.search_transactions(
        {"start_date": f"{day}T00:00:00Z", "end_date": f"{day}T23:59:59Z"}
    ).body
    info = found.transaction_details[0].transaction_info
    assert info.transaction_id == order.purchase_units[0].payments.captures[0].id
    assert info.custom_field == "pay_1"
