"""The routing policy: its rules in words, and for administrators, as JSON to be changed."""

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.response import Redirect

from api import routing as api_routing
from api.bodies import decode
from api.dashboard import formats
from api.dashboard.guarding import AnyRequest, allows, call
from api.dashboard.orders import names
from api.dashboard.people import Desk, Viewer
from api.dashboard.rendering import View, onward
from api.wiring import Services
from gateway.errors import InvalidRequest
from gateway.routing import OTHERS, RoutingPolicy, RoutingRule

_HOME = "/dashboard/routing"


@get("/routing")
async def routing(
    services: NamedDependency[Services],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
) -> Response[str]:
    """The policy of this mode."""
    return await _page(services, viewer, view)


async def _page(
    services: Services, viewer: Viewer, view: View, text: str = "", wrong: str = ""
) -> Response[str]:
    policy = await call(viewer, api_routing.read, services=services)
    known = names(services)
    return view.page(
        "routing.html",
        400 if wrong else 200,
        policy=policy,
        rules=[(_when(rule, view), _who(rule, known)) for rule in policy.rules],
        may_change=allows(viewer, api_routing.replace),
        text=text or msgspec.json.format(msgspec.json.encode(policy)).decode(),
        wrong=wrong,
    )


def _when(rule: RoutingRule, view: View) -> str:
    """For which orders the rule is."""
    parts = []
    if rule.currencies:
        parts.append(f"in {', '.join(rule.currencies)}")
    if rule.countries:
        parts.append(f"from {', '.join(rule.countries)}")
    for word, amount in (("of at least", rule.min_amount), ("of at most", rule.max_amount)):
        if amount is not None:
            parts.append(f"{word} {formats.money(amount, rule.currencies[0], view.locale)}")
    return " ".join(["Orders", *parts]) if parts else "All orders"


def _who(rule: RoutingRule, known: dict[str, str]) -> str:
    """Whom the rule names."""
    if rule.shares:
        return ", ".join(
            f"{known.get(name, name)} {share} %" for name, share in rule.shares.items()
        )
    ranked = ["all others" if one == OTHERS else known.get(one, one) for one in rule.providers]
    return ", then ".join(ranked) if rule.providers != (OTHERS,) else "whoever can serve, by name"


@post("/routing")
async def change(
    request: AnyRequest,
    services: NamedDependency[Services],
    desk: NamedDependency[Desk],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
) -> Response[str] | Redirect:
    """Replace it as a whole."""
    text = str((await request.form()).get("policy", ""))[:100_000]
    try:
        data = decode(text.encode(), RoutingPolicy)
        async with desk.noted(viewer, "changed the routing policy", detail=text):
            await call(viewer, api_routing.replace, services=services, data=data)
    except InvalidRequest as error:
        where = f"{error.path}: " if error.path else ""
        return await _page(services, viewer, view, text, f"{where}{error.detail}")
    return onward(_HOME, "saved")


HANDLERS = [routing, change]
