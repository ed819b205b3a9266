"""The part of the projection that concerns money going back: refunds, disputes, reversals."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gateway.facts import (
    DisputeStatus,
    DisputeUpdated,
    RefundRejected,
    RefundReserved,
    RefundStatus,
    RefundUpdated,
    Reversed,
)
from gateway.ids import derived_id
from gateway.order import Attention, DisputeState, Failure, OrderTerms, RefundState

if TYPE_CHECKING:
    from gateway.projection import Facts

# A refund that failed or was canceled stays so; one that succeeded may still fail later.
_REFUND_PRECEDENCE: tuple[RefundStatus, ...] = ("failed", "canceled", "succeeded", "pending")
# A dispute's verdict beats its stages. Of two verdicts (an appeal reversed the first) the later one
# counts, by the provider's own time; at the same time, the first of these.
_DISPUTE_PRECEDENCE: tuple[DisputeStatus, ...] = (
    "lost",
    "won",
    "prevented",
    "under_review",
    "needs_response",
    "warning",
)
_VERDICTS = frozenset({"lost", "won", "prevented"})
#: While a dispute is in one of these, its money is not ours.
MONEY_AT_STAKE = frozenset({"needs_response", "under_review", "lost"})


def project_refunds(
    terms: OrderTerms, payment_id: str, facts: Facts, captured: int
) -> tuple[list[RefundState], list[Attention]]:
    """Refunds of one payment: those asked for through us, and those made at the provider.

    A provider's refund belongs to ours where any fact names both ids; otherwise it is imported
    under an id derived from the provider's.
    """
    reserved = {r.refund_id: r for r in facts.of(RefundReserved)}
    rejected = {r.refund_id: r for r in facts.of(RefundRejected)}
    by_refund, complaints = _assign(payment_id, facts, reserved.keys())
    refunds = []
    for refund_id, its_updates in by_refund.items():
        asked = reserved.get(refund_id)
        refund = _refund(payment_id, refund_id, its_updates, asked, rejected.get(refund_id))
        refunds.append(refund)
        if asked and (asked.amount, asked.currency) != (refund.amount, refund.currency):
            complaints.append(
                Attention(
                    "refund_mismatch",
                    f"the provider refunded {refund.amount} {refund.currency} where "
                    f"{asked.amount} {asked.currency} was asked for; check it at the provider",
                    payment_id,
                    refund_id,
                )
            )
        statuses = {update.status for update in its_updates}
        if "succeeded" in statuses and refund.status in ("failed", "canceled"):
            complaints.append(
                Attention(
                    "refund_failed_late",
                    "a refund that had succeeded was returned by the buyer's bank; the amount can "
                    "be refunded again, or paid to the buyer in another way",
                    payment_id,
                    refund_id,
                )
            )
    total = refunded_amount(terms, refunds, "pending", "succeeded")
    if total > captured and captured:
        complaints.append(
            Attention(
                "refund_exceeds_captured",
                f"{total} {terms.currency} refunded of {captured} captured; check the refunds made "
                "at the provider",
                payment_id,
            )
        )
    return refunds, complaints


def _assign(
    payment_id: str, facts: Facts, reserved: Collection[str]
) -> tuple[dict[str, list[RefundUpdated]], list[Attention]]:
    """The provider's refunds by our id of each, and those that it made twice for one request."""
    # Money that the provider takes back by itself can come under one id as a refund as well.
    reversals = {fact.reversal_id for fact in facts.of(Reversed)}
    theirs: dict[str, list[RefundUpdated]] = {}
    for update in facts.of(RefundUpdated):
        theirs.setdefault(update.provider_refund_id, []).append(update)
    by_refund: dict[str, list[RefundUpdated]] = {refund_id: [] for refund_id in reserved}
    complaints = []
    for provider_refund_id, updates in sorted(
        theirs.items(), key=lambda item: (min(u.at for u in item[1]), item[0])
    ):
        derived = derived_id("ref", payment_id, provider_refund_id)
        named = {u.refund_id for u in updates if u.refund_id is not None} & set(reserved)
        ours = min(named, default=derived)
        if ours == derived and provider_refund_id in reversals:
            continue
        if by_refund.get(ours):
            complaints.append(
                Attention(
                    "refunded_twice",
                    f"the provider made a second refund, {provider_refund_id}, for {ours}; "
                    "settle it with the buyer",
                    payment_id,
                    derived,
                )
            )
            ours = derived
        by_refund.setdefault(ours, []).extend(updates)
    return by_refund, complaints


def _refund(
    payment_id: str,
    refund_id: str,
    updates: list[RefundUpdated],
    reserved: RefundReserved | None,
    rejected: RefundRejected | None,
) -> RefundState:
    """The provider's word about its refund beats what we asked for, and an earlier rejection."""
    statuses = {update.status for update in updates}
    status: RefundStatus = "failed" if rejected else "pending"
    status = next((known for known in _REFUND_PRECEDENCE if known in statuses), status)
    first = min(updates, key=lambda u: (u.at, u.key), default=None)
    failed = next((u for u in updates if u.status == "failed"), None)
    failure = None
    if status == "failed" and failed:
        failure = Failure("refund_failed", failed.reason)
    elif status == "failed" and rejected:
        failure = Failure(rejected.code, rejected.message)
    source, money = reserved or first, first or reserved
    assert source is not None  # a refund is only known by one of them
    assert money is not None
    return RefundState(
        id=refund_id,
        payment_id=payment_id,
        provider_refund_id=first.provider_refund_id if first else None,
        amount=money.amount,
        currency=money.currency,
        status=status,
        reason=source.reason,
        created_at=source.at,
        failure=failure,
        imported=reserved is None,
        metadata=reserved.metadata if reserved else {},
    )


