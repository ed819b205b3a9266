"""The attention list: what the machine could not settle, and a person's word that it is dealt with.

An order's items are part of its projection (gateway/projection_attention.py), and resolving one is
a fact of the order. Items that belong to no order, a webhook about an unknown payment, a job that
failed too often, are rows of their own. docs/attention.md says of each kind what to do.
"""

from datetime import datetime
from typing import Literal

import msgspec

from gateway.context import Context
from gateway.errors import Conflict, NotFound
from gateway.facts import AttentionKind, AttentionResolved
from gateway.ports import Transaction
from gateway.recording import entry, record


class AttentionItem(msgspec.Struct, frozen=True):
    """One item, as the API shows it. `detail` says what it is and what to do.

    `order` and `payment` are null for what belongs to none. `resolved_by`: the id of the API key of
    the person who did, or `system` when what was wrong has been settled. `subject` tells items of
    one kind apart: the provider's or our id of what it is about.
    """

    object: Literal["attention"]
    id: str
    livemode: bool
    kind: AttentionKind
    status: Literal["open", "resolved"]
    detail: str
    order: str | None
    payment: str | None
    subject: str | None
    created_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None
    note: str | None


async def resolve(
    ctx: Context, merchant_ids: tuple[str, ...], livemode: bool, item_id: str, by: str, note: str
) -> AttentionItem:
    """Take an item off the list; one that is resolved already stays as it was.

    Raises NotFound, and Conflict for a note that one that is resolved cannot be given any more.
    `merchant_ids`: whose items the caller may resolve; the empty one stands for nobody's.
    """
    async with ctx.store.transaction() as tx:
        merchant_id, item = await _find(tx, merchant_ids, livemode, item_id)
        locked = await tx.lock_order(merchant_id, item.order) if item.order else None
        _, item = await _find(tx, merchant_ids, livemode, item_id)  # as it is under the lock
        if item.status == "resolved":
            if note and note != item.note:
                raise Conflict("it has been resolved meanwhile, and your note was not kept")
            return item
        resolved = await tx.resolve_attention(merchant_id, item_id, by, note, ctx.now())
        if locked is not None:
            fact = AttentionResolved(
                flag=item.kind,
                subject=item.subject or "",
                detail=item.detail,
                by=by,
                at=ctx.now(),
                note=note,
            )
            line = entry(ctx, "operator", f"{item.kind} resolved", item.detail, by=by)
            await record(
                ctx, tx, locked, item.payment or "", [fact], source="an operator", entries=[line]
            )
    return resolved


async def _find(
    tx: Transaction, merchant_ids: tuple[str, ...], livemode: bool, item_id: str
) -> tuple[str, AttentionItem]:
    found = await tx.attention_item(merchant_ids, livemode, item_id)
    if found is None:
        raise NotFound(f"there is no attention item {item_id}")
    return found
