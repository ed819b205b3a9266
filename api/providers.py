"""/v1/providers: what a merchant chooses from, per checkout."""

from typing import Annotated, Literal

import msgspec
from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromQuery, Parameter

from api.bodies import known_currency
from api.order_answers import AnyRequest
from api.paging import only_filters
from api.security import Caller, authenticated
from api.wiring import Services
from gateway.choosing import candidates
from gateway.errors import InvalidRequest
from gateway.money import MAX_AMOUNT
from gateway.proofs import proofs
from gateway.provider import Capabilities, CaptureMode, Mode
from gateway.registry import Provider
from gateway.routing import Ranking, Reasoned, Wanted, rank

_FILTERS = ("currency", "amount", "country", "capture")
AmountQuery = Annotated[
    int | None,
    Parameter(ge=1, le=MAX_AMOUNT, description="What is to be paid, in minor units of `currency`"),
]
CountryQuery = Annotated[
    str | None,
    Parameter(pattern="^[A-Z]{2}$", max_length=2, description="The buyer's, two letters"),
]


class ProviderResource(msgspec.Struct, frozen=True):
    """One provider. `currencies` null: all. `health`: how its last calls went.

    `proven`: of each capability that it claims, whether its adapter has passed the tests of the
    conformance kit; null where they never ran. `reason`: why it is in its place, where a payment
    was described; else null.
    """

    name: str
    display_name: str
    mode: Mode
    currencies: tuple[str, ...] | None
    capabilities: Capabilities
    proven: dict[str, bool] | None
    health: Literal["ok", "degraded", "unknown"]
    reason: str | None


class ExcludedProvider(msgspec.Struct, frozen=True):
    """A provider that would not be used for the payment that was described, and why."""

    name: str
    reason: str


class ProviderList(msgspec.Struct, frozen=True):
    """The providers of the caller's mode: by name, or those for one payment, best first."""

    data: list[ProviderResource]
    excluded: list[ExcludedProvider]


@get(
    "/",
    guards=[only_filters(*_FILTERS, paged=False)],
    summary="List providers",
    operation_id="listProviders",
)
async def list_providers(
    request: AnyRequest,
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    currency: FromQuery[str | None] = None,
    amount: AmountQuery = None,
    country: CountryQuery = None,
    capture: FromQuery[CaptureMode | None] = None,
) -> ProviderList:
    """The providers that are switched on in the mode of the key.

    With any of the parameters, those that can serve such a payment, best first by the routing
    policy; `excluded` names the others. A rule with a condition on what is not given does not fit.
    """
    found = services.ctx.providers
    if not request.query_params:
        mode: Mode = "live" if caller.livemode else "test"
        return ProviderList([_shown(p) for p in found.values() if p.mode == mode], [])
    if currency is not None:
        known_currency(currency, "currency")
    elif amount is not None:
        raise InvalidRequest("an amount is in minor units: name its currency", path="currency")
    ranking = await _ranking(services, caller, Wanted(currency, amount, country), capture)
    return ProviderList(
        [_shown(found[one.name], one) for one in ranking.ranked],
        [ExcludedProvider(one.name, one.reason) for one in ranking.excluded],
    )


async def _ranking(
    services: Services, caller: Caller, wanted: Wanted, capture: CaptureMode | None
) -> Ranking:
    policy = await services.routing.get(caller.merchant_id, caller.livemode)
    amounts = [] if wanted.amount is None else [wanted.amount]
    able = candidates(
        services.ctx.providers, caller.livemode, wanted.currency, amounts, capture or "automatic"
    )
    return rank(policy, wanted, able)


def _shown(provider: Provider, ranked: Reasoned | None = None) -> ProviderResource:
    currencies, proven = provider.plugin.currencies, proofs(provider.plugin)
    return ProviderResource(
        name=provider.name,
        display_name=provider.plugin.display_name,
        mode=provider.mode,
        currencies=None if currencies is None else tuple(sorted(currencies)),
        capabilities=provider.plugin.capabilities,
        proven=None if proven is None else dict(proven),
        health=provider.health,
        reason=ranked.reason if ranked else None,
    )


router = Router(
    "/v1/providers", guards=[authenticated], tags=["Providers"], route_handlers=[list_providers]
)
