"""/v1/balance_transactions: one line per movement of money, whatever the provider."""

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from api.filtering import Moment, Search, SignedAmount, Word, metadata_filters, moment
from api.order_answers import AnyRequest
from api.paging import Cursor, Limit, Page, decode, encode, only_filters
from api.security import Caller, authenticated, needs
from api.wiring import Services
from gateway.bookkeeping import BalanceTransactionResource
from gateway.errors import NotFound
from gateway.movements import MovementType
from storage.filters import BookFilter


@get(
    "/",
    guards=[
        needs("finance:read"),
        only_filters(*BookFilter.__struct_fields__, several=("type",), metadata=True),
    ],
    summary="List balance transactions",
    operation_id="listBalanceTransactions",
)
async def list_lines(
    request: AnyRequest,
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    limit: Limit = 50,
    cursor: Cursor = None,
    order: Word = None,
    payment: Word = None,
    type: FromQuery[list[MovementType] | None] = None,
    provider: Word = None,
    currency: Word = None,
    payout: Word = None,
    reference: Word = None,
    customer_email: Word = None,
    provider_id: Word = None,
    created_from: Moment = None,
    created_to: Moment = None,
    occurred_from: Moment = None,
    occurred_to: Moment = None,
    amount_min: SignedAmount = None,
    amount_max: SignedAmount = None,
    search: Search = None,
) -> Page[BalanceTransactionResource]:
    """Movements of money, the last booked first. Filters are combined.

    `occurred_…` is the provider's time. `provider_id` is that of what moved the money, or of its
    booking; `reference`, `customer_email` and `metadata[key]=value` are those of the order;
    `search` finds the movements of the orders that are known by it. Amounts are `gross` (what went
    out is negative) and include both ends; ranges of time include their beginning and not their
    end.
    """
    wanted = BookFilter(
        order=order,
        payment=payment,
        type=tuple(type) if type else None,
        provider=provider,
        currency=currency,
        payout=payout,
        reference=reference,
        customer_email=customer_email,
        provider_id=provider_id,
        metadata=metadata_filters(request),
        created_from=moment("created_from", created_from),
        created_to=moment("created_to", created_to),
        occurred_from=moment("occurred_from", occurred_from),
        occurred_to=moment("occurred_to", occurred_to),
        amount_min=amount_min,
        amount_max=amount_max,
        search=search,
    )
    lines, last = await services.books.balance_transactions(
        caller.merchant_id, caller.livemode, wanted, decode(cursor), limit
    )
    return Page(lines, encode(last))


@get(
    "/{line_id:str}",
    guards=[needs("finance:read")],
    summary="Read a balance transaction",
    operation_id="readBalanceTransaction",
)
async def read(
    line_id: FromPath[str], services: NamedDependency[Services], caller: NamedDependency[Caller]
) -> BalanceTransactionResource:
    """One movement of money."""
    line = await services.books.balance_transaction(caller.merchant_id, caller.livemode, line_id)
    if line is None:
        raise NotFound(f"there is no balance transaction {line_id}")
    return line


router = Router(
    "/v1/balance_transactions",
    guards=[authenticated],
    tags=["Finance"],
    route_handlers=[list_lines, read],
)
