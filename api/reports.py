"""/v1/reports: sums over orders and movements, in a time zone of the reader's choice."""

from typing import Annotated

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromQuery, Parameter, QueryParameter

from api.paging import only_filters
from api.security import Caller, authenticated, needs
from api.wiring import Services
from gateway import conversion as converted
from gateway import reports
from gateway.balances import BalanceAxis, BalanceReport, balances
from gateway.conversion import ConversionReport
from gateway.reports import Axis, SummaryReport

From = Annotated[
    str,
    QueryParameter(
        name="from",
        description="The beginning, included: a date in `tz`, or a time such as "
        "2026-01-31T00:00:00Z",
    ),
]
To = Annotated[str, QueryParameter(name="to", description="The end, not included: likewise")]
TimeZone = Annotated[str, Parameter(description="IANA time zone, such as Europe/Berlin")]


@get(
    "/summary",
    guards=[needs("finance:read"), only_filters("from", "to", "tz", "by", "group_by", paged=False)],
    summary="Sums of orders or movements",
    operation_id="reportSummary",
)
async def summary(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    since: From,
    until: To,
    tz: TimeZone = "UTC",
    by: Annotated[
        Axis,
        Parameter(
            description="Which time counts: orders by when they were `created` or `paid`, or "
            "movements of money by when they `occurred`"
        ),
    ] = "paid",
    group_by: Annotated[
        str,
        Parameter(
            description="Any of one of `day`, `week`, `month`; `provider`; `currency`; `status`, "
            "with commas; by currency always"
        ),
    ] = "",
) -> SummaryReport:
    """What was captured, refunded, disputed and kept, by group; and the totals by currency."""
    groups = reports.dimensions(group_by, reports.DIMENSIONS[by])
    asked = reports.period(since, until, tz, groups)
    found = await services.reports.summary(caller.merchant_id, caller.livemode, asked, by, groups)
    return reports.summary(asked, by, groups, found)


@get(
    "/conversion",
    guards=[needs("finance:read"), only_filters("from", "to", "tz", "group_by", paged=False)],
    summary="How many orders were paid",
    operation_id="reportConversion",
)
async def conversion(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    since: From,
    until: To,
    tz: TimeZone = "UTC",
    group_by: Annotated[
        str,
        Parameter(
            description="Any of one of `day`, `week`, `month`; `provider`; `currency`, with commas"
        ),
    ] = "",
) -> ConversionReport:
    """What has become of the orders made in a time, and of each attempt to pay them."""
    groups = reports.dimensions(group_by, converted.DIMENSIONS)
    asked = reports.period(since, until, tz, groups)
    found = await services.conversions.conversion(
        caller.merchant_id, caller.livemode, asked, groups
    )
    return converted.conversion(asked, groups, found)


@get(
    "/balance",
    guards=[needs("finance:read"), only_filters("from", "to", "tz", "by", "currency", paged=False)],
    summary="Balances at the providers",
    operation_id="reportBalance",
)
async def balance(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    since: From,
    until: To,
    tz: TimeZone = "UTC",
    by: Annotated[
        BalanceAxis,
        Parameter(
            description="Which time of a line counts: when it `occurred` at the provider, or when "
            "it was `booked` here, as in the ledger"
        ),
    ] = "occurred",
    currency: FromQuery[str | None] = None,
) -> BalanceReport:
    """What was held at each provider, what moved by reporting category, and what is held since."""
    asked = reports.period(since, until, tz)
    sums = await services.balances.sums(caller.merchant_id, caller.livemode, asked, by, currency)
    return balances(asked, by, sums)


router = Router(
    "/v1/reports",
    guards=[authenticated],
    tags=["Finance"],
    route_handlers=[summary, conversion, balance],
)
