"""One merchant's account: links, payments, refunds, and the rules between them.

Objects are the JSON that the API answers with. Docs: https://razorpay.com/docs/api/
"""

import json
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from gateway_razorpay.fake.entities import (
    DAY,
    THREE_DECIMALS,
    Json,
    new_link,
    new_payment,
    new_refund,
)
from gateway_razorpay.mapping import CURRENCIES

MINUTE = 60
LINK_FIELDS = frozenset(
    {"amount", "currency", "accept_partial", "description", "reference_id", "customer", "notes"}
    | {"expire_by", "notify", "callback_url", "callback_method", "reminder_enable", "upi_link"}
)


class Refused(Exception):
    """An answer that is no 2xx."""

    def __init__(self, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.description = description
        self.status = status


@dataclass
class Account:
    """`auto_capture` is the Dashboard's setting; `refund_keys` is whether the country has them;
    `settles_in` is its currency. `listing`: whether lists of links heed the filter.

    `notify` is told of each event's body. `now` is Unix time.
    """

    notify: Callable[[bytes], None] = lambda body: None
    auto_capture: bool = True
    refund_keys: bool = True
    settles_in: str = "INR"
    listing: Literal["filtered", "whole", "empty"] = "filtered"
    now: Callable[[], float] = time.time
    page: str = "https://rzp.io/i/"
    links: dict[str, Json] = field(default_factory=dict)
    payments: dict[str, Json] = field(default_factory=dict)
    refunds: dict[str, Json] = field(default_factory=dict)
    kept: dict[str, tuple[str, str]] = field(default_factory=dict)

    # --- links ------------------------------------------------------------------------------------

    def create_link(self, body: Json) -> Json:
        """POST /v1/payment_links."""
        self._check_link(body)
        link = new_link(body, int(self.now()), self.page)
        self.links[link["id"]] = link
        return link

    def _check_link(self, body: Json) -> None:
        amount, currency = body.get("amount"), body.get("currency", "INR")
        reference, notes = body.get("reference_id", ""), body.get("notes") or {}
        strange = body.keys() - LINK_FIELDS
        if strange:
            raise Refused(
                f"{', '.join(sorted(strange))} is/are not required and should not be sent"
            )
        if not isinstance(amount, int) or isinstance(amount, bool):
            raise Refused("The amount must be an integer.")
        if amount < (100 if currency == "INR" else 1):
            raise Refused(f"amount: amount should be minimum 1.00 for {currency}.")
        if currency not in CURRENCIES:
            raise Refused("currency: wrong input field.")
        if currency in THREE_DECIMALS and amount % 10:
            raise Refused("amount: the last digit must be 0.")
        if len(reference) > 40:
            raise Refused("reference_id: the length must be no more than 40.")
        if reference and any(link["reference_id"] == reference for link in self.links.values()):
            raise Refused(
                f"payment link with given reference_id: {reference} already exists. Please create "
                "a payment link with a different reference_id"
            )
        if len(notes) > 15 or any(len(str(value)) > 256 for value in notes.values()):
            raise Refused("notes: at most 15 pairs, of at most 256 characters.")
        if len(body.get("description", "")) > 2048:
            raise Refused("description: the length must be no more than 2048.")
        if body.get("callback_url") and body.get("callback_method") != "get":
            raise Refused("callback_method: must be get.")
        ahead = body.get("expire_by", self.now() + DAY) - self.now()
        if ahead < 15 * MINUTE:
            raise Refused("expire_by: timestamp must be atleast 15 minutes in future.")
        if ahead > 183 * DAY:
            raise Refused("expire_by: timestamp must be within six months.")

    def link(self, id: str) -> Json:
        """GET /v1/payment_links/:id, as time has left it."""
        link = self._get(self.links, id)
        if link["status"] == "created" and 0 < link["expire_by"] <= self.now():
            self.expire(id)
        return link

    def list_links(self, reference: str | None) -> list[Json]:
        """GET /v1/payment_links, the newest first."""
        found = [self.link(id) for id in reversed(self.links)]
        if reference is None or self.listing == "whole":
            return found
        return [
            link
            for link in found
            if self.listing == "filtered" and link["reference_id"] == reference
        ]

    def cancel(self, id: str) -> Json:
        """POST /v1/payment_links/:id/cancel."""
        link = self.link(id)
        if link["status"] in ("paid", "partially_paid"):
            raise Refused("cannot cancel or expire an already paid/partially paid link")
        if link["status"] != "created":
            raise Refused("cannot cancel or expire an expired link")
        now = int(self.now())
        link |= {"status": "cancelled", "cancelled_at": now, "updated_at": now}
        self._tell("payment_link.cancelled", payment_link=link)
        return link

    def expire(self, id: str) -> None:
        """Its time is over."""
        now = int(self.now())
        self.links[id] |= {"status": "expired", "expired_at": now, "updated_at": now}
        self._tell("payment_link.expired", payment_link=self.links[id])

    # --- payments ---------------------------------------------------------------------------------

    def pay(self, link_id: str, method: str = "card", *, declined: bool = False) -> Json:
        """A buyer's try on the page. Raises Refused for a link that is closed."""
        link = self.link(link_id)
        if link["status"] != "created":
            raise Refused("Payment Link is not payable")
        link.setdefault("order_id", f"order_{secrets.token_hex(7)}")
        payment = new_payment(link, method, int(self.now()), self.settles_in)
        self.payments[payment["id"]] = payment
        if declined:
            payment |= {
                "status": "failed",
                "error_code": "BAD_REQUEST_ERROR",
                "error_description": "Your payment was declined by the bank",
                "error_source": "bank",
                "error_step": "payment_authorization",
                "error_reason": "payment_declined",
            }
            self._tell("payment.failed", payment=payment)
            return payment
        self._tell("payment.authorized", payment=payment)
        return self._capture(payment) if self.auto_capture else payment

    def payment(self, id: str, *, card: bool = False) -> Json:
        """GET /v1/payments/:id; the card only if it is asked for."""
        payment = self._get(self.payments, id)
        return payment if card else {k: v for k, v in payment.items() if k != "card"}

    def payments_of(self, order_id: str) -> list[Json]:
        """GET /v1/orders/:id/payments, the newest first."""
        ids = [id for id, one in self.payments.items() if one["order_id"] == order_id]
        return [self.payment(id) for id in reversed(ids)]

    def capture(self, id: str, body: Json) -> Json:
        """POST /v1/payments/:id/capture."""
        payment = self._get(self.payments, id)
        if payment["status"] in ("captured", "refunded"):
            raise Refused("This payment has already been captured")
        if payment["status"] != "authorized":
            raise Refused("Only payments which have been authorized can be captured")
        if (body.get("amount"), body.get("currency")) != (payment["amount"], payment["currency"]):
            raise Refused("Capture amount must be equal to the amount authorized.")
        if self._link_of(payment)["status"] == "paid":
            raise Refused(
                "Your payment has been declined as the order is already paid. Please initiate the "
                "payment with a new order."
            )
        return self.payment(self._capture(payment)["id"])

    def _capture(self, payment: Json) -> Json:
        base = int(payment.get("base_amount") or payment["amount"])
        tax = base * 36 // 10_000
        payment |= {
            "status": "captured",
            "captured": True,
            "fee": base * 2 // 100 + tax,
            "tax": tax,
        }
        link = self._link_of(payment)
        self._tell("payment.captured", payment=payment)
        if link["status"] == "created":
            link |= {"status": "paid", "amount_paid": payment["amount"]}
            shown = {"payment_id": payment["id"], "plink_id": link["id"], "status": "captured"}
            link["payments"] = [shown | {name: payment[name] for name in ("amount", "method")}]
            order = {"id": link["order_id"], "entity": "order", "amount": link["amount"]}
            order |= {"currency": link["currency"], "status": "paid", "notes": link["notes"]}
            order["created_at"] = payment["created_at"]
            self._tell("order.paid", payment=payment, order=order)
            self._tell("payment_link.paid", payment_link=link, order=order, payment=payment)
        return payment

    def give_up(self, payment_id: str) -> None:
        """Nobody captured it in time: the money goes back by itself."""
        payment = self.payments[payment_id]
        payment |= {"status": "refunded", "refund_status": "full"}
        payment["amount_refunded"] = payment["amount"]
        self._refund(payment, payment["amount"], [], "processed")

    # --- refunds ----------------------------------------------------------------------------------

    def refund(self, id: str, body: Json, key: str | None = None) -> Json:
        """POST /v1/payments/:id/refund, with X-Refund-Idempotency as `key`."""
        whole = json.dumps([id, body], sort_keys=True)
        if key is not None and self.refund_keys:
            if not re.fullmatch("[A-Za-z0-9_-]{10,}", key):
                raise Refused("The idempotency key must be at least 10 characters long.")
            if key in self.kept:
                earlier, refund_id = self.kept[key]
                if earlier != whole:
                    raise Refused(
                        "Different request with the same idempotency key has already been "
                        "processed.",
                        409,
                    )
                return self.refunds[refund_id]
        payment = self._get(self.payments, id)
        amount = body.get("amount", payment["amount"])
        if payment["status"] == "refunded":
            raise Refused("The payment has been fully refunded already.")
        if payment["status"] != "captured":
            raise Refused("The payment status should be captured for action to be taken.")
        if not isinstance(amount, int) or amount < 1:
            raise Refused("The amount must be an integer.")
        if payment["amount_refunded"] + amount > payment["amount"]:
            raise Refused("The refund amount provided is greater than amount captured.")
        self._move(payment, amount)
        status = "pending" if payment["method"] == "netbanking" else "processed"
        refund = self._refund(payment, amount, body.get("notes") or [], status)
        if key is not None:
            self.kept[key] = (whole, refund["id"])
        return refund

    def refunds_of(self, payment_id: str) -> list[Json]:
        """GET /v1/payments/:id/refunds, the newest first."""
        self._get(self.payments, payment_id)
        found = [one for one in self.refunds.values() if one["payment_id"] == payment_id]
        return found[::-1]

    def turn_refund(self, id: str, status: str) -> None:
        """It comes to its end: `processed` or `failed`."""
        refund = self.refunds[id]
        refund["status"] = status
        payment = self.payments[refund["payment_id"]]
        if status == "failed":
            self._move(payment, -refund["amount"])
        self._tell(f"refund.{status}", refund=refund, payment=payment)

    def _move(self, payment: Json, amount: int) -> None:
        payment["amount_refunded"] += amount
        given, all_of_it = payment["amount_refunded"], payment["amount"]
        payment["refund_status"] = "full" if given == all_of_it else "partial" if given else None
        payment["status"] = "refunded" if given == all_of_it else "captured"

    def _refund(self, payment: Json, amount: int, notes: Any, status: str) -> Json:
        refund = new_refund(payment, amount, notes, status, int(self.now()))
        self.refunds[refund["id"]] = refund
        self._tell("refund.created", refund=refund, payment=payment)
        if status == "processed":
            self._tell("refund.processed", refund=refund, payment=payment)
        return refund

    # --- all of them ------------------------------------------------------------------------------

    def _get(self, things: dict[str, Json], id: str) -> Json:
        if id not in things:
            raise Refused("The id provided does not exist")
        return things[id]

    def _link_of(self, payment: Json) -> Json:
        return self.links["plink_" + payment["description"].removeprefix("#")]

    def _tell(self, event: str, **entities: Json) -> None:
        body = {
            "entity": "event",
            "account_id": "acc_00000000000001",
            "event": event,
            "contains": list(entities),
            "payload": {name: {"entity": entity} for name, entity in entities.items()},
            "created_at": int(self.now()),
        }
        self.notify(json.dumps(body).encode())
