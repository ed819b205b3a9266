"""The merchant's side of the API: what the shop asks of the gateway, over HTTP with its key."""

import asyncio
import hashlib
from typing import Any

import httpx

Json = dict[str, Any]
_TRIES, _PAUSE = 20, 0.5


class Refused(Exception):
    """The gateway said no, or could not be asked; `detail` is for people."""

    def __init__(self, status: int, title: str, detail: str, code: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail
        self.code = code


class Merchant:
    """One merchant. All methods raise Refused.

    `url` is the address of the gateway and of the shop, which are one server in the demo. Every
    `token` is a form's own, made when the form was shown: a form that is sent twice is one request.
    """

    def __init__(
        self, url: str, secret_key: str, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._url = url
        self._client = httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {secret_key}"},
            timeout=30,
            transport=transport,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def products(self) -> list[Json]:
        """What is on sale, cheapest first in the shop's first currency."""
        page = await self._call("GET", "/v1/products?limit=100")
        return sorted(page["data"], key=lambda item: item["prices"][0]["unit_amount"])

    async def product(self, product_id: str) -> Json:
        """One product."""
        return await self._call("GET", f"/v1/products/{_segment(product_id)}")

    async def providers(self, currency: str = "") -> list[Json]:
        """The providers that the gateway offers; for a currency, those that take it, best first."""
        query = f"?currency={currency}" if currency else ""
        providers: list[Json] = (await self._call("GET", f"/v1/providers{query}"))["data"]
        return providers

    async def place_order(
        self, product_id: str, quantity: int, currency: str, provider: str, token: str
    ) -> Json:
        """An order of one product. The price is the catalogue's, not the browser's."""
        body = {
            "provider": provider,
            "currency": currency,
            "items": [{"product": product_id, "quantity": quantity}],
            "success_url": f"{self._url}/demo/return",
            "cancel_url": f"{self._url}/demo/return?canceled=1",
        }
        key = _key("order", token, body)
        number = f"N-{key[-8:].upper()}"
        return await self._call("POST", "/v1/orders", {**body, "reference": number}, key)

    async def orders(self, limit: int = 50) -> list[Json]:
        """The latest orders."""
        orders: list[Json] = (await self._call("GET", f"/v1/orders?limit={limit}"))["data"]
        return orders

    async def order(self, order_id: str) -> Json:
        """One order."""
        return await self._call("GET", f"/v1/orders/{_segment(order_id)}")

    async def timeline(self, order_id: str) -> list[Json]:
        """Why the order is in its state."""
        path = f"/v1/orders/{_segment(order_id)}/timeline"
        entries: list[Json] = (await self._call("GET", path))["data"]
        return entries

    async def pay_with(self, order_id: str, provider: str, token: str) -> Json:
        """A new attempt to pay, with another provider."""
        body = {"provider": provider}
        path = f"/v1/orders/{_segment(order_id)}/payments"
        return await self._call("POST", path, body, _key("payment", token, body))

    async def cancel(self, order_id: str, token: str) -> Json:
        """Cancel an unpaid order."""
        path = f"/v1/orders/{_segment(order_id)}/cancel"
        return await self._call("POST", path, {}, _key("cancel", token, {}))

    async def refund(self, order_id: str, amount: int | None, reason: str, token: str) -> Json:
        """Refund `amount` minor units, or all that is left."""
        body: Json = {}
        if amount is not None:
            body["amount"] = amount
        if reason:
            body["reason"] = reason
        path = f"/v1/orders/{_segment(order_id)}/refunds"
        return await self._call("POST", path, body, _key("refund", token, body))

    async def _call(self, method: str, path: str, body: Json | None = None, key: str = "") -> Json:
        headers = {"Idempotency-Key": key} if key else {}
        tries = 0
        while True:
            try:
                answer = await self._client.request(method, path, json=body, headers=headers)
            except httpx.HTTPError:
                raise Refused(
                    502, "The payment service does not answer", "Please try again in a moment."
                ) from None
            if answer.is_success:
                found: Json = answer.json()
                return found
            refused, tries = _refused(answer), tries + 1
            if refused.code != "idempotency_in_flight" or tries == _TRIES:
                raise refused
            await asyncio.sleep(_PAUSE)  # the first click's request still runs: wait for its answer


def _segment(value: str) -> str:
    """A path segment, whatever a browser sent as an id. Raises Refused."""
    if not value.isascii() or not value.replace("_", "").isalnum() or len(value) > 64:
        raise Refused(404, "Not found", "There is no such thing in this shop.")
    return value


def _key(purpose: str, token: str, body: Json) -> str:
    """The form's token and what was chosen in it: the same choice twice is one request."""
    chosen = repr(sorted(body.items())).encode()
    digest = hashlib.sha256(token.encode() + b"\0" + chosen).hexdigest()
    return f"shop-{purpose}-{digest[:40]}"


def _refused(answer: httpx.Response) -> Refused:
    try:
        problem = answer.json()
        return Refused(
            answer.status_code,
            str(problem["title"]),
            str(problem["detail"]),
            str(problem["code"]),
        )
    except (ValueError, KeyError, TypeError):
        return Refused(502, "The payment service is out of order", "Please try again in a moment.")
