"""Imported once by the server that gateway processes are forked from: whatever is slow at first."""

import asyncio

import providers.paypal.adapter
import providers.paypal.certificates
import providers.paypal.sdk
import providers.paypal.webhook  # noqa: F401 -- all four are loaded by the plugin when it opens
from api import logs
from api.settings import load
from api.wiring import open_services
from tests.application import application


async def _once() -> None:
    """Build an application, to be used by who is forked; its database is never opened."""
    environment = {
        "DATABASE_URL": "sqlite:///never-opened.db",
        "GATEWAY_SECRET_KEY": "nothing is ever signed with this one",
        "STRIPE_SECRET_KEY": "sk_test_never",
        "STRIPE_WEBHOOK_SECRET": "whsec_never",
    }
    async with open_services(load(environment)) as services:
        with application(services):
            pass


logs.configure("error")
asyncio.run(_once())
