"""What an export is to hold: the filters of the list of the same kind, under the same names."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from api.bodies import Body, convert, in_utc
from api.paging import METADATA, known_filter, possible
from gateway.columns import RecordKind
from gateway.errors import InvalidRequest
from gateway.facts import RefundStatus
from gateway.money import MAX_AMOUNT
from gateway.movements import MovementType
from gateway.order import OrderStatus
from storage.filters import BookFilter, OrderFilter, RefundFilter, Wanted

_Amount = Annotated[int, Meta(ge=0, le=MAX_AMOUNT)] | None
_SignedAmount = Annotated[int, Meta(ge=-MAX_AMOUNT, le=MAX_AMOUNT)] | None
_Word = Annotated[str, Meta(min_length=1, max_length=320)] | None
_Moment = Annotated[datetime, Meta(tz=True)] | None
_Metadata = dict[Annotated[str, Meta(max_length=40)], Annotated[str, Meta(max_length=500)]]
_Some = Meta(min_length=1)


class _OfAll(Body, frozen=True):
    provider: _Word = None
    currency: _Word = None
    reference: _Word = None
    customer_email: _Word = None
    provider_id: _Word = None
    metadata: _Metadata = msgspec.field(default_factory=dict)
    created_from: _Moment = None
    created_to: _Moment = None
    search: _Word = None


class OrderFilters(_OfAll, frozen=True):
    """As of `GET /v1/orders`."""

    status: Annotated[tuple[OrderStatus, ...], _Some] | None = None
    paid_from: _Moment = None
    paid_to: _Moment = None
    amount_min: _Amount = None
    amount_max: _Amount = None
    attention: bool | None = None


class RefundFilters(_OfAll, frozen=True):
    """As of `GET /v1/refunds`."""

    order: _Word = None
    payment: _Word = None
    status: Annotated[tuple[RefundStatus, ...], _Some] | None = None
    amount_min: _Amount = None
    amount_max: _Amount = None
    imported: bool | None = None


class LineFilters(_OfAll, frozen=True):
    """As of `GET /v1/balance_transactions`."""

    order: _Word = None
    payment: _Word = None
    type: Annotated[tuple[MovementType, ...], _Some] | None = None
    payout: _Word = None
    occurred_from: _Moment = None
    occurred_to: _Moment = None
    amount_min: _SignedAmount = None
    amount_max: _SignedAmount = None


Filters = OrderFilters | RefundFilters | LineFilters
FILTERS: Mapping[RecordKind, tuple[type[Filters], type[Wanted]]] = {
    "orders": (OrderFilters, OrderFilter),
    "refunds": (RefundFilters, RefundFilter),
    "balance_transactions": (LineFilters, BookFilter),
}
#: They may be given several times in an address, and are lists in JSON.
_SEVERAL = frozenset({"status", "type"})


def from_json(kind: RecordKind, given: Mapping[str, Any]) -> Wanted:
    """The filters of a job. Raises InvalidRequest with the path of the one at fault."""
    return _wanted(kind, dict(given), strict=True)


def from_query(
    kind: RecordKind, query: Iterable[tuple[str, str]], others: Iterable[str] = ()
) -> Wanted:
    """The filters in an address, beside its `others`. Raises InvalidRequest."""
    given: dict[str, Any] = {}
    known = {*FILTERS[kind][0].__struct_fields__, *others} - {"metadata"}
    for name, value in query:
        if match := METADATA.fullmatch(name):
            given.setdefault("metadata", {})[match[1]] = value
            continue
        known_filter(name, known)
        if value == "":
            raise InvalidRequest("give it a value, or leave it out", path=name)
        if name in _SEVERAL:
            given.setdefault(name, []).append(value)
        elif name in given:
            raise InvalidRequest("give it once", path=name)
        else:
            given[name] = value
    for name in others:
        given.pop(name, None)
    return _wanted(kind, given, strict=False)


def _wanted(kind: RecordKind, given: dict[str, Any], *, strict: bool) -> Wanted:
    typed, wanted = FILTERS[kind]
    path = "filters" if strict else ""
    checked = msgspec.structs.asdict(convert(given, typed, strict=strict, path=path))
    for name, value in checked.items():
        where = f"{path}.{name}".strip(".")
        if isinstance(value, datetime):
            checked[name] = in_utc(value, where)
        elif isinstance(value, str):
            possible(name, value, where)
    return wanted(**checked)


def as_json(wanted: Wanted) -> dict[str, Any]:
    """The filters as `from_json` reads them: only those that restrict."""
    given = msgspec.structs.asdict(wanted)
    shown = {name: value for name, value in given.items() if value is not None and value != {}}
    plain: dict[str, Any] = msgspec.to_builtins(shown)
    return plain


def span(wanted: Wanted) -> tuple[datetime | None, datetime | None]:
    """The time that the records are of, for the file's name: the first range that is given."""
    for name in ("created", "paid", "occurred"):
        start = getattr(wanted, f"{name}_from", None)
        end = getattr(wanted, f"{name}_to", None)
        if start or end:
            return start, end
    return None, None