def project_disputes(
    terms: OrderTerms, payment_id: str, facts: Facts
) -> tuple[list[DisputeState], list[Attention]]:
    """Disputes and reversals of one payment, and those of them that wait for the merchant."""
    by_dispute: dict[str, list[DisputeUpdated]] = {}
    for update in facts.of(DisputeUpdated):
        by_dispute.setdefault(update.dispute_id, []).append(update)
    disputes = [_dispute(payment_id, updates) for updates in by_dispute.values()]
    disputes += _reversals(payment_id, facts, by_dispute.values())
    complaints = [
        Attention(
            "dispute",
            f"the buyer disputes {dispute.amount} {dispute.currency}; answer at the provider"
            + (f" by {dispute.due_by:%Y-%m-%d %H:%M} UTC" if dispute.due_by else ""),
            payment_id,
            dispute.id,
        )
        for dispute in disputes
        if dispute.status == "needs_response"
    ]
    complaints += [
        Attention(
            "reversed",
            f"the provider took {dispute.amount} {dispute.currency} back",
            payment_id,
            dispute.id,
        )
        for dispute in disputes
        if dispute.kind == "reversal"
    ]
    return disputes, complaints


def _reversals(
    payment_id: str, facts: Facts, disputes: Iterable[list[DisputeUpdated]]
) -> list[DisputeState]:
    """Money that the provider took back by itself, but for what a lost dispute has told already.

    One that was won on appeal later was lost all the same: its money came back with the dispute.
    """
    told = told_by_disputes(facts, disputes)
    return [
        DisputeState(
            id=derived_id("dsp", payment_id, fact.reversal_id),
            payment_id=payment_id,
            provider_dispute_id=fact.reversal_id,
            kind="reversal",
            status="lost",
            amount=fact.amount,
            currency=fact.currency,
            reason="reversed by the provider",
            due_by=None,
            opened_at=fact.at,
        )
        for fact in facts.of(Reversed)
        if fact.reversal_id not in told
    ]


def told_by_disputes(facts: Facts, disputes: Iterable[list[DisputeUpdated]]) -> dict[str, str]:
    """The reversals by which the money of lost disputes went, and of which dispute each is."""
    verdicts = [next((u for u in updates if u.status == "lost"), None) for updates in disputes]
    lost = [update for update in verdicts if update]
    found: dict[str, str] = {}
    for fact in facts.of(Reversed):
        for update in lost:
            if (update.amount, update.currency) == (fact.amount, fact.currency):
                found[fact.reversal_id] = update.dispute_id
                lost.remove(update)
                break
    return found


def _dispute(payment_id: str, updates: list[DisputeUpdated]) -> DisputeState:
    first = min(updates, key=lambda u: (u.at, u.key))
    told = max(updates, key=_weight)
    due = max((u.due_by for u in updates if u.due_by), default=None)
    return DisputeState(
        id=derived_id("dsp", payment_id, first.dispute_id),
        payment_id=payment_id,
        provider_dispute_id=first.dispute_id,
        kind="dispute",
        status=told.status,
        amount=told.amount,  # what is lost may be less than what was disputed
        currency=told.currency,
        reason=first.reason,
        due_by=due,
        opened_at=first.at,
    )


def swings(updates: Iterable[DisputeUpdated]) -> list[datetime]:
    """When the money of one dispute went and came back, in turn, beginning with the first loss."""
    known = sorted(updates, key=lambda update: (_weight(update), update.at))
    stages = [u for u in known if u.status in MONEY_AT_STAKE - _VERDICTS]
    first = min(stages, key=lambda update: update.at, default=None)
    times: list[datetime] = []
    for update in [*([first] if first else []), *(u for u in known if u.status in _VERDICTS)]:
        if (update.status in MONEY_AT_STAKE) != bool(len(times) % 2):
            times.append(update.at)
    return times


def _weight(update: DisputeUpdated) -> tuple[bool, datetime, int]:
    """Which of the provider's words about a dispute is its last."""
    verdict = update.status in _VERDICTS
    rank = len(_DISPUTE_PRECEDENCE) - _DISPUTE_PRECEDENCE.index(update.status)
    return verdict, update.at if verdict else datetime.min.replace(tzinfo=UTC), rank


def refunded_amount(
    terms: OrderTerms, refunds: Iterable[RefundState], *statuses: RefundStatus
) -> int:
    """The sum of the refunds in one of `statuses`, in the order's currency."""
    return sum(
        refund.amount
        for refund in refunds
        if refund.status in statuses and refund.currency == terms.currency
    )


def disputed_amount(terms: OrderTerms, disputes: list[DisputeState]) -> int:
    """The money that is contested or already taken back, in the order's currency."""
    return sum(
        dispute.amount
        for dispute in disputes
        if dispute.status in MONEY_AT_STAKE and dispute.currency == terms.currency
    )
