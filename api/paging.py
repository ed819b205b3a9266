"""Keyset pagination: a cursor is the id after which the next page starts, made opaque."""

import base64
import binascii
import re
from collections.abc import Collection
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler
from litestar.params import Parameter
from litestar.types import Guard

from gateway.errors import InvalidRequest
from gateway.money import EXPONENTS
from gateway.registry import PROVIDER_NAME

T = TypeVar("T")
_ID = re.compile(r"[a-z]+_[0-9a-f]{32}")
#: The filter by one key of the metadata.
METADATA = re.compile(r"metadata\[(.{1,40})\]")

Limit = Annotated[int, Parameter(ge=1, le=500, description="At most so many")]
Cursor = Annotated[str | None, Parameter(description="`next_cursor` of the page before")]


class Page(msgspec.Struct, Generic[T], frozen=True):
    """Some of a list, newest first; `next_cursor` is null on the last page."""

    data: list[T]
    next_cursor: str | None


def known_filter(name: str, known: Collection[str]) -> None:
    """A misspelt filter must not find everything. Raises InvalidRequest."""
    if name not in known:
        raise InvalidRequest(f"there is no filter {name[:64]!r}", path=name[:64])


def possible(name: str, value: str, path: str) -> None:
    """What no record has must not find nothing, as if there were none of what was meant.

    Raises InvalidRequest for an unknown currency, and for a name that no provider has.
    """
    if name == "currency" and value not in EXPONENTS:
        raise InvalidRequest("a currency is three capitals of ISO 4217, such as EUR", path=path)
    if name == "provider" and not PROVIDER_NAME.fullmatch(value):
        raise InvalidRequest("a provider is named in small letters", path=path)


def only_filters(
    *known: str, several: Collection[str] = (), metadata: bool = False, paged: bool = True
) -> Guard:
    """Guard: these filters, `limit` and `cursor`, and no others, each with a value and once.

    Those in `several` may be repeated. `metadata`: there is `metadata[key]` for every key. Without
    `paged` there is no `limit` and no `cursor`. Raises InvalidRequest.
    """
    names = {*known, *(("limit", "cursor") if paged else ())} - {"metadata"}

    def check(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        for name, values in connection.query_params.dict().items():
            if not (metadata and METADATA.fullmatch(name)):
                known_filter(name, names)
            if "" in values:
                raise InvalidRequest("give it a value, or leave it out", path=name)
            if len(values) > 1 and name not in several:
                raise InvalidRequest("give it once", path=name)
            possible(name, values[0], name)

    return check


def encode(last_id: str | None) -> str | None:
    """The cursor of the page after `last_id`."""
    return None if last_id is None else base64.urlsafe_b64encode(last_id.encode()).decode()


def decode(cursor: str | None) -> str | None:
    """The id in a cursor. Raises InvalidRequest for one that we did not make."""
    if cursor is None:
        return None
    try:
        last_id = base64.b64decode(cursor, altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        last_id = ""
    if not _ID.fullmatch(last_id):
        raise InvalidRequest("use next_cursor of the page before, as it is", path="cursor")
    return last_id
