"""/v1/refunds: reading refunds. They are made at /v1/orders/{id}/refunds."""

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from api.filtering import Amount, Moment, Search, Word, metadata_filters, moment
from api.order_answers import AnyRequest
from api.paging import Cursor, Limit, Page, decode, encode, only_filters
from api.security import Caller, authenticated, needs
from api.wiring import Services
from gateway.errors import NotFound
from gateway.facts import RefundStatus
from gateway.resources import RefundResource
from storage.filters import RefundFilter


@get(
    "/",
    guards=[
        needs("orders:read"),
        only_filters(*RefundFilter.__struct_fields__, several=("status",), metadata=True),
    ],
    summary="List refunds",
    operation_id="listRefunds",
)
async def list_refunds(
    request: AnyRequest,
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    limit: Limit = 50,
    cursor: Cursor = None,
    order: Word = None,
    payment: Word = None,
    status: FromQuery[list[RefundStatus] | None] = None,
    provider: Word = None,
    currency: Word = None,
    reference: Word = None,
    customer_email: Word = None,
    provider_id: Word = None,
    created_from: Moment = None,
    created_to: Moment = None,
    amount_min: Amount = None,
    amount_max: Amount = None,
    imported: FromQuery[bool | None] = None,
    search: Search = None,
) -> Page[RefundResource]:
    """Refunds, newest first. Filters are combined.

    `provider_id` is the refund's; `reference`, `customer_email` and `metadata[key]=value` are those
    of its order; `search` finds the refunds of the orders that are known by it. Ranges include
    their beginning and not their end; amounts include both.
    """
    wanted = RefundFilter(
        order=order,
        payment=payment,
        status=tuple(status) if status else None,
        provider=provider,
        currency=currency,
        reference=reference,
        customer_email=customer_email,
        provider_id=provider_id,
        metadata=metadata_filters(request),
        created_from=moment("created_from", created_from),
        created_to=moment("created_to", created_to),
        amount_min=amount_min,
        amount_max=amount_max,
        imported=imported,
        search=search,
    )
    refunds, last = await services.queries.refunds(
        caller.merchant_id, caller.livemode, wanted, decode(cursor), limit
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
