"""Reads `POST /v2/checkout/orders`: shapes first (400), then sums (422)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox.paypal.errors import Problem
from sandbox.paypal.model import Unit
from sandbox.paypal.money import Money, written
from sandbox.paypal.reading import address, amount, child, children, choice, money, text

Json = dict[str, Any]

LENGTHS = {"description": 127, "custom_id": 127, "invoice_id": 127, "soft_descriptor": 22}
PARTS = (
    ("item_total", 1),
    ("tax_total", 1),
    ("shipping", 1),
    ("handling", 1),
    ("insurance", 1),
    ("shipping_discount", -1),
    ("discount", -1),
)
"""What a breakdown may hold, and whether it adds to the amount or takes from it."""


@dataclass(frozen=True)
class OrderRequest:
    """A valid request for an order."""

    intent: str
    units: list[Unit]
    wallet: bool
    """Whether `payment_source.paypal` was given."""
    return_url: str | None
    cancel_url: str | None
    brand: str | None


def read(body: Json) -> OrderRequest:
    """The order that a body asks for.

    Raises:
        Problem: whatever PayPal would refuse it with.
    """
    intent = choice(body, "intent", "", ("CAPTURE", "AUTHORIZE"), required=True) or ""
    asked = children(body, "purchase_units", "", 10)
    if "purchase_units" not in body:
        raise Problem("MISSING_REQUIRED_PARAMETER", "/purchase_units")
    if not asked:
        raise Problem("INVALID_ARRAY_MIN_ITEMS", "/purchase_units")
    source = child(body, "payment_source", "")
    path = "/payment_source/paypal"
    wallet = child(source or {}, "paypal", "/payment_source")
    context = child(wallet or {}, "experience_context", path)
    where = f"{path}/experience_context"
    if context is None:
        where = "/application_context"
        context = child(body, "application_context", "") or {}
    _check_context(context, where)
    return OrderRequest(
        intent=intent,
        units=_units(asked),
        wallet=wallet is not None,
        return_url=address(context, "return_url", where),
        cancel_url=address(context, "cancel_url", where),
        brand=text(context, "brand_name", where, 127),
    )


def _check_context(context: Json, path: str) -> None:
    choice(context, "user_action", path, ("CONTINUE", "PAY_NOW"))
    shipping = ("GET_FROM_FILE", "NO_SHIPPING", "SET_PROVIDED_ADDRESS")
    choice(context, "shipping_preference", path, shipping)


def _units(asked: list[Json]) -> list[Unit]:
    units = [_unit(entry, f"/purchase_units/{place}") for place, entry in enumerate(asked)]
    if len({unit.currency for unit in units}) > 1:
        raise Problem("MULTI_CURRENCY_ORDER", "/purchase_units")
    if len(units) > 1:
        if any(entry.get("reference_id") is None for entry in asked):
            raise Problem("REFERENCE_ID_REQUIRED", "/purchase_units")
        if len({unit.reference_id for unit in units}) < len(units):
            raise Problem("DUPLICATE_REFERENCE_ID", "/purchase_units")
    return units


def _unit(entry: Json, path: str) -> Unit:
    details = {name: text(entry, name, path, longest) for name, longest in LENGTHS.items()}
    asked = child(entry, "amount", path, required=True) or {}
    items = children(entry, "items", path, 1000)
    breakdown = child(asked, "breakdown", f"{path}/amount")
    for place, item in enumerate(items):
        _check_item(item, f"{path}/items/{place}")
    total = amount(asked, f"{path}/amount", True, "DECIMAL_PRECISION")
    parts = _parts(breakdown or {}, f"{path}/amount/breakdown", total.currency)
    _check_items(items, parts, path, total.currency)
    if (
        breakdown is not None
        and sum(parts[name] * sign for name, sign in PARTS if name in parts) != total.units
    ):
        raise Problem(
            "AMOUNT_MISMATCH", f"{path}/amount/value", written(total.units, total.currency)
        )
    kept: Json = {name: value for name, value in details.items() if value is not None}
    if items:
        kept["items"] = items
    return Unit(
        reference_id=text(entry, "reference_id", path, 256) or "default",
        amount=total.units,
        currency=total.currency,
        details=kept,
        breakdown=breakdown,
    )


def _parts(breakdown: Json, path: str, currency: str) -> dict[str, int]:
    """The breakdown's amounts, all in the currency of the whole."""
    return {
        name: _part(breakdown, name, path, currency)
        for name, _ in PARTS
        if breakdown.get(name) is not None
    }


def _part(parent: Json, name: str, path: str, currency: str) -> int:
    part = money(parent, name, path, positive=False, whole_only="DECIMAL_PRECISION")
    if part is None:
        return 0
    if part.currency != currency:
        raise Problem("MULTI_CURRENCY_ORDER", f"{path}/{name}/currency_code", part.currency)
    return part.units


def _check_item(item: Json, path: str) -> None:
    text(item, "name", path, 127, required=True)
    text(item, "description", path, 127, shortest=0)
    text(item, "sku", path, 127, shortest=0)
    child(item, "unit_amount", path, required=True)
    quantity = text(item, "quantity", path, 10, required=True) or ""
    if not (quantity.isascii() and quantity.isdigit() and quantity[0] != "0"):
        raise Problem("INVALID_PARAMETER_SYNTAX", f"{path}/quantity", quantity)


def _check_items(items: list[Json], parts: dict[str, int], path: str, currency: str) -> None:
    if not items:
        return
    if "item_total" not in parts:
        raise Problem("ITEM_TOTAL_REQUIRED", f"{path}/amount/breakdown/item_total")
    sums = {"unit_amount": 0, "tax": 0}
    for place, item in enumerate(items):
        for name in sums:
            each = _part(item, name, f"{path}/items/{place}", currency)
            sums[name] += each * int(item["quantity"])
    if sums["unit_amount"] != parts["item_total"]:
        _mismatch(
            "ITEM_TOTAL_MISMATCH",
            f"{path}/amount/breakdown/item_total",
            parts["item_total"],
            currency,
        )
    if sums["tax"] and "tax_total" not in parts:
        raise Problem("TAX_TOTAL_REQUIRED", f"{path}/amount/breakdown/tax_total")
    if sums["tax"] != parts.get("tax_total", sums["tax"]):
        _mismatch(
            "TAX_TOTAL_MISMATCH", f"{path}/amount/breakdown/tax_total", parts["tax_total"], currency
        )


def _mismatch(issue: str, where: str, units: int, currency: str) -> None:
    raise Problem(issue, f"{where}/value", Money(units, currency).json()["value"])
