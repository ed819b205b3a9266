"""/v1/refunds: reading refunds. They are made at /v1/orders/{id}/refunds."""

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from api.paging import Cursor, Limit, Page, decode, encode, only_filters
from api.security import Caller, authenticated, needs
from api.wiring import Services
from gateway.errors import NotFound
from gateway.facts import RefundStatus
from gateway.resources import RefundResource


@get(
    "/",
    guards=[needs("orders:read"), only_filters("order", "status")],
    summary="List refunds",
    operation_id="listRefunds",
)
async def list_refunds(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    limit: Limit = 50,
    cursor: Cursor = None,
    order: FromQuery[str | None] = None,
    status: FromQuery[RefundStatus | None] = None,
) -> Page[RefundResource]:
    """Refunds, newest first, of one order or of all."""
    refunds, last = await services.queries.refunds(
        caller.merchant_id, caller.livemode, decode(cursor), limit, order_id=order, status=status
    )
    return Page(refunds, encode(last))


@get(
    "/{refund_id:str}",
    guards=[needs("orders:read")],
    summary="Read a refund",
    operation_id="readRefund",
)
async def read(
    refund_id: FromPath[str], services: NamedDependency[Services], caller: NamedDependency[Caller]
) -> RefundResource:
    """One refund."""
    refund = await services.queries.refund(caller.merchant_id, caller.livemode, refund_id)
    if refund is None:
        raise NotFound(f"there is no refund {refund_id}")
    return refund


router = Router(
    "/v1/refunds", guards=[authenticated], tags=["Refunds"], route_handlers=[list_refunds, read]
)
