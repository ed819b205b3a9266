"""The account's balance: one transaction per movement of money, and payouts to the bank."""

from __future__ import annotations

from sandbox.stripe import currencies
from sandbox.stripe.account import DAY, Account, Object

AVAILABLE_AFTER = 2 * DAY
INSTANT = ("payout", "payout_failure")
"""What moves the available balance at once."""
FEE_TEXT = "Stripe processing fees"


def record(
    account: Account,
    type: str,
    source: str,
    amount: int,
    currency: str,
    *,
    fee: int = 0,
    with_charge_fee: bool = False,
    category: str | None = None,
    fee_text: str = FEE_TEXT,
    description: str | None = None,
) -> Object:
    """Book `amount` (minor units, signed) of `currency`, converted where the account must.

    `fee` is in the currency of settlement; `with_charge_fee` computes the fee of a charge.
    """
    settled, into, rate = currencies.settle(amount, currency)
    if with_charge_fee:
        fee = currencies.fee(settled, into)
    available_on = account.now() + (0 if type in INSTANT else AVAILABLE_AFTER)
    made = account.add(
        "balance_transaction",
        amount=settled,
        available_on=available_on,
        balance_type="payments",
        currency=into,
        description=description,
        exchange_rate=rate,
        fee=fee,
        fee_details=[_fee_detail(fee, into, fee_text)] if fee else [],
        net=settled - fee,
        reporting_category=category or type,
        source=source,
        status="pending",
        type=type,
    )
    account.agenda.add(available_on, lambda: made.update(status="available"))
    return made


def _fee_detail(fee: int, currency: str, text: str = FEE_TEXT) -> Object:
    return {
        "amount": fee,
        "application": None,
        "currency": currency,
        "description": text,
        "type": "stripe_fee",
    }


def falsify(account: Account, booked: Object, kind: str) -> Object:
    """Let the books tell something else: see `sandbox.world.DISCREPANCIES`."""
    match kind:
        case "missing":
            account.forget(booked)
        case "amount":
            booked.update(amount=booked["amount"] + 1, net=booked["net"] + 1)
        case "fee":
            booked.update(fee=booked["fee"] + 1, net=booked["net"] - 1)
        case "currency":
            booked["currency"] = "usd" if booked["currency"] == "eur" else "eur"
        case _:
            kept = {k: v for k, v in booked.items() if k not in ("id", "object", "created")}
            twin = account.add("balance_transaction", **kept)
            due = booked["available_on"]
            account.agenda.add(due, lambda: twin.update(status="available"))
            return twin
    return booked


def available(account: Account) -> dict[str, list[Object]]:
    """Transactions that no payout holds yet and whose time has come, by currency."""
    ready: dict[str, list[Object]] = {}
    for made in account.all("balance_transaction"):
        if made["status"] == "available" and made["id"] not in account.payout_of:
            ready.setdefault(made["currency"], []).append(made)
    return ready


def pay_out(
    account: Account, currency: str | None = None, *, automatic: bool = True
) -> list[Object]:
    """Bundle what is available into one paid payout per currency with a positive sum. Of one that
    is not `automatic`, made by hand, the API will not tell what it holds."""
    payouts = []
    for code, bundle in available(account).items():
        total = sum(item["net"] for item in bundle)
        if total > 0 and currency in (None, code):
            payouts.append(_payout(account, total, code, bundle, automatic))
    return payouts


def _payout(
    account: Account, total: int, currency: str, bundle: list[Object], automatic: bool
) -> Object:
    made = account.add(
        "payout",
        amount=total,
        application_fee=None,
        application_fee_amount=None,
        arrival_date=account.now(),
        automatic=automatic,
        balance_transaction=None,
        currency=currency,
        description="STRIPE PAYOUT",
        destination=None,
        failure_balance_transaction=None,
        failure_code=None,
        failure_message=None,
        metadata={},
        method="standard",
        original_payout=None,
        payout_method=None,
        reconciliation_status="completed" if automatic else "not_applicable",
        reversed_by=None,
        source_type="card",
        statement_descriptor=None,
        status="paid",
        trace_id=None,
        type="bank_account",
    )
    own = record(account, "payout", made["id"], -total, currency, description="STRIPE PAYOUT")
    own["status"] = "available"
    made["balance_transaction"] = own["id"]
    for item in [*bundle, own]:
        account.payout_of[item["id"]] = made["id"]
    account.emit("payout.created", made)
    account.emit("payout.paid", made)
    return made


def cost(account: Account, payout: Object, fee: int) -> None:
    """A payout just made was an instant one: Stripe keeps `fee` of it, and the bank gets less."""
    own = account.find(payout["balance_transaction"])
    assert own is not None
    payout.update(amount=payout["amount"] - fee, method="instant")
    own.update(amount=-payout["amount"], fee=fee, fee_details=[_fee_detail(fee, own["currency"])])


def fail(account: Account, payout: Object) -> Object:
    """The bank returns a payout: its money is available again, and goes out with the next one."""
    back = record(account, "payout_failure", payout["id"], payout["amount"], payout["currency"])
    back["status"] = "available"
    payout.update(
        failure_balance_transaction=back["id"],
        failure_code="account_closed",
        failure_message="The bank account has been closed",
        status="failed",
    )
    account.emit("payout.failed", payout)
    return payout
