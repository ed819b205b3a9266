"""What finance sees: transaction search (without PayPal's delay) and the neutral ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sandbox.ledger import Kind, Row
from sandbox.paypal.account import Account
from sandbox.paypal.errors import Problem
from sandbox.paypal.model import Capture, Payout, Refund
from sandbox.paypal.money import CONVERTED, Money, exchanged, to_iso
from sandbox.paypal.reading import moment, number
from sandbox.paypal.represent import MERCHANT, present, seconds

LONGEST = timedelta(days=31)
MOST_PER_PAGE = 500
CODES = {
    "charge": "T0006",  # a checkout payment
    "refund": "T1107",
    "reversal": "T1106",
    "chargeback_fee": "T0106",
    "conversion": "T0200",
    "payout": "T0400",  # a withdrawal to the bank
    "return": "T1101",  # of a withdrawal
}
"""PayPal's transaction event codes."""
MOVED = ("S", "V")
"""Succeeded; or did, and was given back by another transaction."""
STATUSES = {"PENDING": "P", "DECLINED": "D", "FAILED": "D"}


def ledger(account: Account) -> list[Row]:
    """Every movement of money; a refund's `fee` is negative where PayPal gives some back."""
    rows = [_charge(capture) for capture in account.captures.values()]
    rows += [_refund(refund) for refund in account.refunds.values() if not refund.reversal]
    for dispute in account.disputes.values():
        lost = dispute.amount if dispute.outcome == "RESOLVED_BUYER_FAVOUR" else 0
        money = dispute.capture.money(-lost)
        status = dispute.outcome or "OPEN"
        ref, of = dispute.capture.custom_id, dispute.capture.id
        rows.append(
            _row("dispute", dispute.id, of, ref, money, status, dispute.fee, dispute.created)
        )
    for payout in account.payouts:
        money = Money(-payout.amount.units, payout.amount.currency)
        status = "FAILED" if payout.returned else "COMPLETED"
        rows.append(
            _row("payout", payout.id, None, None, money, status, payout.fee, payout.created)
        )
    return rows


def balance(account: Account) -> dict[str, int]:
    """What the merchant has, per currency, in PayPal's smallest unit: settled captures after
    fees, less what was refunded, reversed and paid out; as the report has it."""
    sums: Counter[str] = Counter()
    for line in _lines(account):
        if line.status in MOVED:
            sums[line.amount.currency] += line.amount.units + (line.fee.units if line.fee else 0)
    return dict(sums)


def _charge(capture: Capture) -> Row:
    return _row(
        "charge",
        capture.id,
        capture.order.id,
        capture.custom_id,
        capture.money(capture.amount),
        capture.status,
        capture.fee if capture.settled else 0,
        capture.created,
    )


def _refund(refund: Refund) -> Row:
    return _row(
        "refund",
        refund.id,
        refund.capture.id,
        refund.capture.custom_id,
        refund.capture.money(-refund.amount),
        refund.status,
        -refund.fee_returned if refund.status == "COMPLETED" else 0,
        refund.created,
    )


def _row(
    kind: Kind,
    row_id: str,
    parent: str | None,
    order_ref: str | None,
    amount: Money,
    status: str,
    fee: int,
    created: datetime,
) -> Row:
    return {
        "provider": "paypal",
        "kind": kind,
        "id": row_id,
        "parent": parent,
        "order_ref": order_ref,
        "amount": to_iso(amount.units, amount.currency),
        "currency": amount.currency,
        "status": status,
        "fee": to_iso(fee, amount.currency),
        "created": seconds(created),
    }


