"""`python -m gateway_razorpay.fake`: Razorpay's stand-in, beside a gateway."""

import argparse
import asyncio
import contextlib
import sys

from gateway_razorpay.fake.app import Fake, running


async def serve(arguments: argparse.Namespace) -> None:
    """Until it is interrupted."""
    fake = Fake(webhook_url=arguments.webhook_url)
    fake.account.auto_capture = not arguments.manual_capture
    fake.account.settles_in = arguments.settles_in
    async with running(fake, arguments.port):
        lines = [f"{name}={value}" for name, value in fake.environment().items()]
        sys.stdout.write("\n".join([*lines, ""]))
        sys.stdout.flush()
        await asyncio.Event().wait()


def main() -> None:
    """Read the command line, serve, end without a traceback."""
    parser = argparse.ArgumentParser("python -m gateway_razorpay.fake", description=__doc__)
    parser.add_argument("--port", type=int, default=8002)
    parser.add_argument(
        "--webhook-url",
        default="http://127.0.0.1:8000/webhooks/razorpay",
        help="where to send webhooks (default: %(default)s)",
    )
    parser.add_argument(
        "--manual-capture",
        action="store_true",
        help="leave payments authorized, as an account that captures nothing by itself",
    )
    parser.add_argument(
        "--settles-in",
        default="INR",
        help="the currency of the account, and of its fees (default: %(default)s)",
    )
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(parser.parse_args()))


main()
