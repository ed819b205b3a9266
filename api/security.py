"""API keys: making them, recognising them, and what each may do."""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler
from sqlalchemy import Row, case, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.errors import Conflict, GatewayError, InvalidRequest, NotFound
from gateway.ids import Ids
from gateway.ports import Clock
from storage import tables as t
from storage.engine import Database
from storage.types import UtcDateTime

Kind = Literal["secret", "publishable", "restricted"]
SCOPES = (
    "orders:read",
    "orders:write",
    "refunds:write",
    "finance:read",
    "webhooks:write",
    "catalog:write",
)
_PREFIX: dict[str, str] = {"secret": "sk", "publishable": "pk", "restricted": "rk"}


class Unauthenticated(GatewayError):
    """No key, or one that is not known."""

    code = "unauthenticated"


class Forbidden(GatewayError):
    """A genuine key that may not do this."""

    code = "forbidden"


class Caller(msgspec.Struct, frozen=True):
    """Who is asking: one merchant, in one mode, with one key."""

    merchant_id: str
    key_id: str
    kind: Kind
    livemode: bool
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        """Whether the key has this scope; a secret key has all, a publishable one none."""
        return self.kind == "secret" or scope in self.scopes


class KeyRecord(msgspec.Struct, frozen=True):
    """A key as it may be listed: never the key itself."""

    id: str
    merchant: str
    kind: str
    livemode: bool
    scopes: tuple[str, ...]
    name: str
    hint: str
    created_at: str
    revoked_at: str | None


class NewKey(msgspec.Struct, frozen=True):
    """A key as it is shown once, and the id by which it is rolled and revoked."""

    id: str
    key: str

    def __repr__(self) -> str:
        return f"NewKey({self.id!r})"


class RolledKey(msgspec.Struct, frozen=True):
    """A key's successor, which is shown this once, and until when the old key is good."""

    id: str
    key: str
    old_until: datetime

    def __repr__(self) -> str:
        return f"RolledKey({self.id!r})"


