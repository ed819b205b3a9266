"""The shop's pages: what a buyer sees, and the merchant's view of the orders.

They work without JavaScript. Whoever sends a form twice gets one order, one refund: the form's
token and what was chosen in it make the idempotency key.
"""

import secrets
from typing import Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from api.demo import words
from api.demo.merchant import Json, Merchant, Refused
from api.demo.rendering import Renderer
from gateway.errors import InvalidAmount
from gateway.money import exponent, parse_decimal

_Request = Request[Any, Any, Any]
MOST = 20


def _token() -> str:
    return secrets.token_urlsafe(18)


@get("/")
async def shop(
    merchant: NamedDependency[Merchant],
    renderer: NamedDependency[Renderer],
    currency: FromQuery[str | None] = None,
) -> Response[str]:
    """All products."""
    products = await merchant.products()
    currencies = sorted({price["currency"] for item in products for price in item["prices"]})
    chosen = _chosen(currency, currencies)
    shown = [(item, price) for item in products if (price := _price(item, chosen)) is not None]
    return renderer.page("shop.html", shown=shown, currencies=currencies, chosen=chosen)


def _chosen(currency: str | None, currencies: list[str]) -> str:
    if currency in currencies:
        return str(currency)
    return "USD" if "USD" in currencies or not currencies else currencies[0]


def _price(product: Json, currency: str) -> int | None:
    prices = {price["currency"]: int(price["unit_amount"]) for price in product["prices"]}
    return prices.get(currency)


@get("/products/{product_id:str}")
async def product(
    product_id: FromPath[str],
    merchant: NamedDependency[Merchant],
    renderer: NamedDependency[Renderer],
    currency: FromQuery[str | None] = None,
) -> Response[str]:
    """One product: quantity, currency, and who is to be paid."""
    item = await merchant.product(product_id)
    currencies = [price["currency"] for price in item["prices"]]
    chosen = _chosen(currency, currencies)
    return renderer.page(
        "product.html",
        product=item,
        currencies=currencies,
        chosen=chosen,
        unit_amount=_price(item, chosen),
        providers=await merchant.providers(chosen),
        most=MOST,
        token=_token(),
    )


@post("/checkout")
async def checkout(request: _Request, merchant: NamedDependency[Merchant]) -> Redirect:
    """Place the order, then on to the provider's page."""
    form = await request.form()
    quantity = str(form.get("quantity", ""))
    if not (quantity.isascii() and quantity.isdigit() and 1 <= int(quantity[:4]) <= MOST):
        raise Refused(400, "How many?", f"Please choose a quantity from 1 to {MOST}.")
    order = await merchant.place_order(
        str(form.get("product", "")),
        int(quantity),
        str(form.get("currency", "")),
        str(form.get("provider", "")),
        str(form.get("token", "")),
    )
    return _onward(order)


def _onward(order: Json) -> Redirect:
    """To the provider's page or, while there is none, to the order's, which waits for it."""
    return Redirect(order["checkout_url"] or f"/demo/orders/{order['id']}", status_code=303)


@get("/return")
async def returned(order: FromQuery[str], canceled: FromQuery[bool] = False) -> Redirect:
    """Where the gateway sends the buyer, who proves nothing by coming here."""
    note = "?canceled=1" if canceled else ""
    if not order.isascii() or not order.replace("_", "").isalnum():
        raise Refused(404, "Not found", "There is no such order in this shop.")
    return Redirect(f"/demo/orders/{order}{note}", status_code=303)


@get("/orders")
async def orders(
    merchant: NamedDependency[Merchant], renderer: NamedDependency[Renderer]
) -> Response[str]:
    """The latest orders, of all providers in one table."""
    names = await _names(merchant)
    return renderer.page("orders.html", orders=await merchant.orders(), names=names)


async def _names(merchant: Merchant) -> dict[str, str]:
    return {item["name"]: item["display_name"] for item in await merchant.providers()}


