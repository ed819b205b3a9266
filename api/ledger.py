"""/v1/ledger: the double-entry ledger, read."""

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromQuery

from api.filtering import Moment, moment
from api.paging import Cursor, Limit, Page, decode, encode, only_filters
from api.security import Caller, authenticated, needs
from api.wiring import Services
from gateway.bookkeeping import LedgerEntryResource, TrialBalanceResource


@get(
    "/accounts",
    guards=[needs("finance:read"), only_filters("at", paged=False)],
    summary="Read the trial balance",
    operation_id="readTrialBalance",
)
async def accounts(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    at: Moment = None,
) -> TrialBalanceResource:
    """Every account with its sums as booked up to `at`, the present by default.

    What is booked is never changed, so the answer for a past time stays the same.
    """
    now = services.ctx.now()
    return await services.trial_balances.at(
        caller.merchant_id, caller.livemode, moment("at", at) or now, now
    )


@get(
    "/entries",
    guards=[needs("finance:read"), only_filters("account", "order", "created_from", "created_to")],
    summary="List ledger entries",
    operation_id="listLedgerEntries",
)
async def entries(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    limit: Limit = 50,
    cursor: Cursor = None,
    account: FromQuery[str | None] = None,
    order: FromQuery[str | None] = None,
    created_from: Moment = None,
    created_to: Moment = None,
) -> Page[LedgerEntryResource]:
    """Entries with all their postings, the last booked first; of an account: those that touch it.

    Ranges include their beginning and not their end.
    """
    found, last = await services.books.ledger_entries(
        caller.merchant_id,
        caller.livemode,
        decode(cursor),
        limit,
        account=account,
        order_id=order,
        created_from=moment("created_from", created_from),
        created_to=moment("created_to", created_to),
    )
    return Page(found, encode(last))


router = Router(
    "/v1/ledger",
    guards=[authenticated],
    tags=["Finance"],
    route_handlers=[accounts, entries],
)
