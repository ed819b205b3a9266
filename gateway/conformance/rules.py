"""Rules: what a test of the kit holds, said in words, with the reason for it.

A test that fails says which rule is broken, why the rule is there, and what happened here.
"""

import functools
import re
import traceback
import warnings
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from gateway.conformance.stand import Act, Traits
from gateway.errors import ProviderError
from gateway.facts import ProviderFact
from gateway.provider import ProviderPlugin

E = TypeVar("E", bound=ProviderError)
F = TypeVar("F", bound=ProviderFact)
Test = Callable[..., Any]
_FORGOTTEN = "coroutine .* was never awaited"


class Declared(Protocol):
    """What is known of a provider before any test runs."""

    @property
    def plugin(self) -> ProviderPlugin:
        """The provider's plugin."""
        ...

    @property
    def traits(self) -> Traits:
        """What is peculiar to it."""
        ...


#: Why a rule is not asked of a provider; None where it is.
Need = Callable[[Declared], str | None]


@dataclass(frozen=True)
class Rule:
    """`says` what must be, `because` of what. `proves`: rows of the capability matrix."""

    id: str
    says: str
    because: str
    proves: tuple[str, ...]
    needs: tuple[Need, ...]

    def waived(self, declared: Declared) -> str | None:
        """Why it is not asked; None where it is."""
        return next((why for need in self.needs if (why := need(declared))), None)

    def broken(self, provider: str, happened: str) -> str:
        """The words in which a test fails."""
        return f"{self.id}: {self.says}\n  Why: {self.because}\n  {provider}: {happened}"


class Broken(AssertionError):
    """A rule is broken."""


def rule(
    id: str, says: str, because: str, *needs: Need, proves: str | tuple[str, ...]
) -> Callable[[Test], Test]:
    """Makes a method of a contract the test of a rule."""
    rows = (proves,) if isinstance(proves, str) else proves
    made = Rule(id, says, because, rows, needs)

    def decorate(test: Test) -> Test:
        property_test = getattr(test, "hypothesis", None)
        if property_test is None:
            test = _telling(made, test)
        else:  # what runs for each example is inside
            property_test.inner_test = _telling(made, property_test.inner_test)
        test.rule = made  # type: ignore[attr-defined]
        return test

    return decorate


def _telling(made: Rule, test: Test) -> Test:
    """`test`, whose failures say which rule is broken."""

    @functools.wraps(test)
    async def told(self: Declared, *terms: Any, **named: Any) -> None:
        __tracebackhide__ = True
        cause: Exception | None = None
        happened = ""
        with _awaits() as forgotten:
            try:
                await test(self, *terms, **named)
            except Broken as error:
                happened = str(error)
                traceback.clear_frames(error.__traceback__)
            except Exception as error:
                happened, cause = words(error) + _where(error), error
                traceback.clear_frames(error.__traceback__)
                if isinstance(error, AttributeError):
                    error.obj = None  # the coroutine, if that is what was taken for an answer
        happened = "; ".join(filter(None, (happened, *forgotten)))
        if happened:
            raise Broken(made.broken(self.plugin.name, happened)) from cause

    return told


@contextmanager
def _awaits() -> Iterator[list[str]]:
    """Yields a list that tells in the end which awaits were forgotten inside.

    Python says so when it throws the coroutine away, where nobody can catch it; pytest then shows
    a heap of errors instead of a rule.
    """
    forgotten: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.filterwarnings("always", message=_FORGOTTEN, category=RuntimeWarning)
        yield forgotten
    for warning in caught:
        text = str(warning.message).splitlines()[0]
        if re.match(_FORGOTTEN, text):
            if text not in forgotten:
                forgotten.append(text)
        else:  # somebody else's
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )


def _where(error: Exception) -> str:
    """The innermost line of our own or the adapter's, not of a library."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    return f" ({own[-1].filename}:{own[-1].lineno})" if own else ""


def rule_of(test: object) -> Rule | None:
    """The rule that a method tests; None for any other thing."""
    found = getattr(test, "rule", None)
    return found if isinstance(found, Rule) else None


def check(condition: object, happened: str) -> None:
    """Go on only if the condition holds; `happened` says what is there if it does not."""
    if not condition:
        raise Broken(happened)


# --- what a rule needs ----------------------------------------------------------------------------


def capability(name: str) -> Need:
    """The plugin claims it."""
    return lambda declared: (
        None
        if getattr(declared.plugin.capabilities, name)
        else f"the plugin does not claim the capability {name}"
    )


def acts(*wanted: Act) -> Need:
    """The stand's buyer can do all of them."""
    return lambda declared: (
        None
        if declared.traits.acts.issuperset(wanted)
        else f"Traits.acts has not {', '.join(sorted(set(wanted) - declared.traits.acts))}"
    )


def trait(name: str, value: object = True) -> Need:
    """The trait has this value; with True, any that is not empty."""
    return lambda declared: (
        None
        if getattr(declared.traits, name) == value
        or (value is True and getattr(declared.traits, name))
        else f"Traits.{name} is {getattr(declared.traits, name)!r}"
    )


def window(verb: str) -> Need:
    """A repeated key is safe for some time."""
    return lambda declared: (
        None
        if getattr(declared.plugin.key_windows, verb) > 0
        else f"KeyWindows.{verb} is 0: the core never repeats such a call"
    )


# --- outcomes -------------------------------------------------------------------------------------


async def outcome(call: Awaitable[Any]) -> Any:
    """What a call returned, or the ProviderError that it raised. Anything else breaks a rule."""
    try:
        return await call
    except ProviderError as error:
        return error


def failed(told: Any, *classes: type[E]) -> E:
    """`told` as one of these errors; anything else is not what the contract wants."""
    if isinstance(told, classes):
        return told
    wanted = " or ".join(kind.__name__ for kind in classes)
    raise Broken(f"instead of {wanted}, {words(told)}")


def succeeded(told: Any) -> Any:
    """`told`, if it is no error."""
    if isinstance(told, ProviderError):
        raise Broken(f"instead of success, {words(told)}")
    return told


def of(kind: type[F], facts: Iterable[Any]) -> list[F]:
    """The facts of one kind."""
    return [fact for fact in facts if isinstance(fact, kind)]


def one(kind: type[F], facts: Iterable[Any]) -> F:
    """The only fact of its kind."""
    found = of(kind, facts)
    check(len(found) == 1, f"instead of one {kind.__name__}, {words(list(facts))}")
    return found[0]


def none(facts: Iterable[Any], *kinds: type[ProviderFact]) -> None:
    """No fact of these kinds is among them."""
    found = [fact for fact in facts if isinstance(fact, kinds)]
    check(not found, f"there is {words(found)}")


def words(told: Any) -> str:
    """A result or an error as somebody would say it."""
    match told:
        case ProviderError():
            code = f" ({told.provider_code})" if told.provider_code else ""
            return f"it raised {type(told).__name__}{code}: {told.detail}"
        case BaseException():
            return f"it raised {type(told).__name__}: {told}"
        case [] | ():
            return "no fact at all"
        case list() | tuple():
            return "; ".join(str(getattr(fact, "key", fact)) for fact in told)
    return repr(told)
