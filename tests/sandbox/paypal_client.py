"""A plain HTTP client of the sandbox's PayPal, for the tests of what an SDK would hide."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import httpx

from tests.sandbox.conftest import RunningSandbox

Json = dict[str, Any]
NUMBERS = count(1)


class PayPal:
    """Speaks PayPal's API with its own token; each call has a fresh request id unless told."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self.sandbox = sandbox
        self.http = sandbox.http
        self.token = self.grant().json()["access_token"]

    def grant(self, **form: str) -> httpx.Response:
        """`POST /v1/oauth2/token`."""
        settings = self.sandbox.environment
        pair = (settings["PAYPAL_CLIENT_ID"], settings["PAYPAL_CLIENT_SECRET"])
        data = {"grant_type": "client_credentials"} | form
        return self.http.post("/paypal/v1/oauth2/token", auth=pair, data=data)

    def get(self, path: str, **query: str) -> httpx.Response:
        """An authorized GET."""
        headers = {"authorization": f"Bearer {self.token}"}
        return self.http.get(f"/paypal{path}", headers=headers, params=query)

    def post(
        self, path: str, body: Any = None, *, key: str | None = "", full: bool = True
    ) -> httpx.Response:
        """An authorized POST; `key` None sends no PayPal-Request-Id."""
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        if key is not None:
            headers["paypal-request-id"] = key or f"request-{next(NUMBERS)}"
        if full:
            headers["prefer"] = "return=representation"
        content = body if isinstance(body, bytes) else json.dumps({} if body is None else body)
        return self.http.post(f"/paypal{path}", content=content, headers=headers)

    def create(self, value: str = "12.50", currency: str = "USD", **options: Any) -> Json:
        """A new order; options are those of `order_body`."""
        answer = self.post("/v2/checkout/orders", order_body(value, currency, **options))
        assert answer.status_code == 201, answer.text
        order: Json = answer.json()
        return order

    def buyer(self, id: str, action: str) -> Json:
        """The control call of the buyer."""
        state: Json = self.sandbox.control("buyer", provider="paypal", id=id, action=action)
        return state

    def approved(self, value: str = "12.50", currency: str = "USD", **options: Any) -> str:
        """The id of an order that a buyer has approved."""
        order_id: str = self.create(value, currency, **options)["id"]
        self.buyer(order_id, "approve")
        return order_id

    def capture(self, order_id: str, **options: Any) -> httpx.Response:
        """`POST …/capture`."""
        return self.post(f"/v2/checkout/orders/{order_id}/capture", **options)

    def captured(self, value: str = "12.50", currency: str = "USD", **options: Any) -> Json:
        """The capture of a paid order."""
        answer = self.capture(self.approved(value, currency, **options))
        assert answer.status_code == 201, answer.text
        return first_capture(answer.json())

    def authorized(self, value: str = "100.00", **options: Any) -> Json:
        """The authorization of an approved order."""
        order_id = self.approved(value, intent="AUTHORIZE", **options)
        answer = self.post(f"/v2/checkout/orders/{order_id}/authorize")
        assert answer.status_code == 201, answer.text
        held: Json = answer.json()["purchase_units"][0]["payments"]["authorizations"][0]
        return held

    def refund(self, capture_id: str, value: str | None = None, **options: Any) -> httpx.Response:
        """`POST …/refund`, in USD."""
        body = {} if value is None else {"amount": usd(value)}
        return self.post(f"/v2/payments/captures/{capture_id}/refund", body, **options)

    def order(self, order_id: str) -> Json:
        """`GET` an order."""
        order: Json = self.get(f"/v2/checkout/orders/{order_id}").raise_for_status().json()
        return order

    def advance(self, **spans: float) -> None:
        """Move the sandbox's clock (`hours`, `days`) and take a new token."""
        seconds = spans.get("hours", 0) * 3600 + spans.get("days", 0) * 86_400
        self.sandbox.control("clock", advance_seconds=seconds)
        self.token = self.grant().json()["access_token"]

    def transactions(self) -> list[Json]:
        """What transaction search tells of the last day."""
        now = datetime.fromisoformat(self.sandbox.look("clock")["now"])
        day = {"start_date": now - timedelta(days=1), "end_date": now + timedelta(minutes=1)}
        asked = {name: moment.isoformat() for name, moment in day.items()}
        found = self.get("/v1/reporting/transactions", **asked).raise_for_status().json()
        return [entry["transaction_info"] for entry in found["transaction_details"]]

    def ledger(self) -> list[Json]:
        """PayPal's rows of the neutral ledger."""
        rows = self.sandbox.look("ledger")["data"]
        return [row for row in rows if row["provider"] == "paypal"]


def usd(value: str) -> Json:
    """A money object in US dollars."""
    return {"currency_code": "USD", "value": value}


def order_body(
    value: str = "12.50",
    currency: str = "USD",
    *,
    intent: str = "CAPTURE",
    wallet: bool = True,
    **unit: Any,
) -> Json:
    """A request for an order; `wallet` gives `payment_source.paypal`."""
    amount = {"currency_code": currency, "value": value}
    body: Json = {"intent": intent, "purchase_units": [{"amount": amount} | unit]}
    context = {
        "return_url": "https://shop.example/ok?cart=9",
        "cancel_url": "https://shop.example/cart",
        "user_action": "PAY_NOW",
        "shipping_preference": "NO_SHIPPING",
    }
    if wallet:
        body["payment_source"] = {"paypal": {"experience_context": context}}
    return body


def first_capture(order: Json) -> Json:
    """The first capture of an order."""
    capture: Json = order["purchase_units"][0]["payments"]["captures"][0]
    return capture


def issue(answer: httpx.Response, status: int = 422) -> str:
    """The issue of a refusal, after checking its form."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body["debug_id"] == answer.headers["paypal-debug-id"]
    assert body["name"]
    assert body["message"]
    assert isinstance(body["links"], list)
    found: str = body["details"][0]["issue"]
    assert body["details"][0]["description"]
    return found


def rel(resource: Json, name: str) -> str | None:
    """The address of a link."""
    return next((link["href"] for link in resource["links"] if link["rel"] == name), None)
