"""`python -m gateway_mollie.fake`: serve the fake until interrupted."""

import asyncio
import contextlib

import click

from gateway_mollie.fake.app import API_KEY, Fake


async def _serve(host: str, port: int) -> None:
    async with Fake(refund_seconds=1.0).serving(host, port) as fake:
        click.echo(f"A fake of Mollie (no real money) at {fake.url}")
        click.echo(f"  MOLLIE_API_BASE={fake.url}\n  MOLLIE_API_KEY={API_KEY}")
        await asyncio.Event().wait()


@click.command()
@click.option("--host", default="127.0.0.1", help="Where to listen.")
@click.option("--port", default=8002, help="0 takes any free one.")
def main(host: str, port: int) -> None:
    """A fake of Mollie. Put the settings that it prints into the gateway's environment."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(host, port))


if __name__ == "__main__":
    main()
