"""Stripe's side for the control calls: the buyer, the dashboard, the books, the clock."""

from __future__ import annotations

from typing import Any, cast

from sandbox.ledger import Row
from sandbox.stripe import balance, books, charges, disputes, refunds, sessions
from sandbox.stripe.account import Account, Object
from sandbox.stripe.cards import BAD_CARD, GOOD_CARD, Method
from sandbox.stripe.currencies import from_iso_minor_units
from sandbox.stripe.errors import StripeError, by_status
from sandbox.stripe.events import WEBHOOK_SECRET, sign
from sandbox.stripe.idempotency import Keys
from sandbox.world import ControlError, World

SECRET_KEY = "sk_test_sandbox"
AMOUNTS = (
    "amount",
    "amount_capturable",
    "amount_captured",
    "amount_received",
    "amount_subtotal",
    "amount_total",
)
"""The members that `alter` changes, where they are not 0."""
DASHBOARD_MEMBERS = (
    "id",
    "receipt_email",
    "shipping",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_group",
)
"""What a charge takes from its intent, and has not without one."""
ACTIONS = ("pay", "approve", "decline", "abandon", "pay_async", "settle", "fail_async")


class StripeSide:
    """Implements `ProviderSide` over one Account."""

    name = "stripe"

    def __init__(self, world: World) -> None:
        self.account = Account(world)
        self.keys = Keys(self.account.now)
        world.webhooks.register("stripe", None, sign)

    @classmethod
    def of(cls, world: World) -> StripeSide:
        """The present Stripe side of a world: another one after each reset."""
        return cast(StripeSide, world.providers["stripe"])

    async def buyer(self, id: str, action: str) -> Object:
        """Act on the session behind any of its ids; returns the session."""
        await self.tick()
        account, session = self.account, self._session(id)
        match action:
            case "pay" | "approve" | "decline":
                number = BAD_CARD if action == "decline" else GOOD_CARD
                sessions.pay(account, session, Method.of_card(number, session["amount_total"]))
            case "pay_async":
                delayed = [type for type in session["payment_method_types"] if type != "card"]
                if not delayed:
                    raise ControlError("this checkout session offers no delayed payment method")
                sessions.pay(account, session, Method.of_bank(delayed[0]))
            case "settle":
                sessions.settle(account, session)
            case "fail_async":
                sessions.fail_async(account, session)
            case "abandon":
                """Closing the page tells Stripe nothing."""
            case _:
                raise ControlError(f"action must be one of: {', '.join(ACTIONS)}")
        return session

    async def refund(self, id: str, amount: int | None, **options: Any) -> Object:
        """Refund a payment, or let a refund (`id` = re_…) end with `status` failed, succeeded or
        canceled. Options: reason, status (first status of a new refund: pending,
        requires_action)."""
        known = self.account.find(id)
        status = options.get("status")
        if known is not None and known["object"] == "refund":
            if status not in ("failed", "succeeded", "canceled"):
                raise ControlError("status must be failed, succeeded or canceled")
            return refunds.change(self.account, known, status)
        if status not in (None, "pending", "requires_action", "succeeded"):
            raise ControlError("status must be pending, requires_action or succeeded")
        if amount is not None and amount < 1:
            raise ControlError("amount must be at least 1")
        charge = self._charge(id)
        if amount is not None:
            amount = from_iso_minor_units(amount, charge["currency"])
        try:
            return refunds.issue(self.account, charge, amount, options.get("reason"), status=status)
        except StripeError as error:
            raise ControlError(str(error)) from None

    async def dispute(self, id: str, **options: Any) -> Object:
        """Dispute a payment (options amount, reason), or close its dispute with `status` won or
        lost; both at once when it has none yet."""
        known = self.account.find(id)
        if known is not None and known["object"] == "dispute":
            id = known["charge"]
        charge = self._charge(id)
        status = options.get("status")
        if status not in (None, "won", "lost", "needs_response"):
            raise ControlError("status must be won or lost")
        open_one = disputes.of_charge(self.account, charge)
        if open_one is None:
            open_one = self._new_dispute(charge, options)
        elif status not in ("won", "lost"):
            raise ControlError("this payment is disputed already: close it with won or lost")
        if status in ("won", "lost"):
            disputes.close(self.account, open_one, status)
        return open_one

    def _new_dispute(self, charge: Object, options: dict[str, Any]) -> Object:
        amount = options.get("amount")
        if not charge["captured"]:
            raise ControlError("only captured money can be disputed")
        if amount is not None:
            if type(amount) is not int or amount < 1:
                raise ControlError("amount must be an integer of at least 1")
            amount = min(
                from_iso_minor_units(amount, charge["currency"]), charge["amount_captured"]
            )
        return disputes.start(
            self.account, charge, amount, str(options.get("reason") or "fraudulent")
        )

    async def payout(self, **options: Any) -> dict[str, Any]:
        """Pay out what is available (two days after it came in), one payout per currency, each for
        a `fee`, by hand with `automatic` false; or let the bank return the payout `id`."""
        await self.tick()
        if "id" in options:
            known = self.account.find(str(options["id"]))
            if known is None or known["object"] != "payout" or known["status"] == "failed":
                raise ControlError("id must be a payout that has not failed")
            return balance.fail(self.account, known)
        currency, automatic = options.get("currency"), options.get("automatic", True)
        if type(automatic) is not bool:
            raise ControlError("automatic must be true or false")
        code = str(currency).lower() if currency else None
        made = balance.pay_out(self.account, code, automatic=automatic)
        if not made:
            raise ControlError("nothing is available yet: money is two days after it came in")
        for payout in made if options.get("fee") else ():
            balance.cost(self.account, payout, int(options["fee"]))
        return {"object": "list", "data": made}

    async def charge(self, amount: int, currency: str) -> Object:
        """A payment that was taken by card in the dashboard: without session and metadata."""
        account, code = self.account, currency.lower()
        units = from_iso_minor_units(amount, code)
        method = Method.of_card(GOOD_CARD, units)
        paid_with = charges.payment_method(account, method, charges.billing(None, None))
        intent = dict.fromkeys(DASHBOARD_MEMBERS) | {
            "amount": units,
            "currency": code,
            "description": "Payment taken in the dashboard",
            "metadata": {},
        }
        made = charges.create(account, intent, method, paid_with, status="succeeded")
        charges.capture(account, made, units)
        account.emit("charge.succeeded", made)
        return made

    async def discrepancy(self, id: str, kind: str) -> Object:
        """Falsify the (oldest) balance transaction of a charge, refund or dispute."""
        known = self.account.find(id)
        if known is None or known["object"] not in ("refund", "dispute"):
            known = self._charge(id)
        for booked in self.account.all("balance_transaction"):
            if booked["source"] == known["id"]:
                return balance.falsify(self.account, booked, kind)
        raise ControlError("nothing has been booked for this", 409)

    async def alter(
        self, id: str, amount: int | None = None, currency: str | None = None
    ) -> Object:
        """Let a session and whatever payment it has report another amount or currency."""
        session = self._session(id)
        intent = self.account.find(session["payment_intent"] or "") or {}
        charge = self.account.find(intent.get("latest_charge") or "") or {}
        code = currency.lower() if currency is not None else session["currency"]
        units = None if amount is None else from_iso_minor_units(amount, code)
        for item in filter(None, (session, intent, charge)):
            item["currency"] = code
            for name in AMOUNTS:
                if units is not None and item.get(name):
                    item[name] = units
        return session

    def ledger(self) -> list[Row]:
        """Every movement of money so far."""
        return books.rows(self.account)

    def error(self, status: int, code: str) -> tuple[int, dict[str, Any]]:
        """Stripe's error body for an HTTP status."""
        return status, {"error": by_status(status).error}

    async def tick(self) -> None:
        """Whatever is due by the sandbox's clock happens now."""
        self.account.agenda.run_due(self.account.now())

    def environment(self, base_url: str) -> dict[str, str]:
        """A Stripe client's settings."""
        return {
            "STRIPE_SECRET_KEY": SECRET_KEY,
            "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "STRIPE_API_BASE": f"{base_url}/stripe",
        }

    def _session(self, id: str) -> Object:
        known = self.account.find(id)
        if known is not None and known["object"] == "checkout.session":
            return known
        intent_id = id if known is None else known.get("payment_intent", id)
        session_id = self.account.session_of.get(intent_id)
        if session_id is None:
            raise ControlError(f"no checkout session is known by the id {id}", 404)
        return self.account.get("checkout.session", session_id)

    def _charge(self, id: str) -> Object:
        known = self.account.find(id)
        if known is not None and known["object"] == "charge":
            return known
        session = self._session(id)
        intent = self.account.find(session["payment_intent"] or "")
        if intent is None or intent["latest_charge"] is None:
            raise ControlError("this checkout session has not been paid")
        return self.account.get("charge", intent["latest_charge"])
