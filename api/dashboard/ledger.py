"""The double-entry ledger: the trial balance at the end of a day, and the entries of an account."""

from collections.abc import Iterable
from itertools import groupby

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery

from api import ledger as api_ledger
from api.dashboard.guarding import AnyRequest, call
from api.dashboard.lists import Form
from api.dashboard.people import Viewer
from api.dashboard.rendering import View
from api.wiring import Services
from gateway.bookkeeping import LedgerAccountResource

PAGE = 50


@get("/ledger")
async def ledger(
    request: AnyRequest,
    services: NamedDependency[Services],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
) -> Response[str]:
    """Every account, by currency, as booked up to the end of a day; now, if none is given."""
    form = Form(request, view, ("at",))
    at = form.day("at", after=True)
    found = await call(viewer, api_ledger.accounts, services=services, at=at)
    return view.page(
        "ledger.html",
        form=form,
        at=at,
        now=found.at,
        currencies=[] if form.wrong else _by_currency(found.data),
    )


def _by_currency(
    accounts: Iterable[LedgerAccountResource],
) -> list[tuple[str, list[LedgerAccountResource]]]:
    def currency(one: LedgerAccountResource) -> str:
        return one.currency

    ordered = sorted(accounts, key=lambda one: (one.currency, one.account))
    return [(name, list(group)) for name, group in groupby(ordered, currency)]


@get("/ledger/entries")
async def entries(
    request: AnyRequest,
    services: NamedDependency[Services],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
    cursor: FromQuery[str | None] = None,
) -> Response[str]:
    """The entries of an account or of an order, the last booked first, each with both sides."""
    form = Form(request, view, ("account", "order"))
    found = await call(
        viewer,
        api_ledger.entries,
        services=services,
        limit=PAGE,
        cursor=cursor,
        account=form.text("account"),
        order=form.text("order"),
        created_from=None,
        created_to=None,
    )
    return view.page(
        "entries.html",
        entries=[] if form.wrong else found.data,
        form=form,
        account=form.typed["account"],
        order=form.typed["order"],
        next=view.next_page(None if form.wrong else found.next_cursor),
    )


HANDLERS = [ledger, entries]
