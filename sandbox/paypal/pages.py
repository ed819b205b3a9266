"""The hosted pay page, mounted under `/pay/paypal`: works without JavaScript."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from litestar import get, post
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath

from sandbox.faults import AnyRequest, Reply
from sandbox.pages import redirect, render
from sandbox.paypal import magic
from sandbox.paypal.model import Instrument, Order, Unit
from sandbox.paypal.money import written
from sandbox.paypal.reading import amount
from sandbox.paypal.side import PayPalSide
from sandbox.world import World

INSTRUMENTS: dict[str, Instrument | None] = {
    "pay": None,
    "bank_transfer": Instrument.BANK_TRANSFER,
    "declined": Instrument.DECLINED,
}
"""What the page's choices mean; None lets the amount decide."""


def pages(world: World) -> list[BaseRouteHandler]:
    """The page of an order, and what its form does."""

    def found(order_id: str) -> tuple[PayPalSide, Order | None]:
        side = cast(PayPalSide, world.providers["paypal"])
        side.account.run_due()
        return side, side.account.orders.get(order_id)

    @get("/{order_id:str}", name="paypal_page")
    async def show(order_id: FromPath[str]) -> Reply:
        _, order = found(order_id)
        return _gone() if order is None else _page(order)

    @post("/{order_id:str}", name="paypal_form")
    async def act(request: AnyRequest, order_id: FromPath[str]) -> Reply:
        side, order = found(order_id)
        if order is None:
            return _gone()
        choice = dict(parse_qsl((await request.body()).decode(errors="replace"))).get("choice", "")
        return _chosen(order, choice, side.orders.approve)

    return [show, act]


def _chosen(
    order: Order, choice: str, approve: Callable[[Order, Instrument | None], None]
) -> Reply:
    if choice == "cancel":
        return _leave(order.cancel_url, order, "Nothing was paid.", token=order.id)
    if choice not in INSTRUMENTS or not order.open:
        return _page(order)
    approve(order, INSTRUMENTS[choice])
    payer_id = order.payer["payer_id"] if order.payer else ""
    text = "The payment is approved."
    return _leave(order.return_url, order, text, token=order.id, PayerID=payer_id)


def _leave(url: str | None, order: Order, text: str, **query: str) -> Reply:
    """Send the browser back to the merchant, if the merchant said where that is."""
    if url is None:
        return _message(f"Back to {_merchant(order)}", f"{text} You can close this page.")
    return redirect(with_query(url, **query))


def with_query(url: str, **added: str) -> str:
    """An address with parameters added behind those it has."""
    parts = urlsplit(url)
    query = "&".join(filter(None, (parts.query, urlencode(added))))
    return urlunsplit(parts._replace(query=query))


def _page(order: Order) -> Reply:
    if not order.open:
        return _message("This order is closed", "It has been paid or cancelled already.")
    return render(
        "paypal_pay.html",
        order_id=order.id,
        merchant=_merchant(order),
        lines=[line for unit in order.units for line in _lines(unit)],
        total=f"{written(order.total, order.currency)} {order.currency}",
        currency=order.currency,
        special_amount=magic.NOTES.get(order.total % 100),
        declined=order.declines > 0 and order.instrument is Instrument.DECLINED,
    )


def _merchant(order: Order) -> str:
    return order.brand or "Sandbox Store"


def _lines(unit: Unit) -> list[tuple[str, int, str]]:
    """What is bought, how often, and for how much in all: the items, or the whole."""
    items = unit.details.get("items") or []
    if not items:
        text = str(unit.details.get("description") or "Your order")
        return [(text, 1, written(unit.amount, unit.currency))]
    lines = []
    for item in items:
        quantity = int(item["quantity"])
        price = amount(item["unit_amount"], "", False, "DECIMAL_PRECISION")
        lines.append((item["name"], quantity, written(price.units * quantity, price.currency)))
    return lines


def _gone() -> Reply:
    return _message("This order does not exist", "It was never made, or its time is over.", 404)


def _message(heading: str, text: str, status: int = 200) -> Reply:
    return render("message.html", status, heading=heading, text=text, link=None, link_text="")
