"""The one interface that every payment provider implements, and its optional powers.

An adapter is stateless: the core stores, retries and deduplicates. It maps the provider's answers
to facts (gateway/facts.py) and the provider's errors to three classes (gateway/errors.py):

- `Rejected`       the provider said no; nothing was done
- `Unavailable`    nothing was done by this request; try again with the same key
- `OutcomeUnknown` it may have been done: the core repeats the call with the same key, or looks

Every money-moving request must carry the `key` it is given as the provider's idempotency key.
A state that the adapter does not know is an `Unrecognized` fact, never a guess.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Literal, Protocol, runtime_checkable

import msgspec

from gateway.facts import ProviderFact
from gateway.money import Money, ProviderScale

CaptureMode = Literal["automatic", "manual"]
Mode = Literal["test", "live"]


class LineItem(msgspec.Struct, frozen=True):
    """One line of an order. `unit_amount` is in minor units of the order's currency."""

    name: str
    unit_amount: int
    quantity: int


class CheckoutRequest(msgspec.Struct, frozen=True):
    """What to open a hosted checkout for. Σ items = money, always.

    `payment_id` must be echoed by the provider in every event (metadata, custom id). `success_url`
    and `cancel_url` are the gateway's own return addresses, complete. `expires_at`: the provider's
    page should not be payable after it; an adapter clamps it to what its provider allows.
    `webhook_url`: where the gateway hears of the provider's events, for providers to whom every
    payment names it; with the others it is registered once.
    """

    order_id: str
    payment_id: str
    money: Money
    items: tuple[LineItem, ...]
    success_url: str
    cancel_url: str
    expires_at: datetime
    capture: CaptureMode = "automatic"
    reference: str | None = None
    customer_email: str | None = None
    webhook_url: str | None = None


class Checkout(msgspec.Struct, frozen=True):
    """An open hosted checkout: where to send the buyer, and the provider's id of it."""

    provider_order_id: str
    url: str
    expires_at: datetime | None = None


class PaymentRef(msgspec.Struct, frozen=True):
    """All that an adapter needs to find a payment at its provider again.

    `provider_order_id` is the checkout's id (session, order). `authorization_id` and `capture_id`
    are those of the facts Authorized and Captured, once known. `created_at`: when the attempt was
    made, by our clock; a provider that knows nothing of a young one has not forgotten it.
    """

    order_id: str
    payment_id: str
    money: Money
    provider_order_id: str
    capture: CaptureMode = "automatic"
    authorization_id: str | None = None
    capture_id: str | None = None
    created_at: datetime | None = None


class RefundRequest(msgspec.Struct, frozen=True):
    """Refund `money` of the payment's capture. `refund_id` must be echoed where possible."""

    payment: PaymentRef
    refund_id: str
    money: Money
    capture_id: str
    reason: str | None = None


class ProviderEvent(msgspec.Struct, frozen=True):
    """A webhook's content, translated. Pure data: reading it calls nobody.

    `id` is the provider's id of the event. The payment it concerns is `payment_id` where the
    provider echoes ours, else the one that is known by any of `provider_ids`. `facts` are what the
    event itself proves. `confirm` asks the core to call `confirm` afterwards: the event does not
    carry the whole truth (an approval to be captured, a fee). `type` unknown to the adapter: no
    facts and no confirm, and `ignored` says why in words.
    """

    id: str
    type: str
    at: datetime
    payment_id: str | None = None
    provider_ids: tuple[str, ...] = ()
    facts: tuple[ProviderFact, ...] = ()
    confirm: bool = False
    ignored: str | None = None


class PaymentProvider(Protocol):
    """The four verbs. All may raise Rejected, Unavailable and OutcomeUnknown, and nothing else."""

    async def create_order(self, request: CheckoutRequest, *, key: str) -> Checkout:
        """Open a hosted checkout. The same key gives the same checkout."""
        ...

    async def confirm(self, payment: PaymentRef, *, key: str) -> Sequence[ProviderFact]:
        """Read the provider's truth, capture what the buyer has approved, return all facts.

        Safe to repeat for ever: facts that were returned before are returned again. In manual
        capture mode an approval is authorized, not captured.
        """
        ...

    async def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> ProviderEvent:
        """Check the signature over the raw `body` and translate it.

        `headers` have lower-case names. The event's `id` must come from what is proven, and differ
        when the event does: a second one with the id of the first is dropped as its repetition.
        Raises WebhookInvalid for whatever is not a genuine, fresh delivery of this account, and
        Unavailable when that cannot be decided now.
        """
        ...

    async def refund(self, request: RefundRequest, *, key: str) -> Sequence[ProviderFact]:
        """Refund part or all of a capture, once per key. Facts: RefundUpdated, Fee.

        "Already refunded" under another key is Rejected, never a success.
        """
        ...


