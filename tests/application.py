"""Applications over services, whose routes are built once and used again.

Building them takes a tenth of a second, more than most stories take.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from litestar import Litestar

from api.app import WithRequestId, create_app
from api.wiring import Services

_idle: list[Litestar] = []


@contextmanager
def application(services: Services) -> Iterator[WithRequestId]:
    """The application over these services; no other story has it at the same time."""
    litestar = _idle.pop() if _idle else create_app(services).litestar
    litestar.state.services = services
    yield WithRequestId(litestar, services)
    _idle.append(litestar)
