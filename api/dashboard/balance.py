"""Balance transactions: one line per movement of money, whatever the provider."""

from typing import Any, get_args

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from api import balance_transactions as api_lines
from api.dashboard.guarding import AnyRequest, allows, call
from api.dashboard.lists import Columns, Form, query_of, views_of
from api.dashboard.orders import names
from api.dashboard.people import Desk, Viewer
from api.dashboard.rendering import View
from api.paging import decode, encode
from api.security import Forbidden
from api.wiring import Services
from gateway.bookkeeping import BalanceTransactionResource
from gateway.columns import BALANCE_TRANSACTIONS
from gateway.movements import MovementType
from storage.filters import BookFilter

TYPES: tuple[str, ...] = get_args(MovementType)
PAGE = 50
_FIRST = ("id", "type", "gross", "fee", "net")
_SHOWN = ("order", "provider", "occurred_at")
_FIELDS = (
    "search",
    "provider",
    "currency",
    "amount_min",
    "amount_max",
    "occurred_from",
    "occurred_to",
    "created_from",
    "created_to",
    "order",
    "payment",
    "payout",
)


class Filters(Form):
    """What the form above the lines says."""

    def __init__(self, request: AnyRequest, view: View) -> None:
        super().__init__(request, view, _FIELDS, ("type",))
        self.type = self.any_of("type", TYPES) or ()

    def wanted(self) -> BookFilter:
        """The filter; what cannot be understood is named in `wrong`."""
        return BookFilter(
            type=self.type or None,
            search=self.text("search"),
            provider=self.text("provider"),
            currency=self.currency or None,
            order=self.text("order"),
            payment=self.text("payment"),
            payout=self.text("payout"),
            occurred_from=self.day("occurred_from"),
            occurred_to=self.day("occurred_to", after=True),
            created_from=self.day("created_from"),
            created_to=self.day("created_to", after=True),
            amount_min=self.amount("amount_min"),
            amount_max=self.amount("amount_max"),
        )


@get("/balance")
async def lines(
    request: AnyRequest,
    services: NamedDependency[Services],
    desk: NamedDependency[Desk],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
    cursor: FromQuery[str | None] = None,
) -> Response[str]:
    """A page of lines, the last booked first."""
    if not allows(viewer, api_lines.list_lines):
        raise Forbidden("your role does not show money")
    filters = Filters(request, view)
    wanted = filters.wanted()
    found, last = (
        ([], None)
        if filters.wrong
        else await services.books.balance_transactions(
            viewer.caller.merchant_id, viewer.caller.livemode, wanted, decode(cursor), PAGE
        )
    )
    return view.page(
        "balance.html",
        rows=[record(line) for line in found],
        filters=filters,
        columns=Columns(request, "balance_transactions", _FIRST, _SHOWN),
        types=TYPES,
        names=names(services),
        views=await views_of(desk, viewer, "balance"),
        query=query_of(request),
        next=view.next_page(encode(last)),
        first=cursor is None,
    )


def record(line: BalanceTransactionResource) -> dict[str, Any]:
    """The line's flat record (gateway/columns.py)."""
    return {column.name: getattr(line, column.name, None) for column in BALANCE_TRANSACTIONS}


@get("/balance/{line_id:str}")
async def line(
    request: AnyRequest,
    line_id: FromPath[str],
    services: NamedDependency[Services],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
) -> Response[str]:
    """One line, with all that is known of it."""
    found = await call(viewer, api_lines.read, line_id=line_id, services=services)
    columns = Columns(request, "balance_transactions", ("id",), ())
    return view.page(
        "line.html",
        line=found,
        record=record(found),
        columns=columns,
        names=names(services),
    )


HANDLERS = [lines, line]
