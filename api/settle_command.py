"""`gateway settle`: read the providers' own books now, and compare them with ours.

The worker does so every hour; this is for a period of one's own choice. Exit code 1: they differ.
"""

import asyncio
import sys
from datetime import UTC, datetime, timedelta

import click

from api import logs, serving, terminal
from api.settings import environment, load
from api.wiring import open_services
from gateway.errors import ProviderError
from gateway.settling import read
from storage.settlement_queries import open_differences


@click.command("settle")
@click.option(
    "--from", "since", callback=terminal.moment, help="First day or moment; a week ago by default."
)
@click.option(
    "--to", "until", callback=terminal.moment, help="Up to this; by default as far as they report."
)
@click.option(
    "--ahead",
    type=click.IntRange(0, 10 * 365),
    default=0,
    metavar="DAYS",
    help="The clock of the test-mode providers, a sandbox, is so many days ahead of ours.",
)
@terminal.as_json
def settle_command(
    since: datetime | None, until: datetime | None, ahead: int, as_json: bool
) -> None:
    """Read the providers' own books and payouts of a period; count what does not agree."""
    now, offset = datetime.now(UTC), timedelta(days=ahead)
    since, until = since or now - timedelta(days=7), until or now + offset
    if since >= until:
        raise click.UsageError("--from must be before --to")
    counts = asyncio.run(_settle(since, until, offset))
    for provider, found in counts.items():
        if as_json:
            name = "why" if isinstance(found, str) else "open"
            terminal.line({"provider": provider, name: found})
        else:
            click.echo(f"{provider}: " + (found if isinstance(found, str) else f"{found} open"))
    if any(counts.values()):
        raise SystemExit(1)


async def _settle(since: datetime, until: datetime, ahead: timedelta) -> dict[str, int | str]:
    """The number of open differences by provider, or why its books could not be read."""
    settings = load(environment())
    logs.configure("warning", pretty=sys.stderr.isatty())
    await serving.check_schema(settings.database_url)
    counts: dict[str, int | str] = {}
    async with open_services(settings) as services:
        for provider in services.ctx.providers.values():
            if provider.report_lag is None:
                continue
            moved = timedelta() if provider.mode == "live" else ahead
            complete = services.ctx.now() + moved - provider.report_lag
            try:
                unread = await read(services.ctx, provider, since, min(until, complete))
            except ProviderError as error:
                counts[provider.name] = error.detail
                continue
            if unread:
                one = unread[0]
                counts[provider.name] = f"payout {one.payout_id}: {one.why.detail}"
            else:
                found = await open_differences(services.store.database, provider.name)
                counts[provider.name] = found
    return counts