class Keys:
    """API keys in the database, as HMAC-SHA-256 under the server's secret."""

    def __init__(self, database: Database, ids: Ids, clock: Clock, secret: str) -> None:
        self._database = database
        self._ids = ids
        self._clock = clock
        self._secret = secret.encode()

    def _digest(self, key: str) -> str:
        return hmac.digest(self._secret, b"api_key:" + key.encode(), hashlib.sha256).hex()

    async def merchant(self, name: str) -> str:
        """The id of the merchant with this name, made if there is none."""
        async with self._database.write() as connection:
            found = await connection.scalar(
                select(t.merchants.c.id).where(t.merchants.c.name == name)
            )
            if found is not None:
                return str(found)
            merchant_id = self._ids.new("mer")
            await connection.execute(
                t.merchants.insert().values(id=merchant_id, name=name, created_at=self._clock.now())
            )
            return merchant_id

    async def create(
        self,
        merchant_id: str,
        kind: Kind,
        *,
        livemode: bool,
        scopes: tuple[str, ...] = (),
        name: str = "",
    ) -> str:
        """A new key. It is returned once and stored only as a digest. Raises InvalidRequest."""
        made = await self.issue(merchant_id, kind, livemode=livemode, scopes=scopes, name=name)
        return made.key

    async def issue(
        self,
        merchant_id: str,
        kind: Kind,
        *,
        livemode: bool,
        scopes: tuple[str, ...] = (),
        name: str = "",
    ) -> NewKey:
        """A new key and its id. Raises InvalidRequest."""
        unknown = set(scopes) - set(SCOPES)
        if unknown or (kind == "restricted") != bool(scopes):
            raise InvalidRequest(
                f"a restricted key has one or more of the scopes {', '.join(SCOPES)}; the other "
                "kinds have none",
                path="scopes",
            )
        async with self._database.write() as connection:
            key_id, key = await self._insert(
                connection, merchant_id, kind, livemode, " ".join(scopes), name
            )
        return NewKey(key_id, key)

    async def roll(self, key_id: str, grace: timedelta) -> RolledKey:
        """A new key of the same kind, mode and scopes; the old one is good for `grace` longer.

        Raises NotFound, and Conflict for a key that is revoked.
        """
        now, c = self._clock.now(), t.api_keys.c
        async with self._database.write() as connection:
            query = select(t.api_keys).where(c.id == key_id).with_for_update()
            row = (await connection.execute(query)).first()
            if row is None:
                raise NotFound(f"there is no key {key_id}")
            if _is_revoked(row, now):
                raise Conflict(f"{key_id} is revoked: make a new key with `gateway keys create`")
            until = min(now + grace, row.revoked_at or now + grace)
            new_id, key = await self._insert(
                connection, row.merchant_id, row.kind, row.livemode, row.scopes, row.name
            )
            await connection.execute(
                update(t.api_keys)
                .where(c.merchant_id == row.merchant_id, c.id == key_id)
                .values(revoked_at=until)
            )
        return RolledKey(new_id, key, until)

    async def _insert(
        self,
        connection: AsyncConnection,
        merchant_id: str,
        kind: str,
        livemode: bool,
        scopes: str,
        name: str,
    ) -> tuple[str, str]:
        """A new row; the id, and the key itself."""
        key_id = self._ids.new("key")
        key = f"{_PREFIX[kind]}_{'live' if livemode else 'test'}_{secrets.token_hex(24)}"
        await connection.execute(
            t.api_keys.insert().values(
                merchant_id=merchant_id,
                id=key_id,
                kind=kind,
                livemode=livemode,
                scopes=scopes,
                name=name,
                digest=self._digest(key),
                hint=f"{key[:8]}…{key[-4:]}",
                created_at=self._clock.now(),
            )
        )
        return key_id, key

    async def list(self, merchant_id: str | None = None) -> list[KeyRecord]:
        """All keys, or those of one merchant, oldest first."""
        query = (
            select(t.api_keys, t.merchants.c.name.label("merchant"))
            .join(t.merchants, t.merchants.c.id == t.api_keys.c.merchant_id)
            .order_by(t.api_keys.c.id)
        )
        if merchant_id is not None:
            query = query.where(t.api_keys.c.merchant_id == merchant_id)
        async with self._database.read() as connection:
            rows = await connection.execute(query)
            return [
                KeyRecord(
                    id=row.id,
                    merchant=row.merchant,
                    kind=row.kind,
                    livemode=row.livemode,
                    scopes=tuple(row.scopes.split()),
                    name=row.name,
                    hint=row.hint,
                    created_at=row.created_at.isoformat(),
                    revoked_at=row.revoked_at.isoformat() if row.revoked_at else None,
                )
                for row in rows
            ]

    async def revoke(self, key_id: str) -> None:
        """The key is refused from now on; one that was rolled, at once. Raises NotFound."""
        now, ends = self._clock.now(), t.api_keys.c.revoked_at
        sooner = case((ends <= now, ends), else_=literal(now, UtcDateTime))
        async with self._database.write() as connection:
            result = await connection.execute(
                update(t.api_keys).where(t.api_keys.c.id == key_id).values(revoked_at=sooner)
            )
        if result.rowcount == 0:
            raise NotFound(f"there is no key {key_id}")

    async def authenticate(self, authorization: str | None) -> Caller:
        """The caller behind an Authorization header. Raises Unauthenticated."""
        scheme, _, key = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise Unauthenticated("send your API key as: Authorization: Bearer <key>")
        async with self._database.read() as connection:
            row = (
                await connection.execute(
                    select(t.api_keys).where(t.api_keys.c.digest == self._digest(key.strip()))
                )
            ).first()
        if row is None or _is_revoked(row, self._clock.now()):
            raise Unauthenticated("this API key is not known, or it was revoked")
        return Caller(
            merchant_id=row.merchant_id,
            key_id=row.id,
            kind=row.kind,
            livemode=row.livemode,
            scopes=frozenset(row.scopes.split()),
        )


def _is_revoked(row: Row[Any], now: datetime) -> bool:
    """The time at which a key ends may lie ahead: it was rolled."""
    return row.revoked_at is not None and row.revoked_at <= now


async def authenticated(connection: ASGIConnection, _: BaseRouteHandler) -> None:  # type: ignore[type-arg]
    """Guard: puts the caller into the connection's state."""
    keys: Keys = connection.app.state.services.keys
    connection.scope["state"]["caller"] = await keys.authenticate(
        connection.headers.get("authorization")
    )


def needs(scope: str, *, publishable: bool = False) -> "Guard":
    """Guard: the key needs this scope. `publishable`: such keys may come in, the handler judges."""
    return Guard(scope, publishable)


class Guard:
    """A guard for one scope."""

    def __init__(self, scope: str, publishable: bool) -> None:
        self._scope = scope
        self._publishable = publishable

    def __call__(self, connection: ASGIConnection, _: BaseRouteHandler) -> None:  # type: ignore[type-arg]
        """Raises Forbidden."""
        caller: Caller = connection.scope["state"]["caller"]
        if caller.kind == "publishable" and self._publishable:
            return
        if not caller.may(self._scope):
            raise Forbidden(f"this {caller.kind} key does not have the scope {self._scope}")
