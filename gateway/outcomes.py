"""How a provider call ended, and what that means for the order and its timeline."""

from datetime import datetime
from typing import Literal

from gateway.context import Context
from gateway.errors import OutcomeUnknown, ProviderError, Rejected, Unavailable
from gateway.facts import (
    CallSettled,
    CallUnknown,
    CreateRejected,
    Fact,
    Flagged,
    RefundRejected,
)
from gateway.ports import LockedOrder
from gateway.recording import entry
from gateway.records import CreateCall, Operation, RefundCall, TimelineEntry

Outcome = Literal["succeeded", "rejected", "unavailable", "unknown"]

#: After this many unclear answers an operation in doubt stands in the attention list too.
DOUBTS_BEFORE_ATTENTION = 6
#: Likewise a refund that was put off so often: after an hour and a half, by the growing distances.
DELAYS_BEFORE_ATTENTION = 10


class GivenUp(Rejected):
    """It was certainly not done, and will not be tried again: another provider can do it."""

    code = Unavailable.code


def outcome_of(error: ProviderError | None) -> Outcome:
    """The word for how a call ended."""
    match error:
        case None:
            return "succeeded"
        case Rejected():
            return "rejected"
        case Unavailable():
            return "unavailable"
    return "unknown"


def own_facts(
    operation: Operation, locked: LockedOrder, error: ProviderError | None, now: datetime
) -> list[Fact]:
    """What the outcome itself means for the order, beside the provider's facts. Pure."""
    doubts = _doubts(operation, locked)
    if isinstance(error, OutcomeUnknown):
        if len(doubts) >= DOUBTS_BEFORE_ATTENTION:
            return []  # it stands in the attention list: one doubt more says nothing new
        attempt = f"{operation.key}#{operation.attempts}"
        facts: list[Fact] = [CallUnknown(operation=attempt, verb=operation.verb, at=now)]
        if len(doubts) + 1 >= DOUBTS_BEFORE_ATTENTION:
            detail = (
                f"{len(doubts) + 1} tries to {operation.verb} ended without a clear answer; "
                "look at the payment at the provider"
            )
            # Flagged once: the subject is the first doubt, which settles with the others.
            subject = min(doubts)
            facts.append(Flagged(flag="unknown_outcome", subject=subject, detail=detail, at=now))
        return facts
    if isinstance(error, Unavailable):
        return _put_off(operation, error, now)
    facts = [CallSettled(operation=doubt, at=now) for doubt in doubts]
    if isinstance(error, Rejected):
        code = error.provider_code or error.code
        if isinstance(operation.call, CreateCall):
            facts.append(CreateRejected(code=code, message=error.detail, at=now))
        if isinstance(operation.call, RefundCall):
            refund_id = operation.call.request.refund_id
            facts.append(
                RefundRejected(refund_id=refund_id, code=code, message=error.detail, at=now)
            )
    return facts


def _put_off(operation: Operation, error: Unavailable, now: datetime) -> list[Fact]:
    """A refund that the provider does not take for so long is something to look at."""
    tries = operation.attempts + 1
    if not isinstance(operation.call, RefundCall) or tries < DELAYS_BEFORE_ATTENTION:
        return []
    detail = (
        f"{tries} tries to refund were put off ({error.detail}), and it goes on being tried; look "
        "whether the provider has trouble, or your account there"
    )
    refund_id = operation.call.request.refund_id
    return [Flagged(flag="overdue", subject=refund_id, detail=detail, at=now)]


def _doubts(operation: Operation, locked: LockedOrder) -> list[str]:
    """The tries of this operation whose outcome is not known, as CallUnknown names them."""
    facts = [recorded.fact for recorded in locked.recorded]
    settled = {fact.operation for fact in facts if isinstance(fact, CallSettled)}
    return [
        fact.operation
        for fact in facts
        if isinstance(fact, CallUnknown)
        and fact.operation.partition("#")[0] == operation.key
        and fact.operation not in settled
    ]


_CALLED: dict[Outcome, str] = {
    "succeeded": "the provider answered",
    "rejected": "the provider refused; nothing was done",
    "unavailable": "nothing was done; it will be tried again with the same key",
    "unknown": "no clear answer; it will be tried again with the same key, never called failed",
}
#: After the key window nothing is sent: the key may be forgotten, and the call be made twice.
_LOOKED_UP: dict[Outcome, str] = {
    "succeeded": "its key may be forgotten; what the provider holds decides",
    "rejected": "its key may be forgotten, and the provider has nothing of the kind",
    "unavailable": "its key may be forgotten, and the provider could not be asked; later again",
    "unknown": "its key may be forgotten, and nobody can tell yet; later again",
}


def told(
    ctx: Context,
    operation: Operation,
    error: ProviderError | None,
    outcome: Outcome,
    milliseconds: int | None,
) -> TimelineEntry:
    """The call in the order's timeline; a look-up, which sends nothing, where it took no time."""
    summary = f"{operation.verb} at {operation.provider}: {outcome}"
    rule = _CALLED[outcome]
    if milliseconds is None:
        summary, rule = f"looked up {summary}", _LOOKED_UP[outcome]
    if isinstance(error, GivenUp):
        summary = f"{operation.verb} at {operation.provider}: unavailable, given up"
        rule = "nothing was done, and it is not tried again: another provider takes its place"
    details = {
        "verb": operation.verb,
        "provider": operation.provider,
        "payment": operation.payment_id,
        "idempotency_key": operation.key,
        "attempt": operation.attempts + 1,
    }
    if milliseconds is not None:
        details["milliseconds"] = milliseconds
    if error is not None:
        details["code"] = error.provider_code or error.code
        details["detail"] = error.detail
        if error.request_id:
            details["provider_request_id"] = error.request_id
    return entry(ctx, "call", summary, rule, **details)
