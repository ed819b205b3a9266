"""The parts of Stripe's JSON that we read, as types: what decodes into them is well-formed.

Only the fields that mean something to us stand here, in the shapes of every API version that may
still send us events: almost all of them may be missing. `object` must be the right one. Statuses
stay strings, because one that we do not know must reach the attention list, not an error. Names and
addresses of buyers are not read.
"""

from decimal import Decimal
from typing import Annotated, Generic, TypeVar

import msgspec

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
#: Unix time up to the year 9999, beyond which there is no datetime.
Seconds = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799)]
#: An amount in Stripe's minor units; the bounds keep it inside a BIGINT after scaling.
Units = Annotated[int, msgspec.Meta(ge=-(10**15), le=10**15)]
Metadata = dict[str, str]


class BalanceTransaction(
    msgspec.Struct, frozen=True, tag_field="object", tag="balance_transaction"
):
    """One line of the account's books, in its settlement currency."""

    id: Id
    fee: Units
    net: Units
    currency: str
    created: Seconds | None = None
    available_on: Seconds | None = None
    exchange_rate: Decimal | None = None


class Refund(msgspec.Struct, frozen=True, tag_field="object", tag="refund"):
    """Money given back, or money let go that was only held (see mapping.py).

    `metadata` carries our refund's id when it was made through us.
    """

    id: Id
    amount: Units
    currency: str
    created: Seconds
    status: str | None = None
    charge: "str | Charge | None" = None
    payment_intent: str | None = None
    balance_transaction: str | BalanceTransaction | None = None
    failure_balance_transaction: str | BalanceTransaction | None = None
    failure_reason: str | None = None
    reason: str | None = None
    metadata: Metadata | None = None


class Refunds(msgspec.Struct, frozen=True):
    """The newest refunds of a charge, inside it."""

    data: tuple[Refund, ...] = ()


class Card(msgspec.Struct, frozen=True):
    """What may be shown of a card. `capture_before`: when an authorization of it ends."""

    brand: str | None = None
    last4: str | None = None
    capture_before: Seconds | None = None


class MethodDetails(msgspec.Struct, frozen=True):
    """How a charge was paid."""

    type: str
    card: Card | None = None


class Charge(msgspec.Struct, frozen=True, tag_field="object", tag="charge"):
    """One try to move the money of a PaymentIntent."""

    id: Id
    currency: str
    amount: Units | None = None
    status: str = ""
    captured: bool = False
    amount_captured: Units | None = None
    created: Seconds | None = None
    disputed: bool = False
    payment_intent: str | None = None
    payment_method_details: MethodDetails | None = None
    balance_transaction: str | BalanceTransaction | None = None
    refunds: Refunds | None = None
    metadata: Metadata | None = None


class PaymentError(msgspec.Struct, frozen=True):
    """Why the last try of a PaymentIntent failed."""

    charge: str | None = None
    code: str | None = None
    decline_code: str | None = None
    message: str | None = None


class PaymentIntent(msgspec.Struct, frozen=True, tag_field="object", tag="payment_intent"):
    """The payment behind a session, over all of its tries."""

    id: Id
    status: str
    currency: str
    amount_received: Units | None = None
    amount_capturable: Units | None = None
    latest_charge: str | Charge | None = None
    last_payment_error: PaymentError | None = None
    cancellation_reason: str | None = None
    canceled_at: Seconds | None = None
    metadata: Metadata | None = None


class Session(msgspec.Struct, frozen=True, tag_field="object", tag="checkout.session"):
    """A hosted checkout. `client_reference_id` is our payment's id."""

    id: Id
    mode: str = "payment"
    status: str | None = None
    payment_status: str | None = None
    amount_total: Units | None = None
    currency: str | None = None
    payment_intent: str | PaymentIntent | None = None
    client_reference_id: str | None = None
    url: str | None = None
    expires_at: Seconds | None = None
    metadata: Metadata | None = None


class EvidenceDetails(msgspec.Struct, frozen=True):
    """Until when a dispute can be answered."""

    due_by: Seconds | None = None


class Dispute(msgspec.Struct, frozen=True, tag_field="object", tag="dispute"):
    """A buyer's bank contests a charge. `balance_transactions`: withdrawn, and given back."""

    id: Id
    status: str
    amount: Units
    currency: str
    created: Seconds
    charge: str | None = None
    payment_intent: str | None = None
    reason: str | None = None
    evidence_details: EvidenceDetails | None = None
    balance_transactions: tuple[BalanceTransaction, ...] = ()
    metadata: Metadata | None = None


class WebhookEndpoint(msgspec.Struct, frozen=True, tag_field="object", tag="webhook_endpoint"):
    """An address that is sent the `enabled_events` ("*" is all of them)."""

    id: Id
    url: str
    status: str
    enabled_events: tuple[str, ...] = ()


Listed = TypeVar("Listed", Refund, Session, Dispute, WebhookEndpoint)


class Page(msgspec.Struct, Generic[Listed], frozen=True):
    """One page of a list, newest first."""

    data: tuple[Listed, ...]
    has_more: bool = False


class RawPage(msgspec.Struct, frozen=True):
    """One page of a list, each entry as it came."""

    data: tuple[msgspec.Raw, ...]
    has_more: bool = False


class EventData(msgspec.Struct, frozen=True):
    """`object` as it was when the event happened; decoded by the event's type."""

    object: msgspec.Raw


class Event(msgspec.Struct, frozen=True, tag_field="object", tag="event"):
    """A webhook's envelope."""

    id: Id
    type: Id
    created: Seconds
    livemode: bool
    data: EventData
