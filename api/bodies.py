"""Request bodies, decoded strictly: no unknown fields, no "1" for 1, no duplicate keys."""

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar
from urllib.parse import urlsplit

import msgspec
from litestar.dto import MsgspecDTO
from litestar.openapi.spec import Reference, Schema
from litestar.typing import FieldDefinition
from msgspec import Meta

from api.choices import with_choices
from gateway.errors import InvalidAmount, InvalidRequest
from gateway.money import Currency, PositiveAmount, exponent
from gateway.provider import CaptureMode
from gateway.routing import Country

if TYPE_CHECKING:
    from litestar._openapi.schema_generation import SchemaCreator

T = TypeVar("T", bound=msgspec.Struct)
_PATH = re.compile(r" - at (?:`key` in )?`\$\.?([^`]*)`$")
_FIELD = re.compile(r"Object (?:contains unknown|missing required) field `([^`]*)`$")

# `$` alone lets a newline follow; both spellings mean the same to a browser's RegExp.
_URL = r"^https?://[^\s/?#@]+([/?#]\S*)?$(?!\n)"
_EMAIL = r"^[^@\s]+@[^@\s]+$(?!\n)"

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Url = Annotated[str, Meta(min_length=1, max_length=2000, pattern=_URL)]
Email = Annotated[str, Meta(max_length=320, pattern=_EMAIL)]
ProviderName = Annotated[
    str, Meta(min_length=1, max_length=63, description="Or `auto`: your routing policy chooses")
]
#: Where it is not given, a request's fingerprint is what it was before there was such a field.
BuyerCountry = (
    Annotated[Country, Meta(description="The buyer's, for routing only")] | msgspec.UnsetType | None
)
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

    @classmethod
    def create_openapi_schema(
        cls, field_definition: FieldDefinition, handler_id: str, schema_creator: "SchemaCreator"
    ) -> Reference | Schema:
        """The model's own schema: there is no other shape on the wire."""
        return schema_creator.for_field_definition(FieldDefinition.from_annotation(cls.model_type))


def decode(body: bytes, kind: type[T]) -> T:
    """Decode strictly. Raises InvalidRequest with the path of the field at fault."""
    try:
        decoded: T = msgspec.json.decode(body, type=kind, strict=True)
        json.loads(body, object_pairs_hook=_checked)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise _invalid(str(error), kind) from None
    except (UnicodeDecodeError, RecursionError):
        raise InvalidRequest("the body is not JSON in UTF-8") from None
    return decoded


def convert(value: dict[str, Any], kind: type[T], *, strict: bool = True, path: str = "") -> T:
    """What was decoded already; not `strict`: from an address, where all are strings.

    Raises InvalidRequest with the path of the field at fault, below `path`.
    """
    try:
        return msgspec.convert(value, type=kind, strict=strict)
    except msgspec.ValidationError as error:
        raise _invalid(str(error), kind, path) from None


_FORMS = {"customer_email": "give an e-mail address, such as ada@example.com"}


def _invalid(text: str, kind: type[msgspec.Struct], below: str = "") -> InvalidRequest:
    """msgspec's words as ours: "Expected `str`, got `int` - at `$.items[0].name`"."""
    match = _PATH.search(text)
    detail, path = (text[: match.start()], match[1]) if match else (text, "")
    if field := _FIELD.match(detail):
        path = f"{path}.{field[1]}".lstrip(".")
    detail = with_choices(detail, kind, path)
    path = f"{below}.{path}".strip(".") if below else path
    if "matching regex" in detail:  # no words for people
        detail = _FORMS.get(path, "it does not have the form that the API reference shows")
    return InvalidRequest(detail[:500], path=path[:200])


def _checked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """What msgspec lets pass: a key that is there twice, and NUL, which no database holds."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidRequest(f"the key {twice!r} is there twice", path=twice)
    for name, value in pairs:
        if "\0" in name or (isinstance(value, str) and "\0" in value):
            raise InvalidRequest("there is a NUL character in it", path=name.replace("\0", ""))
    return found


def known_currency(currency: str, path: str) -> None:
    """Raises InvalidAmount for what is no currency; `path` is where it stands."""
    try:
        exponent(currency)
    except InvalidAmount as error:
        raise InvalidAmount(error.detail, path=path) from None


def in_utc(at: datetime, path: str) -> datetime:
    """A time with its zone, in UTC. Raises InvalidRequest for one that UTC cannot say."""
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise InvalidRequest("this is before the year 1 or after 9999 in UTC", path=path) from None


def usable_url(url: str, path: str) -> None:
    """Raises InvalidRequest for an address that matches the pattern and yet cannot be taken apart.

    The buyer is to be sent there: `https://[::1`, say, would only be found out on the return.
    """
    try:
        parts = urlsplit(url)
        usable = parts.hostname is not None and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise InvalidRequest("this is no usable web address", path=path)


# --- the bodies -----------------------------------------------------------------------------------


class NewPrice(Body, frozen=True):
    """What one unit costs."""

    currency: Currency
    unit_amount: PositiveAmount


class NewProduct(Body, frozen=True):
    """A product for the catalogue."""

    name: Name
    prices: Annotated[list[NewPrice], Meta(min_length=1, max_length=200)]
    description: Annotated[str, Meta(max_length=5000)] = ""
    metadata: Metadata = {}


class ProductChange(Body, frozen=True):
    """What is given is changed; `prices` replaces all prices."""

    name: Name | msgspec.UnsetType = msgspec.UNSET
    description: Annotated[str, Meta(max_length=5000)] | msgspec.UnsetType = msgspec.UNSET
    prices: Annotated[list[NewPrice], Meta(min_length=1, max_length=200)] | msgspec.UnsetType = (
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

    provider: ProviderName
    currency: Currency
    items: Annotated[list[NewItem], Meta(min_length=1, max_length=100)]
    success_url: Url
    cancel_url: Url
    reference: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    customer_email: Email | None = None
    capture: CaptureMode = "automatic"
    expires_in: Annotated[int, Meta(ge=1800, le=86_400, description="Seconds")] = 3600
    metadata: Metadata = {}
    country: BuyerCountry = msgspec.UNSET


class NewPayment(Body, frozen=True):
    """Another attempt, with this provider."""

    provider: ProviderName
    country: BuyerCountry = msgspec.UNSET


class CaptureBody(Body, frozen=True):
    """How much to capture, in minor units; all without it."""

    amount: PositiveAmount | None = None


class CancelBody(Body, frozen=True):
    """Nothing has to be said."""


class NewRefund(Body, frozen=True):
    """How much to refund, in minor units; all that is refundable without it."""

    amount: PositiveAmount | None = None
    reason: Annotated[str, Meta(min_length=1, max_length=250)] | None = None
    metadata: Metadata = {}
