"""`gateway events`: send merchants an event again; read stored webhooks again."""

import asyncio
import sys
from datetime import datetime

import click
from rich.table import Table

from api import logs, serving, terminal
from api.settings import environment, load
from api.wiring import open_services
from gateway.endpoints import DeliveryResource
from gateway.errors import NotFound
from gateway.replay import Preview, Replayed, Selection, apply
from storage.lookup import Lookup
from storage.replays import SqlReplays


@click.group()
def events() -> None:
    """Events to merchants, and from providers."""


# --- resend ---------------------------------------------------------------------------------------


@events.command("resend")
@click.argument("id", metavar="DELIVERY|EVENT")
@terminal.as_json
def resend_command(id: str, as_json: bool) -> None:
    """Send a merchant's event again: one delivery, or to every endpoint that asks for it.

    A worker sends it, as soon as its endpoint's circuit lets it through. It keeps its `webhook-id`,
    so that who has it already can tell.
    """
    deliveries = asyncio.run(_resend(id))
    if as_json:
        terminal.line({"data": deliveries})
        return
    if not deliveries:
        click.echo("No enabled endpoint asks for this event.")
        return
    table = Table("Delivery", "Endpoint", "Event", "Status")
    for one in deliveries:
        table.add_row(one.id, one.endpoint, one.event, one.status)
    terminal.show(table)


async def _resend(object_id: str) -> list[DeliveryResource]:
    settings = load(environment())
    await serving.check_schema(settings.database_url)
    async with open_services(settings) as services:
        lookup, log = Lookup(services.store.database), services.delivery_log
        if (owned := await lookup.delivery(object_id)) is not None:
            return [await log.resend(owned.merchant_id, owned.livemode, owned.id)]
        if (owned := await lookup.event(object_id)) is not None:
            return await log.resend_event(owned.merchant_id, owned.livemode, owned.id)
    raise NotFound(f"there is no delivery and no event {object_id}")


# --- replay ---------------------------------------------------------------------------------------


@events.command("replay")
@click.option("--event", "event_id", help="A provider's event, by the provider's id of it.")
@click.option("--since", callback=terminal.moment, help="Received at or after this day or moment.")
@click.option("--until", callback=terminal.moment, help="Received before this day or moment.")
@click.option("--provider", help="Of this provider only.")
@click.option("--apply", "applies", is_flag=True, help="Make the changes that are shown.")
@terminal.as_json
def replay_command(
    event_id: str | None,
    since: datetime | None,
    until: datetime | None,
    provider: str | None,
    applies: bool,
    as_json: bool,
) -> None:
    """Read stored webhooks again with today's code, and show what would change.

    Nothing is written without --apply, and no provider is called. With it, what is shown to change
    is changed; where the provider is to be asked for the rest, a worker does.
    """
    if event_id is None and since is None:
        raise click.UsageError("say which: --event, or --since")
    wanted = Selection(event_id, provider, since, until)
    counts = asyncio.run(_replay(wanted, applies, as_json))
    if as_json:
        terminal.line(counts)
    else:
        done = f"{counts['applied']} applied" if applies else "nothing was written, see --apply"
        failed = f", {counts['failed']} failed, see the log" if counts["failed"] else ""
        what = f"{counts['read']} events read, {counts['changes']} change something"
        click.echo(f"{what}; {done}{failed}.")
    if counts["failed"]:
        raise SystemExit(1)


async def _replay(wanted: Selection, applies: bool, as_json: bool) -> dict[str, int]:
    settings = load(environment())
    logs.configure("warning", pretty=sys.stderr.isatty())
    await serving.check_schema(settings.database_url)
    counts = {"read": 0, "changes": 0, "applied": 0, "failed": 0, "taken": 0}
    async with open_services(settings) as services:
        replays = SqlReplays(services.store.database, services.ctx.ids)
        preview = Preview(services.ctx, replays)
        async for stored in replays.events(wanted):
            counts["read"] += 1
            replayed = await preview.read(stored)
            if as_json:
                terminal.line(replayed)
            elif replayed.changes or replayed.verdict not in ("same", "ignored"):
                _tell(replayed)
            if replayed.changes:
                counts["changes"] += 1
                if applies:
                    counts[await apply(services.ctx, replays, stored)] += 1
    if not counts["read"]:
        raise NotFound("no stored event is like that")
    return counts


def _tell(replayed: Replayed) -> None:
    at = f"{replayed.received_at:%Y-%m-%d %H:%M:%S}"
    click.echo(f"{at} {replayed.provider} {replayed.event} {replayed.type}: {_words(replayed)}")
    for fact in replayed.facts:
        click.echo(f"    new: {fact}")


def _words(replayed: Replayed) -> str:
    if replayed.verdict != "changes":
        return f"was {replayed.was}; {replayed.verdict.replace('_', ' ')}, {replayed.detail}"
    before, after = replayed.status_before, replayed.status_after
    status = f"{before} → {after}" if before != after else f"stays {after}"
    rest = "; the provider is asked for the rest" if replayed.asks_provider else ""
    return f"was {replayed.was}, {replayed.order} {status}{rest}"
