"""What is being worked on, for logs and traces: ids, names and codes, never anything personal.

`span` is a piece of work, `note` tells the innermost one what it is about as soon as that is known.
Where traces are switched on (api/telemetry.py), a tracer follows along.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar


class Span:
    """A piece of work: its name, and what is known about it. It may be renamed until it ends."""

    def __init__(self, name: str, known: dict[str, str], outer: "Span | None") -> None:
        self.name = name
        self.known = known
        self._outer = outer

    def all_known(self) -> dict[str, str]:
        """What is known about it and about the work that it is part of."""
        return (self._outer.all_known() if self._outer else {}) | self.known


#: Entered with every span; told it as it begins.
Tracer = Callable[[Span], AbstractContextManager[object]]

_current: ContextVar[Span | None] = ContextVar("span", default=None)
_tracers: list[Tracer] = []


@contextmanager
def span(name: str, **known: str) -> Iterator[Span]:
    """Everything inside is part of this piece of work."""
    made = Span(name, known, _current.get())
    token = _current.set(made)
    try:
        with _tracers[-1](made) if _tracers else nullcontext():
            yield made
    finally:
        _current.reset(token)


def note(**known: str | None) -> None:
    """Add to what is known about the work at hand; outside of any, it is lost."""
    current = _current.get()
    if current is not None:
        current.known.update({name: value for name, value in known.items() if value})


def all_known() -> dict[str, str]:
    """What is known about the work at hand."""
    current = _current.get()
    return current.all_known() if current else {}


@contextmanager
def traced(tracer: Tracer) -> Iterator[None]:
    """Every span that begins inside, in any task, is told to `tracer`."""
    _tracers.append(tracer)
    try:
        yield
    finally:
        _tracers.remove(tracer)
