"""One's own account: the password, the time zone; and the link with which a password is chosen."""

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery
from litestar.response import Redirect

from api.dashboard import formats, passwords
from api.dashboard.guarding import AnyRequest
from api.dashboard.people import Desk, Viewer
from api.dashboard.rendering import View, onward
from api.security import Forbidden, Unauthenticated
from gateway.errors import InvalidRequest, NotFound
from gateway.zones import time_zone

_HOME = "/dashboard/account"


async def _page(desk: Desk, viewer: Viewer, view: View, wrong: str = "") -> Response[str]:
    user = await desk.users.get(viewer.session.merchant_id, viewer.session.user_id)
    return view.page(
        "account.html",
        400 if wrong else 200,
        zones=formats.zones(),
        email=user.email if user else "",
        wrong=wrong,
    )


@get("/account")
async def account(
    desk: NamedDependency[Desk], viewer: NamedDependency[Viewer], view: NamedDependency[View]
) -> Response[str]:
    """Who I am, how times are told to me, and the way out."""
    return await _page(desk, viewer, view)


@post("/account/zone")
async def zone(
    request: AnyRequest, desk: NamedDependency[Desk], viewer: NamedDependency[Viewer]
) -> Redirect:
    """Tell times in this zone."""
    chosen = time_zone(str((await request.form()).get("zone", "")))
    await desk.users.show_zone(viewer.session, chosen.key)
    return onward(_HOME, "zone")


@post("/account/password")
async def change_password(
    request: AnyRequest,
    desk: NamedDependency[Desk],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
) -> Response[str] | Redirect:
    """Another password, for who knows the one there is. All other sessions are over."""
    user = await desk.users.get(viewer.session.merchant_id, viewer.session.user_id)
    if user is None:
        raise Forbidden("a key has no password")
    form = await request.form()
    new, again = str(form.get("new", "")), str(form.get("again", ""))
    address = request.client.host if request.client else ""
    try:
        await desk.check_password(user, str(form.get("current", "")), address)
        _check(new, again)
    except Unauthenticated:
        return await _page(desk, viewer, view, "The current password is another one.")
    except InvalidRequest as error:
        return await _page(desk, viewer, view, f"{error.detail[:1].upper()}{error.detail[1:]}.")
    async with desk.noted(viewer, "changed their password"):
        await desk.users.set_password(
            user.merchant_id,
            user.id,
            await passwords.hashed(new),
            instead_of=user.password,
            keep=viewer.session.id,
        )
    return onward(_HOME, "password")


def _check(new: str, again: str) -> None:
    """Raises InvalidRequest."""
    passwords.check_strength(new)
    if new != again:
        raise InvalidRequest("the two passwords are not the same", path="again")


@get("/password")
async def ask(
    request: AnyRequest, desk: NamedDependency[Desk], link: FromQuery[str] = ""
) -> Response[str]:
    """Choose a password, with a link that an administrator has given."""
    user = await desk.invited(link)
    if user is None:
        raise NotFound("this link was used already, or is too old: ask for another one")
    return View(request, None).page("password.html", email=user.email, link=link, wrong="")


@post("/password")
async def choose(request: AnyRequest, desk: NamedDependency[Desk]) -> Response[str] | Redirect:
    """The password is this from now on, and the link is used up."""
    form = await request.form()
    link, new = str(form.get("link", "")), str(form.get("new", ""))
    user = await desk.invited(link)
    if user is None:
        raise NotFound("this link was used already, or is too old: ask for another one")
    try:
        _check(new, str(form.get("again", "")))
    except InvalidRequest as error:
        wrong = f"{error.detail[:1].upper()}{error.detail[1:]}."
        view = View(request, None)
        return view.page("password.html", 400, email=user.email, link=link, wrong=wrong)
    hashed = await passwords.hashed(new)
    await desk.users.set_password(user.merchant_id, user.id, hashed, instead_of=user.password)
    await desk.audit.begin(
        user.merchant_id, False, user.id, user.name or user.email, "chose a password",
        outcome="done",
    )  # fmt: skip
    return onward("/dashboard/sign-in", "chosen")


OPEN = [ask, choose]
HANDLERS = [account, zone, change_password]