def search(account: Account, query: Mapping[str, str]) -> dict[str, Any]:
    """`GET /v1/reporting/transactions`: at most 31 days, 500 a page, oldest first.

    Raises:
        Problem: dates that are missing, wrong or too far apart; a page that is no number.
    """
    start, end = _date(query, "start_date"), _date(query, "end_date")
    if not start <= end <= start + LONGEST:
        raise Problem("INVALID_PARAMETER_VALUE", "/end_date", location="query")
    page, size = number(query, "page", 1, 2**31 - 1), number(query, "page_size", 100, MOST_PER_PAGE)
    wanted = query.get("transaction_id")
    found = [
        line.shown(after)
        for line, after in _with_balances(account)
        if start <= line.created <= end and wanted in (None, line.id)
    ]
    shown = found[(page - 1) * size : page * size]
    return {
        "transaction_details": [{"transaction_info": info} for info in shown],
        "account_number": MERCHANT["merchant_id"],
        "start_date": seconds(start),
        "end_date": seconds(end),
        "last_refreshed_datetime": seconds(account.now()),
        "page": page,
        "total_items": len(found),
        "total_pages": -(-len(found) // size),
    }


@dataclass(frozen=True)
class _Line:
    """One transaction of the report; `fee` is negative where PayPal keeps it."""

    kind: str
    id: str
    created: datetime
    updated: datetime
    amount: Money
    fee: Money | None
    status: str
    more: dict[str, str | None]
    left: int | None = None

    def shown(self, after: Money) -> dict[str, Any]:
        """As `transaction_info`; `after` is the balance in its currency."""
        return present(
            transaction_id=self.id,
            transaction_event_code=CODES[self.kind],
            transaction_initiation_date=seconds(self.created),
            transaction_updated_date=seconds(self.updated),
            transaction_amount=self.amount.json(),
            fee_amount=self.fee.json() if self.fee else None,
            transaction_status=self.status,
            ending_balance=after.json(),
            **self.more,
        )


def _with_balances(account: Account) -> Iterator[tuple[_Line, Money]]:
    """All lines by time, each with the balance that it left."""
    sums: Counter[str] = Counter()
    for line in sorted(_lines(account), key=lambda line: line.created):
        code = line.amount.currency
        if line.status in MOVED:
            sums[code] += line.amount.units + (line.fee.units if line.fee else 0)
        if line.left is not None:  # what came in the same second may have come later
            sums[code] = line.left
        yield line, Money(sums[code], code)


def _lines(account: Account) -> Iterator[_Line]:
    """What happened, as far as nothing was planted that says otherwise."""
    for line in _with_conversions(account):
        kind, double = account.planted.get(line.id, ("", ""))
        amount, fee = line.amount, line.fee or line.amount.of(0)
        match kind:
            case "missing":
                continue
            case "amount":
                yield replace(line, amount=amount.of(amount.units + 1))
            case "fee":
                yield replace(line, fee=fee.of(fee.units - 1))
            case "currency":
                other = "USD" if amount.currency == "EUR" else "EUR"
                yield replace(line, amount=Money(amount.units, other), fee=Money(fee.units, other))
            case "duplicate":
                yield line
                yield replace(line, id=double)
            case _:
                yield line


def _with_conversions(account: Account) -> Iterator[_Line]:
    """What came in, or went, in a currency that the account does not hold is exchanged at once, by
    two more transactions that refer to it."""
    for line in _true_lines(account):
        yield line
        if line.status not in MOVED or line.amount.currency not in CONVERTED:
            continue
        net = line.amount.of(line.amount.units + (line.fee.units if line.fee else 0))
        more: dict[str, str | None] = {
            "paypal_reference_id": line.id,
            "paypal_reference_id_type": "TXN",
        }
        for suffix, money in (("X0", net.of(-net.units)), ("X1", exchanged(net))):
            name = line.id[:-2] + suffix
            yield _Line("conversion", name, line.created, line.updated, money, None, "S", more)


def _true_lines(account: Account) -> Iterator[_Line]:
    more: dict[str, str | None]
    for c in account.captures.values():
        fee = c.money(-c.fee) if c.settled else None
        more = {
            "paypal_reference_id": c.order.id,
            "paypal_reference_id_type": "ODR",
            "custom_field": c.custom_id,
            "invoice_id": c.invoice_id,
        }
        status = STATUSES.get(c.status, "S")
        yield _Line("charge", c.id, c.created, c.updated, c.money(c.amount), fee, status, more)
    for r in account.refunds.values():
        money, fee = r.capture.money(-r.amount), r.capture.money(r.fee_returned)
        kind = "reversal" if r.reversal else "refund"
        more = {
            "paypal_reference_id": r.capture.id,
            "paypal_reference_id_type": "TXN",
            "custom_field": r.custom_id,
            "invoice_id": r.invoice_id,
        }
        status = STATUSES.get(r.status, "S")
        yield _Line(kind, r.id, r.created, r.updated, money, fee, status, more)
    for d in account.disputes.values():
        if d.fee:
            money = d.capture.money(-d.fee)
            more = {"paypal_reference_id": d.capture.id, "paypal_reference_id_type": "TXN"}
            yield _Line("chargeback_fee", d.fee_id, d.updated, d.updated, money, None, "S", more)
    for p in account.payouts:
        yield from _payout_lines(p)


def _payout_lines(p: Payout) -> Iterator[_Line]:
    money, fee = p.amount.of(-p.amount.units), p.amount.of(-p.fee) if p.fee else None
    status, updated = ("V", p.returned) if p.returned else ("S", p.created)
    yield _Line("payout", p.id, p.created, updated, money, fee, status, {}, p.left)
    if p.returned:
        more: dict[str, str | None] = {
            "paypal_reference_id": p.id,
            "paypal_reference_id_type": "TXN",
        }
        yield _Line("return", p.return_id, p.returned, p.returned, p.amount, None, "S", more)


def _date(query: Mapping[str, str], name: str) -> datetime:
    found = moment(query, name)
    if found is None:
        raise Problem("MISSING_REQUIRED_PARAMETER", f"/{name}", location="query")
    return found
