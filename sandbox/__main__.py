"""`python -m sandbox`: serve the sandbox until SIGINT or SIGTERM."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import threading
from pathlib import Path

import click

from sandbox.app import create_app
from sandbox.server import Server, listen
from sandbox.world import Config


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=4242, show_default=True, help="Port; 0 takes any free one.")
@click.option("--public-url", help="Its own address for browser and gateway, if it is another.")
@click.option("--webhook-stripe-url", help="Where Stripe's events go.")
@click.option("--webhook-paypal-url", help="Where PayPal's events go.")
@click.option("--seed", type=int, help="Seed for ids and shuffling, to repeat a run.")
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where certificates are written; a temporary folder by default.",
)
@click.option(
    "--env-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the settings of a gateway that talks to it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line when ready.")
@click.option("--while-stdin", is_flag=True, help="End when standard input is closed.")
def main(
    host: str,
    port: int,
    public_url: str | None,
    webhook_stripe_url: str | None,
    webhook_paypal_url: str | None,
    seed: int | None,
    state_dir: Path | None,
    env_file: Path | None,
    as_json: bool,
    while_stdin: bool,
) -> None:
    """Serve a stand-in for Stripe's and PayPal's APIs. No real money is involved."""
    try:
        listening = listen(host, port)
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror}") from None
    urls = {"stripe": webhook_stripe_url, "paypal": webhook_paypal_url}
    with tempfile.TemporaryDirectory(prefix="sandbox-") as temporary:
        folder = state_dir or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        config = Config(
            base_url=(public_url or f"http://{host}:{listening.getsockname()[1]}").rstrip("/"),
            webhook_urls={name: url for name, url in urls.items() if url},
            seed=seed,
            state_dir=folder,
        )
        app = create_app(config)

        def announce() -> None:
            environment: dict[str, str] = app.state.world.environment()
            if env_file:
                lines = (f"{name}={value}\n" for name, value in environment.items())
                env_file.write_text("".join(lines))
            if as_json:
                click.echo(json.dumps({"url": config.base_url, "environment": environment}))
                return
            click.echo(f"Sandbox (no real money) at {config.base_url}")
            for name, value in environment.items():
                click.echo(f"  {name}={value}")

        server = Server(app, announce)
        if while_stdin:
            threading.Thread(target=_end_with_stdin, args=(server,), daemon=True).start()
        asyncio.run(server.serve(sockets=[listening]))


def _end_with_stdin(server: Server) -> None:
    """Whoever started us holds the other end: when it has died, however it did, so do we."""
    while os.read(0, 1024):
        pass
    server.should_exit = True


if __name__ == "__main__":
    main()
