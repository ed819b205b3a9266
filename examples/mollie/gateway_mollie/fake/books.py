"""The fake Mollie's books: payments, captures, refunds and chargebacks, in minor units.

Written from Mollie's public API documentation. No HTTP here; see app.py.
"""

import secrets
import string
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

#: Decimals by currency; the others have two (docs.mollie.com/docs/multicurrency).
_WHOLE = frozenset({"ISK", "JPY"})
_TWO = (
    "AED AUD BRL CAD CHF CZK DKK EUR GBP HKD HUF ILS MXN MYR NOK NZD PHP PLN RON SEK SGD THB TWD "
    "USD ZAR"
)
_CURRENCIES = _WHOLE | set(_TWO.split())
#: Methods whose money can be held, with what the fake shows of them.
HOLDS = frozenset({"creditcard"})
CARD = {
    "cardNumber": "4242",
    "cardLabel": "Visa",
    "cardHolder": "T. TESTER",
    "cardFunding": "debit",
}
EXPIRY = timedelta(minutes=15)
HOLD = timedelta(days=7)


class Refused(Exception):
    """An answer with an error: status, detail, and the field at fault."""

    def __init__(self, status: int, detail: str, field: str | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.field = status, detail, field


@dataclass
class Entry:
    """A capture, a refund or a chargeback."""

    id: str
    amount: int
    status: str
    created: datetime
    description: str | None = None
    metadata: Any = None
    reversed: datetime | None = None


@dataclass
class Payment:
    """A payment. `request` is the body that it was created with, `moments` when it became what."""

    id: str
    request: dict[str, Any]
    amount: int
    currency: str
    created: datetime
    status: str = "open"
    method: str | None = None
    moments: dict[str, datetime] = field(default_factory=dict)
    captures: list[Entry] = field(default_factory=list)
    refunds: list[Entry] = field(default_factory=list)
    chargebacks: list[Entry] = field(default_factory=list)

    @property
    def manual(self) -> bool:
        """Whether its money is taken by captures."""
        return self.request.get("captureMode") == "manual" and self.method in HOLDS

    @property
    def captured(self) -> int:
        """What was taken."""
        if self.manual:
            return sum(c.amount for c in self.captures if c.status == "succeeded")
        return self.amount if self.status == "paid" else 0

    @property
    def refunded(self) -> int:
        """What was given back, or is on its way."""
        return sum(r.amount for r in self.refunds if r.status not in ("failed", "canceled"))

    @property
    def page_closed(self) -> bool:
        """Whether the buyer can do nothing any more."""
        return self.status != "open"


class Books:
    """All payments of one profile. `ahead`: how far its clock was moved on. `release_lasts`: a hold
    is not let go at once."""

    def __init__(self) -> None:
        self.payments: dict[str, Payment] = {}
        self.ahead = timedelta()
        self.release_lasts = False

    def now(self) -> datetime:
        """Mollie's time: the machine's, and how far a test has moved on."""
        return datetime.now(UTC).replace(microsecond=0) + self.ahead

    def new_id(self, prefix: str) -> str:
        """`tr_` and the like, then letters and digits."""
        letters = string.ascii_letters + string.digits
        return f"{prefix}_{''.join(secrets.choice(letters) for _ in range(22))}"

    def payment(self, payment_id: str) -> Payment:
        """Raises Refused 404. An open one whose time is over expires at this moment."""
        payment = self.payments.get(payment_id)
        if payment is None:
            raise Refused(404, f"No payment exists with token {payment_id}.")
        if payment.status == "open" and self.now() >= payment.created + EXPIRY:
            self.become(payment, "expired")
        return payment

    def create(self, body: dict[str, Any]) -> Payment:
        """POST /v2/payments."""
        amount, currency = amount_of(body.get("amount"))
        if not isinstance(body.get("description"), str) or not body["description"]:
            raise Refused(422, "The description is invalid", "description")
        if not str(body.get("redirectUrl", "")).startswith(("http://", "https://")):
            raise Refused(422, "The redirect URL is invalid", "redirectUrl")
        if body.get("captureMode", "automatic") not in ("automatic", "manual"):
            raise Refused(422, "The capture mode is invalid", "captureMode")
        payment = Payment(self.new_id("tr"), body, amount, currency, self.now())
        self.payments[payment.id] = payment
        return payment

    def become(self, payment: Payment, status: str, method: str | None = None) -> None:
        """Move to `status`, now."""
        payment.status, payment.method = status, method or payment.method
        payment.moments[status] = self.now()

    def pay(self, payment: Payment, method: str = "creditcard") -> None:
        """The buyer pays: held where that was asked for and the method can, else taken."""
        payment.method = method
        self.become(payment, "authorized" if payment.manual else "paid")

    def capture(self, payment: Payment, body: dict[str, Any]) -> Entry:
        """POST …/captures. What is left stays held, until all is taken or it is released."""
        if payment.status != "authorized":
            raise Refused(422, "The payment cannot be captured in its current state")
        left = payment.amount - payment.captured
        amount = self._same(payment, body["amount"]) if body.get("amount") else left
        if not 0 < amount <= left:
            raise Refused(
                422, "The amount is higher than the remaining authorized amount", "amount"
            )
        capture = self._entry("cpt", amount, "succeeded", body)
        payment.captures.append(capture)
        if amount == left:
            self.become(payment, "paid")
        return capture

    def release(self, payment: Payment) -> None:
        """POST …/release-authorization."""
        if payment.status != "authorized":
            raise Refused(422, "The payment has no authorization to release")
        if not self.release_lasts:
            self.become(payment, "paid" if payment.captured else "canceled")

    def cancel(self, payment: Payment) -> None:
        """DELETE: what says that it is cancelable, which few methods' payments are."""
        if not is_cancelable(payment):
            raise Refused(422, "The payment cannot be cancelled")
        self.become(payment, "canceled")

    def refund(self, payment: Payment, body: dict[str, Any]) -> Entry:
        """POST …/refunds. Two that are the same in short succession are one too many."""
        if not payment.captured:
            raise Refused(422, "The payment cannot be refunded in its current state")
        amount = self._same(payment, body.get("amount"))
        if amount > payment.captured - payment.refunded:
            raise Refused(422, "The specified amount cannot be refunded", "amount")
        refund = self._entry("re", amount, "pending", body)
        last = payment.refunds[-1] if payment.refunds else None
        if last and refund.created - last.created < timedelta(seconds=30) and same(last, refund):
            raise Refused(409, "A duplicate refund has been detected")
        payment.refunds.append(refund)
        return refund

    def charge_back(self, payment: Payment) -> Entry:
        """The buyer's bank takes the money back."""
        chargeback = self._entry("chb", payment.captured, "", {})
        payment.chargebacks.append(chargeback)
        return chargeback

    def _entry(self, prefix: str, amount: int, status: str, body: dict[str, Any]) -> Entry:
        told = (body.get("description"), body.get("metadata"))
        return Entry(self.new_id(prefix), amount, status, self.now(), *told)

    def _same(self, payment: Payment, value: Any) -> int:
        amount, currency = amount_of(value)
        if currency != payment.currency:
            raise Refused(422, "The currency differs from the payment's", "amount.currency")
        return amount


def same(one: Entry, other: Entry) -> bool:
    """Whether two refunds were asked for in the same words."""
    words = [(e.amount, e.description, e.metadata) for e in (one, other)]
    return words[0] == words[1]


def is_cancelable(payment: Payment) -> bool:
    """An open bank transfer; the page itself is not."""
    return payment.status in ("open", "pending") and payment.method == "banktransfer"


def decimals(currency: str) -> int:
    """How many decimals an amount has."""
    return 0 if currency in _WHOLE else 2


def amount_of(value: Any) -> tuple[int, str]:
    """An amount object in minor units. Raises Refused 422 for one that Mollie would not take."""
    if not isinstance(value, dict) or not {"currency", "value"} <= value.keys():
        raise Refused(422, "The amount is required", "amount")
    currency, text = value["currency"], value["value"]
    if currency not in _CURRENCIES:
        raise Refused(422, "The currency is not supported", "amount.currency")
    whole, point, fraction = text.partition(".") if isinstance(text, str) else ("", "", "")
    digits, places = whole + fraction, decimals(currency)
    if not digits.isascii() or not digits.isdigit() or len(fraction) != places or not whole:
        raise Refused(422, "The amount contains an invalid value", "amount.value")
    if bool(point) != bool(places) or int(digits) == 0:
        raise Refused(422, "The amount is lower than the minimum", "amount")
    return int(digits), currency


def amount_json(amount: int, currency: str) -> dict[str, str]:
    """Minor units as an amount object."""
    places = decimals(currency)
    digits = str(amount).rjust(places + 1, "0")
    value = f"{digits[:-places]}.{digits[-places:]}" if places else digits
    return {"currency": currency, "value": value}
