"""`gateway verify` and `gateway reconcile`: do the books agree, with themselves and with others?

With `--json` each finding is a line of JSON, and the last line the sum. Exit code 1: they do not.
"""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from api import logs, serving, terminal
from api.settings import database_url, environment, load
from api.wiring import SystemClock, open_services
from gateway.ids import Ids
from gateway.reconcile import Compared, reconcile
from gateway.verify import Mismatch, mismatches, repair, repairable, verify
from gateway.verify_accounts import verify_accounts
from storage.account_ledger import SqlAccounts
from storage.engine import Database
from storage.ledger import SqlLedger
from storage.store import SqlStore


@contextmanager
def _progress(what: str, total: int) -> Iterator[Any]:
    """A bar on a terminal, nothing elsewhere. Gives `advance(n)`."""
    console = Console(stderr=True)
    with Progress(console=console, disable=not sys.stderr.isatty(), transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda amount: progress.advance(task, amount)


@click.command("verify")
@click.option(
    "--repair",
    "mend",
    is_flag=True,
    help="Book what the ledger lacks (adds lines only), and fill columns of a later version.",
)
@terminal.as_json
def verify_command(mend: bool, as_json: bool) -> None:
    """Compute every order anew from its facts; report any that is stored otherwise.

    The ledger, too, must say what the facts say, and of payouts what the providers' books say.
    After an upgrade from a version without it, `--repair` books the orders that are there, and
    completes those that the older version wrote while it was replaced.
    """
    orders, differing, booked = asyncio.run(_verify(mend, as_json))
    if as_json:
        sums = {"orders": orders, "differing": differing}
        terminal.line(sums | {"booked": booked} if mend else sums)
    else:
        if mend:
            click.echo(f"{booked} lines were booked that the ledger lacked.")
        click.echo(f"{orders} orders verified, {differing} differ from their facts.")
    if differing:
        raise SystemExit(1)


async def _verify(mend: bool, as_json: bool) -> tuple[int, int, int]:
    clock = SystemClock()
    database = Database(database_url(environment()), clock=clock)
    store = SqlStore(database, Ids(clock, os.urandom))
    orders, differing, booked = 0, set(), 0
    try:
        await serving.check_schema(database.url)
        ledger = SqlLedger(database)
        with _progress("Verifying", await ledger.count()) as advance:
            async for done in verify(ledger):
                orders += done.orders
                left = list(done.found)
                if mend:
                    for merchant_id, order_id in sorted({(f.merchant, f.order) for f in left}):
                        own = [f for f in left if (f.merchant, f.order) == (merchant_id, order_id)]
                        if not repairable(own):
                            continue
                        booked += await repair(store, merchant_id, order_id, clock.now(), own)
                        stored = await ledger.order(merchant_id, order_id)
                        left = [f for f in left if f not in own]
                        left += mismatches(stored) if stored else []
                differing |= {(found.merchant, found.order) for found in left}
                for found in left:
                    terminal.line(found) if as_json else _tell(found)
                advance(done.orders)
        async for done in verify_accounts(SqlAccounts(database)):
            differing |= {(found.merchant, found.field) for found in done.found}
            for found in done.found:
                terminal.line(found) if as_json else _tell(found)
    finally:
        await store.close()
    return orders, len(differing), booked


def _tell(found: Mismatch) -> None:
    click.echo(f"{found.order or found.merchant} {found.field}")
    click.echo(f"  stored   {found.stored}\n  computed {found.computed}")


@click.command("reconcile")
@click.option(
    "--from", "since", callback=terminal.moment, help="First day or moment; a week ago by default."
)
@click.option(
    "--to", "until", callback=terminal.moment, help="Up to, but without, this; now by default."
)
@terminal.as_json
def reconcile_command(since: datetime | None, until: datetime | None, as_json: bool) -> None:
    """Ask the providers about every payment of a period; list what was not the same here.

    What they tell is recorded, so that the books agree afterwards.
    """
    now = datetime.now(UTC)
    since, until = since or now - timedelta(days=7), until or now
    if since >= until:
        raise click.UsageError("--from must be before --to")
    results = asyncio.run(_reconcile(since, until, as_json))
    if as_json:
        terminal.line({"from": since, "to": until} | results)
    else:
        click.echo(
            f"{results['asked']} payments compared, {results['differing']} were different; "
            f"{results['skipped']} closed ones not asked about, {results['unclear']} unclear."
        )
    if results["differing"] or results["unclear"]:
        raise SystemExit(1)


async def _reconcile(since: datetime, until: datetime, as_json: bool) -> dict[str, int]:
    settings = load(environment())
    logs.configure("warning", pretty=sys.stderr.isatty())
    await serving.check_schema(settings.database_url)
    results = {"asked": 0, "skipped": 0, "unclear": 0, "differing": 0}
    async with open_services(settings) as services:
        ledger = SqlLedger(services.store.database)
        total = await ledger.count_payments(since, until)
        with _progress("Reconciling", total) as advance:
            async for compared in reconcile(services.ctx, ledger, since, until):
                results[compared.result] += 1
                results["differing"] += bool(compared.differences)
                _show(compared, as_json)
                advance(1)
    return results


def _show(compared: Compared, as_json: bool) -> None:
    payment = compared.payment
    if as_json:
        for difference in compared.differences:
            terminal.line(difference)
        if compared.result == "unclear":
            terminal.line(
                {"order": payment.order_id, "payment": payment.payment_id, "why": compared.why}
            )
        return
    if compared.differences:
        click.echo(f"{payment.order_id} {payment.payment_id}:")  # a title is broken to the width
        table = Table("What", "Here", f"At {payment.provider}")
        for found in compared.differences:
            table.add_row(found.field, found.ours, found.theirs)
        terminal.show(table)
    elif compared.result == "unclear":
        click.echo(f"{payment.order_id} {payment.payment_id}: {compared.why}")
