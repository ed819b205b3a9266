"""/v1/payouts, /v1/reconciliation, /v1/periods: what the banks received, tied to our records."""

from datetime import datetime
from typing import Annotated, Literal

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta

from api.bodies import Body, StrictBody
from api.filtering import Moment, moment
from api.paging import Cursor, Limit, Page, decode, encode, only_filters
from api.security import Caller, authenticated, needs
from api.wiring import Services
from gateway.errors import InvalidRequest, NotFound
from gateway.settlement import ExceptionKind
from gateway.settlement_resources import (
    PayoutResource,
    PayoutStatement,
    PeriodResource,
    SettlementException,
)
from gateway.settlement_store import Sight
from storage.settlement_queries import bounds

Action = Literal["noted", "resolved", "reopened"]


class Remark(Body, frozen=True):
    """What was found out or done, in words for later readers."""

    note: Annotated[str, Meta(max_length=2000)] = ""


async def _sight(services: Services, caller: Caller) -> Sight:
    """What the caller sees. What belongs to nobody is for secret keys, or for whoever is the only
    merchant."""
    nobodys = caller.kind == "secret" or await services.settlement.sole_merchant()
    return Sight(caller.merchant_id, nobodys)


@get(
    "/",
    guards=[needs("finance:read"), only_filters("provider", "currency")],
    summary="List payouts",
    operation_id="listPayouts",
)
async def list_payouts(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    limit: Limit = 50,
    cursor: Cursor = None,
    provider: FromQuery[str | None] = None,
    currency: FromQuery[str | None] = None,
) -> Page[PayoutResource]:
    """Payouts that hold money of yours, newest first."""
    found, last = await services.settlement.payouts(
        await _sight(services, caller),
        caller.livemode,
        decode(cursor),
        limit,
        provider=provider,
        currency=currency,
    )
    return Page(found, encode(last))


@get(
    "/{payout_id:str}",
    guards=[needs("finance:read"), only_filters(paged=False)],
    summary="Explain a payout",
    operation_id="getPayout",
)
async def get_payout(
    payout_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
) -> PayoutStatement:
    """Its statement: a row for each kind of line, and one for each residual; they sum to it."""
    found = await services.settlement.payout(
        await _sight(services, caller), caller.livemode, payout_id
    )
    if found is None:
        raise NotFound("there is no such payout")
    payout, told = found
    return PayoutStatement("payout_statement", payout, list(told.rows), told.exact)


@get(
    "/",
    guards=[
        needs("finance:read"),
        only_filters("status", "kind", "provider", "order", "occurred_from", "occurred_to"),
    ],
    summary="List what does not agree",
    operation_id="listReconciliation",
)
async def list_exceptions(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    limit: Limit = 50,
    cursor: Cursor = None,
    status: FromQuery[Literal["open", "resolved", "gone"] | None] = None,
    kind: FromQuery[ExceptionKind | None] = None,
    provider: FromQuery[str | None] = None,
    order: FromQuery[str | None] = None,
    occurred_from: Moment = None,
    occurred_to: Moment = None,
) -> Page[SettlementException]:
    """Differences between your records and the providers' own books, the latest first.

    `occurred_…` is when the money moved; the range includes its beginning and not its end.
    """
    found, last = await services.settlement.exceptions(
        await _sight(services, caller),
        caller.livemode,
        decode(cursor),
        limit,
        status=status,
        kind=kind,
        provider=provider,
        order_id=order,
        since=moment("occurred_from", occurred_from),
        until=moment("occurred_to", occurred_to),
    )
    return Page(found, encode(last))


@get(
    "/{exception_id:str}",
    guards=[needs("finance:read"), only_filters(paged=False)],
    summary="Get one difference",
    operation_id="getReconciliation",
)
async def get_exception(
    exception_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
) -> SettlementException:
    """With all that was done about it, by whom and when."""
    sight = await _sight(services, caller)
    return await _exception(services, sight, caller.livemode, exception_id)


async def _exception(
    services: Services, sight: Sight, livemode: bool, exception_id: str
) -> SettlementException:
    found = await services.settlement.exception(sight, livemode, exception_id)
    if found is None:
        raise NotFound("there is no such difference")
    return found


