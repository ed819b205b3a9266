"""What is stored beside the facts: orders, operations, jobs, received events, idempotency keys."""

from datetime import datetime
from typing import Any, Literal

import msgspec

from gateway.money import Money
from gateway.order import OrderTerms
from gateway.provider import CaptureMode, CheckoutRequest, PaymentRef, RefundRequest


class OrderItem(msgspec.Struct, frozen=True):
    """One line: from the catalogue (`product`), or ad hoc. `unit_amount` in minor units."""

    product: str | None
    name: str
    unit_amount: int
    quantity: int


class OrderRecord(msgspec.Struct, frozen=True):
    """What the merchant asked for. Immutable: all that changes is in the facts."""

    id: str
    merchant_id: str
    livemode: bool
    reference: str | None
    currency: str
    amount: int
    capture: CaptureMode
    items: tuple[OrderItem, ...]
    success_url: str
    cancel_url: str
    customer_email: str | None
    metadata: dict[str, str]
    created_at: datetime
    expires_at: datetime

    @property
    def terms(self) -> OrderTerms:
        """What the projection needs to know of it."""
        return OrderTerms(self.id, self.amount, self.currency, self.capture)

    @property
    def money(self) -> Money:
        """The total."""
        return Money(self.amount, self.currency)


# --- operations -----------------------------------------------------------------------------------


class CreateCall(msgspec.Struct, frozen=True, tag_field="verb", tag="create"):
    """Open a checkout."""

    request: CheckoutRequest


class ConfirmCall(msgspec.Struct, frozen=True, tag_field="verb", tag="confirm"):
    """Ask for the truth, and capture what was approved."""

    payment: PaymentRef


class CaptureCall(msgspec.Struct, frozen=True, tag_field="verb", tag="capture"):
    """Capture `money` of an authorization."""

    payment: PaymentRef
    money: Money


class CancelCall(msgspec.Struct, frozen=True, tag_field="verb", tag="cancel"):
    """Close a checkout or void an authorization."""

    payment: PaymentRef


class RefundCall(msgspec.Struct, frozen=True, tag_field="verb", tag="refund"):
    """Refund part or all of a capture."""

    request: RefundRequest


Call = CreateCall | ConfirmCall | CaptureCall | CancelCall | RefundCall
Verb = Literal["create", "confirm", "capture", "cancel", "refund"]


class Operation(msgspec.Struct, frozen=True):
    """A provider call, committed before it is made: the intent, and the key it goes under.

    `key` is derived from our ids and is the provider's idempotency key. The same call, stored here
    word for word, is what a resumption sends again.
    """

    key: str
    merchant_id: str
    order_id: str
    payment_id: str
    provider: str
    call: Call
    created_at: datetime
    settled: bool = False
    attempts: int = 0

    @property
    def verb(self) -> Verb:
        """The kind of call."""
        verb: Verb = self.call.__struct_config__.tag  # type: ignore[assignment]
        return verb


# --- jobs and received events ---------------------------------------------------------------------

JobKind = Literal[
    "resume_operation",
    "confirm_payment",
    "check_payment",
    "check_refund",
    "refund_duplicate",
    "expire_order",
    "list_events",
    "retry_orphans",
    "settle",
]


class Job(msgspec.Struct, frozen=True):
    """Work to be done not before `run_at`.

    `subject` is an operation key, or the id of a payment, refund or order; for the sweeps, which
    belong to no merchant, what they sweep.

    There is at most one job per merchant, kind and subject. `fence` grows with each claim: whoever
    finishes the job must still hold the number it was claimed under.
    """

    id: str
    merchant_id: str
    kind: JobKind
    subject: str
    run_at: datetime
    attempts: int = 0
    fence: int = 0


class ReceivedEvent(msgspec.Struct, frozen=True):
    """A verified webhook as it was stored: the raw body, and the provider's id of the event."""

    provider: str
    account: str
    event_id: str
    type: str
    body: bytes
    received_at: datetime
    attempts: int = 0
    fence: int = 0
    deliveries: int = 1


# --- idempotency ----------------------------------------------------------------------------------


class KeyClaim(msgspec.Struct, frozen=True):
    """A merchant's Idempotency-Key on one request.

    `fingerprint` covers caller, path and payload.
    """

    merchant_id: str
    livemode: bool
    key: str
    fingerprint: str


class Answer(msgspec.Struct, frozen=True):
    """An HTTP answer as it was first given, to be given again."""

    status: int
    body: bytes


class ClaimedKey(msgspec.Struct, frozen=True):
    """What became of a claim.

    `new`: it is ours, run the request. `resumed`: an earlier run was cut short after it had
    reserved `resource_id`; carry on with that. `in_flight`, `mismatch`: refuse. `done`: replay
    `answer`.
    """

    outcome: Literal["new", "resumed", "in_flight", "mismatch", "done"]
    resource_id: str | None = None
    answer: Answer | None = None


# --- what others are told -------------------------------------------------------------------------


class MerchantEvent(msgspec.Struct, frozen=True):
    """One entry of the merchant's event feed. `data` is the order as the API shows it, as JSON."""

    id: str
    merchant_id: str
    livemode: bool
    type: str
    order_id: str
    created_at: datetime
    data: msgspec.Raw


class TimelineEntry(msgspec.Struct, frozen=True):
    """One line of an order's story. `rule` says in words why it was applied or ignored.

    `kind`: request, routing, call, answer, webhook, fact, status, job. `data` holds ids, codes and
    durations; never personal data, never a secret.
    """

    id: str
    at: datetime
    kind: str
    summary: str
    rule: str = ""
    data: dict[str, Any] = {}
