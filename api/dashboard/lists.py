"""What the lists have in common: the form above them as it was typed, columns, saved views."""

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime, timedelta
from urllib.parse import parse_qsl, urlencode

from litestar import post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from api import balance_transactions, orders, refunds
from api.dashboard import formats
from api.dashboard.guarding import AnyRequest, allows
from api.dashboard.people import Desk, Viewer
from api.dashboard.rendering import View, onward
from api.security import Forbidden
from gateway.columns import COLUMNS, RecordKind
from gateway.errors import InvalidAmount, InvalidRequest
from gateway.money import EXPONENTS
from gateway.zones import end_of_range
from storage.saved_views import SavedView

#: The lists with columns and views, by the last part of their address: whose handler guards them.
LISTS: Mapping[str, object] = {
    "orders": orders.list_orders,
    "refunds": refunds.list_refunds,
    "balance": balance_transactions.list_lines,
}
#: In every list, or too long for one.
_UNSHOWN = ("livemode", "currency", "metadata")
_LABELS = {
    "amount_captured": "Captured",
    "amount_refunded": "Refunded",
    "amount_refundable": "Refundable",
    "amount_disputed": "Disputed",
    "customer_email": "Customer",
    "provider_order_id": "Provider’s order",
    "provider_payment_id": "Provider’s payment",
    "provider_refund_id": "Provider’s refund",
    "provider_id": "Provider’s id",
    "provider_balance_id": "Provider’s line",
    "last4": "Last digits",
    "success_url": "Success address",
    "cancel_url": "Cancel address",
    "created_at": "Created",
    "updated_at": "Changed",
    "expires_at": "Expires",
    "paid_at": "Paid",
    "occurred_at": "Occurred",
    "available_on": "Available",
    "settled_at": "Settled",
    "reporting_category": "Category",
    "order_reference": "Reference",
    "settlement_currency": "Settled in",
    "failure_message": "Failure",
    "imported": "Made at the provider",
}
#: Parts of an address that are no part of a view.
_PASSING = ("cursor", "done", "format")
#: Parts of an address that filter nothing.
_OTHERS = (*_PASSING, "columns")


class Form:
    """A list's form. What cannot be understood is named in `wrong`: then the list shows nothing.

    `names` are given once, those of `several` any number of times; `others` are no filters.
    """

    def __init__(
        self,
        request: AnyRequest,
        view: View,
        names: Iterable[str],
        several: Iterable[str] = (),
        others: Iterable[str] = (),
    ) -> None:
        self.typed = dict.fromkeys(names, "")
        self.wrong: dict[str, str] = {}
        self._several: dict[str, list[str]] = {name: [] for name in several}
        self._days: dict[str, date] = {}
        self._amounts: dict[str, int] = {}
        self._view = view
        known = {*self.typed, *self._several, *_OTHERS, *others}
        for name, values in request.query_params.dict().items():
            given = [value.strip()[:500] for value in values if value.strip()]
            if name not in known and given:
                self.wrong[name[:64]] = "There is no such filter here."
            elif name in self._several:
                self._several[name] = given
            elif name in self.typed and given:
                self.typed[name] = given[0]
                if len(given) > 1:
                    self.wrong[name] = "Give it once."
        self.currency = self.typed.get("currency", "").upper()

    def __bool__(self) -> bool:
        return any([*self.typed.values(), *self._several.values(), self.wrong])

    def text(self, name: str) -> str | None:
        """What was typed, if anything was."""
        return self.typed[name] or None

    def one_of(self, name: str, allowed: Collection[str]) -> str | None:
        """What was chosen, if anything was."""
        chosen = self.typed[name]
        if chosen and chosen not in allowed:
            self.wrong[name] = f"Choose one of {', '.join(allowed)}."
            return None
        return chosen or None

    def yes_or_no(self, name: str) -> bool | None:
        """What was chosen, if anything was."""
        chosen = self.one_of(name, ("yes", "no"))
        return None if chosen is None else chosen == "yes"

    def any_of(self, name: str, allowed: Collection[str]) -> tuple[str, ...] | None:
        """All that were chosen, if any were."""
        for chosen in self._several[name]:
            if chosen not in allowed:
                self.wrong[name] = f"“{chosen[:40]}” is none of {', '.join(allowed)}."
        return tuple(self._several[name]) or None

    def metadata(self) -> dict[str, str]:
        """The key and its value: the one is nothing without the other."""
        key, value = self.typed["meta_key"], self.typed["meta_value"]
        if value and not key:
            self.wrong["meta_key"] = "Give the key that has this value."
        elif key and not value:
            self.wrong["meta_value"] = "Give the value of this key."
        return {key: value} if key and value else {}

    def day(self, name: str, *, after: bool = False) -> datetime | None:
        """The first moment of the day or, since ranges exclude their end, of the one after it; in
        the reader's zone."""
        if not self.typed[name]:
            return None
        try:
            day = end_of_range(self.typed[name], name)
        except InvalidRequest:
            day = None
        if day is None or isinstance(day, datetime):
            self.wrong[name] = "Give a day, as in 2026-01-31."
            return None
        self._days[name] = day
        start = self._days.get(f"{name.removesuffix('_to')}_from")
        if start is not None and day < start:
            self.wrong[name] = "This is before the day from which to look."
        return formats.start_of(day + timedelta(days=int(after)), self._view.zone)

    def amount(self, name: str) -> int | None:
        """In minor units of the form's currency."""
        if not self.typed[name]:
            return None
        if self.currency not in EXPONENTS:
            self.wrong[name] = "Choose a currency for an amount."
            return None
        try:
            units = formats.minor_units(self.typed[name], self.currency, self._view.locale)
        except InvalidAmount as error:
            self.wrong[name] = f"{error.detail}."
            return None
        self._amounts[name] = units
        least = self._amounts.get("amount_min")
        if name == "amount_max" and least is not None and units < least:
            self.wrong[name] = "This is less than the amount from which to look."
        return units


