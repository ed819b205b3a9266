"""Facts: what is known to have happened, each once, never changed.

An adapter turns whatever it hears (an answer, a webhook, a poll) into facts. The same occurrence
must yield the same `key`, whichever way it was learnt: facts are stored once per payment and key,
and an order's state is a pure function of their set (see gateway/projection.py).

`at` is when it happened at the provider, UTC; it is not part of the key. Amounts are in ISO 4217
minor units (gateway/money.py), whatever the provider counts in.
"""

import hashlib
from datetime import datetime
from typing import ClassVar, Literal

import msgspec

_LONGEST_KEY = 255


class _Fact(
    msgspec.Struct, frozen=True, tag_field="kind", tag=True, kw_only=True, omit_defaults=True
):
    """`key_fields` name the fields that, with the kind, make two facts the same fact;
    `told_apart_by` those that do so where they are given."""

    key_fields: ClassVar[tuple[str, ...]] = ()
    told_apart_by: ClassVar[tuple[str, ...]] = ()

    @property
    def kind(self) -> str:
        """The fact's kind in snake case, as in the database and the timeline."""
        return str(self.__struct_config__.tag)

    @property
    def key(self) -> str:
        """The natural key, unique within a payment: `captured:cap_1:5400:USD`."""
        named = (*self.key_fields, *(name for name in self.told_apart_by if getattr(self, name)))
        values = [str(getattr(self, name)) for name in named]
        # A colon inside any part but the last would let two different facts share a key.
        values[:-1] = [value.replace("%", "%25").replace(":", "%3A") for value in values[:-1]]
        key = ":".join([self.kind, *values])
        if len(key) <= _LONGEST_KEY:
            return key
        return f"{self.kind}:sha256:{hashlib.sha256(key.encode()).hexdigest()}"


# --- from providers -------------------------------------------------------------------------------


class CheckoutOpened(_Fact, frozen=True, tag="checkout_opened"):
    """The provider's hosted page stands open at `url` under the provider's order id."""

    key_fields = ("provider_order_id",)
    provider_order_id: str
    url: str
    expires_at: datetime | None = None


class BuyerApproved(_Fact, frozen=True, tag="buyer_approved"):
    """The buyer agreed to pay; no money has moved yet."""

    key_fields = ("provider_order_id",)
    provider_order_id: str
    at: datetime


class Authorized(_Fact, frozen=True, tag="authorized"):
    """The amount is held for us under `authorization_id` and can be captured."""

    key_fields = ("authorization_id", "amount", "currency")
    authorization_id: str
    amount: int
    currency: str
    at: datetime
    expires_at: datetime | None = None


class Captured(_Fact, frozen=True, tag="captured"):
    """The provider holds this money for us. `capture_id` is what a refund refers to."""

    key_fields = ("capture_id", "amount", "currency")
    capture_id: str
    amount: int
    currency: str
    at: datetime


class Pending(_Fact, frozen=True, tag="pending"):
    """The buyer is done but the money has not cleared. `object_id`: capture, intent or session."""

    key_fields = ("object_id",)
    object_id: str
    at: datetime
    reason: str = ""


class Declined(_Fact, frozen=True, tag="declined"):
    """One try to pay failed; the checkout stays open and the buyer may try again.

    `attempt_id` tells tries apart (the id of the failed charge, say); `code` is the provider's.
    """

    key_fields = ("attempt_id",)
    attempt_id: str
    code: str
    at: datetime
    message: str = ""


class Failed(_Fact, frozen=True, tag="failed"):
    """The payment failed for good: `object_id` will never hold money."""

    key_fields = ("object_id",)
    object_id: str
    code: str
    at: datetime
    message: str = ""


class Expired(_Fact, frozen=True, tag="expired"):
    """The checkout (or authorization) `object_id` ran out unpaid."""

    key_fields = ("object_id",)
    object_id: str
    at: datetime


class Canceled(_Fact, frozen=True, tag="canceled"):
    """The checkout was closed, or the authorization voided, before any money moved."""

    key_fields = ("object_id",)
    object_id: str
    at: datetime


class PaidWith(_Fact, frozen=True, tag="paid_with"):
    """How the buyer paid: a method type and, for cards, brand and last four digits only."""

    key_fields = ("type", "brand", "last4")
    type: str
    brand: str | None = None
    last4: str | None = None


class ProviderIds(_Fact, frozen=True, tag="provider_ids"):
    """Further ids under which the provider knows this payment (a PaymentIntent, a charge).

    They make a later event findable and the order searchable. `payment_id` is the one shown as
    `provider_payment_id`.
    """

    key_fields = ("ids",)
    ids: tuple[str, ...]
    payment_id: str | None = None


class Fee(_Fact, frozen=True, tag="fee"):
    """What the provider kept of a movement of money, from its own books.

    `object_id` is the capture, refund or dispute it belongs to; `fee` and `net` are in `currency`,
    which is the settlement currency; `rate` is the exchange rate to it as an exact decimal string.
    A refund's net is negative, and its fee negative where the provider gives fees back.
    `balance_id` is the provider's id of the booking, where it has one: a dispute that is won, or a
    refund that fails, is booked a second time.
    """

    key_fields = ("object_id", "fee", "net", "currency")
    told_apart_by = ("balance_id",)
    object_id: str
    fee: int
    net: int
    currency: str
    balance_id: str = ""
    rate: str | None = None
    available_at: datetime | None = None


RefundStatus = Literal["pending", "succeeded", "failed", "canceled"]


