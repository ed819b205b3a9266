"""A plain client of the sandbox's Stripe API, and the checkout that most tests start from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from tests.sandbox.conftest import RunningSandbox

Json = dict[str, Any]


class StripeApi:
    """Speaks forms and JSON with the secret key; `post` and `get` check the status."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self.sandbox = sandbox
        self.key = sandbox.environment["STRIPE_SECRET_KEY"]

    def send(
        self, method: str, path: str, data: Json | None = None, **headers: str
    ) -> httpx.Response:
        """One request; header names are given with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.sandbox.http.request(
            method,
            f"/stripe/v1/{path}",
            data=data if method == "POST" else None,
            params=data if method == "GET" else None,
            headers={"authorization": f"Bearer {self.key}"} | named,
        )

    def get(self, path: str, **params: Any) -> Any:
        """A successful GET."""
        answer = self.send("GET", path, params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, data: Json | None = None, **headers: str) -> Any:
        """A successful POST."""
        answer = self.send("POST", path, data, **headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refused(
        self, path: str, data: Json | None = None, status: int = 400, **headers: str
    ) -> Any:
        """The error object of a POST that is refused."""
        answer = self.send("POST", path, data, **headers)
        assert answer.status_code == status, answer.text
        return answer.json()["error"]

    def checkout(self, amount: int = 5400, currency: str = "usd", **more: str) -> Json:
        """A new session."""
        created: Json = self.post("checkout/sessions", form(amount, currency, **more))
        return created

    def paid(self, amount: int = 5400, currency: str = "usd", **more: str) -> Json:
        """The intent of a session that the buyer has paid, with its latest charge."""
        session = self.checkout(amount, currency, **more)
        self.buyer(session, "pay")
        return self.intent(session)

    def intent(self, session: Json) -> Json:
        """The intent of a session with its charge and balance transaction inside."""
        path = "payment_intent.latest_charge.balance_transaction"
        shown = self.get(f"checkout/sessions/{session['id']}", **{"expand[]": path})
        found: Json = shown["payment_intent"]
        return found

    def manual(self, amount: int = 5400) -> Json:
        """An authorized intent."""
        return self.paid(amount, **{"payment_intent_data[capture_method]": "manual"})

    def buyer(self, session: Json, action: str, expect: int = 200) -> Any:
        """What the buyer does."""
        return self.sandbox.control(
            "buyer", expect, provider="stripe", id=session["id"], action=action
        )

    def by_card(self, session: Json, card: str, **fields: str) -> httpx.Response:
        """The form of the pay page."""
        form = {"card": card, "expiry": "12/34", "cvc": "123"} | fields
        return self.sandbox.http.post(f"/pay/stripe/{session['id']}", data=form)

    def event_types(self) -> list[str]:
        """Every event so far, oldest first."""
        return [event["type"] for event in reversed(self.get("events", limit=100)["data"])]


def form(amount: int = 5400, currency: str = "usd", **more: str) -> Json:
    """The parameters of a session with one line item."""
    price = "line_items[0][price_data]"
    return {
        "mode": "payment",
        f"{price}[currency]": currency,
        f"{price}[unit_amount]": amount,
        f"{price}[product_data][name]": "Tea",
        "line_items[0][quantity]": 1,
        "success_url": "https://shop.example/ok?session={CHECKOUT_SESSION_ID}",
        "cancel_url": "https://shop.example/cart",
        "client_reference_id": "pay_1",
    } | more
