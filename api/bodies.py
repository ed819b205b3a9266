"""Request bodies, decoded strictly: no unknown fields, no "1" for 1, no duplicate keys."""

import json
import re
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from litestar.dto import MsgspecDTO
from msgspec import Meta

from gateway.errors import InvalidRequest
from gateway.money import Currency, PositiveAmount
from gateway.provider import CaptureMode

T = TypeVar("T", bound=msgspec.Struct)
_PATH = re.compile(r" - at `\$\.?([^`]*)`$")

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Url = Annotated[str, Meta(min_length=1, max_length=2000, pattern=r"^https?://[^\s/?#@]+(/\S*)?$")]
Email = Annotated[str, Meta(max_length=320, pattern=r"^[^@\s]+@[^@\s]+$")]
Metadata = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=40)], Annotated[str, Meta(max_length=500)]],
    Meta(max_length=50),
]


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every request body is."""


class StrictBody(MsgspecDTO[T], Generic[T]):
    """Decodes a body with msgspec's strict rules, and says which field is wrong."""

    def decode_bytes(self, value: bytes) -> Any:
        """The body. Raises InvalidRequest."""
        return decode(value, self.model_type)


def decode(body: bytes, kind: type[T]) -> T:
    """Decode strictly. Raises InvalidRequest with the path of the field at fault."""
    try:
        decoded: T = msgspec.json.decode(body, type=kind, strict=True)
        json.loads(body, object_pairs_hook=_no_duplicates)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        text = str(error)
        match = _PATH.search(text)
        detail = text[: match.start()] if match else text
        raise InvalidRequest(detail, path=match[1] if match else "") from None
    except (UnicodeDecodeError, RecursionError):
        raise InvalidRequest("the body is not JSON in UTF-8") from None
    return decoded


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidRequest(f"the key {twice!r} is there twice", path=twice)
    return found


# --- the bodies -----------------------------------------------------------------------------------


class PriceBody(Body, frozen=True):
    """What one unit costs."""

    currency: Currency
    unit_amount: PositiveAmount


class NewProduct(Body, frozen=True):
    """A product for the catalogue."""

    name: Name
    prices: Annotated[list[PriceBody], Meta(min_length=1, max_length=200)]
    description: Annotated[str, Meta(max_length=5000)] = ""
    metadata: Metadata = {}


class ProductChange(Body, frozen=True):
    """What is given is changed; `prices` replaces all prices."""

    name: Name | msgspec.UnsetType = msgspec.UNSET
    description: Annotated[str, Meta(max_length=5000)] | msgspec.UnsetType = msgspec.UNSET
    prices: Annotated[list[PriceBody], Meta(min_length=1, max_length=200)] | msgspec.UnsetType = (
        msgspec.UNSET
    )
    metadata: Metadata | msgspec.UnsetType = msgspec.UNSET
    active: bool | msgspec.UnsetType = msgspec.UNSET


class NewItem(Body, frozen=True):
    """A line: `product` from the catalogue, or (secret keys only) `name` and `unit_amount`."""

    quantity: Annotated[int, Meta(ge=1, le=10_000)] = 1
    product: Annotated[str, Meta(min_length=1, max_length=40)] | None = None
    name: Annotated[str, Meta(min_length=1, max_length=120)] | None = None
    unit_amount: PositiveAmount | None = None


class NewOrderBody(Body, frozen=True):
    """An order. There is no amount: the total is computed from the items."""

    provider: Annotated[str, Meta(min_length=1, max_length=63)]
    currency: Currency
    items: Annotated[list[NewItem], Meta(min_length=1, max_length=100)]
    success_url: Url
    cancel_url: Url
    reference: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    customer_email: Email | None = None
    capture: CaptureMode = "automatic"
    expires_in: Annotated[int, Meta(ge=1800, le=86_400, description="Seconds")] = 3600
    metadata: Metadata = {}


class NewPayment(Body, frozen=True):
    """Another attempt, with this provider."""

    provider: Annotated[str, Meta(min_length=1, max_length=63)]


class CaptureBody(Body, frozen=True):
    """How much to capture, in minor units; all without it."""

    amount: PositiveAmount | None = None


class NewRefund(Body, frozen=True):
    """How much to refund, in minor units; all that is refundable without it."""

    amount: PositiveAmount | None = None
    reason: Annotated[str, Meta(min_length=1, max_length=250)] | None = None
    metadata: Metadata = {}