async def _work(
    services: Services, caller: Caller, exception_id: str, action: Action, note: str
) -> SettlementException:
    sight = await _sight(services, caller)
    async with services.store.transaction() as tx:
        known = await tx.work_exception(
            sight,
            caller.livemode,
            exception_id,
            caller.key_id,
            action,
            note,
            services.ctx.now(),
        )
    if not known:
        raise NotFound("there is no such difference")
    return await _exception(services, sight, caller.livemode, exception_id)


@post(
    "/{exception_id:str}/note",
    status_code=200,
    guards=[needs("orders:write")],
    dto=StrictBody[Remark],
    return_dto=None,
    summary="Add a note to a difference",
    operation_id="noteReconciliation",
)
async def note_exception(
    exception_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    data: JSONBody[Remark],
) -> SettlementException:
    """The note is kept with the key that made it and the time."""
    if not data.note:
        raise InvalidRequest("say something", path="note")
    return await _work(services, caller, exception_id, "noted", data.note)


@post(
    "/{exception_id:str}/resolve",
    status_code=200,
    guards=[needs("orders:write")],
    dto=StrictBody[Remark],
    return_dto=None,
    summary="Take a difference off the list",
    operation_id="resolveReconciliation",
)
async def resolve_exception(
    exception_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    data: JSONBody[Remark] = Remark(),  # noqa: B008 (frozen)
) -> SettlementException:
    """It is dealt with. Should the amounts differ in another way later, it is open again."""
    return await _work(services, caller, exception_id, "resolved", data.note)


@post(
    "/{exception_id:str}/reopen",
    status_code=200,
    guards=[needs("orders:write")],
    dto=StrictBody[Remark],
    return_dto=None,
    summary="Put a difference back on the list",
    operation_id="reopenReconciliation",
)
async def reopen_exception(
    exception_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    data: JSONBody[Remark] = Remark(),  # noqa: B008 (frozen)
) -> SettlementException:
    """It is not dealt with after all."""
    return await _work(services, caller, exception_id, "reopened", data.note)


@get(
    "/{period:str}",
    guards=[needs("finance:read"), only_filters(paged=False)],
    summary="Get a month",
    operation_id="getPeriod",
)
async def get_period(
    period: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
) -> PeriodResource:
    """Whether it is closed, and what came in for it afterwards."""
    _month(period)
    return await services.settlement.period(caller.merchant_id, caller.livemode, period)


@post(
    "/{period:str}/close",
    status_code=200,
    guards=[needs("orders:write")],
    dto=StrictBody[Remark],
    return_dto=None,
    summary="Close a month",
    operation_id="closePeriod",
)
async def close_period(
    period: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    data: JSONBody[Remark] = Remark(),  # noqa: B008 (frozen)
) -> PeriodResource:
    """Lock a month that is over. It stays as it was closed first; what is read later is `late`."""
    now = services.ctx.now
    if _month(period) > now():
        raise InvalidRequest("this month is not over yet", path="period")
    async with services.store.transaction() as tx:
        await tx.close_period(
            caller.merchant_id, caller.livemode, period, caller.key_id, data.note, now
        )
    return await services.settlement.period(caller.merchant_id, caller.livemode, period)


def _month(period: str) -> datetime:
    """The end of the month. Raises NotFound for what is no month."""
    try:
        return bounds(period)[1]
    except ValueError:
        raise NotFound("a month is written as 2026-01") from None


payouts = Router(
    "/v1/payouts",
    guards=[authenticated],
    tags=["Finance"],
    route_handlers=[list_payouts, get_payout],
)
reconciliation = Router(
    "/v1/reconciliation",
    guards=[authenticated],
    tags=["Finance"],
    route_handlers=[
        list_exceptions,
        get_exception,
        note_exception,
        resolve_exception,
        reopen_exception,
    ],
)
periods = Router(
    "/v1/periods",
    guards=[authenticated],
    tags=["Finance"],
    route_handlers=[get_period, close_period],
)
