"""Stripe's objects as neutral ledger rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from sandbox.ledger import Kind, Row, stamp
from sandbox.stripe.account import Account, Object
from sandbox.stripe.currencies import iso_minor_units


def rows(account: Account) -> list[Row]:
    """Every charge, refund, fee, dispute and payout; releases of authorizations are none."""
    return [
        *(row for charge in account.all("charge") for row in _charge(account, charge)),
        *(_refund(account, r) for r in account.all("refund") if r["balance_transaction"]),
        *(row for dispute in account.all("dispute") for row in _dispute(account, dispute)),
        *(_payout(account, payout) for payout in account.all("payout")),
    ]


def _charge(account: Account, charge: Object) -> Iterator[Row]:
    status = charge["status"]
    if status == "succeeded" and not charge["captured"]:
        status = "canceled" if charge["refunded"] else "authorized"
    amount = charge["amount_captured"] or charge["amount"]
    booked = account.find(charge["balance_transaction"] or "")
    yield _row(
        account, "charge", charge, amount, charge["payment_intent"], status, _fee(charge, booked)
    )
    yield from _fee_elsewhere(account, charge, booked)


def _refund(account: Account, refund: Object) -> Row:
    return _row(account, "refund", refund, -refund["amount"], refund["charge"])


def _payout(account: Account, payout: Object) -> Row:
    amount = 0 if payout["status"] == "failed" else -payout["amount"]
    booked = account.find(payout["balance_transaction"])
    return _row(account, "payout", payout, amount, fee=_fee(payout, booked))


def _dispute(account: Account, dispute: Object) -> Iterator[Row]:
    booked = dispute["balance_transactions"][0]
    amount = 0 if dispute["status"] == "won" else -dispute["amount"]
    fee = _fee(dispute, booked)
    yield _row(account, "dispute", dispute, amount, dispute["charge"], fee=fee)
    yield from _fee_elsewhere(account, dispute, booked)


def _fee(item: Object, booked: Object | None) -> int:
    """The fee of an object, in its own currency."""
    return booked["fee"] if booked and booked["currency"] == item["currency"] else 0


def _fee_elsewhere(account: Account, item: Object, booked: Object | None) -> Iterator[Row]:
    """The fee of an object that was converted, in the currency of settlement."""
    if booked and booked["currency"] != item["currency"]:
        yield _row(account, "fee", booked, -booked["fee"], item["id"])


def _row(
    account: Account,
    kind: Kind,
    item: Object,
    amount: int,
    parent: str | None = None,
    status: str | None = None,
    fee: int = 0,
) -> Row:
    currency = item["currency"]
    return {
        "provider": "stripe",
        "kind": kind,
        "id": item["id"],
        "parent": parent,
        "order_ref": _order_ref(account, item),
        "amount": iso_minor_units(amount, currency),
        "currency": currency.upper(),
        "status": status or item["status"],
        "fee": iso_minor_units(fee, currency),
        "created": stamp(datetime.fromtimestamp(item["created"], UTC)),
    }


def _order_ref(account: Account, item: Object) -> str | None:
    """The `client_reference_id` of the session that an object belongs to."""
    if item["object"] == "balance_transaction":
        source = account.find(item["source"])
        return _order_ref(account, source) if source else None
    session_id = account.session_of.get(item.get("payment_intent", ""))
    if session_id is None:
        return None
    reference: str | None = account.get("checkout.session", session_id)["client_reference_id"]
    return reference