@runtime_checkable
class Cancels(Protocol):
    """Can close an unpaid checkout, or void an authorization."""

    async def cancel(self, payment: PaymentRef, *, key: str) -> Sequence[ProviderFact]:
        """Close it at the provider and return the truth, which may be that it was paid."""
        ...


@runtime_checkable
class Captures(Protocol):
    """Can capture an authorization, wholly or in part (the rest is released)."""

    async def capture(
        self, payment: PaymentRef, money: Money, *, key: str
    ) -> Sequence[ProviderFact]:
        """Capture `money` of `payment.authorization_id`."""
        ...


@runtime_checkable
class FindsRefunds(Protocol):
    """Can list a payment's refunds, so that a refund in doubt can be looked up."""

    async def find_refunds(self, payment: PaymentRef) -> Sequence[ProviderFact]:
        """All refunds of the payment as RefundUpdated facts (and their fees)."""
        ...


class ListedEvent(msgspec.Struct, frozen=True):
    """An event from the provider's own list, with the body as a webhook would have carried it."""

    id: str
    type: str
    at: datetime
    body: bytes


@runtime_checkable
class ListsEvents(Protocol):
    """Can list the events of the past, so that one whose delivery was lost is found."""

    def list_events(self, since: datetime, until: datetime) -> AsyncIterator[ListedEvent]:
        """All events from `since` to `until`, both included, in any order, page by page.

        By the provider's clock. Raises Unavailable.
        """
        ...


@runtime_checkable
class Checks(Protocol):
    """Can tell whether it is reached, and with the right credentials."""

    async def check(self) -> datetime | None:
        """Make one cheap read that needs the credentials; the provider's time, where it tells.

        Raises Unavailable, in words that name the setting to be cured.
        """
        ...


class RegisteredWebhook(msgspec.Struct, frozen=True):
    """An address to which the provider sends its events.

    `missing`: the events that the adapter has a use for and that are not sent there. `trouble`:
    why what is sent there would not be accepted, in words that name the setting; empty if nothing.
    """

    id: str
    url: str
    enabled: bool = True
    missing: tuple[str, ...] = ()
    trouble: str = ""


@runtime_checkable
class ManagesWebhooks(Protocol):
    """Can tell which webhooks are registered at the provider."""

    async def list_webhooks(self) -> Sequence[RegisteredWebhook]:
        """All of them, others' too. Raises Unavailable."""
        ...


class Capabilities(msgspec.Struct, frozen=True):
    """What the provider can do, as `GET /v1/providers` shows it."""

    manual_capture: bool
    partial_capture: bool
    partial_refund: bool
    multiple_refunds: bool
    cancel: bool
    disputes: bool
    settlement: bool


class KeyWindows(msgspec.Struct, frozen=True):
    """For how many seconds a repeated key is safe, by verb. After it: look, never resend."""

    create: int
    confirm: int
    capture: int
    cancel: int
    refund: int


class OpenProvider(msgspec.Struct, frozen=True):
    """A plugin opened with its settings: what the core holds while it runs."""

    adapter: PaymentProvider
    mode: Mode


class ProviderPlugin(Protocol):
    """One value per provider, found by the entry-point group `gateway.providers`."""

    @property
    def name(self) -> str:
        """The name in the API and in `/webhooks/{name}`: lower case, `[a-z][a-z0-9_]*`."""
        ...

    @property
    def display_name(self) -> str:
        """The name that a buyer reads."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        ...

    @property
    def currencies(self) -> frozenset[str] | None:
        """The currencies it takes; None for all."""
        ...

    @property
    def scale(self) -> ProviderScale:
        """How it counts money where that differs from ISO 4217.

        The core refuses an amount that is not exact in it before anything is reserved or sent.
        """
        ...

    @property
    def key_windows(self) -> KeyWindows:
        """For how long its idempotency keys hold."""
        ...

    def settings(self, environment: Mapping[str, str]) -> Any | None:
        """The plugin's settings from the environment; None when none of them is set (it is off).

        Raises SettingsError, one line that names the setting, for a missing or malformed one.
        """
        ...

    def open(self, settings: Any) -> AbstractAsyncContextManager[OpenProvider]:
        """Connections open inside, closed on exit. `settings` is what `settings()` returned."""
        ...

    def read_event(self, body: bytes) -> ProviderEvent:
        """Translate a stored, already verified webhook body. Pure. Raises WebhookInvalid.

        The core keeps the id that `verify_webhook` gave: it need not be in the body.
        """
        ...
