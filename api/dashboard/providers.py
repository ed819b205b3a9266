"""The providers: how their last calls went, and what the conformance kit has proven of them."""

from litestar import Response, get
from litestar.di import NamedDependency

from api import matrix
from api import providers as api_providers
from api.dashboard.guarding import AnyRequest, call
from api.dashboard.people import Viewer
from api.dashboard.rendering import View
from api.wiring import Services


@get("/providers")
async def providers(
    request: AnyRequest,
    services: NamedDependency[Services],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
) -> Response[str]:
    """Those of this mode, side by side."""
    found = await call(viewer, api_providers.list_providers, request=request, services=services)
    plugins = services.ctx.providers
    columns = [matrix.shown(plugins[one.name].plugin) for one in found.data]
    return view.page("providers.html", providers=found.data, columns=columns)


HANDLERS = [providers]
