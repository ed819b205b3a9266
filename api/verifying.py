"""The worker's slow round through all orders: are they still what their facts say?

A batch a minute, as `gateway verify` does it, told in the metrics. It changes nothing. Orders from
before the ledger wait for `gateway verify --repair`: that is no alarm.
"""

import asyncio
import contextlib

from api.logs import log
from api.wiring import Services
from gateway.errors import StoreUnavailable
from gateway.verify import UNBOOKED, verify
from storage.ledger import SqlLedger

_PAUSE_SECONDS = 60.0


async def keep_verifying(services: Services, stop: asyncio.Event) -> None:
    """Verify batch by batch, again and again, until `stop` is set."""
    while not await _stopped(stop):
        try:
            async for done in verify(SqlLedger(services.store.database)):
                differing = [found for found in done.found if found.field != UNBOOKED]
                services.metrics.verified(done.orders, len({found.order for found in differing}))
                for found in differing:
                    log.error("an order differs from its facts", order_id=found.order)
                if await _stopped(stop):
                    return
        except StoreUnavailable:
            log.warning("orders cannot be verified now, trying again")
        except Exception:  # the round is worth less than the worker that it is part of
            log.exception("verification stumbled, trying again")


async def _stopped(stop: asyncio.Event) -> bool:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), _PAUSE_SECONDS)
    return stop.is_set()
