"""Who is looking: signing in with a user or a key, sessions, and what each role may do.

A person acts as a `Caller`, like a key at the API, so that what a role may do is asked for in one
place and in one way.
"""

import hashlib
import hmac
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Literal

import msgspec

from api.dashboard import passwords
from api.security import SCOPES, Caller, Unauthenticated
from api.wiring import Services
from gateway.errors import GatewayError
from storage.audit import AuditLog
from storage.saved_views import SavedViews
from storage.users import KeyHolder, Role, Session, User, Users

#: What a role may do, in the API's scopes. An administrator may do all, as a secret key may.
ROLES: dict[Role, tuple[str, ...]] = {
    "admin": SCOPES,
    "finance": ("orders:read", "finance:read"),
    "support": ("orders:read", "refunds:write"),
}
_WINDOW = timedelta(minutes=15)
#: How many sign-ins may fail within the window: at one name from one address, at one name from
#: anywhere, and from one address. The first keeps a stranger from locking a person out.
_LIMITS = {"pair": 5, "name": 50, "address": 50}
#: How long a link to choose a password is good.
LINK_LIFE = timedelta(hours=24)


class TooMany(GatewayError):
    """Too many sign-ins failed."""

    code = "too_many_requests"


class Viewer(msgspec.Struct, frozen=True):
    """Someone who is signed in. `role` is shown; what is allowed is the caller's."""

    session: Session
    caller: Caller
    name: str
    role: Role | Literal["key"]
    csrf: str

    @property
    def actor(self) -> str:
        """The id of the user or of the key."""
        return self.session.user_id or self.session.key_id

    @property
    def may_switch(self) -> bool:
        """Whether both modes may be looked at: a key is of one."""
        return bool(self.session.user_id)

    @property
    def is_admin(self) -> bool:
        """Whether keys and the audit log are this person's business."""
        return self.caller.kind == "secret"


