"""Reconciliation with the providers: ours and theirs, payment by payment.

Each payment of a period is asked about at its provider. What the provider tells is recorded as
whatever it tells is, so that the books agree afterwards; where they had not, it is listed. Payments
that we closed ourselves are not asked about, since asking captures what a buyer has approved.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Literal, Protocol

import msgspec

from gateway.attempts import lock, payment_ref
from gateway.confirm import confirm_payment
from gateway.context import Context
from gateway.errors import ProviderError
from gateway.order import OrderState
from gateway.recording import record

#: Payments asked about side by side.
CONCURRENCY = 4


class PaymentKey(msgspec.Struct, frozen=True):
    """A payment, and where it belongs."""

    merchant_id: str
    order_id: str
    payment_id: str
    provider: str


class Difference(msgspec.Struct, frozen=True):
    """What was not the same here and at the provider; `ours` is what stood here before."""

    merchant: str
    order: str
    payment: str
    provider: str
    field: str
    ours: str
    theirs: str


class Compared(msgspec.Struct, frozen=True):
    """One payment: `asked` and agreed but for `differences`; `skipped`, since it never opened or we
    closed it; or `unclear`, since the provider gave no answer (`why`)."""

    payment: PaymentKey
    result: Literal["asked", "skipped", "unclear"]
    differences: tuple[Difference, ...] = ()
    why: str = ""


class Payments(Protocol):
    """What reconciliation asks of the store."""

    def payments(self, since: datetime, until: datetime) -> AsyncIterator[Sequence[PaymentKey]]:
        """The payments that were begun from `since` to before `until`, in bounded batches."""
        ...


async def reconcile(
    ctx: Context, payments: Payments, since: datetime, until: datetime
) -> AsyncIterator[Compared]:
    """Ask about each payment of the period. One that is unclear does not stop the others."""
    limit = asyncio.Semaphore(CONCURRENCY)

    async def bounded(key: PaymentKey) -> Compared:
        async with limit:
            return await compare(ctx, key)

    async for batch in payments.payments(since, until):
        for compared in await asyncio.gather(*(bounded(key) for key in batch)):
            yield compared


async def compare(ctx: Context, key: PaymentKey) -> Compared:
    """Ask the provider about one payment and its refunds, and record what it says."""
    before = await _state(ctx, key)
    settlement = await confirm_payment(ctx, key.merchant_id, key.order_id, key.payment_id)
    if settlement is None:
        return Compared(key, "skipped")
    if not settlement.settled or settlement.error is not None:
        error = settlement.error
        return Compared(key, "unclear", why=error.detail if error else "it is in doubt already")
    try:
        await _ask_for_refunds(ctx, key)
    except ProviderError as error:
        return Compared(key, "unclear", why=error.detail)
    after = _facets(await _state(ctx, key), key.payment_id)
    ours = _facets(before, key.payment_id)
    return Compared(
        key,
        "asked",
        tuple(
            Difference(
                merchant=key.merchant_id,
                order=key.order_id,
                payment=key.payment_id,
                provider=key.provider,
                field=field,
                ours=ours.get(field, "none"),
                theirs=after.get(field, "none"),
            )
            for field in sorted(ours.keys() | after.keys())
            if ours.get(field) != after.get(field)
        ),
    )


async def _state(ctx: Context, key: PaymentKey) -> OrderState:
    async with ctx.store.transaction() as tx:
        _, state = await lock(tx, key.merchant_id, key.order_id)
    return state


async def _ask_for_refunds(ctx: Context, key: PaymentKey) -> None:
    """Refunds of captured money, those of the provider's dashboard included."""
    async with ctx.store.transaction() as tx:
        locked, state = await lock(tx, key.merchant_id, key.order_id)
    payment = state.payment(key.payment_id)
    ref, provider = payment_ref(locked.record, payment), ctx.providers.get(key.provider)
    if ref is None or provider is None or not payment.amount_captured:
        return
    facts = await provider.find_refunds(ref)
    async with ctx.store.transaction() as tx:
        locked, _ = await lock(tx, key.merchant_id, key.order_id)
        await record(ctx, tx, locked, key.payment_id, facts or (), source="the reconciliation")


def _facets(state: OrderState, payment_id: str) -> dict[str, str]:
    """What of a payment must be the same on both sides, each as a line that people can read."""
    payment = state.payment(payment_id)
    facets = {
        "status": payment.status,
        "amount_captured": str(payment.amount_captured),
        "amount_refunded": str(payment.amount_refunded),
    }
    for refund in state.refunds:
        if refund.payment_id == payment_id:
            name = f"refund {refund.provider_refund_id or refund.id}"
            facets[name] = f"{refund.amount} {refund.currency} {refund.status}"
    for dispute in state.disputes:
        if dispute.payment_id == payment_id:
            name = f"{dispute.kind} {dispute.provider_dispute_id}"
            facets[name] = f"{dispute.amount} {dispute.currency} {dispute.status}"
    return facets
