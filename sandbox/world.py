"""The whole mutable state of the sandbox, and what it asks of a provider's side."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import gettempdir
from typing import Any, Protocol, TypeVar, cast

from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.ids import Ids
from sandbox.ledger import Row
from sandbox.webhooks import Webhooks

T = TypeVar("T")
CALLS_KEPT = 2000


DISCREPANCIES = ("missing", "amount", "currency", "fee", "duplicate")
"""A line is left out, tells a minor unit more, another currency, a fee that is higher by one, or
stands there twice. Payouts are made of what the books then say."""


class ControlError(Exception):
    """A control call or a buyer's action that makes no sense here; answered as `status`, with
    `message` for the person who made it."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


@dataclass(frozen=True)
class Config:
    """How a sandbox is set up. `base_url` is its own address, without a slash at the end."""

    base_url: str = "http://127.0.0.1:4242"
    webhook_urls: Mapping[str, str] = field(default_factory=dict)
    seed: int | None = None
    state_dir: Path = field(default_factory=lambda: Path(gettempdir()))


class ProviderSide(Protocol):
    """One provider inside the sandbox, as the control calls and the fault wrapper see it.

    Every `id` may be whichever id a client knows: session, intent, charge; order, capture.
    All but `error` raise ControlError where the action makes no sense.
    """

    name: str

    async def buyer(self, id: str, action: str) -> dict[str, Any]:
        """Do on the hosted page what a buyer would; returns the object's new state."""

    async def refund(self, id: str, amount: int | None, **options: Any) -> dict[str, Any]:
        """Refund from the provider's own dashboard; no amount means all that is left."""

    async def dispute(self, id: str, **options: Any) -> dict[str, Any]:
        """Open a dispute, or close the open one with `status` won or lost."""

    async def payout(self, **options: Any) -> dict[str, Any]:
        """Pay the available balance out to the merchant's bank."""

    async def charge(self, amount: int, currency: str) -> dict[str, Any]:
        """Take money in the provider's own dashboard, without the merchant's software."""

    async def discrepancy(self, id: str, kind: str) -> dict[str, Any]:
        """Falsify the line about `id` (whatever moved the money) in the provider's own books:
        see DISCREPANCIES."""

    async def alter(
        self, id: str, amount: int | None = None, currency: str | None = None
    ) -> dict[str, Any]:
        """Make the provider report another amount or currency than was asked for."""

    def ledger(self) -> list[Row]:
        """Every movement of money so far."""

    def error(self, status: int, code: str) -> tuple[int, dict[str, Any]]:
        """The provider's error body for an HTTP status."""

    async def tick(self) -> None:
        """Time has passed: expire, settle and fail what is due, with its webhooks."""

    def environment(self, base_url: str) -> dict[str, str]:
        """The settings with which a client talks to this provider's side."""


class World:
    """Holds everything; a `reset()` empties it but keeps webhook addresses, keys, certificates."""

    def __init__(
        self, config: Config, sides: Mapping[str, Callable[[World], ProviderSide]]
    ) -> None:
        self.config = config
        self.random = Random(config.seed)
        self.ids = Ids(self.random)
        self.clock = Clock()
        self.faults = Faults()
        self.webhooks = Webhooks(self.clock, self.ids, self.random, config.webhook_urls)
        self.calls: deque[dict[str, Any]] = deque(maxlen=CALLS_KEPT)
        self.providers: dict[str, ProviderSide] = {}
        self._sides = sides
        self._kept: dict[str, object] = {}
        self.reset()

    @property
    def base_url(self) -> str:
        """The sandbox's own address, without a slash at the end."""
        return self.config.base_url

    def keep(self, name: str, make: Callable[[], T]) -> T:
        """The value made at the first call under `name`; it survives `reset()`."""
        if name not in self._kept:
            self._kept[name] = make()
        return cast(T, self._kept[name])

    def side(self, provider: object) -> ProviderSide:
        """The side of a provider. Raises ControlError for an unknown name."""
        try:
            return self.providers[str(provider)]
        except KeyError:
            known = ", ".join(sorted(self.providers))
            raise ControlError(f"provider must be one of: {known}", 404) from None

    def reset(self) -> None:
        """Forget every object, fault, call, delivery and the moved clock."""
        self.clock.reset()
        self.faults.clear()
        self.webhooks.reset()
        self.calls.clear()
        self.providers = {name: build(self) for name, build in self._sides.items()}

    async def tick(self) -> None:
        """Let every provider notice that time has passed."""
        for side in self.providers.values():
            await side.tick()

    def ledger(self) -> list[Row]:
        """Every provider's rows, oldest first."""
        rows = [row for side in self.providers.values() for row in side.ledger()]
        return sorted(rows, key=lambda row: row["created"])

    def environment(self) -> dict[str, str]:
        """The settings with which a gateway talks to this sandbox."""
        merged: dict[str, str] = {}
        for side in self.providers.values():
            merged |= side.environment(self.base_url)
        return merged
