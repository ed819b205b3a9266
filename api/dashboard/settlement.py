"""What the banks received: payouts explained, differences worked off, months closed."""

from datetime import datetime
from typing import Literal, get_args

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from api import settlement as api_settlement
from api.bodies import decode
from api.dashboard.guarding import AnyRequest, allows, call
from api.dashboard.lists import Form
from api.dashboard.orders import names
from api.dashboard.people import Desk, Viewer
from api.dashboard.rendering import View, onward
from api.security import Forbidden
from api.wiring import Services
from gateway.errors import InvalidRequest, NotFound
from gateway.settlement import ExceptionKind
from storage.settlement_queries import bounds

PAGE = 50
MONTHS = 12
KINDS: tuple[str, ...] = get_args(ExceptionKind)
_HOME = "/dashboard/reconciliation"
#: What may be done about a difference: the API's handler, and what the page says afterwards.
_ACTIONS = {
    "note": (api_settlement.note_exception, "noted", "noted a difference"),
    "resolve": (api_settlement.resolve_exception, "resolved", "resolved a difference"),
    "reopen": (api_settlement.reopen_exception, "reopened", "reopened a difference"),
}


@get("/payouts")
async def payouts(
    request: AnyRequest,
    services: NamedDependency[Services],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
    cursor: FromQuery[str | None] = None,
) -> Response[str]:
    """Payouts, newest first."""
    form = Form(request, view, ("provider", "currency"))
    found = await call(
        viewer,
        api_settlement.list_payouts,
        services=services,
        limit=PAGE,
        cursor=cursor,
        provider=form.text("provider"),
        currency=form.currency or None,
    )
    shown = [] if form.wrong else found.data
    return view.page(
        "payouts.html",
        payouts=shown,
        form=form,
        names=names(services),
        next=view.next_page(None if form.wrong else found.next_cursor),
    )


@get("/payouts/{payout_id:str}")
async def payout(
    payout_id: FromPath[str],
    services: NamedDependency[Services],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
) -> Response[str]:
    """Its statement: what it is made of, to the last unit."""
    found = await call(viewer, api_settlement.get_payout, payout_id=payout_id, services=services)
    return view.page("payout.html", statement=found, payout=found.payout, names=names(services))


@get("/reconciliation")
async def differences(
    request: AnyRequest,
    services: NamedDependency[Services],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
    cursor: FromQuery[str | None] = None,
    status: FromQuery[Literal["open", "resolved", "gone"]] = "open",
) -> Response[str]:
    """What does not agree, the latest first."""
    form = Form(request, view, ("kind", "provider", "order"), others=("status",))
    kind = form.one_of("kind", KINDS)
    found = await call(
        viewer,
        api_settlement.list_exceptions,
        services=services,
        limit=PAGE,
        cursor=cursor,
        status=status,
        kind=kind,
        provider=form.text("provider"),
        order=form.text("order"),
    )
    shown = [] if form.wrong else found.data
    return view.page(
        "reconciliation.html",
        differences=shown,
        status=status,
        form=form,
        kinds=KINDS,
        names=names(services),
        next=view.next_page(None if form.wrong else found.next_cursor),
    )


@get("/reconciliation/{exception_id:str}")
async def difference(
    exception_id: FromPath[str],
    services: NamedDependency[Services],
    desk: NamedDependency[Desk],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
) -> Response[str]:
    """One difference, and all that was done about it."""
    found = await call(
        viewer, api_settlement.get_exception, exception_id=exception_id, services=services
    )
    return view.page(
        "difference.html",
        difference=found,
        people=await desk.users.names(viewer.caller.merchant_id),
        may_work=allows(viewer, api_settlement.resolve_exception),
        names=names(services),
    )


@post("/reconciliation/{exception_id:str}/{action:str}")
async def work(
    exception_id: FromPath[str],
    action: FromPath[Literal["note", "resolve", "reopen"]],
    request: AnyRequest,
    services: NamedDependency[Services],
    desk: NamedDependency[Desk],
    viewer: NamedDependency[Viewer],
) -> Redirect:
    """Note something, resolve it, or put it back on the list."""
    note = str((await request.form()).get("note", "")).strip()
    data = decode(msgspec.json.encode({"note": note}), api_settlement.Remark)
    handler, done, words = _ACTIONS[action]
    async with desk.noted(viewer, words, exception_id, note):
        await call(viewer, handler, exception_id=exception_id, services=services, data=data)
    return onward(f"{_HOME}/{exception_id}", done)


def _last_months(now: datetime) -> list[str]:
    """The current month and those before it, by UTC, as 2026-01."""
    number = now.year * 12 + now.month - 1
    months = range(number, number - MONTHS, -1)
    return [f"{month // 12:04}-{month % 12 + 1:02}" for month in months]


@get("/reconciliation/months")
async def months(
    services: NamedDependency[Services],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
) -> Response[str]:
    """The last twelve months: which are closed, and what came in late."""
    found = [
        await call(viewer, api_settlement.get_period, period=period, services=services)
        for period in _last_months(services.ctx.now())
    ]
    return view.page("months.html", months=found)


@get("/reconciliation/months/{period:str}")
async def month(
    period: FromPath[str],
    services: NamedDependency[Services],
    desk: NamedDependency[Desk],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
) -> Response[str]:
    """One month."""
    return await _month(services, desk, viewer, view, period)


async def _month(
    services: Services, desk: Desk, viewer: Viewer, view: View, period: str, wrong: str = ""
) -> Response[str]:
    found = await call(viewer, api_settlement.get_period, period=period, services=services)
    since, until = bounds(period)
    open_ones = await call(
        viewer,
        api_settlement.list_exceptions,
        services=services,
        limit=1,
        status="open",
        occurred_from=since,
        occurred_to=until,
    )
    return view.page(
        "month.html",
        400 if wrong else 200,
        month=found,
        over=until <= services.ctx.now(),
        open=bool(open_ones.data),
        people=await desk.users.names(viewer.caller.merchant_id),
        may_close=allows(viewer, api_settlement.close_period),
        names=names(services),
        wrong=wrong,
    )


@post("/reconciliation/months/{period:str}/close")
async def close(
    period: FromPath[str],
    request: AnyRequest,
    services: NamedDependency[Services],
    desk: NamedDependency[Desk],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
) -> Response[str] | Redirect:
    """Close it, if the month was typed: it cannot be opened again."""
    if not allows(viewer, api_settlement.close_period):
        raise Forbidden("your role does not allow closing a month")
    form = await request.form()
    if str(form.get("typed", "")).strip() != period:
        wrong = "This is not the month above. Nothing was closed."
        return await _month(services, desk, viewer, view, period, wrong)
    note = str(form.get("note", "")).strip()
    data = decode(msgspec.json.encode({"note": note}), api_settlement.Remark)
    async with desk.noted(viewer, "closed a month", period, note):
        try:
            await call(
                viewer, api_settlement.close_period, period=period, services=services, data=data
            )
        except (InvalidRequest, NotFound) as error:
            return await _month(services, desk, viewer, view, period, f"{error.detail}.")
    return onward(f"{_HOME}/months/{period}", "closed")


HANDLERS = [payouts, payout, differences, months, month, close, difference, work]
