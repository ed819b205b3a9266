"""`python -m bench.soak`: soak the gateway, settle, audit. Exit code 1 on any breach."""

import asyncio
import secrets
import tempfile
import time
from pathlib import Path
from random import Random

import click

from bench.soak import weather
from bench.soak.audit import audit, keep_stories
from bench.soak.client import Books
from bench.soak.merchants import merchants
from bench.soak.settling import Settling
from bench.soak.town import Town, town
from storage.engine import Database


@click.command()
@click.option("--seconds", default=180, show_default=True, help="How long the weather is bad.")
@click.option("--seed", type=int, help="Of everything that is left to chance; random by default.")
@click.option("--database", type=click.Choice(["postgresql", "sqlite"]), default="postgresql")
@click.option("--merchants", "number", default=12, show_default=True, help="How many at once.")
@click.option("--settle", default=180, show_default=True, help="Seconds in which all must settle.")
@click.option(
    "--logs",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder that keeps the logs, and the stories of orders in breach; else temporary.",
)
def main(
    seconds: int, seed: int | None, database: str, number: int, settle: int, logs: Path | None
) -> None:
    """Sell, pay and refund through bad weather; then compare the books. 127.0.0.1 only."""
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    print(f"seed {seed}: {seconds} s of bad weather on {database}", flush=True)
    with tempfile.TemporaryDirectory(prefix="gateway-soak-") as temporary:
        folder = (logs or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        breaches = asyncio.run(_soak(folder, database, seed, seconds, number, settle))
    for breach in breaches:
        print(f"BREACH {breach}")
    print(f"seed {seed}: {len(breaches)} breaches" if breaches else f"seed {seed}: no breach")
    raise SystemExit(1 if breaches else 0)


async def _soak(
    folder: Path, database: str, seed: int, seconds: float, number: int, settle: float
) -> list[str]:
    books, started = Books(), time.monotonic()
    async with town(folder, database, seed) as opened:
        await _storm(opened, books, seed, seconds, number)
        await weather.clears(opened)
        storage = Database(opened.database_url)
        try:
            took, left = await Settling(opened, storage).settle(settle)
        finally:
            await storage.close()
        breaches = await audit(opened, books)
        await keep_stories(opened, breaches)
        if left:
            breaches.append(f"not settled after {took:.0f} s: {left}")
        books.counts["process starts"] = sum(program.starts for program in opened.programs)
    for name, count in sorted(books.counts.items()):
        print(f"{count:8}  {name}")
    print(f"settled in {took:.1f} s; {time.monotonic() - started:.0f} s in all")
    return breaches


async def _storm(town: Town, books: Books, seed: int, seconds: float, number: int) -> None:
    """Merchants and weather side by side, until the time is over."""
    weathers = (weather.faults, weather.webhooks, weather.deaths)
    lives = [merchants(town, books, seed, number)]
    lives += [each(town, Random(f"{seed} {each.__name__}"), books.counts) for each in weathers]
    tasks = [asyncio.create_task(life) for life in lives]
    done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:  # none of them ends by itself, unless it is wrong
        task.result()


if __name__ == "__main__":
    main()
