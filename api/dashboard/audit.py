"""The audit log. For administrators."""

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery

from api.dashboard.people import Desk, Viewer
from api.dashboard.rendering import View
from api.paging import decode, encode

PAGE = 100


@get("/audit")
async def audit(
    desk: NamedDependency[Desk],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
    cursor: FromQuery[str | None] = None,
) -> Response[str]:
    """What people did, newest first."""
    entries, last = await desk.audit.page(
        viewer.caller.merchant_id, viewer.caller.livemode, decode(cursor), PAGE
    )
    return view.page("audit.html", entries=entries, next=view.next_page(encode(last)))


HANDLERS = [audit]
