"""Which provider a payment goes to when the merchant leaves it to a policy. Pure.

A policy is a list of rules. Every rule whose conditions fit the order names providers, in order of
preference or by shares; the rules that fit are read from the top, and what they name is the
ranking. The first of it that can serve is taken, the others are there to fall over to. A provider
that no fitting rule names is not used.

Shares are drawn from the order's id by a hash. So the same order is always ranked the same way, on
every machine, and a ranking can be explained and computed again later.
"""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from gateway.errors import InvalidAmount, InvalidRequest
from gateway.money import Currency, PositiveAmount, exponent

#: In a request, instead of a provider's name: the policy chooses.
AUTO = "auto"
#: In a rule: all providers that it does not name itself.
OTHERS = "*"

Country = Annotated[
    str, Meta(pattern=r"^[A-Z]{2}$", max_length=2, description="ISO 3166-1 code of two letters")
]
Percent = Annotated[int, Meta(ge=1, le=100)]
_Name = Annotated[str, Meta(min_length=1, max_length=63)]
_Ranked = Annotated[tuple[_Name, ...], Meta(min_length=1, max_length=50)]
_Shares = Annotated[dict[_Name, Percent], Meta(min_length=1, max_length=50)]


class RoutingRule(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Whom to use, and for which orders: all, unless it has conditions, which must all hold.

    Either `providers`, in this order (`"*"` as the last: all others, by name), or `shares`, in
    percent, which add up to 100. `min_amount` and `max_amount` are included, in minor units of the
    one currency that `currencies` then names. A rule with `countries` fits no order that names
    none.
    """

    providers: _Ranked = ()
    shares: _Shares = {}
    currencies: Annotated[tuple[Currency, ...], Meta(min_length=1, max_length=200)] = ()
    countries: Annotated[tuple[Country, ...], Meta(min_length=1, max_length=250)] = ()
    min_amount: PositiveAmount | None = None
    max_amount: PositiveAmount | None = None


class RoutingPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A merchant's rules, in one mode.

    `avoid_degraded`: a provider whose last calls failed comes after all that are in good health,
    whatever the rules say. It is still there to fall over to.
    """

    rules: Annotated[tuple[RoutingRule, ...], Meta(min_length=1, max_length=50)]
    avoid_degraded: bool = True


#: For merchants who have not said anything: whoever can serve, by name.
DEFAULT = RoutingPolicy(rules=(RoutingRule(providers=(OTHERS,)),))


class Wanted(msgspec.Struct, frozen=True):
    """What is known of a payment, as far as rules ask. A condition on what is not known fails."""

    currency: str | None = None
    amount: int | None = None
    country: str | None = None


class Candidate(msgspec.Struct, frozen=True):
    """A provider of the right mode. `obstacle`: why it cannot serve, in words; empty if it can.

    `again`: it is in use for this order already, so that another one is preferred.
    """

    name: str
    obstacle: str = ""
    degraded: bool = False
    again: bool = False


class Reasoned(msgspec.Struct, frozen=True):
    """A provider, and in words why it is where it is, or why it is not there."""

    name: str
    reason: str


class Ranking(msgspec.Struct, frozen=True):
    """Who can serve, best first, and who is out. Every candidate is in one of them, once."""

    ranked: tuple[Reasoned, ...]
    excluded: tuple[Reasoned, ...]


def rank(
    policy: RoutingPolicy,
    wanted: Wanted,
    candidates: Collection[Candidate],
    order_id: str | None = None,
) -> Ranking:
    """Apply the policy. Without an `order_id` nothing is drawn: the larger share comes first."""
    named: dict[str, str] = {}
    names = sorted(candidate.name for candidate in candidates)
    for number, rule in enumerate(policy.rules, 1):
        if fits(rule, wanted):
            for name, why in _named(rule, names, order_id):
                words = f"rule {number}: {why}" if policy != DEFAULT else f"no policy: {why}"
                named.setdefault(name, words)
    known = {candidate.name: candidate for candidate in candidates}
    able = [known[name] for name in named if name in known and not known[name].obstacle]
    # sorted() is stable: within good and bad health, the rules' order stays.
    able.sort(key=lambda one: (one.again, policy.avoid_degraded and one.degraded))
    excluded = [
        Reasoned(name, known[name].obstacle or "no rule of the policy that fits names it")
        for name in names
        if name not in named or known[name].obstacle
    ]
    absent = sorted(named.keys() - known.keys())
    excluded += [Reasoned(name, "it is not switched on") for name in absent]
    reasons = [Reasoned(one.name, named[one.name] + _later(policy, one)) for one in able]
    return Ranking(tuple(reasons), tuple(excluded))


def _later(policy: RoutingPolicy, candidate: Candidate) -> str:
    reasons = []
    if candidate.again:
        reasons.append("it is in use for this order already, so others come first")
    if policy.avoid_degraded and candidate.degraded:
        reasons.append("its last calls failed, so those in good health come first")
    return "".join(f"; {reason}" for reason in reasons)


def fits(rule: RoutingRule, wanted: Wanted) -> bool:
    """Whether all conditions of the rule hold."""
    if rule.currencies and wanted.currency not in rule.currencies:
        return False
    if rule.countries and wanted.country not in rule.countries:
        return False
    if rule.min_amount is None and rule.max_amount is None:
        return True
    if wanted.amount is None:
        return False
    return (rule.min_amount or 0) <= wanted.amount <= (rule.max_amount or wanted.amount)


def _named(
    rule: RoutingRule, names: Sequence[str], order_id: str | None
) -> Iterator[tuple[str, str]]:
    """The rule's providers in its order, each with the reason for its place."""
    if rule.shares:
        yield from _drawn(rule, order_id) if order_id else _by_share(rule)
    for place, name in enumerate(rule.providers, 1):
        if name == OTHERS:
            for other in names:
                if other not in rule.providers:
                    yield other, "any other, by name"
        else:
            yield name, f"its choice {place}"


def _by_share(rule: RoutingRule) -> Iterator[tuple[str, str]]:
    for name, percent in sorted(rule.shares.items(), key=lambda item: (-item[1], item[0])):
        yield name, f"a share of {percent} percent"


def _drawn(rule: RoutingRule, order_id: str) -> Iterator[tuple[str, str]]:
    """All of the rule's shares in an order that the order's id draws, one after another.

    Whoever cannot serve is left out only afterwards: then the others' chances are their shares of
    what is left, and no order moves that was not the missing one's.
    """
    left = dict(sorted(rule.shares.items()))
    while left:
        whole = sum(left.values())
        seed = f"{order_id}:{len(rule.shares) - len(left)}".encode()
        point = int.from_bytes(hashlib.sha256(seed).digest()[:8], "big") % whole
        reached = 0
        for name, percent in left.items():
            reached += percent
            if point < reached:
                why = f"drawn for its share of {percent} percent ({point} of {whole}, by the id)"
                yield name, why
                del left[name]
                break


# --- what a policy may say ------------------------------------------------------------------------


def check(policy: RoutingPolicy, known: Collection[str]) -> None:
    """What the types cannot say. `known`: the providers there are in the policy's mode.

    Raises InvalidRequest that names the path.
    """
    for position, rule in enumerate(policy.rules):
        path = f"rules[{position}]"
        _check_names(rule, path, known)
        _check_conditions(rule, path)


def _check_names(rule: RoutingRule, path: str, known: Collection[str]) -> None:
    if bool(rule.providers) == bool(rule.shares):
        raise InvalidRequest("give either providers or shares", path=path)
    if rule.shares and sum(rule.shares.values()) != 100:
        whole = sum(rule.shares.values())
        raise InvalidRequest(f"shares add up to 100, these to {whole}", path=f"{path}.shares")
    if OTHERS in rule.providers[:-1]:
        raise InvalidRequest('"*" comes last: nothing is left after it', path=f"{path}.providers")
    places = [(name, f"{path}.providers[{place}]") for place, name in enumerate(rule.providers)]
    places += [(name, f"{path}.shares.{name}") for name in rule.shares]
    for place, (name, where) in enumerate(places):
        if name in [earlier for earlier, _ in places[:place]]:
            raise InvalidRequest(f"{name!r} is there twice", path=where)
        if name not in known and not (name == OTHERS and rule.providers):
            there_are = ", ".join(sorted(known)) or "none"
            raise InvalidRequest(
                f"no provider {name!r} in the mode of your key; there are: {there_are}",
                path=where,
                code="unknown_provider",
            )


def _check_conditions(rule: RoutingRule, path: str) -> None:
    for place, currency in enumerate(rule.currencies):
        try:
            exponent(currency)
        except InvalidAmount as error:
            raise InvalidAmount(error.detail, path=f"{path}.currencies[{place}]") from None
    bounds = {
        name: bound
        for name in ("min_amount", "max_amount")
        if (bound := getattr(rule, name)) is not None
    }
    for name in bounds:
        if len(rule.currencies) != 1:
            raise InvalidRequest(
                "an amount is in minor units of one currency: name that one in currencies",
                path=f"{path}.{name}",
            )
    if len(bounds) == 2 and bounds["min_amount"] > bounds["max_amount"]:
        raise InvalidRequest("it is less than min_amount", path=f"{path}.max_amount")