@get("/orders/{order_id:str}")
async def order(
    order_id: FromPath[str],
    merchant: NamedDependency[Merchant],
    renderer: NamedDependency[Renderer],
    canceled: FromQuery[bool] = False,
) -> Response[str]:
    """One order: its state, why it is so, and what can be done with it."""
    found = await merchant.order(order_id)
    entries = await merchant.timeline(order_id)
    providers = await merchant.providers()
    names = {item["name"]: item["display_name"] for item in providers}
    name = names.get(found["provider"]) or str(found["provider"])
    proof = words.proof(entries)
    offered = await merchant.providers(found["currency"])
    others = [item for item in offered if item["name"] != found["provider"]]
    return renderer.page(
        "order.html",
        order=found,
        provider=name,
        names=names,
        verdict=words.status(found, proof, name),
        proof=proof,
        steps=words.steps(entries),
        method=words.method(_paying(found), name),
        others=others,
        canceled=canceled and found["status"] == "open",
        unsettled=words.unsettled(found, proof),
        token=_token(),
    )


def _paying(order: Json) -> Json | None:
    """The payment that holds the money, else the latest."""
    payments: list[Json] = order["payments"]
    captured = [payment for payment in payments if payment["amount_captured"]]
    return next(reversed(captured or payments), None)


@post("/orders/{order_id:str}/pay")
async def pay(
    order_id: FromPath[str], request: _Request, merchant: NamedDependency[Merchant]
) -> Redirect:
    """Pay the same order with another provider."""
    form = await request.form()
    order = await merchant.pay_with(
        order_id, str(form.get("provider", "")), str(form.get("token", ""))
    )
    return _onward(order)


@post("/orders/{order_id:str}/cancel")
async def cancel(
    order_id: FromPath[str], request: _Request, merchant: NamedDependency[Merchant]
) -> Redirect:
    """Cancel an unpaid order."""
    form = await request.form()
    await merchant.cancel(order_id, str(form.get("token", "")))
    return Redirect(f"/demo/orders/{order_id}", status_code=303)


@get("/orders/{order_id:str}/refund")
async def ask_refund(
    order_id: FromPath[str],
    merchant: NamedDependency[Merchant],
    renderer: NamedDependency[Renderer],
    amount: FromQuery[str] = "",
    reason: FromQuery[str] = "",
) -> Response[str]:
    """Ask once more before money goes back."""
    found = await merchant.order(order_id)
    left, wrong = int(found["amount_refundable"]), ""
    try:
        units = _units(amount, found["currency"]) or left
        if not 0 < units <= left:
            wrong = f"Please give an amount up to {words.money(left, found['currency'])}."
    except Refused as refused:
        units, wrong = left, refused.detail
    if left == 0:
        wrong = "Nothing of this order can be refunded now."
    return renderer.page(
        "refund.html",
        order=found,
        names=await _names(merchant),
        amount=amount.strip(),
        units=units,
        reason=reason.strip()[:250],
        wrong=wrong,
        token=_token(),
    )


def _units(amount: str, currency: str) -> int | None:
    """Minor units; None, for all that is left, where nothing was typed. Raises Refused."""
    text = amount.strip().replace(",", "")
    if not text:
        return None
    try:
        return parse_decimal(text, exponent(currency))
    except InvalidAmount:
        detail = f"“{amount[:20]}” is not an amount of {currency}."
        raise Refused(400, "How much?", detail) from None


@post("/orders/{order_id:str}/refund")
async def refund(
    order_id: FromPath[str], request: _Request, merchant: NamedDependency[Merchant]
) -> Redirect:
    """Refund what was confirmed. Whether so much is left, the gateway judges."""
    form = await request.form()
    found = await merchant.order(order_id)
    await merchant.refund(
        order_id,
        _units(str(form.get("amount", "")), found["currency"]),
        str(form.get("reason", "")).strip()[:250],
        str(form.get("token", "")),
    )
    return Redirect(f"/demo/orders/{order_id}", status_code=303)


HANDLERS = [
    shop,
    product,
    checkout,
    returned,
    orders,
    order,
    pay,
    cancel,
    ask_refund,
    refund,
]
