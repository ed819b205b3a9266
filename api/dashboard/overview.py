"""The first page: what came in, what was kept, what went back, what waits for a person."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Literal

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery

from api import orders as api_orders
from api import reports as api_reports
from api import settlement as api_settlement
from api.dashboard.charts import Chart, by_day
from api.dashboard.guarding import allows, call
from api.dashboard.orders import STATUSES, names
from api.dashboard.people import Viewer
from api.dashboard.rendering import View
from api.security import Forbidden
from api.wiring import Services
from gateway import reports
from gateway.conversion import Outcomes
from gateway.reports import Dimension, Group, Period, SummaryRow
from gateway.zones import periods
from storage.filters import OrderFilter

PERIODS = (7, 30, 90)
#: So many open differences are counted; what is more is "50+".
_COUNTED = 50
_BY: tuple[Dimension, ...] = ("day", "provider")


class Money(msgspec.Struct, frozen=True):
    """The sums of one currency, and that there are others: currencies are never added up."""

    currencies: list[str]
    currency: str
    total: SummaryRow
    providers: list[SummaryRow]
    chart: Chart


@get("/")
async def overview(
    services: NamedDependency[Services],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
    days: FromQuery[Literal["7", "30", "90"]] = "30",
    currency: FromQuery[str] = "",
) -> Response[str]:
    """The last days in the reader's zone, today among them. Money for whoever reads finance."""
    if not allows(viewer, api_orders.list_orders):
        raise Forbidden("your role does not show orders")
    length, today = int(days), services.ctx.now().astimezone(view.zone).date()
    since, until = today - timedelta(days=length - 1), today + timedelta(days=1)
    asked = reports.period(since.isoformat(), until.isoformat(), view.zone.key, _BY)
    who = (viewer.caller.merchant_id, viewer.caller.livemode)
    made = await services.reports.summary(*who, asked.undivided, "created", ("status",))
    counts = Counter[str]()
    for group in made:
        counts[group.status or ""] += group.orders
    latest, _ = await services.queries.orders(*who, OrderFilter(), None, 6)
    outcomes: Outcomes = await services.conversions.orders(*who, asked)
    sums: Sequence[Group] = ()
    if allows(viewer, api_reports.summary):
        sums = await services.reports.summary(*who, asked, "paid", _BY)
    differences = None
    if allows(viewer, api_settlement.list_exceptions):
        differences = await call(
            viewer,
            api_settlement.list_exceptions,
            services=services,
            limit=_COUNTED,
            status="open",
        )
    return view.page(
        "overview.html",
        days=length,
        periods=PERIODS,
        since=since,
        today=today,
        money_of=_money(sums, asked, currency),
        outcomes=outcomes,
        conversion=reports.percent(outcomes.paid, outcomes.created),
        counts=[(name, counts[name]) for name in STATUSES if counts[name]],
        total=counts.total(),
        latest=latest,
        differences=differences,
        names=names(services),
    )


def _money(groups: Sequence[Group], asked: Period, currency: str) -> Money | None:
    """The sums of the currency asked for or, without one, of that with the most orders."""
    rows = {group.currency: reports.row(group) for group in reports.totals(groups)}
    if not rows:
        return None
    by_orders = sorted(rows, key=lambda name: (-rows[name].orders, name))
    chosen = currency if currency in rows else by_orders[0]
    own = [group for group in groups if group.currency == chosen]
    by_provider = [reports.row(group) for group in reports.totals(own, ("provider",))]
    return Money(by_orders, chosen, rows[chosen], by_provider, by_day(own, periods(asked.spans)))


HANDLERS = [overview]
