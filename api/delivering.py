"""Delivering events to merchants: places them in the feed, claims what is due, sends, settles.

Runs in the worker beside its other work. Deliveries are tasks of their own: a slow endpoint holds
the few of them that it may have, and nobody else's.
"""

import asyncio
from collections import Counter
from datetime import datetime

from standardwebhooks.webhooks import Webhook

from api.logs import log
from api.wiring import Services
from gateway.deliveries import PER_PROCESS, Reply
from gateway.endpoints import SentRequest
from gateway.errors import StoreUnavailable
from storage.deliveries import Claimed

_POLL_SECONDS = 1.0
_USER_AGENT = "payment-gateway-webhooks/1"


class Deliverer:
    """The deliveries under way in this process."""

    def __init__(self, services: Services) -> None:
        self._services = services
        #: Each with its endpoint.
        self._under_way: dict[asyncio.Task[None], str] = {}

    async def start_due(self) -> int:
        """Place new events, and start the deliveries that are due. Returns how many there were."""
        ctx = self._services.ctx
        placed = await self._services.feed.place()
        now, free = ctx.now(), PER_PROCESS - len(self._under_way)
        busy = Counter(self._under_way.values())
        claim = self._services.deliveries.claim
        claimed = await claim(now, now + ctx.lease, free, busy) if free else []
        for item in claimed:
            task = asyncio.create_task(self._deliver(item), name="delivery")
            self._under_way[task] = item.endpoint_id
            task.add_done_callback(self._under_way.pop)
        return placed + len(claimed)

    async def finish(self) -> None:
        """Wait for those under way: 15 seconds at most."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop` is set; what is under way then is finished first."""
        wake = self._services.outgoing
        while not stop.is_set():
            wake.clear()
            try:
                busy = await self.start_due()
            except StoreUnavailable:
                log.warning("deliveries cannot use the database, trying again")
                busy = 0
            except Exception:  # a loop that dies quietly would leave everything undelivered
                log.exception("deliveries stumbled, trying again")
                busy = 0
            if not busy or len(self._under_way) >= PER_PROCESS:
                await self._until_more(stop)
        await self.finish()

    async def _until_more(self, stop: asyncio.Event) -> None:
        """Sleep until there may be more to do: new events, an ended delivery, or a while."""
        waits = [
            asyncio.create_task(stop.wait()),
            asyncio.create_task(self._services.outgoing.wait()),
        ]
        await asyncio.wait(
            {*waits, *self._under_way},
            timeout=_POLL_SECONDS,
            return_when=asyncio.FIRST_COMPLETED,
        )
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)

    async def _deliver(self, claimed: Claimed) -> None:
        """One try. What cannot be settled is claimed again once its lease has run out."""
        started = self._services.ctx.now()
        sent = SentRequest(claimed.url, _headers(claimed, started), claimed.body.decode())
        try:
            reply = await self._send(claimed, sent, started)
            verdict = await self._services.deliveries.settle(claimed, started, sent, reply)
        except Exception:
            log.exception("delivery not settled", delivery=claimed.id)
            return
        outcome = "disabled" if verdict.disable else verdict.status
        self._services.metrics.delivery(outcome, reply.milliseconds / 1000)
        log.info(
            "delivery",
            delivery=claimed.id,
            endpoint=claimed.endpoint_id,
            event_id=claimed.event_id,
            outcome=outcome,
            status=reply.status,
            milliseconds=reply.milliseconds,
        )
        if verdict.disable:
            self._services.outgoing.set()  # the merchant's other endpoints are told

    async def _send(self, claimed: Claimed, sent: SentRequest, at: datetime) -> Reply:
        if not claimed.secrets:
            return Reply(None, 0, error="not sent: the signing secret cannot be read, rotate it")
        signature = " ".join(
            Webhook(secret).sign(claimed.event_id, at, sent.body) for secret in claimed.secrets
        )
        headers = sent.headers | {"webhook-signature": signature}
        return await self._services.outbound.post(
            claimed.url, headers, claimed.body, livemode=claimed.livemode
        )


def _headers(claimed: Claimed, at: datetime) -> dict[str, str]:
    return {
        "content-type": "application/json",
        "user-agent": _USER_AGENT,
        "accept-encoding": "identity",
        "webhook-id": claimed.event_id,
        "webhook-timestamp": str(int(at.timestamp())),
    }
