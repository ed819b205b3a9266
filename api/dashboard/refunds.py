"""The list of refunds: every filter of GET /v1/refunds, each with a link to its order."""

from typing import Any, get_args

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery

from api import refunds as api_refunds
from api.dashboard.guarding import AnyRequest, allows
from api.dashboard.lists import Columns, Form, query_of, views_of
from api.dashboard.orders import names
from api.dashboard.people import Desk, Viewer
from api.dashboard.rendering import View
from api.paging import decode, encode
from api.security import Forbidden
from api.wiring import Services
from gateway.columns import REFUNDS
from gateway.facts import RefundStatus
from gateway.resources import RefundResource
from storage.filters import RefundFilter

STATUSES: tuple[str, ...] = get_args(RefundStatus)
PAGE = 50
_FIRST = ("id", "amount")
_SHOWN = ("order", "status", "provider", "reason", "created_at")
_FIELDS = (
    "search",
    "provider",
    "currency",
    "amount_min",
    "amount_max",
    "created_from",
    "created_to",
    "customer_email",
    "reference",
    "provider_id",
    "order",
    "payment",
    "imported",
    "meta_key",
    "meta_value",
)


class Filters(Form):
    """What the form above the refunds says."""

    def __init__(self, request: AnyRequest, view: View) -> None:
        super().__init__(request, view, _FIELDS, ("status",))
        self.status = self.any_of("status", STATUSES) or ()

    def wanted(self) -> RefundFilter:
        """The filter; what cannot be understood is named in `wrong`."""
        return RefundFilter(
            status=self.status or None,
            search=self.text("search"),
            provider=self.text("provider"),
            currency=self.currency or None,
            order=self.text("order"),
            payment=self.text("payment"),
            reference=self.text("reference"),
            customer_email=self.text("customer_email"),
            provider_id=self.text("provider_id"),
            metadata=self.metadata(),
            created_from=self.day("created_from"),
            created_to=self.day("created_to", after=True),
            amount_min=self.amount("amount_min"),
            amount_max=self.amount("amount_max"),
            imported=self.yes_or_no("imported"),
        )


@get("/refunds")
async def refunds(
    request: AnyRequest,
    services: NamedDependency[Services],
    desk: NamedDependency[Desk],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
    cursor: FromQuery[str | None] = None,
) -> Response[str]:
    """A page of refunds, newest first."""
    if not allows(viewer, api_refunds.list_refunds):
        raise Forbidden("your role does not show refunds")
    filters = Filters(request, view)
    wanted = filters.wanted()
    found, last = (
        ([], None)
        if filters.wrong
        else await services.queries.refunds(
            viewer.caller.merchant_id, viewer.caller.livemode, wanted, decode(cursor), PAGE
        )
    )
    return view.page(
        "refunds.html",
        rows=[record(refund) for refund in found],
        filters=filters,
        columns=Columns(request, "refunds", _FIRST, _SHOWN),
        statuses=STATUSES,
        names=names(services),
        views=await views_of(desk, viewer, "refunds"),
        query=query_of(request),
        next=view.next_page(encode(last)),
        first=cursor is None,
    )


def record(refund: RefundResource) -> dict[str, Any]:
    """The refund's flat record (gateway/columns.py)."""
    failure = refund.failure
    values = {
        "failure_code": failure.code if failure else None,
        "failure_message": failure.message if failure else None,
    }
    return {
        column.name: values[column.name] if column.name in values else getattr(refund, column.name)
        for column in REFUNDS
    }


HANDLERS = [refunds]
