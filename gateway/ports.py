"""What the domain asks of the outside world: the time, and a store with transactions."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from gateway.settlement_store import SettlementTransactions

if TYPE_CHECKING:
    from gateway.attention import AttentionItem
    from gateway.facts import AttentionKind, Recorded
    from gateway.movements import Movement
    from gateway.order import OrderState
    from gateway.records import (
        Answer,
        ClaimedKey,
        Job,
        JobKind,
        KeyClaim,
        MerchantEvent,
        Operation,
        OrderRecord,
        ReceivedEvent,
        TimelineEntry,
    )


class Clock(Protocol):
    """Tells the time. Injected everywhere, so that tests can move it."""

    def now(self) -> datetime:
        """The present, aware, in UTC."""
        ...


class Transaction(SettlementTransactions, Protocol):
    """One database transaction. Everything done through it commits together or not at all."""

    # orders and their facts

    async def add_order(self, order: "OrderRecord") -> None:
        """Insert an order. Raises Conflict `reference_taken`."""
        ...

    async def lock_order(self, merchant_id: str, order_id: str) -> "LockedOrder | None":
        """The order with its facts, locked against every other transaction until this one ends."""
        ...

    async def add_facts(
        self, order: "OrderRecord", recorded: Sequence["Recorded"], at: datetime
    ) -> "Sequence[Recorded]":
        """Append facts; those already known are left alone. Returns the new ones."""
        ...

    async def save_state(self, order: "OrderRecord", state: "OrderState", at: datetime) -> None:
        """Write the projection: the order's state, its payments, refunds and provider ids."""
        ...

    async def book(
        self,
        order: "OrderRecord",
        movements: "Sequence[Movement]",
        at: datetime,
        *,
        first: bool,
        backdated: bool = False,
    ) -> int:
        """Book what the ledger lacks of an order's movements; returns how many lines that were.

        `first`: nothing of the order was booked before, so there is nothing to compare with.
        `backdated`: `at` is in the past.
        """
        ...

    async def is_booked(self, merchant_id: str, order_id: str) -> bool:
        """Whether the ledger has anything of this order."""
        ...

    async def find_payment(
        self, provider: str, payment_id: str | None, provider_ids: Sequence[str]
    ) -> tuple[str, str, str] | None:
        """(merchant, order, payment) by our payment id, else by any id the provider uses for it."""
        ...

    async def find_refund(self, merchant_id: str, refund_id: str) -> tuple[str, str] | None:
        """(order, payment) of a refund."""
        ...

    # operations

    async def reserve(self, operation: "Operation") -> "Operation":
        """Insert the operation, or re-open the one with this key; returns it as it now stands."""
        ...

    async def operation(self, merchant_id: str, key: str) -> "Operation | None":
        """The operation with this key."""
        ...

    async def unsettled(self, merchant_id: str, payment_id: str) -> "Sequence[Operation]":
        """The payment's operations that are under way or in doubt; its refunds are not among them.

        Under the order's lock that is a decision: what is not there now, starts after it.
        """
        ...

    async def save_attempt(self, operation: "Operation", *, settled: bool, outcome: str) -> None:
        """Count an attempt and note how it ended."""
        ...

    # jobs and the inbox

    async def enqueue(
        self, merchant_id: str, kind: "JobKind", subject: str, run_at: datetime
    ) -> None:
        """Have a job done at `run_at`; one that waits already is moved to the earlier time."""
        ...

    async def drop_job(self, merchant_id: str, kind: "JobKind", subject: str) -> None:
        """The job is no longer needed."""
        ...

    async def finish_job(self, job: "Job") -> bool:
        """Delete a claimed job; False when its lease was lost to another worker."""
        ...

    async def retry_job(self, job: "Job", run_at: datetime, error: str) -> bool:
        """Put a claimed job back; False when its lease was lost."""
        ...

    async def release_job(self, job: "Job", now: datetime) -> bool:
        """Put a claimed job back that was not started; False when its lease was lost."""
        ...

    async def bury_job(self, job: "Job", error: str) -> bool:
        """Keep a job as a dead letter; False when its lease was lost."""
        ...

    async def finish_event(
        self, event: "ReceivedEvent", status: str, rule: str, *, merchant_id: str = ""
    ) -> bool:
        """Note what became of a claimed event; False when its lease was lost."""
        ...

    async def retry_event(self, event: "ReceivedEvent", run_at: datetime, error: str) -> bool:
        """Put a claimed event back; False when its lease was lost."""
        ...

    async def release_event(self, event: "ReceivedEvent", now: datetime) -> bool:
        """Put a claimed event back that was not started; False when its lease was lost."""
        ...

    async def import_events(self, events: "Sequence[ReceivedEvent]") -> int:
        """Store events found in a provider's list; returns how many were not there yet."""
        ...

    async def keep_orphan(self, event: "ReceivedEvent", provider_ids: Sequence[str]) -> None:
        """Remember by which ids the payment of an event that is put aside would be known."""
        ...

    async def release_orphans(self, at: datetime, limit: int) -> int:
        """Try those events again whose payment has become known since; returns how many."""
        ...

    async def cursor(self, account: str, provider: str, name: str) -> str | None:
        """How far a provider's list has been read."""
        ...

    async def save_cursor(
        self, account: str, provider: str, name: str, value: str, at: datetime
    ) -> None:
        """Note how far a provider's list has been read; it never goes back."""
        ...

    # the attention list

    async def add_attention(
        self,
        merchant_id: str,
        livemode: bool,
        kind: "AttentionKind",
        subject: str,
        detail: str,
        at: datetime,
    ) -> None:
        """Put something that belongs to no order on the list; an empty merchant: to nobody."""
        ...

    async def clear_attention(
        self, merchant_id: str, kind: "AttentionKind", subject: str, at: datetime
    ) -> None:
        """What was wrong with something that belongs to no order has been settled."""
        ...

    async def attention_item(
        self, merchant_ids: tuple[str, ...], livemode: bool, item_id: str
    ) -> "tuple[str, AttentionItem] | None":
        """The item with this id and whose it is."""
        ...

    async def resolve_attention(
        self, merchant_id: str, item_id: str, by: str, note: str, at: datetime
    ) -> "AttentionItem":
        """Note that a person has dealt with an item, unless it is resolved already."""
        ...

    # idempotency keys

    async def claim_key(
        self, claim: "KeyClaim", now: datetime, lease_until: datetime
    ) -> "ClaimedKey":
        """Take an Idempotency-Key, or learn why not."""
        ...

    async def bind_key(self, claim: "KeyClaim", resource_id: str) -> None:
        """Note what the request under this key has reserved, for a resumption."""
        ...

    async def answer_key(self, claim: "KeyClaim", answer: "Answer") -> "Answer":
        """Store the answer that every repetition will get. Returns it, or the one that was first:
        a request whose lease ran out may have been carried on, and answered, by another one."""
        ...

    async def release_key(self, claim: "KeyClaim") -> None:
        """Let the next request with this key go on at once: nothing has been answered for good."""
        ...

    # what others are told

    async def add_events(self, events: Sequence["MerchantEvent"]) -> None:
        """Append to the merchant's event feed."""
        ...

    async def add_timeline(
        self, merchant_id: str, order_id: str, entries: Sequence["TimelineEntry"]
    ) -> None:
        """Append to the order's timeline."""
        ...


class LockedOrder(Protocol):
    """An order as read under its lock."""

    @property
    def record(self) -> "OrderRecord":
        """What the merchant asked for."""
        ...

    @property
    def recorded(self) -> "Sequence[Recorded]":
        """All its facts."""
        ...


class Store(Protocol):
    """Opens transactions, and claims work."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction that commits on a clean exit and rolls back on an exception.

        Raises StoreUnavailable when the database cannot take it now.
        """
        ...

    async def claim_jobs(self, now: datetime, lease_until: datetime, limit: int) -> "list[Job]":
        """Lease jobs that are due, oldest first. Another worker's are left alone.

        Due times and leases may go by the database's clock: then what counts of an instant is its
        distance from now, here and wherever one is told.
        """
        ...

    async def claim_events(
        self, now: datetime, lease_until: datetime, limit: int
    ) -> "list[ReceivedEvent]":
        """Lease received events that are due, oldest first."""
        ...

    async def store_event(self, event: "ReceivedEvent") -> bool:
        """Store a verified event durably (in a group commit); False when it was there already.

        Raises StoreUnavailable when it could not be stored.
        """
        ...
