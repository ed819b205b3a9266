"""API keys: making them, recognising them, and what each may do."""

import hashlib
import hmac
import secrets
from typing import Literal

import msgspec
from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler
from sqlalchemy import func, literal, select, update

from gateway.errors import GatewayError, InvalidRequest, NotFound
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
        unknown = set(scopes) - set(SCOPES)
        if unknown or (kind == "restricted") != bool(scopes):
            raise InvalidRequest(
                f"a restricted key has one or more of the scopes {', '.join(SCOPES)}; the other "
                "kinds have none",
                path="scopes",
            )
        mode = "live" if livemode else "test"
        key = f"{_PREFIX[kind]}_{mode}_{secrets.token_hex(24)}"
        async with self._database.write() as connection:
            await connection.execute(
                t.api_keys.insert().values(
                    merchant_id=merchant_id,
                    id=self._ids.new("key"),
                    kind=kind,
                    livemode=livemode,
                    scopes=" ".join(scopes),
                    name=name,
                    digest=self._digest(key),
                    hint=f"{key[:8]}…{key[-4:]}",
                    created_at=self._clock.now(),
                )
            )
        return key

    async def list(self) -> list[KeyRecord]:
        """All keys, oldest first."""
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(t.api_keys, t.merchants.c.name.label("merchant"))
                .join(t.merchants, t.merchants.c.id == t.api_keys.c.merchant_id)
                .order_by(t.api_keys.c.id)
            )
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
        """The key is refused from now on. Raises NotFound."""
        now = literal(self._clock.now(), UtcDateTime)  # coalesce itself does not know the type
        async with self._database.write() as connection:
            result = await connection.execute(
                update(t.api_keys)
                .where(t.api_keys.c.id == key_id)
                .values(revoked_at=func.coalesce(t.api_keys.c.revoked_at, now))
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
        if row is None or row.revoked_at is not None:
            raise Unauthenticated("this API key is not known, or it was revoked")
        return Caller(
            merchant_id=row.merchant_id,
            key_id=row.id,
            kind=row.kind,
            livemode=row.livemode,
            scopes=frozenset(row.scopes.split()),
        )


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
