"""One Stripe account in test mode: its objects, in the JSON that the API shows, and its events."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from sandbox.stripe.agenda import Agenda
from sandbox.stripe.errors import missing

if TYPE_CHECKING:
    from sandbox.world import World

Object = dict[str, Any]

API_VERSION = "2026-05-27.dahlia"
DAY = 86_400
EVENTS_SHOWN = 30 * DAY

PREFIXES = {
    "payment_intent": "pi",
    "payment_method": "pm",
    "charge": "ch",
    "refund": "re",
    "balance_transaction": "txn",
    "dispute": "du",
    "payout": "po",
    "event": "evt",
    "item": "li",
    "price": "price",
    "product": "prod",
}

REQUEST: ContextVar[dict[str, str | None]] = ContextVar("stripe_request")
"""The API request that is being answered, as events name it; unset for what happens by itself."""


class Account:
    """Holds the state; the modules beside this one change it. Nothing here waits, so that every
    change is one step of the event loop."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.agenda = Agenda()
        self._objects: dict[str, dict[str, Object]] = {}
        self.line_items: dict[str, list[Object]] = {}
        """By session."""
        self.intent_data: dict[str, Object] = {}
        """By session: the `payment_intent_data` of its creation."""
        self.session_of: dict[str, str] = {}
        """The session by its PaymentIntent."""
        self.refunds_of: dict[str, list[Object]] = {}
        """By charge, oldest first, released authorizations included."""
        self.later: dict[str, str] = {}
        """By charge: what the card that paid it will do later."""
        self.payout_of: dict[str, str] = {}
        """The payout by its balance transaction."""

    def now(self) -> int:
        """The sandbox's time in seconds."""
        return self.world.clock.timestamp()

    def new_id(self, kind: str) -> str:
        """A fresh id for a kind of object."""
        if kind == "checkout.session":
            return self.world.ids.stripe_session()
        return self.world.ids.stripe(PREFIXES[kind])

    def add(self, kind: str, **fields: Any) -> Object:
        """Keep a new object of a kind, with its id, type, time and test mode."""
        made: Object = {"id": self.new_id(kind), "object": kind, "created": self.now()}
        if kind not in ("refund", "balance_transaction"):
            made["livemode"] = False
        made |= fields
        self._objects.setdefault(kind, {})[made["id"]] = made
        return made

    def forget(self, item: Object) -> None:
        """It has never been there."""
        del self._objects[item["object"]][item["id"]]

    def get(self, kind: str, id: str, param: str = "id", status: int = 404) -> Object:
        """The object. Raises StripeError `resource_missing`."""
        found = self._objects.get(kind, {}).get(id)
        if found is None:
            raise missing(
                kind.replace("balance_transaction", "balance transaction"), id, param, status
            )
        return found

    def find(self, id: str) -> Object | None:
        """Whatever has this id."""
        for kind in self._objects.values():
            if id in kind:
                return kind[id]
        return None

    def all(self, kind: str) -> Iterator[Object]:
        """Every object of a kind, oldest first."""
        return iter(self._objects.get(kind, {}).values())

    def newest(self, kind: str) -> Iterator[Object]:
        """Every object of a kind, newest first, as the list calls show them."""
        return reversed(self._objects.get(kind, {}).values())

    def emit(self, type: str, about: Object, previous: Object | None = None) -> None:
        """Record an event with a snapshot of its object, and send it."""
        data: Object = {"object": copy.deepcopy(about)}
        if previous is not None:
            data["previous_attributes"] = previous
        event = self.add(
            "event",
            api_version=API_VERSION,
            data=data,
            pending_webhooks=int(self.world.webhooks.url("stripe") is not None),
            request=REQUEST.get({"id": None, "idempotency_key": None}),
            type=type,
        )
        self.world.webhooks.emit("stripe", event)
