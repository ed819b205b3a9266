"""Stored webhooks read again, by today's code: what would change, and changing it.

An event that was ignored, or whose meaning was read wrongly, is worth a second reading after an
upgrade. Reading calls nobody and writes nothing. Applying goes the inbox's own way: facts that are
known are not added twice, so that whatever is replayed, nothing happens twice.
"""

import logging
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Literal, Protocol

import msgspec

from gateway import inbox
from gateway.context import Context
from gateway.errors import WebhookInvalid, reason
from gateway.facts import Recorded
from gateway.projection import project
from gateway.provider import ProviderEvent
from gateway.recording import describe, superfluous
from gateway.records import ReceivedEvent
from gateway.verify import StoredOrder

_log = logging.getLogger("gateway.worker")
Verdict = Literal["changes", "same", "ignored", "orphan", "unreadable", "provider_off", "waiting"]


class Selection(msgspec.Struct, frozen=True):
    """Which stored events; None does not restrict. Times are those of receipt, `until` excluded."""

    event_id: str | None = None
    provider: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class StoredEvent(msgspec.Struct, frozen=True):
    """An event of the inbox and what became of it: received, applied, ignored, orphan or dead."""

    received: ReceivedEvent
    status: str


class Replayed(msgspec.Struct, frozen=True):
    """What reading an event again comes to.

    `verdict`: it `changes` its order (`facts` are new, in words), or what is stored of the event
    (it is applied now, and was not); or all stays the `same`, and so on, with the reason in
    `detail`. `asks_provider`: applying it has the worker ask the provider for the rest.
    """

    provider: str
    event: str
    type: str
    received_at: datetime
    was: str
    verdict: Verdict
    order: str | None = None
    facts: tuple[str, ...] = ()
    status_before: str | None = None
    status_after: str | None = None
    asks_provider: bool = False
    detail: str = ""

    @property
    def changes(self) -> bool:
        """Whether applying it changes anything: a dead letter that is ignored today is settled."""
        settles = self.verdict == "ignored" and self.was in ("dead", "orphan")
        return self.verdict == "changes" or settles


class Events(Protocol):
    """What a replay asks of the store."""

    def events(self, wanted: Selection) -> AsyncIterator[StoredEvent]:
        """The stored events, in the order in which they were received."""
        ...

    async def order_of(self, provider: str, event: ProviderEvent) -> tuple[StoredOrder, str] | None:
        """The order that an event is about, read without a lock, and the payment's id."""
        ...

    async def claim(self, event: StoredEvent, lease_until: datetime) -> ReceivedEvent | None:
        """Lease an event to be applied; None when it is no longer as it was read."""
        ...


class Preview:
    """Reads events one after the other, each as if those before it had been applied."""

    def __init__(self, ctx: Context, events: Events) -> None:
        self._ctx = ctx
        self._events = events
        self._learnt: dict[str, list[Recorded]] = {}

    async def read(self, stored: StoredEvent) -> Replayed:
        """What would change. Writes nothing and calls no provider."""
        received = stored.received
        provider = self._ctx.providers.get(received.provider)
        if stored.status == "received":
            return _told(stored, "waiting", "the worker has not been through with it yet")
        if provider is None:
            return _told(stored, "provider_off", "the provider is switched off")
        try:
            event = provider.plugin.read_event(received.body)
        except WebhookInvalid as error:
            return _told(stored, "unreadable", error.detail)
        if event.ignored is not None:
            return _told(stored, "ignored", event.ignored)
        found = await self._events.order_of(received.provider, event)
        if found is None:
            return _told(stored, "orphan", "no payment of ours is known by these ids")
        order, payment_id = found
        if order.payments[payment_id]["provider"] != received.provider:
            return _told(stored, "unreadable", f"{payment_id} is another provider's payment")
        return self._compare(stored, event, order, payment_id)

    def _compare(
        self, stored: StoredEvent, event: ProviderEvent, order: StoredOrder, payment_id: str
    ) -> Replayed:
        terms, learnt = order.record.terms, self._learnt.get(order.record.id, [])
        facts = {(one.payment_id, one.fact.key): one for one in (*learnt, *order.recorded)}
        known = list(facts.values())
        before = project(terms, known)
        added = [
            facts.setdefault((payment_id, fact.key), Recorded(payment_id, fact))
            for fact in event.facts
            if (payment_id, fact.key) not in facts
        ]
        after = project(terms, [*known, *added])
        if added:
            added += superfluous(before, after, known, self._ctx.now())
            after = project(terms, [*known, *added])
            self._learnt[order.record.id] = [*learnt, *added]
        applied = stored.status == "applied"
        told = _told(stored, "changes" if added or not applied else "same", "")
        return msgspec.structs.replace(
            told,
            order=order.record.id,
            facts=tuple(describe(entry.fact) for entry in added),
            status_before=before.status,
            status_after=after.status,
            asks_provider=event.confirm,
        )


def _told(stored: StoredEvent, verdict: Verdict, detail: str) -> Replayed:
    received = stored.received
    return Replayed(
        provider=received.provider,
        event=received.event_id,
        type=received.type,
        received_at=received.received_at,
        was=stored.status,
        verdict=verdict,
        detail=detail,
    )


async def apply(
    ctx: Context, events: Events, stored: StoredEvent
) -> Literal["applied", "failed", "taken"]:
    """Apply one event by today's code.

    `failed`: it raised, and a worker tries again, as with any event. `taken`: another process has
    taken it up since it was read.
    """
    claimed = await events.claim(stored, ctx.now() + ctx.lease)
    if claimed is None:
        return "taken"
    try:
        await inbox.apply(ctx, claimed, occasion="replayed by an operator")
    except Exception as error:
        _log.exception("event not replayed", extra={"event": claimed.event_id})
        await inbox.failed(ctx, claimed, reason(error))
        return "failed"
    return "applied"
