"""Who is to open a payment's checkout: whom the merchant named, or the policy's choice.

The policy itself is in gateway/routing.py; here it meets the providers that are switched on, and
the attempts that an order has behind it.
"""

from collections.abc import Sequence

import msgspec

from gateway.context import Context
from gateway.errors import InvalidRequest
from gateway.money import Money
from gateway.order import OrderState, PaymentState
from gateway.provider import CaptureMode
from gateway.recording import entry
from gateway.records import OrderRecord, TimelineEntry
from gateway.registry import Provider, Providers
from gateway.routing import Candidate, Ranking, RoutingPolicy, Wanted, rank


class Auto(msgspec.Struct, frozen=True):
    """The policy is to choose. `country`: the buyer's, where the merchant told it."""

    policy: RoutingPolicy
    country: str | None = None


#: By name, or by a policy.
Wish = str | Auto


class Chosen(msgspec.Struct, frozen=True):
    """The provider for one attempt. `why` is for the timeline.

    `spare`: there is another one, should this one certainly not open a page.
    """

    name: str
    why: tuple[TimelineEntry, ...] = ()
    spare: bool = False


def choose(ctx: Context, order: OrderRecord, wish: Wish, state: OrderState | None = None) -> Chosen:
    """The provider for the next attempt on an order, whose `state` is None while it is new.

    A policy leaves out whoever has failed for this order, and turns to the one that is in use only
    after all others. Raises InvalidRequest for a provider that cannot serve, and `no_provider`
    where the policy finds none that can.
    """
    prices = [item.unit_amount for item in order.items]
    if isinstance(wish, str):
        provider = ctx.providers.choose(wish, livemode=order.livemode, currency=order.currency)
        _refuse_unable(provider, order.currency, prices, order.capture)
        return Chosen(wish)
    current = state.current if state else None
    ranking = rank(
        wish.policy,
        Wanted(order.currency, order.amount, wish.country),
        [
            msgspec.structs.replace(
                candidate,
                obstacle=candidate.obstacle or _failed_before(candidate.name, state),
                again=current is not None and current.provider == candidate.name,
            )
            for candidate in candidates(
                ctx.providers, order.livemode, order.currency, prices, order.capture
            )
        ],
        order.id,
    )
    if not ranking.ranked:
        reasons = "; ".join(f"{out.name}: {out.reason}" for out in ranking.excluded)
        raise InvalidRequest(
            f"no provider can take this order: {reasons or 'none is switched on in its mode'}",
            path="provider",
            code="no_provider",
        )
    return Chosen(ranking.ranked[0].name, (_why(ctx, wish, ranking, current),), _spare(ranking))


def candidates(
    providers: Providers,
    livemode: bool,
    currency: str | None,
    amounts: Sequence[int],
    capture: CaptureMode,
) -> list[Candidate]:
    """All providers of the mode, each with what keeps it from serving such a payment.

    `amounts`: each of them has to be exact in the provider's own units.
    """
    mode = "live" if livemode else "test"
    return [
        Candidate(
            name=provider.name,
            obstacle=_obstacle(providers, provider, currency, amounts, capture),
            degraded=provider.health == "degraded",
        )
        for provider in providers.values()
        if provider.mode == mode
    ]


def _obstacle(
    providers: Providers,
    provider: Provider,
    currency: str | None,
    amounts: Sequence[int],
    capture: CaptureMode,
) -> str:
    try:
        if currency is not None:
            livemode = provider.mode == "live"
            providers.choose(provider.name, livemode=livemode, currency=currency)
        _refuse_unable(provider, currency, amounts, capture)
    except InvalidRequest as error:
        return error.detail
    return ""


def _refuse_unable(
    provider: Provider, currency: str | None, amounts: Sequence[int], capture: CaptureMode
) -> None:
    """Raises InvalidRequest for a capture mode it does not know, or a price it cannot express."""
    if capture == "manual" and not provider.plugin.capabilities.manual_capture:
        raise InvalidRequest(
            f"{provider.plugin.display_name} cannot authorize now and capture later",
            path="provider",
            code="not_supported_by_provider",
        )
    if currency is not None:
        for amount in amounts:
            provider.plugin.scale.to_provider(Money(amount, currency))


def _failed_before(name: str, state: OrderState | None) -> str:
    failed = [p for p in state.payments if p.status == "failed"] if state else []
    return "it has failed for this order" if name in [p.provider for p in failed] else ""


def _spare(ranking: Ranking) -> bool:
    return len(ranking.ranked) > 1


def _why(ctx: Context, wish: Auto, ranking: Ranking, current: PaymentState | None) -> TimelineEntry:
    """Why the first of the ranking was chosen, in words, and what became of the others."""
    first = ranking.ranked[0]
    rule = first.reason
    if current is not None and current.status == "failed":
        rule = f"{current.provider} has certainly opened no page, so another may; {rule}"
    return entry(
        ctx,
        "routing",
        f"{first.name} chosen",
        rule,
        ranked=[msgspec.structs.asdict(one) for one in ranking.ranked],
        excluded=[msgspec.structs.asdict(one) for one in ranking.excluded],
        country=wish.country,
    )