class Desk:
    """What the dashboard has beside the API's services: people, the audit log, views."""

    def __init__(self, services: Services) -> None:
        database, ctx = services.store.database, services.ctx
        self.services = services
        self.users = Users(database, ctx.ids, ctx.clock)
        self.audit = AuditLog(database, ctx.ids, ctx.clock)
        self.views = SavedViews(database, ctx.ids, ctx.clock)

    # --- signing in -------------------------------------------------------------------------------

    async def sign_in_user(self, email: str, password: str, address: str) -> str:
        """A session's cookie. Raises Unauthenticated, TooMany."""
        subjects = await self._count(email.strip().lower(), address)
        found: User | None = None
        candidates = await self.users.by_email(email.strip()) if "\0" not in email else []
        if not candidates:
            await passwords.matches(password, None)
        for user in candidates:
            if await passwords.matches(password, user.password):
                found = found or user
        if found is None:
            raise Unauthenticated("this e-mail address and password do not belong together")
        await self.users.forgive_attempt(subjects)
        live = any(one.mode == "live" for one in self.services.ctx.providers.values())
        return await self._open(
            found.merchant_id, live, user_id=found.id, name=found.email, zone=found.time_zone
        )

    async def check_password(self, user: User, password: str, address: str) -> None:
        """Whoever is signed in proves it once more. Raises Unauthenticated, TooMany."""
        subjects = await self._count(user.email, address)
        if not await passwords.matches(password, user.password):
            raise Unauthenticated("this is not the password")
        await self.users.forgive_attempt(subjects)

    async def sign_in_key(self, key: str, address: str) -> str:
        """A session's cookie. Raises Unauthenticated, TooMany."""
        subjects = await self._count("", address)
        caller = await self.services.keys.authenticate(f"Bearer {key.strip()}")
        if caller.kind == "publishable":
            raise Unauthenticated("a publishable key is for browsers: sign in with another one")
        await self.users.forgive_attempt(subjects)
        held = await self.users.key(caller.merchant_id, caller.key_id)
        name = (held.name or held.hint) if held else caller.key_id
        return await self._open(
            caller.merchant_id, caller.livemode, key_id=caller.key_id, name=name
        )

    async def _count(self, name: str, address: str) -> list[str]:
        subjects = {"address": self._digest("address", address)}
        if name:
            subjects |= {
                "pair": self._digest("pair", f"{address} {name}"),
                "name": self._digest("name", name),
            }
        limits = [(subject, _LIMITS[kind]) for kind, subject in subjects.items()]
        wait = await self.users.count_attempts(limits, _WINDOW)
        if wait is not None:
            minutes = max(1, -(-(wait - self.services.ctx.now()) // timedelta(minutes=1)))
            raise TooMany(f"too many sign-ins failed: try again in {minutes} minutes")
        return list(subjects.values())

    async def _open(
        self,
        merchant_id: str,
        livemode: bool,
        *,
        user_id: str = "",
        key_id: str = "",
        name: str,
        zone: str = "UTC",
    ) -> str:
        token = secrets.token_urlsafe(32)
        session = Session(
            merchant_id, self._digest("session", token), user_id, key_id, livemode, zone
        )
        await self.users.sign_in(session)
        await self.audit.begin(
            merchant_id, livemode, user_id or key_id, name, "signed in", outcome="done"
        )
        return token

    # --- being signed in --------------------------------------------------------------------------

    async def viewer(self, token: str | None) -> Viewer | None:
        """The person behind a cookie; None when the session, the user or the key is over."""
        if not token or len(token) > 100:
            return None
        session = await self.users.session(self._digest("session", token))
        if session is None:
            return None
        csrf = self._digest("csrf", token)
        if session.user_id:
            user = await self.users.get(session.merchant_id, session.user_id)
            return None if user is None else _as_user(session, user, csrf)
        key = await self.users.key(session.merchant_id, session.key_id)
        return None if key is None else _as_key(session, key, csrf)

    def _digest(self, purpose: str, text: str) -> str:
        secret = self.services.settings.secret_key.encode()
        return hmac.digest(secret, f"dashboard_{purpose}:{text}".encode(), hashlib.sha256).hex()

    # --- links to choose a password by ------------------------------------------------------------

    def password_link(self, user: User) -> str:
        """What a link to choose a password carries. It is good once, and for a day: what it is
        signed with holds the hash of the password that it replaces."""
        until = int((self.services.ctx.now() + LINK_LIFE).timestamp())
        told = f"{user.merchant_id}.{user.id}.{until}"
        return f"{told}.{self._digest('password', f'{told}.{user.password}')}"

    async def invited(self, link: str) -> User | None:
        """Whose link it is; None when it is not ours, was used, or is too old."""
        told, _, signature = link.rpartition(".")
        parts = told.split(".")
        if len(parts) != 3 or not told.isascii() or not parts[2].isdigit() or len(told) > 200:
            return None
        merchant_id, user_id, until = parts
        user = await self.users.get(merchant_id, user_id)
        if user is None or int(until) < self.services.ctx.now().timestamp():
            return None
        expected = self._digest("password", f"{told}.{user.password}")
        return user if hmac.compare_digest(expected.encode(), signature.encode()) else None

    # --- noting what is done ----------------------------------------------------------------------

    @asynccontextmanager
    async def noted(
        self, viewer: Viewer, action: str, subject: str = "", detail: str = ""
    ) -> AsyncIterator[None]:
        """The audit log's entry about what is done within; made before, and ended after it."""
        merchant_id = viewer.session.merchant_id
        entry_id = await self.audit.begin(
            merchant_id,
            viewer.caller.livemode,
            viewer.actor,
            viewer.name,
            action,
            subject,
            detail,
        )
        try:
            yield
        except GatewayError as error:
            await self.audit.end(merchant_id, entry_id, f"refused: {error.detail}")
            raise
        await self.audit.end(merchant_id, entry_id, "done")


def _as_user(session: Session, user: User, csrf: str) -> Viewer:
    caller = Caller(
        merchant_id=session.merchant_id,
        key_id=user.id,
        kind="secret" if user.role == "admin" else "restricted",
        livemode=session.livemode,
        scopes=frozenset(ROLES[user.role]),
    )
    return Viewer(session, caller, user.name or user.email, user.role, csrf)


def _as_key(session: Session, key: KeyHolder, csrf: str) -> Viewer:
    caller = Caller(
        merchant_id=session.merchant_id,
        key_id=key.id,
        kind="secret" if key.kind == "secret" else "restricted",
        livemode=key.livemode,
        scopes=key.scopes,
    )
    return Viewer(session, caller, key.name or key.hint, "key", csrf)
