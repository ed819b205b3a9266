"""What every use case is given. Built once, in api/wiring.py."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.ids import Ids
from gateway.ports import Clock, Store
from gateway.registry import Providers


@dataclass(frozen=True)
class Context:
    """The domain's surroundings.

    `client_token` derives an order's token from its id and the server's secret. `lease`: how long
    a process may take over a provider call or a job before another one may take it up. `wake` is
    called when there is work for the worker; it must not block. `swept` is told what a sweep did:
    (sweep, outcome, how many), `applied` of an event's provider and the seconds since it came in,
    for the metrics.
    """

    store: Store
    clock: Clock
    ids: Ids
    providers: Providers
    public_url: str
    client_token: Callable[[str], str]
    lease: timedelta = timedelta(seconds=40)
    wake: Callable[[], None] = field(default=lambda: None)
    swept: Callable[[str, str, int], None] = field(default=lambda *_: None)
    applied: Callable[[str, float], None] = field(default=lambda *_: None)

    def now(self) -> datetime:
        """The present, UTC."""
        return self.clock.now()
