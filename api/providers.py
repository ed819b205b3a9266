"""/v1/providers: what a merchant chooses from, per checkout."""

from typing import Literal

import msgspec
from litestar import Router, get
from litestar.di import NamedDependency

from api.security import Caller, authenticated
from api.wiring import Services
from gateway.provider import Capabilities, Mode


class ProviderResource(msgspec.Struct, frozen=True):
    """One provider. `currencies` null: all. `health`: how its last calls went."""

    name: str
    display_name: str
    mode: Mode
    currencies: tuple[str, ...] | None
    capabilities: Capabilities
    health: Literal["ok", "degraded", "unknown"]


class ProviderList(msgspec.Struct, frozen=True):
    """All providers of the caller's mode."""

    data: list[ProviderResource]


@get("/", summary="List providers", operation_id="listProviders")
async def list_providers(
    services: NamedDependency[Services], caller: NamedDependency[Caller]
) -> ProviderList:
    """The providers that are switched on in the mode of the key."""
    mode: Mode = "live" if caller.livemode else "test"
    return ProviderList(
        [
            ProviderResource(
                name=provider.name,
                display_name=provider.plugin.display_name,
                mode=provider.mode,
                currencies=(
                    None
                    if provider.plugin.currencies is None
                    else tuple(sorted(provider.plugin.currencies))
                ),
                capabilities=provider.plugin.capabilities,
                health=provider.health,
            )
            for provider in services.ctx.providers.values()
            if provider.mode == mode
        ]
    )


router = Router(
    "/v1/providers", guards=[authenticated], tags=["Providers"], route_handlers=[list_providers]
)
