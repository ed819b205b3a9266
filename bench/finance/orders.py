"""A year of a shop's orders, made up by a formula: the same rows whenever they are asked for.

They hang together as the gateway's own do (ids are dated, a row's columns are those of its state),
and are spread as a shop's are: two providers, six currencies with their own prices, customers who
come back, some orders that nobody paid, refunds, disputes, fees, weekly payouts.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import msgspec

from gateway.bookkeeping import CATEGORY
from gateway.ids import dated_id, earliest
from gateway.money import exponent
from gateway.movements import MovementType
from gateway.order import (
    Attention,
    DisputeState,
    Method,
    OrderState,
    OrderStatus,
    PaymentState,
    PaymentStatus,
    RefundState,
    order_columns,
)

START = datetime(2025, 1, 1, tzinfo=UTC)
YEAR = timedelta(days=365)
MERCHANT = dated_id("mer", START, "shop")
PROVIDERS = ("stripe", "paypal")
CURRENCIES = {"EUR": 45, "USD": 30, "GBP": 12, "JPY": 7, "CHF": 5, "KWD": 1}
SHOPS = ("north", "south", "east", "west", "online")
CAMPAIGNS = 200
_IN_EUROS = {"JPY": 160.0, "KWD": 0.35}
_FATES: dict[OrderStatus, int] = {
    "paid": 810, "expired": 110, "canceled": 30, "refunded": 30, "partially_refunded": 20,
}  # fmt: skip
#: What becomes of the very last orders, which still can be paid.
_FRESH: dict[OrderStatus, int] = {"open": 60, "processing": 20, "authorized": 20}
_PAYMENT: dict[OrderStatus, PaymentStatus] = {
    "open": "open",
    "processing": "processing",
    "authorized": "authorized",
    "expired": "expired",
    "canceled": "canceled",
}
_encode = msgspec.json.encode

Row = tuple[Any, ...]
Rows = dict[str, list[Row]]
_NAMES = {
    "orders": "merchant_id id livemode reference currency amount capture success_url cancel_url "
    "customer_email metadata created_at expires_at updated_at state",
    "order_items": "merchant_id order_id position name unit_amount quantity",
    "order_metadata": "merchant_id order_id key value",
    "payments": "merchant_id order_id id provider status amount amount_captured amount_refunded "
    "provider_order_id provider_payment_id method brand last4 created_at",
    "refunds": "merchant_id order_id livemode provider metadata id payment_id provider_refund_id "
    "amount currency status reason created_at imported",
    "provider_ids": "merchant_id provider provider_id order_id payment_id",
    "events": "merchant_id id livemode type order_id created_at data sequence position",
    "balance_transactions": "merchant_id livemode order_id payment_id provider currency id key "
    "sequence type reporting_category gross fee net provider_id provider_balance_id refund_id "
    "dispute_id occurred_at available_at settled_at payout_id created_at",
    "provider_payouts": "account merchant_id id provider provider_payout_id livemode amount "
    "currency status at brought_forward read_at",
}
#: The columns of each table that is filled, in the order of a row's values.
COLUMNS = {table: names.split() for table, names in _NAMES.items()}
COLUMNS["orders"] += order_columns(OrderState("open"))


def made(total: int, numbers: range) -> Rows:
    """The rows of the orders of these `numbers`, of `total` in the year."""
    rows: Rows = {table: [] for table in COLUMNS if table != "provider_payouts"}
    for number in numbers:
        _Order(number, total).add_to(rows)
    return rows


class _Order:
    """One order and all that hangs on it."""

    def __init__(self, number: int, total: int) -> None:
        dice = Random(number)
        self.dice, self.number = dice, number
        self.at = START + YEAR * ((number + dice.random()) / total)
        fates = _FRESH if number > total * 0.999 else _FATES
        self.status = dice.choices([*fates], [*fates.values()])[0]
        self.currency = dice.choices([*CURRENCIES], [*CURRENCIES.values()])[0]
        small = self.currency == "KWD"  # PayPal has none
        self.provider = "stripe" if small or dice.random() < 0.6 else "paypal"
        euros = dice.lognormvariate(3.7, 1.0) * _IN_EUROS.get(self.currency, 1.0)
        self.amount = int(euros * 10 ** exponent(self.currency)) + 1
        self.id = self._id("ord")
        self.payment_id = self._id("pay")
        self.their_id = f"{self.provider}_{number:09d}"
        self.paid_at = self.at + timedelta(seconds=dice.expovariate(1 / 240))
        if dice.random() < 0.005:
            self.paid_at = self.at + timedelta(days=dice.uniform(1, 25))
        self.is_paid = self.status not in _PAYMENT
        self.fee = self.amount * 29 // 1000 + 30 if self.is_paid else None

    def _id(self, prefix: str, at: datetime | None = None) -> str:
        """As gateway/ids.py makes them, without its hash."""
        digits = self.dice.getrandbits(62)
        return f"{earliest(prefix, at or self.at)}7{self.number & 0xFFF:03x}8{digits:015x}"

    def add_to(self, rows: Rows) -> None:
        """Add all its rows."""
        refunds, disputes = self._refunds(), self._disputes()
        state = self._state(refunds, disputes)
        own = (MERCHANT, self.id)
        metadata = {"shop": self.dice.choice(SHOPS), "cart": f"c{self.number}"}
        if self.number % 2:
            metadata["campaign"] = f"spring-{self.dice.randrange(CAMPAIGNS)}"
        email = int(250_000 * self.dice.random() ** 2)
        rows["orders"].append(
            (
                *(*own, True, f"R-{self.number:09d}", self.currency, self.amount, "automatic"),
                *("https://shop.example/ok", "https://shop.example/cart"),
                f"customer-{email}@example.com" if self.number % 3 else None,
                *(_encode(metadata), self.at, self.at + timedelta(hours=1), self.paid_at),
                _encode(state),
                *order_columns(state).values(),
            )
        )
        rows["order_items"].append((*own, 0, "Chair", self.amount, 1))
        rows["order_metadata"] += [(*own, key, value) for key, value in metadata.items()]
        self._add_payment(rows, state.payments[0])
        rows["refunds"] += [
            (
                *(*own, True, self.provider, b"{}", refund.id, refund.payment_id),
                *(refund.provider_refund_id, refund.amount, refund.currency, refund.status),
                *(refund.reason, refund.created_at, refund.imported),
            )
            for refund in refunds
        ]
        names = {self.their_id, *state.payments[0].provider_ids}
        names |= {refund.provider_refund_id or "" for refund in refunds}
        for dispute in disputes:
            names |= {dispute.id, dispute.provider_dispute_id}
        rows["provider_ids"] += [
            (MERCHANT, self.provider, name, self.id, self.payment_id) for name in sorted(names)
        ]
        kind = "order.paid" if self.is_paid else "order.created"
        rows["events"].append(
            (MERCHANT, self._id("evt"), True, kind, self.id, self.at, b"{}", 1, self.number)
        )
        if self.is_paid:
            self._add_lines(rows, refunds, disputes)

    def _add_payment(self, rows: Rows, payment: PaymentState) -> None:
        method = payment.method
        rows["payments"].append(
            (
                *(MERCHANT, self.id, payment.id, self.provider, payment.status, payment.amount),
                *(payment.amount_captured, payment.amount_refunded, payment.provider_order_id),
                payment.provider_payment_id,
                *((method.type, method.brand, method.last4) if method else (None, None, None)),
                payment.created_at,
            )
        )

    def _state(
        self, refunds: tuple[RefundState, ...], disputes: tuple[DisputeState, ...]
    ) -> OrderState:
        captured = self.amount if self.is_paid else 0
        refunded = sum(refund.amount for refund in refunds if refund.status == "succeeded")
        disputed = sum(dispute.amount for dispute in disputes)
        fee, card = self.fee, self.provider == "stripe"
        payment = PaymentState(
            id=self.payment_id,
            provider=self.provider,
            status=_PAYMENT.get(self.status, "captured"),
            amount=self.amount,
            created_at=self.at,
            provider_order_id=self.their_id,
            provider_payment_id=f"pi_{self.number:09d}" if self.is_paid else None,
            provider_ids=(f"ch_{self.number:09d}", f"pi_{self.number:09d}"),
            method=Method("card", "visa", f"{self.number % 10_000:04d}")
            if card
            else Method(self.provider, None, None),
            amount_captured=captured,
            amount_refunded=refunded,
            amount_refundable=captured - refunded - disputed,
            paid_in_full=self.is_paid,
            captured_at=self.paid_at if self.is_paid else None,
        )
        watched = self.number % 500 == 0
        return OrderState(
            status=self.status,
            payments=(payment,),
            refunds=refunds,
            disputes=disputes,
            attention=(Attention("overdue", "ask the provider", self.payment_id),) * watched,
            amount_captured=captured,
            amount_refunded=refunded,
            amount_refundable=payment.amount_refundable,
            amount_disputed=disputed,
            fee=fee,
            net=None if fee is None else captured - refunded - disputed - fee,
            paid_at=payment.captured_at,
        )

    def _refunds(self) -> tuple[RefundState, ...]:
        part = {"refunded": self.amount, "partially_refunded": self.amount // 3 + 1}
        if self.status not in part:
            return ()
        at = self.paid_at + timedelta(days=self.dice.uniform(0.1, 30))
        refund = RefundState(
            id=self._id("ref", at),
            payment_id=self.payment_id,
            provider_refund_id=f"re_{self.number:09d}",
            amount=part[self.status],
            currency=self.currency,
            status="succeeded",
            reason="",
            created_at=at,
            imported=self.number % 10 == 0,
        )
        return (refund,)

    def _disputes(self) -> tuple[DisputeState, ...]:
        if self.status != "paid" or self.number % 300:
            return ()
        dispute = DisputeState(
            id=self._id("dsp"),
            payment_id=self.payment_id,
            provider_dispute_id=f"dp_{self.number:09d}",
            kind="dispute",
            status="needs_response",
            amount=self.amount,
            currency=self.currency,
            reason="fraudulent",
            due_by=None,
            opened_at=self.paid_at + timedelta(days=20),
        )
        return (dispute,)

    def _add_lines(
        self, rows: Rows, refunds: tuple[RefundState, ...], disputes: tuple[DisputeState, ...]
    ) -> None:
        lines: list[tuple[MovementType, int, int, str, datetime]]
        lines = [("charge", self.amount, self.fee or 0, f"ch_{self.number:09d}", self.paid_at)]
        lines += [
            ("refund", -refund.amount, 0, refund.provider_refund_id or "", refund.created_at)
            for refund in refunds
        ]
        lines += [
            ("dispute", -dispute.amount, 1500, dispute.provider_dispute_id, dispute.opened_at)
            for dispute in disputes
        ]
        own = (MERCHANT, True, self.id, self.payment_id, self.provider, self.currency)
        for kind, gross, fee, name, at in lines:
            week = at.date().isocalendar()
            payout = f"po_{self.provider}_{self.currency}_{week.year}_{week.week:02d}"
            settled = at + timedelta(days=7)
            rows["balance_transactions"].append(
                (
                    *(*own, self._id("txn", at), f"{kind}:{name}", 0, kind, CATEGORY[kind]),
                    *(gross, fee, gross - fee, name, f"txn_{name}"),
                    refunds[0].id if kind == "refund" else None,
                    disputes[0].id if kind == "dispute" else None,
                    *(at, at + timedelta(days=2), settled, payout, at),
                )
            )


def payouts() -> Iterator[Row]:
    """The rows of the year's payouts."""
    for provider in PROVIDERS:
        for currency in CURRENCIES:
            for week in range(53):
                at = START + timedelta(weeks=week)
                year, number, _ = at.isocalendar()
                name = f"po_{provider}_{currency}_{year}_{number:02d}"
                yield (
                    *("default", MERCHANT, dated_id("pout", at, provider, name), provider, name),
                    *(True, 1_000_000, currency, "paid", at, 0, at),
                )
