"""The query parameters by which lists are filtered."""

from datetime import datetime
from typing import Annotated

from litestar.params import Parameter

from api.bodies import in_utc
from api.order_answers import AnyRequest
from api.paging import METADATA
from gateway.errors import InvalidRequest
from gateway.money import MAX_AMOUNT

Amount = Annotated[int | None, Parameter(ge=0, le=MAX_AMOUNT, description="Minor units")]
SignedAmount = Annotated[
    int | None, Parameter(ge=-MAX_AMOUNT, le=MAX_AMOUNT, description="Minor units")
]
Moment = Annotated[
    datetime | None, Parameter(description="A time with its zone, such as 2026-01-31T00:00:00Z")
]
#: An id, or a number or an address that somebody holds.
Word = Annotated[str | None, Parameter()]
Search = Annotated[
    str | None,
    Parameter(
        max_length=320,
        description="Any id that anybody holds of the order: ours, the merchant's reference, a "
        "provider's, or the customer's e-mail address",
    ),
]


def metadata_filters(request: AnyRequest) -> dict[str, str]:
    """Those of `metadata[key]=value`."""
    given = request.query_params.multi_items()
    return {found[1]: str(value) for name, value in given if (found := METADATA.fullmatch(name))}


def moment(name: str, at: datetime | None) -> datetime | None:
    """A time in UTC. Raises InvalidRequest for one that does not say its zone."""
    if at is None:
        return None
    if at.tzinfo is None:
        raise InvalidRequest("give the time zone, as in 2026-01-31T00:00:00Z", path=name)
    return in_utc(at, name)
