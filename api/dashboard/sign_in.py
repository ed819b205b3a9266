"""Signing in and out, and the switch between test and live mode."""

from litestar import Response, get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.params import FromQuery
from litestar.response import Redirect

from api.dashboard.guarding import AnyRequest, cookie_name
from api.dashboard.people import Desk, TooMany, Viewer
from api.dashboard.rendering import View, onward
from api.security import Forbidden, Unauthenticated
from api.wiring import Services
from storage.users import SESSION_LIFE

_HOME = "/dashboard"


def _inside(where: str) -> str:
    """Where to go on: a page of the dashboard, whatever the address says."""
    plain = where.isascii() and where.isprintable() and "\\" not in where
    return where if plain and where.startswith((f"{_HOME}/", f"{_HOME}?")) else _HOME


@get("/sign-in")
async def form(request: AnyRequest, next: FromQuery[str] = "") -> Response[str]:
    """The form."""
    return View(request, None).page("sign_in.html", wrong="", email="", next=_inside(next))


@post("/sign-in")
async def sign_in(
    request: AnyRequest, desk: NamedDependency[Desk], services: NamedDependency[Services]
) -> Response[str] | Redirect:
    """With an e-mail address and a password, or with a key."""
    sent = await request.form()
    key, email = str(sent.get("key", "")), str(sent.get("email", ""))[:320]
    where = _inside(str(sent.get("next", "")))
    address = request.client.host if request.client else ""
    try:
        if key.strip():
            token = await desk.sign_in_key(key, address)
        else:
            token = await desk.sign_in_user(email, str(sent.get("password", "")), address)
    except (Unauthenticated, TooMany) as error:
        status = 429 if isinstance(error, TooMany) else 401
        view = View(request, None)
        return view.page("sign_in.html", status, wrong=error.detail, email=email, next=where)
    answer = onward(where)
    answer.cookies.append(_cookie(services, token, int(SESSION_LIFE.total_seconds())))
    return answer


def _cookie(services: Services, token: str, seconds: int) -> Cookie:
    public_url = services.settings.public_url
    return Cookie(
        key=cookie_name(public_url),
        value=token,
        path="/",
        max_age=seconds,
        httponly=True,
        secure=public_url.startswith("https://"),
        samesite="lax",  # links in mails work; what changes anything has a token of its own
    )


@post("/sign-out")
async def sign_out(
    request: AnyRequest,
    desk: NamedDependency[Desk],
    viewer: NamedDependency[Viewer],
    services: NamedDependency[Services],
) -> Redirect:
    """End this session, or all of this person's."""
    everywhere = bool((await request.form()).get("everywhere"))
    action = "signed out everywhere" if everywhere else "signed out"
    async with desk.noted(viewer, action):
        await desk.users.sign_out(viewer.session, everywhere=everywhere)
    answer = onward(f"{_HOME}/sign-in", "everywhere" if everywhere else "out")
    answer.cookies.append(_cookie(services, "", 0))
    return answer


@post("/mode")
async def mode(
    request: AnyRequest, desk: NamedDependency[Desk], viewer: NamedDependency[Viewer]
) -> Redirect:
    """Look at the other mode."""
    if not viewer.may_switch:
        raise Forbidden("a key is of one mode: sign in with a key of the other, or as a user")
    livemode = (await request.form()).get("mode") == "live"
    await desk.users.show_mode(viewer.session, livemode)
    return onward(_HOME)


OPEN = [form, sign_in]
SIGNED_IN = [sign_out, mode]
