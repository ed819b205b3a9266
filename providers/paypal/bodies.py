"""Our requests as PayPal's JSON. Pure; every value is checked here, before any call.

Bodies are plain JSON text, which the SDK sends as it is. Its own models are not used: they turn a
Decimal into null without a word, and an explicit None into a JSON null.
"""

import json
import re
from typing import Any

import msgspec

from gateway.errors import InvalidAmount, Rejected
from gateway.money import Money, ProviderScale
from gateway.provider import CheckoutRequest, LineItem, RefundRequest
from providers.paypal.resources import Amount

#: https://developer.paypal.com/api/rest/reference/currency-codes/
CURRENCIES = frozenset(
    {
        *("AUD", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "ILS"),
        *("JPY", "MXN", "MYR", "NOK", "NZD", "PHP", "PLN", "SEK", "SGD", "THB", "TWD", "USD"),
    }
)
#: PayPal takes no decimals for these; ISO 4217 gives HUF and TWD two.
SCALE = ProviderScale(exponents={"HUF": 0, "JPY": 0, "TWD": 0})

_NAME_LENGTH = 127
_NOTE_LENGTH = 255
_MAX_QUANTITY = 9_999_999_999


class Item(msgspec.Struct, frozen=True):
    """One line; `quantity` is a whole number as a string."""

    name: str
    unit_amount: Amount
    quantity: str


class Breakdown(msgspec.Struct, frozen=True):
    """Required as soon as there are items: their sum."""

    item_total: Amount


class UnitAmount(msgspec.Struct, frozen=True):
    """The total, which PayPal compares with the breakdown."""

    currency_code: str
    value: str
    breakdown: Breakdown


class PurchaseUnit(msgspec.Struct, frozen=True):
    """`custom_id` comes back in every event; PayPal refuses to be paid one `invoice_id` twice."""

    reference_id: str
    custom_id: str
    invoice_id: str
    description: str
    amount: UnitAmount
    items: tuple[Item, ...]


class ExperienceContext(msgspec.Struct, frozen=True):
    """How PayPal's page behaves. PAY_NOW: the buyer sees the final amount."""

    return_url: str
    cancel_url: str
    user_action: str = "PAY_NOW"
    shipping_preference: str = "NO_SHIPPING"


class OrderBody(msgspec.Struct, frozen=True):
    """POST /v2/checkout/orders."""

    intent: str
    purchase_units: tuple[PurchaseUnit, ...]
    payment_source: dict[str, dict[str, ExperienceContext]]


class CaptureBody(msgspec.Struct, frozen=True):
    """POST /v2/payments/authorizations/{id}/capture; what is not captured is released."""

    amount: Amount
    final_capture: bool = True


class RefundBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """POST /v2/payments/captures/{id}/refund. The amount is always explicit: without it PayPal
    refunds whatever is left."""

    amount: Amount
    custom_id: str
    invoice_id: str
    note_to_payer: str | None = None


def order_body(request: CheckoutRequest) -> str:
    """The body that opens a checkout.

    Raises Rejected for a currency or amount that PayPal cannot express exactly.
    """
    total = amount(request.money)
    items = tuple(_item(line, request.money.currency) for line in request.items)
    if sum(line.unit_amount * line.quantity for line in request.items) != request.money.amount:
        raise Rejected("the items do not add up to the amount", provider_code="AMOUNT_MISMATCH")
    unit = PurchaseUnit(
        reference_id=request.order_id,
        custom_id=request.payment_id,
        invoice_id=request.payment_id,
        description=_text(f"Order {request.reference or request.order_id}", _NAME_LENGTH),
        amount=UnitAmount(total.currency_code, total.value, Breakdown(item_total=total)),
        items=items,
    )
    context = ExperienceContext(return_url=request.success_url, cancel_url=request.cancel_url)
    return _json(
        OrderBody(
            intent="AUTHORIZE" if request.capture == "manual" else "CAPTURE",
            purchase_units=(unit,),
            payment_source={"paypal": {"experience_context": context}},
        )
    )


def capture_body(money: Money) -> str:
    """The body that captures an authorization for good. Raises Rejected as `amount` does."""
    return _json(CaptureBody(amount=amount(money)))


def refund_body(request: RefundRequest) -> str:
    """The body that refunds a capture. Raises Rejected as `amount` does."""
    return _json(
        RefundBody(
            amount=amount(request.money),
            custom_id=request.refund_id,
            invoice_id=request.refund_id,
            note_to_payer=_text(request.reason or "", _NOTE_LENGTH) or None,
        )
    )


def amount(money: Money) -> Amount:
    """`money` as PayPal writes it.

    Raises Rejected where PayPal does not take the currency or the amount is not exact in it.
    """
    if money.currency not in CURRENCIES:
        raise Rejected(
            f"PayPal does not take {money.currency}", provider_code="CURRENCY_NOT_SUPPORTED"
        )
    try:
        return Amount(currency_code=money.currency, value=SCALE.to_decimal(money))
    except InvalidAmount as error:
        raise Rejected(error.detail, provider_code="DECIMALS_NOT_SUPPORTED") from None


def _item(line: LineItem, currency: str) -> Item:
    if not 1 <= line.quantity <= _MAX_QUANTITY:
        raise Rejected(
            f"PayPal takes quantities from 1 to {_MAX_QUANTITY}, not {line.quantity}",
            provider_code="INVALID_PARAMETER_VALUE",
        )
    return Item(
        name=_text(line.name, _NAME_LENGTH) or "Item",
        unit_amount=amount(Money(line.unit_amount, currency)),
        quantity=str(line.quantity),
    )


def _text(text: str, length: int) -> str:
    """`text` on one line, cut to `length` characters."""
    line = re.sub(r"[\s\x00-\x1f\x7f]+", " ", text).strip()
    return line if len(line) <= length else line[: length - 1] + "…"


def _json(body: Any) -> str:
    """As ASCII, so that no layer below can choose an encoding."""
    return json.dumps(msgspec.to_builtins(body))