class RefundUpdated(_Fact, frozen=True, tag="refund_updated"):
    """A refund at the provider is in `status`. `refund_id` is ours where the provider echoes it."""

    key_fields = ("provider_refund_id", "status", "refund_id")
    provider_refund_id: str
    status: RefundStatus
    amount: int
    currency: str
    at: datetime
    refund_id: str | None = None
    capture_id: str | None = None
    reason: str = ""


DisputeStatus = Literal["warning", "needs_response", "under_review", "won", "lost", "prevented"]


class DisputeUpdated(_Fact, frozen=True, tag="dispute_updated"):
    """The buyer's bank or the provider contests the payment.

    `turn` tells a verdict that came back from the one before it (lost, won on appeal, lost after
    all): some mark of the provider's that never changes; empty for the first.
    """

    key_fields = ("dispute_id", "status")
    told_apart_by = ("turn",)
    dispute_id: str
    status: DisputeStatus
    amount: int
    currency: str
    at: datetime
    reason: str = ""
    due_by: datetime | None = None
    turn: str = ""


class Reversed(_Fact, frozen=True, tag="reversed"):
    """The provider took the money back by itself, outside refund and dispute."""

    key_fields = ("reversal_id",)
    reversal_id: str
    amount: int
    currency: str
    at: datetime
    capture_id: str | None = None


class Unrecognized(_Fact, frozen=True, tag="unrecognized"):
    """A provider state that the adapter does not know: for the attention list, never a guess."""

    key_fields = ("object_id", "state")
    object_id: str
    state: str
    at: datetime


# --- from ourselves -------------------------------------------------------------------------------


class PaymentStarted(_Fact, frozen=True, tag="payment_started"):
    """A payment attempt was reserved with this provider, for this amount."""

    provider: str
    amount: int
    currency: str
    at: datetime


class CreateRejected(_Fact, frozen=True, tag="create_rejected"):
    """The provider refused to open the checkout, or was given up as unavailable; nothing exists
    there."""

    code: str
    message: str
    at: datetime


class CaptureRequested(_Fact, frozen=True, tag="capture_requested"):
    """The merchant asked for `amount` of the authorization to be captured."""

    key_fields = ("amount", "currency")
    amount: int
    currency: str
    at: datetime


class CallUnknown(_Fact, frozen=True, tag="call_unknown"):
    """The call under operation key `operation` ended without an answer we can trust."""

    key_fields = ("operation",)
    operation: str
    verb: str
    at: datetime


class CallSettled(_Fact, frozen=True, tag="call_settled"):
    """The outcome of an operation that had been unknown is known now (other facts tell it)."""

    key_fields = ("operation",)
    operation: str
    at: datetime


class RefundReserved(_Fact, frozen=True, tag="refund_reserved"):
    """The merchant asked for a refund: the amount counts as refunded until it fails."""

    key_fields = ("refund_id",)
    refund_id: str
    amount: int
    currency: str
    at: datetime
    reason: str = ""
    metadata: dict[str, str] = {}


class RefundRejected(_Fact, frozen=True, tag="refund_rejected"):
    """The provider refused the refund: no money moved."""

    key_fields = ("refund_id",)
    refund_id: str
    code: str
    message: str
    at: datetime


#: Every kind of thing that may stand in the attention list; docs/attention.md says what to do.
AttentionKind = Literal[
    "unknown_outcome",
    "overdue",
    "amount_mismatch",
    "currency_mismatch",
    "paid_twice",
    "paid_after_close",
    "refund_failed_late",
    "refund_mismatch",
    "refunded_twice",
    "refund_exceeds_captured",
    "dispute",
    "reversed",
    "unrecognized_state",
    "orphan_event",
    "dead_letter",
]


class Flagged(_Fact, frozen=True, tag="flagged"):
    """Something that the machine could not settle: `subject` is an operation, payment or refund.

    It stands in the attention list until the subject is settled.
    """

    key_fields = ("flag", "subject")
    flag: AttentionKind
    subject: str
    detail: str
    at: datetime


class AttentionResolved(_Fact, frozen=True, tag="attention_resolved"):
    """A person has dealt with an item of the attention list that read `detail`.

    Should it ever read otherwise (another amount, a later date), it stands there anew. `by` is the
    id of the API key, or the name of the command.
    """

    key_fields = ("flag", "subject", "detail")
    flag: AttentionKind
    subject: str
    detail: str
    by: str
    at: datetime
    note: str = ""


class PaidTwice(_Fact, frozen=True, tag="paid_twice"):
    """The order held the money of payment `kept` when this payment was paid too.

    A decision, made once, so that it does not change with what is learnt later: this payment goes
    back to the buyer.
    """

    kept: str
    at: datetime


class OrderCanceled(_Fact, frozen=True, tag="order_canceled"):
    """The merchant canceled the order."""

    at: datetime


class OrderExpired(_Fact, frozen=True, tag="order_expired"):
    """The order's time ran out, and every attempt on it is closed at its provider."""

    at: datetime


ProviderFact = (
    CheckoutOpened
    | BuyerApproved
    | Authorized
    | Captured
    | Pending
    | Declined
    | Failed
    | Expired
    | Canceled
    | PaidWith
    | ProviderIds
    | Fee
    | RefundUpdated
    | DisputeUpdated
    | Reversed
    | Unrecognized
)
OwnFact = (
    PaymentStarted
    | CreateRejected
    | CaptureRequested
    | CallUnknown
    | CallSettled
    | RefundReserved
    | RefundRejected
    | Flagged
    | AttentionResolved
    | PaidTwice
    | OrderCanceled
    | OrderExpired
)
Fact = ProviderFact | OwnFact


class Recorded(msgspec.Struct, frozen=True):
    """A fact and the payment it belongs to; `payment_id` is empty for facts of the whole order."""

    payment_id: str
    fact: Fact
