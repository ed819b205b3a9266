"""PayPal's own books: its transaction search, as lines to be compared with ours.

https://developer.paypal.com/docs/api/transaction-search/v1/ and its list of event codes. The report
is up to three hours behind, takes 31 days a call, and shows 10,000 transactions of a search.
"""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from gateway.errors import Rejected, Unavailable
from gateway.provider_books import ProviderPayout, ProviderTransaction, TransactionKind
from providers.paypal.client import PayPalClient
from providers.paypal.mapping import moment, money_of
from providers.paypal.resources import TransactionInfo

REPORT_LAG = timedelta(hours=3)
#: An eCheck takes up to six business days, and holidays, to clear; it keeps its old date.
REPORT_OVERLAP = timedelta(days=14)
LONGEST = timedelta(days=31)
_NARROWEST = timedelta(seconds=2)
_TOO_MANY = "RESULTSET_TOO_LARGE"
#: Event codes that are not what their group (the first three characters) is.
_KINDS: dict[str, TransactionKind] = {
    "T0106": "fee",  # of a chargeback
    "T1101": "payout_failure",  # of a withdrawal, by the bank
    "T1106": "reversal",
    "T1107": "refund",
    "T1105": "hold",  # the end of one
    "T1108": "fee",  # a fee given back
    "T1110": "hold",  # while a dispute is looked into
    "T1111": "hold",  # and its end
    "T1201": "reversal",  # a chargeback
    "T1202": "dispute_reversal",
}
_GROUPS: dict[str, TransactionKind] = {
    "T00": "charge",
    "T01": "fee",
    "T02": "conversion",
    "T04": "payout",
    "T15": "hold",
    "T21": "hold",
}
#: Is about the transaction that it refers to.
_OF_ANOTHER = frozenset({"payout_failure", "conversion"})
#: Moved the money for certain: succeeded, or succeeded and was given back by another transaction.
_MOVED = frozenset({"S", "V"})


async def lines(
    client: PayPalClient, since: datetime, until: datetime
) -> AsyncIterator[ProviderTransaction]:
    """The transactions of a time, in windows that PayPal takes, halved where one holds too many."""
    start = since
    while start <= until:
        end = min(start + LONGEST, until)
        windows = [(start, end)]
        while windows:
            first, last = windows.pop()
            try:
                async for line in _window(client, first, last):
                    yield line
            except Rejected as refused:
                if refused.provider_code != _TOO_MANY or last - first < _NARROWEST:
                    raise Unavailable(refused.detail) from None
                middle = (first + (last - first) / 2).replace(microsecond=0)
                windows += [(middle + timedelta(seconds=1), last), (first, middle)]
        start = end + timedelta(seconds=1)


async def payouts(
    client: PayPalClient, since: datetime, until: datetime
) -> AsyncIterator[ProviderPayout]:
    """Withdrawals to the bank: at PayPal they are transactions like others."""
    async for line in lines(client, since, until):
        if line.kind == "payout" and line.gross < 0:
            yield ProviderPayout(
                id=line.id,
                amount=-line.gross,
                currency=line.currency,
                status="paid",
                at=line.at,
                transaction_id=line.id,
                balance_after=line.balance_after,
            )


async def _window(
    client: PayPalClient, first: datetime, last: datetime
) -> AsyncIterator[ProviderTransaction]:
    """Page by page. Only the first can be refused as too much, before anything was told."""
    page, pages = 1, 1
    while page <= pages:
        found = await client.search_transactions(first, last, page)
        pages = found.total_pages
        for detail in found.transaction_details:
            line = transaction(detail.transaction_info)
            if line is not None:
                yield line
        page += 1


def transaction(info: TransactionInfo) -> ProviderTransaction | None:
    """A transaction in the gateway's terms; None while it has not moved money.

    Raises Unavailable for one that cannot be read: left out, it would leave the books short without
    a word.
    """
    if info.transaction_status not in _MOVED:
        return None
    gross, at = money_of(info.transaction_amount), moment(info.transaction_initiation_date)
    fee = None if info.fee_amount is None else money_of(info.fee_amount)
    wrong_fee = info.fee_amount is not None and fee is None
    if gross is None or at is None or wrong_fee or (fee and fee.currency != gross.currency):
        raise Unavailable(f"PayPal's transaction {info.transaction_id} cannot be read")
    after = money_of(info.ending_balance)
    kept = -fee.amount if fee else 0
    kind = _kind(info.transaction_event_code, gross.amount)
    return ProviderTransaction(
        id=info.transaction_id,
        kind=kind,
        gross=gross.amount,
        fee=kept,
        net=gross.amount - kept,
        currency=gross.currency,
        at=at,
        object_id=info.paypal_reference_id or info.transaction_id
        if kind in _OF_ANOTHER
        else info.transaction_id,
        ids=tuple(name for name in (info.paypal_reference_id,) if name),
        reference=info.custom_field,
        balance_after=after.amount if after and after.currency == gross.currency else None,
        description=info.transaction_event_code,
    )


def _kind(code: str, amount: int) -> TransactionKind:
    kind = _KINDS.get(code) or _GROUPS.get(code[:3], "adjustment")
    if kind == "charge" and amount < 0:
        return "adjustment"  # a payment that we made
    if kind == "payout" and amount > 0:
        return "payout_failure"  # a withdrawal that came back
    return kind
