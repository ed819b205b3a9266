"""Lists as Stripe pages them, and the expansion of ids into objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sandbox.stripe.account import Account, Object
from sandbox.stripe.errors import StripeError, missing

DEFAULT_LIMIT = 10
DEPTH = 4

NEVER_SET = {
    "checkout.session": (
        "customer discounts invoice payment_link setup_intent shipping_cost subscription"
    ),
    "payment_intent": "application customer on_behalf_of review",
    "charge": ("application application_fee customer on_behalf_of review source_transfer transfer"),
    "refund": "source_transfer_reversal transfer_reversal",
    "payout": "application_fee destination original_payout reversed_by",
}
"""Expandable, and always null here."""

EXPANDABLE = {
    "checkout.session": {"payment_intent": "payment_intent"},
    "payment_intent": {"latest_charge": "charge", "payment_method": "payment_method"},
    "charge": {
        "balance_transaction": "balance_transaction",
        "failure_balance_transaction": "balance_transaction",
        "payment_intent": "payment_intent",
    },
    "refund": {
        "balance_transaction": "balance_transaction",
        "charge": "charge",
        "failure_balance_transaction": "balance_transaction",
        "payment_intent": "payment_intent",
    },
    "dispute": {"charge": "charge", "payment_intent": "payment_intent"},
    "payout": {
        "balance_transaction": "balance_transaction",
        "failure_balance_transaction": "balance_transaction",
    },
    "balance_transaction": {"source": "*"},
}


def page(
    newest_first: Iterable[Object],
    params: Object,
    url: str,
    matches: Callable[[Object], bool] = lambda _: True,
) -> Object:
    """One page: `limit` objects (10 by default), after or before a given one.

    Raises StripeError `resource_missing` for a cursor that is not in the list.
    """
    limit = params.get("limit", DEFAULT_LIMIT)
    after, before = params.get("starting_after"), params.get("ending_before")
    bounds = params.get("created", {})
    fitting = (o for o in newest_first if matches(o) and within(o["created"], bounds))
    if before is not None:
        earlier = list(_until(fitting, before))
        return _list(earlier[-limit:], len(earlier) > limit, url)
    if after is not None:
        _skip_to(fitting, after)
    found = [item for item, _ in zip(fitting, range(limit + 1), strict=False)]
    return _list(found[:limit], len(found) > limit, url)


def _until(objects: Iterable[Object], id: str) -> Iterable[Object]:
    for item in objects:
        if item["id"] == id:
            return
        yield item
    raise missing("object", id, "ending_before", 400)


def _skip_to(objects: Iterable[Object], id: str) -> None:
    for item in objects:
        if item["id"] == id:
            return
    raise missing("object", id, "starting_after", 400)


def _list(data: list[Object], has_more: bool, url: str) -> Object:
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


def _first_page(items: list[Object], url: str) -> Object:
    return _list(items[:DEFAULT_LIMIT], len(items) > DEFAULT_LIMIT, url)


def within(moment: int, bounds: dict[str, int]) -> bool:
    """Whether a time lies within `gt`, `gte`, `lt`, `lte`, `eq`."""
    tests: dict[str, Callable[[int], bool]] = {
        "gt": lambda bound: moment > bound,
        "gte": lambda bound: moment >= bound,
        "lt": lambda bound: moment < bound,
        "lte": lambda bound: moment <= bound,
        "eq": lambda bound: moment == bound,
    }
    return all(tests[name](bound) for name, bound in bounds.items())


def expand(account: Account, shown: Object, paths: Iterable[str]) -> Object:
    """A copy of an answer in which the ids at `paths` (`data.charge`, `payment_intent.…`) have
    become objects. Raises StripeError for what cannot be expanded."""
    for path in paths:
        parts = path.split(".")
        if len(parts) > DEPTH + (parts[0] == "data"):
            raise StripeError("You cannot expand more than 4 levels of a property.", param="expand")
        shown = _expanded(account, shown, parts, path)
    return shown


def _expanded(account: Account, shown: Object, parts: list[str], path: str) -> Object:
    if not parts:
        return shown
    name, *rest = parts
    if shown["object"] == "list":
        if name != "data":
            raise _cannot(path)
        items = [_expanded(account, item, rest, path) for item in shown["data"]]
        return shown | {"data": items}
    value = _value(account, shown, name, path)
    if isinstance(value, dict):
        value = _expanded(account, value, rest, path)
    return shown | {name: value}


def _value(account: Account, shown: Object, name: str, path: str) -> Any:
    kind = shown["object"]
    if kind == "checkout.session" and name == "line_items":
        items = account.line_items[shown["id"]]
        url = f"/v1/checkout/sessions/{shown['id']}/line_items"
        return shown.get(name) or _first_page(items, url)
    if kind == "charge" and name == "refunds":
        made = list(reversed(account.refunds_of.get(shown["id"], [])))
        url = f"/v1/charges/{shown['id']}/refunds"
        return shown.get(name) or _first_page(made, url)
    if name in NEVER_SET.get(kind, "").split():
        return shown.get(name)
    target = EXPANDABLE.get(kind, {}).get(name)
    if target is None:
        raise _cannot(path)
    value = shown.get(name)
    if not isinstance(value, str):
        return value
    return account.find(value) if target == "*" else account.get(target, value)


def _cannot(path: str) -> StripeError:
    return StripeError(f"This property cannot be expanded ({path}).", param="expand")
