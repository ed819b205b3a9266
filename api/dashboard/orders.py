"""The list of orders: every filter of GET /v1/orders, and a search by whatever id one holds."""

from typing import Any, get_args
from urllib.parse import urlencode

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery
from litestar.response import Redirect

from api import orders as api_orders
from api.dashboard.guarding import AnyRequest, allows
from api.dashboard.lists import Columns, Form, query_of, views_of
from api.dashboard.people import Desk, Viewer
from api.dashboard.rendering import View
from api.paging import decode, encode
from api.security import Forbidden
from api.wiring import Services
from gateway.columns import ORDERS
from gateway.errors import InvalidRequest
from gateway.order import OrderStatus
from gateway.resources import OrderResource
from storage.filters import OrderFilter
from storage.search import find

STATUSES: tuple[str, ...] = get_args(OrderStatus)
PAGE = 50
_FIRST = ("id", "reference", "amount")
_SHOWN = ("status", "provider", "customer_email", "created_at")
_FIELDS = (
    "search",
    "provider",
    "currency",
    "amount_min",
    "amount_max",
    "created_from",
    "created_to",
    "paid_from",
    "paid_to",
    "customer_email",
    "reference",
    "provider_id",
    "attention",
    "meta_key",
    "meta_value",
)


class Filters(Form):
    """What the form above the orders says."""

    def __init__(self, request: AnyRequest, view: View) -> None:
        super().__init__(request, view, _FIELDS, ("status",))
        self.status = self.any_of("status", STATUSES) or ()

    def wanted(self) -> OrderFilter:
        """The filter; what cannot be understood is named in `wrong`."""
        return OrderFilter(
            status=self.status or None,
            search=self.text("search"),
            provider=self.text("provider"),
            currency=self.currency or None,
            reference=self.text("reference"),
            customer_email=self.text("customer_email"),
            provider_id=self.text("provider_id"),
            metadata=self.metadata(),
            created_from=self.day("created_from"),
            created_to=self.day("created_to", after=True),
            paid_from=self.day("paid_from"),
            paid_to=self.day("paid_to", after=True),
            amount_min=self.amount("amount_min"),
            amount_max=self.amount("amount_max"),
            attention=self.yes_or_no("attention"),
        )


@get("/orders")
async def orders(
    request: AnyRequest,
    services: NamedDependency[Services],
    desk: NamedDependency[Desk],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
    cursor: FromQuery[str | None] = None,
) -> Response[str]:
    """A page of orders, newest first."""
    if not allows(viewer, api_orders.list_orders):
        raise Forbidden("your role does not show orders")
    filters = Filters(request, view)
    wanted = filters.wanted()
    found, last = (
        ([], None)
        if filters.wrong
        else await services.queries.orders(
            viewer.caller.merchant_id, viewer.caller.livemode, wanted, decode(cursor), PAGE
        )
    )
    return view.page(
        "orders.html",
        rows=[(order, record(order)) for order in found],
        filters=filters,
        columns=Columns(request, "orders", _FIRST, _SHOWN),
        statuses=STATUSES,
        names=names(services),
        views=await views_of(desk, viewer, "orders"),
        query=query_of(request),
        next=view.next_page(encode(last)),
        first=cursor is None,
    )


def record(order: OrderResource) -> dict[str, Any]:
    """The order's flat record (gateway/columns.py): what concerns a payment is the latest's."""
    current = order.payments[-1] if order.payments else None
    method = current.method if current else None
    values = {
        "provider_order_id": current.provider_order_id if current else None,
        "provider_payment_id": current.provider_payment_id if current else None,
        "method": method.type if method else None,
        "brand": method.brand if method else None,
        "last4": method.last4 if method else None,
        "attention": bool(order.attention),
    }
    return {
        column.name: values[column.name] if column.name in values else getattr(order, column.name)
        for column in ORDERS
    }


def names(services: Services) -> dict[str, str]:
    """The providers' display names."""
    found = services.ctx.providers
    return {name: provider.plugin.display_name for name, provider in found.items()}


@get("/search")
async def search(
    services: NamedDependency[Services],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
    q: FromQuery[str] = "",
) -> Response[str] | Redirect:
    """To the order that is known by `q`: our id, theirs, the merchant's own; or an e-mail."""
    if not allows(viewer, api_orders.list_orders):
        raise Forbidden("your role does not show orders")
    text = q.strip()[:320]
    if "\0" in text:
        raise InvalidRequest("there is a NUL character in it")
    if not text:
        return Redirect("/dashboard/orders", status_code=303)
    if "@" in text:
        query = urlencode({"customer_email": text})
        return Redirect(f"/dashboard/orders?{query}", status_code=303)
    caller = viewer.caller
    database = services.store.database
    found = await find(database, caller.merchant_id, caller.livemode, text, 20)
    if len(found) == 1:
        return Redirect(f"/dashboard/orders/{found[0]}", status_code=303)
    return view.page("search.html", q=text, found=found)


HANDLERS = [orders, search]
