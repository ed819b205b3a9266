"""People in the database: users, their sessions, and how often somebody failed to sign in."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, cast

import msgspec
from sqlalchemy import Row, case, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.errors import Conflict, NotFound
from gateway.ids import Ids
from gateway.ports import Clock
from storage import tables as t
from storage.engine import Database

Role = Literal["admin", "finance", "support"]
#: A session ends after this time, and earlier when nobody has used it for a while.
SESSION_LIFE = timedelta(hours=12)
SESSION_IDLE = timedelta(hours=2)
#: `seen_at` is not written for every page.
_SEEN_EVERY = timedelta(minutes=1)


class User(msgspec.Struct, frozen=True):
    """Someone who may sign in. `password` is its argon2 hash."""

    merchant_id: str
    id: str
    email: str
    name: str
    role: Role
    password: str
    time_zone: str
    created_at: datetime
    disabled_at: datetime | None

    def __repr__(self) -> str:
        return f"User({self.id!r})"


class Session(msgspec.Struct, frozen=True):
    """Someone who is signed in: a user or, with an empty `user_id`, the holder of a key."""

    merchant_id: str
    id: str
    user_id: str
    key_id: str
    livemode: bool
    time_zone: str


class KeyHolder(msgspec.Struct, frozen=True):
    """What a session needs of the API key that it was opened with."""

    id: str
    kind: str
    livemode: bool
    scopes: frozenset[str]
    name: str
    hint: str


class Users:
    """Users and sessions. Digests come from the caller, who alone knows the server's secret."""

    def __init__(self, database: Database, ids: Ids, clock: Clock) -> None:
        self._database = database
        self._ids = ids
        self._clock = clock

    # --- users ------------------------------------------------------------------------------------

    async def create(
        self, merchant_id: str, email: str, name: str, role: Role, password_hash: str
    ) -> User:
        """A new user. Raises Conflict where the merchant has one with this address."""
        user = User(
            merchant_id=merchant_id,
            id=self._ids.new("usr"),
            email=email.lower(),
            name=name,
            role=role,
            password=password_hash,
            time_zone="UTC",
            created_at=self._clock.now(),
            disabled_at=None,
        )
        async with self._database.write() as connection:
            result = await connection.execute(
                self._database.insert(t.users)
                .values(**msgspec.structs.asdict(user))
                .on_conflict_do_nothing(index_elements=["merchant_id", "email"])
            )
        if result.rowcount == 0:
            raise Conflict(f"this merchant has a user {user.email} already")
        return user

    async def list(self) -> list[tuple[str, User]]:
        """All users with their merchants' names, oldest first."""
        query = (
            select(t.users, t.merchants.c.name.label("merchant"))
            .join(t.merchants, t.merchants.c.id == t.users.c.merchant_id)
            .order_by(t.users.c.id)
        )
        async with self._database.read() as connection:
            return [(row.merchant, _user(row)) for row in await connection.execute(query)]

    async def by_email(self, email: str) -> Sequence[User]:
        """Those with this address, one per merchant at most; without the disabled ones."""
        c = t.users.c
        query = select(t.users).where(c.email == email.lower(), c.disabled_at.is_(None))
        async with self._database.read() as connection:
            return [_user(row) for row in await connection.execute(query.order_by(c.id))]

    async def of_merchant(self, merchant_id: str) -> Sequence[User]:
        """All of the merchant's, the disabled ones too, oldest first."""
        c = t.users.c
        query = select(t.users).where(c.merchant_id == merchant_id).order_by(c.id)
        async with self._database.read() as connection:
            return [_user(row) for row in await connection.execute(query)]

    async def get(self, merchant_id: str, user_id: str) -> User | None:
        """The user, unless disabled."""
        c = t.users.c
        own = (c.merchant_id == merchant_id) & (c.id == user_id) & c.disabled_at.is_(None)
        async with self._database.read() as connection:
            row = (await connection.execute(select(t.users).where(own))).first()
        return _user(row) if row else None

    async def names(self, merchant_id: str) -> dict[str, str]:
        """By id, what the merchant's users and keys are called."""
        users, keys = t.users.c, t.api_keys.c
        async with self._database.read() as connection:
            found = await connection.execute(
                select(keys.id, keys.name, keys.hint).where(keys.merchant_id == merchant_id)
            )
            known = {row.id: row.name or row.hint for row in found}
            found = await connection.execute(
                select(users.id, users.name, users.email).where(users.merchant_id == merchant_id)
            )
            return known | {row.id: row.name or row.email for row in found}

    async def key(self, merchant_id: str, key_id: str) -> KeyHolder | None:
        """The API key, unless it is revoked."""
        c, now = t.api_keys.c, self._clock.now()
        own = (c.merchant_id == merchant_id) & (c.id == key_id)
        async with self._database.read() as connection:
            row = (await connection.execute(select(t.api_keys).where(own))).first()
        if row is None or (row.revoked_at is not None and row.revoked_at <= now):
            return None
        scopes = frozenset(row.scopes.split())
        return KeyHolder(row.id, row.kind, row.livemode, scopes, row.name, row.hint)

    async def set_role(self, merchant_id: str, user_id: str, role: Role) -> None:
        """Another role, from now on. Raises NotFound, and Conflict for the last administrator."""
        await self._change(merchant_id, user_id, keeps_admin=role == "admin", role=role)

    async def set_disabled(self, merchant_id: str, user_id: str, disabled: bool) -> None:
        """Signed out everywhere, or let in again. Raises as `set_role`."""
        at = self._clock.now() if disabled else None
        await self._change(merchant_id, user_id, keeps_admin=not disabled, disabled_at=at)

    async def set_password(
        self, merchant_id: str, user_id: str, password_hash: str, *, instead_of: str, keep: str = ""
    ) -> None:
        """Another password; all sessions but `keep` are over. Raises Conflict where the password
        is not the one whose hash is `instead_of` any more."""
        c = t.users.c
        async with self._database.write() as connection:
            result = await connection.execute(
                update(t.users)
                .where(c.merchant_id == merchant_id, c.id == user_id, c.password == instead_of)
                .values(password=password_hash)
            )
            if result.rowcount == 0:
                raise Conflict("the password was changed in the meantime")
            await _end_sessions(connection, merchant_id, user_id, keep)

    async def _change(
        self, merchant_id: str, user_id: str, *, keeps_admin: bool, **values: Any
    ) -> None:
        c = t.users.c
        async with self._database.write() as connection:
            admins = await connection.scalars(
                select(c.id)
                .where(c.merchant_id == merchant_id, c.role == "admin", c.disabled_at.is_(None))
                .order_by(c.id)
                .with_for_update()
            )
            if not keeps_admin and list(admins) == [user_id]:
                raise Conflict("this is the last administrator: make another one first")
            result = await connection.execute(
                update(t.users)
                .where(c.merchant_id == merchant_id, c.id == user_id)
                .values(**values)
            )
            if values.get("disabled_at"):
                await _end_sessions(connection, merchant_id, user_id)
        if result.rowcount == 0:
            raise NotFound(f"there is no user {user_id}")

    # --- sessions ---------------------------------------------------------------------------------

    async def sign_in(self, session: Session) -> None:
        """Keep a session, and forget those of its merchant that are over."""
        now, c = self._clock.now(), t.sessions.c
        async with self._database.write() as connection:
            await connection.execute(
                delete(t.sessions).where(c.merchant_id == session.merchant_id, c.expires_at <= now)
            )
            await connection.execute(
                t.sessions.insert().values(
                    **msgspec.structs.asdict(session),
                    created_at=now,
                    seen_at=now,
                    expires_at=now + SESSION_LIFE,
                )
            )

    async def session(self, digest: str) -> Session | None:
        """The session of a cookie, unless it is over; its idle time starts anew."""
        now, c = self._clock.now(), t.sessions.c
        async with self._database.read() as connection:
            row = (await connection.execute(select(t.sessions).where(c.id == digest))).first()
        if row is None or row.expires_at <= now or row.seen_at + SESSION_IDLE <= now:
            return None
        if row.seen_at + _SEEN_EVERY <= now:
            async with self._database.write() as connection:
                await connection.execute(
                    update(t.sessions)
                    .where(c.merchant_id == row.merchant_id, c.id == digest)
                    .values(seen_at=now)
                )
        return Session(
            row.merchant_id, row.id, row.user_id, row.key_id, row.livemode, row.time_zone
        )

    async def show_mode(self, session: Session, livemode: bool) -> None:
        """The session shows orders of this mode from now on."""
        c = t.sessions.c
        async with self._database.write() as connection:
            await connection.execute(
                update(t.sessions)
                .where(c.merchant_id == session.merchant_id, c.id == session.id)
                .values(livemode=livemode)
            )

    async def show_zone(self, session: Session, time_zone: str) -> None:
        """Times are told in this zone from now on; a user's, also in later sessions."""
        c, u = t.sessions.c, t.users.c
        async with self._database.write() as connection:
            await connection.execute(
                update(t.sessions)
                .where(c.merchant_id == session.merchant_id, c.id == session.id)
                .values(time_zone=time_zone)
            )
            await connection.execute(
                update(t.users)
                .where(u.merchant_id == session.merchant_id, u.id == session.user_id)
                .values(time_zone=time_zone)
            )

    async def sign_out(self, session: Session, *, everywhere: bool = False) -> None:
        """End the session or, everywhere, all sessions of the same user or key."""
        c = t.sessions.c
        whose = (c.user_id == session.user_id) & (c.key_id == session.key_id)
        which = whose if everywhere else c.id == session.id
        async with self._database.write() as connection:
            await connection.execute(
                delete(t.sessions).where(c.merchant_id == session.merchant_id, which)
            )

    # --- failures ---------------------------------------------------------------------------------

    async def count_attempts(
        self, limits: Sequence[tuple[str, int]], window: timedelta
    ) -> datetime | None:
        """Count an attempt before it is judged, so that many at once gain nothing.

        `limits`: what is counted and how often it may fail within the window. Returns None, or when
        to come back.
        """
        now, c, wait = self._clock.now(), t.sign_in_failures.c, None
        over = c.since <= now - window
        async with self._database.write() as connection:
            await connection.execute(delete(t.sign_in_failures).where(over))
            for subject, limit in sorted(limits):
                insert = self._database.insert(t.sign_in_failures).values(
                    merchant_id="", subject=subject, failures=1, since=now
                )
                row = (
                    await connection.execute(
                        insert.on_conflict_do_update(
                            index_elements=["merchant_id", "subject"],
                            set_={"failures": c.failures + 1},
                        ).returning(c.failures, c.since)
                    )
                ).one()
                if row.failures > limit:
                    wait = max(wait or row.since, row.since + window)
        return wait

    async def forgive_attempt(self, subjects: Sequence[str]) -> None:
        """The attempt succeeded: take it back."""
        c = t.sign_in_failures.c
        async with self._database.write() as connection:
            await connection.execute(
                update(t.sign_in_failures)
                .where(c.merchant_id == "", c.subject.in_(subjects))
                .values(failures=case((c.failures > 0, c.failures - 1), else_=0))
            )


async def _end_sessions(
    connection: AsyncConnection, merchant_id: str, user_id: str, keep: str = ""
) -> None:
    c = t.sessions.c
    await connection.execute(
        delete(t.sessions).where(c.merchant_id == merchant_id, c.user_id == user_id, c.id != keep)
    )


def _user(row: Row[Any]) -> User:
    return User(
        merchant_id=row.merchant_id,
        id=row.id,
        email=row.email,
        name=row.name,
        role=cast(Role, row.role),
        password=row.password,
        time_zone=row.time_zone,
        created_at=row.created_at,
        disabled_at=row.disabled_at,
    )