class Columns:
    """The columns that a list may show besides its first ones, and those that it does show."""

    def __init__(
        self, request: AnyRequest, kind: RecordKind, first: Iterable[str], shown: Iterable[str]
    ) -> None:
        left_out = {*first, *_UNSHOWN}
        self.offered = {one.name: one for one in COLUMNS[kind] if one.name not in left_out}
        asked = set(request.query_params.getall("columns", [])) & set(self.offered)
        chosen = asked or set(shown)
        self.shown = [one for name, one in self.offered.items() if name in chosen]

    def label(self, name: str) -> str:
        """What people call it."""
        return _LABELS.get(name, name.replace("_", " ").capitalize())


def query_of(request: AnyRequest) -> str:
    """What a view of this list is made of: filters and columns as they stand in the address."""
    return _clean(request.query_params.multi_items())


def _clean(pairs: Iterable[tuple[str, str]]) -> str:
    """In one order, whatever the browser's: so that a view is known again."""
    kept = {(name, value) for name, value in pairs if value and name not in _PASSING}
    return urlencode(sorted(kept))


async def views_of(desk: Desk, viewer: Viewer, list_: str) -> list[SavedView]:
    """The views that this person may use."""
    return await desk.views.of_list(viewer.caller.merchant_id, viewer.actor, list_)


@post("/views/{list_:str}")
async def keep(
    list_: FromPath[str],
    request: AnyRequest,
    desk: NamedDependency[Desk],
    viewer: NamedDependency[Viewer],
) -> Redirect:
    """Keep what the list shows under a name, for oneself or for all."""
    if list_ not in LISTS or not allows(viewer, LISTS[list_]):
        raise Forbidden("your role does not show this list")
    form = await request.form()
    name, text = str(form.get("name", "")).strip(), str(form.get("query", ""))
    if not 1 <= len(name) <= 100 or "\0" in name or len(text) > 4000:
        raise InvalidRequest("give the view a name of at most 100 characters", path="name")
    query = _clean(parse_qsl(text))
    shared = bool(form.get("shared"))
    async with desk.noted(viewer, "kept a view", name, "for all" if shared else "own"):
        await desk.views.add(
            viewer.caller.merchant_id, viewer.actor, list_, name, query, shared=shared
        )
    return onward(f"/dashboard/{list_}?{query}", "kept")


@post("/views/{list_:str}/{view_id:str}/delete")
async def remove(
    list_: FromPath[str],
    view_id: FromPath[str],
    desk: NamedDependency[Desk],
    viewer: NamedDependency[Viewer],
) -> Redirect:
    """Forget a view of one's own; an administrator also any that all use."""
    if list_ not in LISTS:
        raise InvalidRequest("there is no such list")
    async with desk.noted(viewer, "deleted a view", view_id):
        await desk.views.remove(
            viewer.caller.merchant_id, viewer.actor, view_id, any_shared=viewer.is_admin
        )
    return onward(f"/dashboard/{list_}", "deleted")


HANDLERS = [keep, remove]
