"""Webhook endpoints: the one address that Stripe's events go to, shown and set."""

from __future__ import annotations

from sandbox.stripe.account import API_VERSION, Account, Object
from sandbox.stripe.errors import missing
from sandbox.stripe.events import WEBHOOK_SECRET

ID = "we_sandbox"


def shown(account: Account) -> list[Object]:
    """The one endpoint, if there is an address."""
    url = account.world.webhooks.url("stripe")
    if url is None:
        return []
    return [
        {
            "id": ID,
            "object": "webhook_endpoint",
            "api_version": API_VERSION,
            "application": None,
            "created": 0,
            "description": None,
            "enabled_events": ["*"],
            "livemode": False,
            "metadata": {},
            "status": "enabled",
            "url": url,
        }
    ]


def retrieve(account: Account, id: str) -> Object:
    """The endpoint. Raises StripeError `resource_missing`."""
    for endpoint in shown(account):
        if endpoint["id"] == id:
            return endpoint
    raise missing("webhook endpoint", id)


def create(account: Account, params: Object) -> Object:
    """Send events to another address from now on; the answer holds the signing secret."""
    account.world.webhooks.register("stripe", params["url"])
    return retrieve(account, ID) | {"secret": WEBHOOK_SECRET}


def delete(account: Account, id: str) -> Object:
    """Send events nowhere any more. Raises StripeError `resource_missing`."""
    retrieve(account, id)
    account.world.webhooks.register("stripe", "")
    return {"id": id, "object": "webhook_endpoint", "deleted": True}
