"""An order in words, for the shop's pages. Pure: API answers in, what is shown out."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from gateway.errors import InvalidAmount
from gateway.money import exponent, format_decimal

Json = dict[str, Any]
_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}
#: A step's amounts are minor units followed by their currency.
_AMOUNT = re.compile(r"\b(\d+) ([A-Z]{3})\b")


class Status(NamedTuple):
    """`tone` chooses the colour: wait, good, back or off."""

    tone: str
    label: str
    sentence: str


class Proof(NamedTuple):
    """How the shop came to know that it was paid. `webhook`: the event's type, once it arrived."""

    at: datetime
    webhook: str | None


class Step(NamedTuple):
    """One line of the timeline. `after` is the time since the order was made, in words."""

    at: datetime
    after: str
    kind: str
    summary: str
    rule: str
    details: tuple[tuple[str, str], ...]


def money(amount: int, currency: str) -> str:
    """For people: `$1,234.50`, `¥2,600`, `1.234 KWD`. Integers only, never a float."""
    try:
        text = format_decimal(abs(amount), exponent(currency))
    except InvalidAmount:
        return f"{amount} {currency}"
    whole, point, fraction = text.partition(".")
    number = f"{int(whole):,}{point}{fraction}"
    sign = "−" if amount < 0 else ""
    symbol = _SYMBOLS.get(currency)
    return f"{sign}{symbol}{number}" if symbol else f"{sign}{number} {currency}"


def when(text: str) -> datetime:
    """A time of the API."""
    return datetime.fromisoformat(text).astimezone(UTC)


_STATUS: Mapping[str, tuple[str, str]] = {
    "open": ("wait", "Waiting for payment"),
    "processing": ("wait", "Waiting for confirmation"),
    "authorized": ("wait", "Authorized"),
    "paid": ("good", "Paid"),
    "partially_refunded": ("back", "Partly refunded"),
    "refunded": ("back", "Refunded"),
    "canceled": ("off", "Canceled"),
    "expired": ("off", "Expired"),
}


def label(status: str) -> tuple[str, str]:
    """The tone and the words of a status."""
    return _STATUS.get(status, ("wait", status))


def status(order: Json, proof: Proof | None, provider: str) -> Status:
    """What an order's page says first. `provider` is its display name."""
    tone, words = label(order["status"])
    return Status(tone, words, _SENTENCES[order["status"]](order, proof, provider))


def _open(order: Json, _: Proof | None, provider: str) -> str:
    if order["checkout_url"] is None:
        return f"{provider} is preparing the checkout. This page looks again by itself."
    failure = order["payments"][-1]["failure"] if order["payments"] else None
    if failure:
        return f"The last try failed: {failure['message'].rstrip('.')}. Nothing was charged."
    return "The order is kept for you. Nothing was charged yet."


def _paid(order: Json, proof: Proof | None, provider: str) -> str:
    if proof is None:
        return f"Paid with {provider}."
    if proof.webhook is None:
        return f"Paid: {provider} said so when we asked. Its webhook is on the way."
    at = f"{proof.at:%H:%M:%S} UTC"
    return f"Paid, and confirmed by {provider}'s webhook at {at}. We are packing your parcel."


def _partly(order: Json, _: Proof | None, provider: str) -> str:
    back = money(order["amount_refunded"], order["currency"])
    total = money(order["amount_captured"], order["currency"])
    return f"{back} of {total} went back to the buyer."


def _all(order: Json, _: Proof | None, provider: str) -> str:
    return f"All {money(order['amount_refunded'], order['currency'])} went back to the buyer."


_SENTENCES: Mapping[str, Callable[[Json, Proof | None, str], str]] = {
    "open": _open,
    "processing": lambda o, p, provider: (
        f"Waiting for {provider}'s confirmation. This page looks again by itself."
    ),
    "authorized": lambda o, p, provider: f"{provider} holds the amount; it is not taken yet.",
    "paid": _paid,
    "partially_refunded": _partly,
    "refunded": _all,
    "canceled": lambda o, p, provider: "The order was canceled. Nothing was charged.",
    "expired": lambda o, p, provider: "The time to pay ran out. Nothing was charged.",
}


def proof(entries: Sequence[Json]) -> Proof | None:
    """What the timeline says about the payment: when it was learnt, and which webhook proved it.

    The webhook is the one that brought the capture or, where the provider's answer was quicker, the
    first that arrived after it and before any refund.
    """
    captured = next((entry for entry in entries if _fact(entry) == "captured"), None)
    if captured is None:
        return None
    for entry in entries:
        if entry["kind"] == "webhook" and f" {entry['data']['event']}" in captured["rule"]:
            return Proof(when(entry["at"]), _event_type(entry))
    for entry in entries[entries.index(captured) :]:
        if _fact(entry).startswith("refund"):
            break
        if entry["kind"] == "webhook":
            return Proof(when(entry["at"]), _event_type(entry))
    return Proof(when(captured["at"]), None)


def _fact(entry: Json) -> str:
    """The kind of fact that an entry tells of, empty for other entries."""
    if entry["kind"] != "fact":
        return ""
    return str(entry["data"].get("key", "")).partition(":")[0]


def _event_type(entry: Json) -> str:
    return str(entry["summary"]).partition(" ")[0]


def steps(entries: Sequence[Json]) -> list[Step]:
    """The timeline for people: amounts formatted, times counted from the first entry."""
    shown = []
    for entry in entries:
        at = when(entry["at"])
        details = tuple((name, str(value)) for name, value in entry["data"].items())
        after = _after((at - when(entries[0]["at"])).total_seconds())
        kind, summary = entry["kind"], _amounts_formatted(entry["summary"])
        shown.append(Step(at, after, kind, summary, entry["rule"], details))
    return shown


def _amounts_formatted(text: str) -> str:
    return _AMOUNT.sub(lambda found: money(int(found[1]), found[2]), text)


def _after(seconds: float) -> str:
    if seconds < 60:
        return f"+{seconds:.2f} s"
    minutes = round(seconds / 60)
    return f"+{minutes} min" if minutes < 120 else f"+{round(minutes / 60)} h"


def method(payment: Json | None, provider: str) -> str:
    """How it was paid: `Visa ending in 4242`, `Bank debit`, or empty."""
    used = payment["method"] if payment else None
    if used is None:
        return ""
    name = str(used["brand"] or used["type"]).replace("_", " ")
    if name.lower() == provider.lower():
        return provider
    name = name[:1].upper() + name[1:]
    return f"{name} ending in {used['last4']}" if used["last4"] else name


def unsettled(order: Json, proof: Proof | None) -> bool:
    """Whether the page should look again by itself."""
    if order["status"] in ("open", "processing", "authorized"):
        return True
    if any(refund["status"] == "pending" for refund in order["refunds"]):
        return True
    return order["status"] == "paid" and (order["fee"] is None or not proof or not proof.webhook)
