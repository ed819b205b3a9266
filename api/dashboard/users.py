"""The merchant's people: who may sign in, as what. For administrators."""

import secrets
from typing import get_args

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from api.bodies import Email
from api.dashboard import passwords
from api.dashboard.guarding import AnyRequest
from api.dashboard.people import Desk, Viewer
from api.dashboard.rendering import View, onward
from api.wiring import Services
from gateway.errors import Conflict, InvalidRequest, NotFound
from storage.users import Role, User

_HOME = "/dashboard/users"
ROLES: tuple[Role, ...] = get_args(Role)


async def _find(desk: Desk, viewer: Viewer, user_id: str) -> User:
    """One of the merchant's people. Raises NotFound, also for another merchant's."""
    for user in await desk.users.of_merchant(viewer.caller.merchant_id):
        if user.id == user_id:
            return user
    raise NotFound(f"there is no user {user_id}")


def _role(text: object) -> Role:
    found = next((role for role in ROLES if role == text), None)
    if found is None:
        raise InvalidRequest("choose a role", path="role")
    return found


async def _page(
    desk: Desk, viewer: Viewer, view: View, wrong: str = "", **typed: str
) -> Response[str]:
    return view.page(
        "users.html",
        400 if wrong else 200,
        users=await desk.users.of_merchant(viewer.caller.merchant_id),
        roles=ROLES,
        wrong=wrong,
        typed={"email": "", "name": "", "role": "finance"} | typed,
    )


@get("/users")
async def users(
    desk: NamedDependency[Desk], viewer: NamedDependency[Viewer], view: NamedDependency[View]
) -> Response[str]:
    """All people, those who may no longer sign in among them."""
    return await _page(desk, viewer, view)


@post("/users")
async def create(
    request: AnyRequest,
    services: NamedDependency[Services],
    desk: NamedDependency[Desk],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
) -> Response[str]:
    """A new user, and this once a link with which they choose their password."""
    form = await request.form()
    typed = {name: str(form.get(name, "")).strip() for name in ("email", "name", "role")}
    try:
        email = msgspec.convert(typed["email"], Email)
        if len(typed["name"]) > 200 or "\0" in typed["name"]:
            raise InvalidRequest("give a name of at most 200 characters", path="name")
        role = _role(typed["role"])
        unusable = await passwords.hashed(secrets.token_urlsafe(32))
        async with desk.noted(viewer, "added a user", email, role):
            made = await desk.users.create(
                viewer.caller.merchant_id, email, typed["name"], role, unusable
            )
    except msgspec.ValidationError:
        return await _page(desk, viewer, view, "give an e-mail address", **typed)
    except (Conflict, InvalidRequest) as error:
        return await _page(desk, viewer, view, error.detail, **typed)
    return _link(services, desk, view, made, f"{made.email} may sign in")


def _link(services: Services, desk: Desk, view: View, user: User, title: str) -> Response[str]:
    address = f"{services.settings.public_url}/dashboard/password?link={desk.password_link(user)}"
    return view.page(
        "secret.html",
        title=title,
        what="A link to choose a password",
        secret=address,
        detail=f"Send it to {user.email}. It is good once, for 24 hours.",
        back=_HOME,
    )


@post("/users/{user_id:str}/role")
async def change_role(
    user_id: FromPath[str],
    request: AnyRequest,
    desk: NamedDependency[Desk],
    viewer: NamedDependency[Viewer],
) -> Redirect:
    """Another role, from the next page on."""
    role = _role((await request.form()).get("role"))
    user = await _find(desk, viewer, user_id)
    async with desk.noted(viewer, "changed a user's role", user_id, f"{user.role} to {role}"):
        await desk.users.set_role(viewer.caller.merchant_id, user_id, role)
    return onward(_HOME, "saved")


@post("/users/{user_id:str}/disable")
async def disable(
    user_id: FromPath[str], desk: NamedDependency[Desk], viewer: NamedDependency[Viewer]
) -> Redirect:
    """Signed out everywhere, and not let in again."""
    user = await _find(desk, viewer, user_id)
    async with desk.noted(viewer, "disabled a user", user_id, user.email):
        await desk.users.set_disabled(viewer.caller.merchant_id, user_id, True)
    return onward(_HOME, "disabled")


@post("/users/{user_id:str}/enable")
async def enable(
    user_id: FromPath[str], desk: NamedDependency[Desk], viewer: NamedDependency[Viewer]
) -> Redirect:
    """Let in again, with the password that they had."""
    user = await _find(desk, viewer, user_id)
    async with desk.noted(viewer, "enabled a user", user_id, user.email):
        await desk.users.set_disabled(viewer.caller.merchant_id, user_id, False)
    return onward(_HOME, "saved")


@post("/users/{user_id:str}/reset")
async def reset(
    user_id: FromPath[str],
    services: NamedDependency[Services],
    desk: NamedDependency[Desk],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
) -> Response[str]:
    """The password is void at once; this once, a link with which they choose another."""
    user = await _find(desk, viewer, user_id)
    if user.disabled_at is not None:
        raise Conflict("this user is disabled: enable them first")
    unusable = await passwords.hashed(secrets.token_urlsafe(32))
    async with desk.noted(viewer, "reset a user's password", user_id, user.email):
        await desk.users.set_password(user.merchant_id, user_id, unusable, instead_of=user.password)
    fresh = msgspec.structs.replace(user, password=unusable)
    return _link(services, desk, view, fresh, f"{user.email} was signed out")


HANDLERS = [users, create, change_role, disable, enable, reset]
