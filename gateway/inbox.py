"""Webhooks: verified, stored and acknowledged first; applied by the worker."""

from collections.abc import Mapping
from datetime import timedelta

import msgspec

from gateway.attempts import lock
from gateway.context import Context
from gateway.errors import NotFound, WebhookInvalid
from gateway.ports import Transaction
from gateway.provider import ProviderEvent
from gateway.recording import entry, record
from gateway.records import ReceivedEvent

#: The account of the settings in the environment.
DEFAULT_ACCOUNT = "default"
#: An event about a payment that we do not know (yet) is tried again this often, then put aside as
#: an orphan: it may have overtaken the commit of the checkout it speaks of.
ORPHAN_TRIES = 6
MAX_TRIES = 10


async def receive(ctx: Context, provider_name: str, headers: Mapping[str, str], body: bytes) -> str:
    """Verify and store a delivery; it is durable when this returns. Returns the event's id.

    Raises NotFound for a provider that is off, WebhookInvalid for what is not a genuine event,
    StoreUnavailable and Unavailable when the provider should deliver it again later.
    """
    provider = ctx.providers.get(provider_name)
    if provider is None:
        raise NotFound(f"there is no provider {provider_name}")
    event = await provider.adapter.verify_webhook(headers, body)
    if b"\\u0000" in msgspec.json.encode(event):
        raise WebhookInvalid("the event has a NUL character in it, which cannot be stored")
    await ctx.store.store_event(
        ReceivedEvent(
            provider=provider_name,
            account=DEFAULT_ACCOUNT,
            event_id=event.id,
            type=event.type,
            body=body,
            received_at=ctx.now(),
        )
    )
    ctx.wake()
    return event.id


async def apply(ctx: Context, received: ReceivedEvent, *, occasion: str = "") -> None:
    """Turn a stored event into facts on its order, in the transaction that marks it applied.

    `occasion`: what the timeline is told beyond the rule.
    """
    provider = ctx.providers.get(received.provider)
    if provider is None:
        await _retry(ctx, received, "the provider is switched off")
        return
    event = provider.plugin.read_event(received.body)
    if event.ignored is not None:
        await _ignore(ctx, received, event.ignored)
        return
    async with ctx.store.transaction() as tx:
        found = await tx.find_payment(received.provider, event.payment_id, event.provider_ids)
        if found is not None:
            merchant_id, order_id, payment_id = found
            locked, state = await lock(tx, merchant_id, order_id)
            if state.payment(payment_id).provider != received.provider:
                raise WebhookInvalid(f"{payment_id} is not a payment of {received.provider}")
            rule = "; ".join(filter(None, [occasion, _rule(event)]))
            if await tx.finish_event(received, "applied", rule, merchant_id=merchant_id):
                await _clear_attention(ctx, tx, received)
                line = entry(
                    ctx,
                    "webhook",
                    f"{event.type} from {received.provider}",
                    rule if received.deliveries else f"found in the provider's list; {rule}",
                    event=received.event_id,
                    received_at=received.received_at.isoformat(),
                    deliveries=received.deliveries,
                )
                source = f"{received.provider} event {received.event_id}"
                await record(
                    ctx, tx, locked, payment_id, event.facts, source=source, entries=[line]
                )
                if event.confirm:
                    await tx.enqueue(merchant_id, "confirm_payment", payment_id, ctx.now())
            return
    if received.attempts >= ORPHAN_TRIES:
        await _put_aside(ctx, received, event, livemode=provider.mode == "live")
    else:
        await _retry(ctx, received, "no payment is known by these ids yet")


async def _put_aside(
    ctx: Context, received: ReceivedEvent, event: ProviderEvent, *, livemode: bool
) -> None:
    """An orphan: tried again when one of its ids becomes known (gateway/sweeps.py)."""
    known_by = ", ".join(filter(None, [event.payment_id, *event.provider_ids]))[:500]
    async with ctx.store.transaction() as tx:
        rule = "no payment of ours is known by these ids"
        if await tx.finish_event(received, "orphan", rule):
            await tx.keep_orphan(received, event.provider_ids)
            detail = (
                f"{event.type} from {received.provider} is about a payment that is not known here "
                f"({known_by or 'without any id'}); see whether it was made by other software, or "
                "is missing here"
            )
            await tx.add_attention(
                "", livemode, "orphan_event", _subject(received), detail, ctx.now()
            )


def _subject(received: ReceivedEvent) -> str:
    return f"{received.provider}:{received.event_id}"


async def _clear_attention(ctx: Context, tx: Transaction, received: ReceivedEvent) -> None:
    """It may have been an orphan, or a dead letter that was played again."""
    if received.attempts > ORPHAN_TRIES:
        await tx.clear_attention("", "orphan_event", _subject(received), ctx.now())
        await tx.clear_attention("", "dead_letter", _subject(received), ctx.now())


def _rule(event: ProviderEvent) -> str:
    rule = "what the event itself proves was applied"
    if not event.facts:
        rule = "the event proves nothing by itself"
    return f"{rule}; the provider is asked for the rest" if event.confirm else rule


async def _ignore(ctx: Context, received: ReceivedEvent, rule: str) -> None:
    async with ctx.store.transaction() as tx:
        if await tx.finish_event(received, "ignored", rule):
            await _clear_attention(ctx, tx, received)


async def _retry(ctx: Context, received: ReceivedEvent, error: str) -> None:
    pause = timedelta(seconds=min(2**received.attempts, 600))
    async with ctx.store.transaction() as tx:
        await tx.retry_event(received, ctx.now() + pause, error)


async def failed(ctx: Context, received: ReceivedEvent, error: str) -> None:
    """Applying raised: bounded tries, then a dead letter that stays to be looked at."""
    if received.attempts < MAX_TRIES:
        await _retry(ctx, received, error)
        return
    provider = ctx.providers.get(received.provider)
    livemode = provider is not None and provider.mode == "live"
    async with ctx.store.transaction() as tx:
        if await tx.finish_event(received, "dead", error):
            detail = (
                f"{received.type} from {received.provider} could not be applied ({error}); cure "
                "that, then replay the event"
            )
            await tx.add_attention(
                "", livemode, "dead_letter", _subject(received), detail, ctx.now()
            )
