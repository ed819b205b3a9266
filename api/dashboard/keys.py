"""API keys: made and shown once, rolled, revoked. For administrators."""

from datetime import timedelta
from typing import get_args

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from api.dashboard.guarding import AnyRequest
from api.dashboard.people import Desk, Viewer
from api.dashboard.rendering import View, onward
from api.security import SCOPES, KeyRecord, Kind
from api.wiring import Services
from gateway.errors import InvalidRequest, NotFound

_HOME = "/dashboard/keys"
#: The old key of one that is rolled is good for so long.
GRACE = timedelta(hours=24)


async def _own(services: Services, viewer: Viewer) -> list[KeyRecord]:
    """The merchant's keys of this mode."""
    found = await services.keys.list(viewer.caller.merchant_id)
    return [key for key in found if key.livemode == viewer.caller.livemode]


async def _find(services: Services, viewer: Viewer, key_id: str) -> KeyRecord:
    """One of the merchant's keys. Raises NotFound, also for another merchant's."""
    for key in await _own(services, viewer):
        if key.id == key_id:
            return key
    raise NotFound(f"there is no key {key_id}")


@get("/keys")
async def keys(
    services: NamedDependency[Services],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
) -> Response[str]:
    """All keys of this mode, without the keys themselves."""
    now = services.ctx.now().isoformat()
    found = list(reversed(await _own(services, viewer)))
    return view.page("keys.html", keys=found, now=now, kinds=get_args(Kind), scopes=SCOPES)


@post("/keys")
async def create(
    request: AnyRequest,
    services: NamedDependency[Services],
    desk: NamedDependency[Desk],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
) -> Response[str]:
    """A new key, shown this once."""
    form = await request.form()
    known: tuple[Kind, ...] = get_args(Kind)
    kind = next((one for one in known if one == form.get("kind")), None)
    name = str(form.get("name", "")).strip()
    if kind is None or len(name) > 200 or "\0" in name:
        raise InvalidRequest("choose a kind, and a name of at most 200 characters")
    scopes = (
        tuple(str(scope) for scope in form.getall("scopes", [])) if kind == "restricted" else ()
    )
    caller = viewer.caller
    detail = " ".join((kind, *scopes))
    async with desk.noted(viewer, "made an API key", name, detail):
        made = await services.keys.issue(
            caller.merchant_id, kind, livemode=caller.livemode, scopes=scopes, name=name
        )
    return view.page(
        "secret.html",
        title="API key made",
        what=f"{kind.capitalize()} key",
        secret=made.key,
        detail=f"Its id is {made.id}.",
        back=_HOME,
    )


@post("/keys/{key_id:str}/roll")
async def roll(
    key_id: FromPath[str],
    services: NamedDependency[Services],
    desk: NamedDependency[Desk],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
) -> Response[str]:
    """A successor, shown this once; the old key is good for a day longer."""
    await _find(services, viewer, key_id)
    async with desk.noted(viewer, "rolled an API key", key_id):
        rolled = await services.keys.roll(key_id, GRACE)
    return view.page(
        "secret.html",
        title="API key rolled",
        what="New key",
        secret=rolled.key,
        detail=f"{key_id} is good for 24 hours more.",
        back=_HOME,
    )


@post("/keys/{key_id:str}/revoke")
async def revoke(
    key_id: FromPath[str],
    services: NamedDependency[Services],
    desk: NamedDependency[Desk],
    viewer: NamedDependency[Viewer],
) -> Redirect:
    """Refused from now on."""
    await _find(services, viewer, key_id)
    async with desk.noted(viewer, "revoked an API key", key_id):
        await services.keys.revoke(key_id)
    return onward(_HOME, "revoked")


HANDLERS = [keys, create, roll, revoke]
