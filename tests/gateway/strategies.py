"""Any facts about an order: few ids, so that facts meet, and amounts that are often wrong."""

from datetime import datetime
from typing import get_args

from hypothesis import strategies as st

from gateway.facts import (
    AttentionResolved,
    Authorized,
    BuyerApproved,
    CallSettled,
    CallUnknown,
    Canceled,
    Captured,
    CaptureRequested,
    CheckoutOpened,
    CreateRejected,
    Declined,
    DisputeStatus,
    DisputeUpdated,
    Expired,
    Fact,
    Failed,
    Fee,
    Flagged,
    OrderCanceled,
    OrderExpired,
    PaidTwice,
    PaidWith,
    PaymentStarted,
    Pending,
    ProviderIds,
    Recorded,
    RefundRejected,
    RefundReserved,
    RefundStatus,
    RefundUpdated,
    Reversed,
    Unrecognized,
)
from gateway.order import OrderTerms
from tests.gateway.build import DUE, FIRST, SECOND, THIRD, at

moments: st.SearchStrategy[datetime] = st.integers(0, 9).map(at)
amounts = st.sampled_from([DUE, DUE, DUE, 5399, 2700, 2000, 1, 0, 540_000])
currencies = st.sampled_from(["USD", "USD", "USD", "USD", "JPY", "KWD"])
objects = st.sampled_from(["obj_1", "obj_2", "obj_3"])
refund_ids = st.sampled_from(["ref_1", "ref_2", "ref_3"])
operations = st.sampled_from(["pay-create#0", "pay-create#1", "pay-confirm-0#0", "ref_1#0"])
words = st.sampled_from(["", "no", "card_declined"])
payment_ids = st.sampled_from([FIRST, SECOND, THIRD])

_FIELDS: dict[str, st.SearchStrategy[object]] = {
    "amount": amounts,
    "currency": currencies,
    "at": moments,
    "code": words,
    "message": words,
    "reason": words,
    "detail": words,
    "object_id": objects,
    "provider_order_id": objects,
    "authorization_id": objects,
    "capture_id": objects,
    "attempt_id": objects,
    "provider_refund_id": objects,
    "dispute_id": objects,
    "reversal_id": objects,
    "balance_id": objects,
    "operation": operations,
    "subject": operations,
    "refund_id": refund_ids,
    "verb": st.sampled_from(["create", "confirm", "capture", "cancel", "refund"]),
    "provider": st.sampled_from(["acme", "umbrella"]),
    "url": st.sampled_from(["https://a.example", "https://b.example"]),
    "flag": st.sampled_from(["unknown_outcome", "overdue"]),
    "by": st.sampled_from(["key_1", "system"]),
    "note": words,
    "kept": payment_ids,
    "state": words,
    "fee": st.sampled_from([187, 0, -187, 1500]),
    "net": st.sampled_from([5213, -5400, 0]),
    "type": st.sampled_from(["card", "wallet"]),
}
_OPTIONAL: dict[str, st.SearchStrategy[object]] = {
    "brand": st.sampled_from([None, "visa"]),
    "last4": st.sampled_from([None, "4242"]),
    "payment_id": st.none() | objects,
    "rate": st.sampled_from([None, "0.91"]),
    "expires_at": st.none() | moments,
    "available_at": st.none() | moments,
    "due_by": st.none() | moments,
}
_KINDS: dict[type, tuple[str, ...]] = {
    CheckoutOpened: ("provider_order_id", "url", "expires_at"),
    BuyerApproved: ("provider_order_id", "at"),
    Authorized: ("authorization_id", "amount", "currency", "at", "expires_at"),
    Captured: ("capture_id", "amount", "currency", "at"),
    Pending: ("object_id", "at", "reason"),
    Declined: ("attempt_id", "code", "at", "message"),
    Failed: ("object_id", "code", "at", "message"),
    Expired: ("object_id", "at"),
    Canceled: ("object_id", "at"),
    PaidWith: ("type", "brand", "last4"),
    Fee: ("object_id", "fee", "net", "currency", "balance_id", "rate", "available_at"),
    Reversed: ("reversal_id", "amount", "currency", "at"),
    Unrecognized: ("object_id", "state", "at"),
    PaymentStarted: ("provider", "amount", "currency", "at"),
    CreateRejected: ("code", "message", "at"),
    CaptureRequested: ("amount", "currency", "at"),
    CallUnknown: ("operation", "verb", "at"),
    CallSettled: ("operation", "at"),
    RefundReserved: ("refund_id", "amount", "currency", "at", "reason"),
    RefundRejected: ("refund_id", "code", "message", "at"),
    Flagged: ("flag", "subject", "detail", "at"),
    AttentionResolved: ("flag", "subject", "detail", "by", "at", "note"),
    PaidTwice: ("kept", "at"),
    OrderCanceled: ("at",),
    OrderExpired: ("at",),
}


def _kind(kind: type, fields: tuple[str, ...]) -> st.SearchStrategy[Fact]:
    return st.builds(kind, **{name: (_FIELDS | _OPTIONAL)[name] for name in fields})


#: One fact of each kind.
by_kind: dict[type, st.SearchStrategy[Fact]] = {
    **{kind: _kind(kind, fields) for kind, fields in _KINDS.items()},
    ProviderIds: st.builds(
        ProviderIds, ids=st.lists(objects, max_size=2).map(tuple), payment_id=st.none() | objects
    ),
    RefundUpdated: st.builds(
        RefundUpdated,
        provider_refund_id=objects,
        status=st.sampled_from(get_args(RefundStatus)),
        amount=amounts,
        currency=currencies,
        at=moments,
        refund_id=st.none() | refund_ids,
        reason=words,
    ),
    DisputeUpdated: st.builds(
        DisputeUpdated,
        dispute_id=objects,
        status=st.sampled_from(get_args(DisputeStatus)),
        amount=amounts,
        currency=currencies,
        at=moments,
        due_by=_OPTIONAL["due_by"],
        turn=st.sampled_from(["", "", "3"]),
    ),
}
facts: st.SearchStrategy[Fact] = st.sampled_from(list(by_kind)).flatmap(by_kind.__getitem__)
of_order = (
    by_kind[OrderCanceled] | by_kind[OrderExpired] | by_kind[Flagged] | by_kind[AttentionResolved]
)
recorded: st.SearchStrategy[Recorded] = st.one_of(
    st.builds(Recorded, payment_ids, facts),
    st.builds(Recorded, payment_ids, by_kind[Captured] | by_kind[RefundUpdated]),
    st.builds(Recorded, st.just(""), of_order),
)
histories = st.lists(recorded, max_size=20)
terms = st.builds(
    OrderTerms,
    order_id=st.just("ord_1"),
    amount=st.just(DUE),
    currency=st.just("USD"),
    capture=st.sampled_from(["automatic", "manual"]),
)
