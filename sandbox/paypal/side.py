"""PayPal as the control calls see it: the buyer, the dashboard, the clock, the books."""

from __future__ import annotations

from typing import Any

from sandbox.ledger import Row
from sandbox.paypal import reporting
from sandbox.paypal.account import Account
from sandbox.paypal.certificates import Authority, authority
from sandbox.paypal.disputes import Disputes
from sandbox.paypal.errors import Problem, envelope
from sandbox.paypal.idempotency import RequestIds
from sandbox.paypal.model import Authorization, Capture, Instrument, Order, Payout, Refund, Unit
from sandbox.paypal.money import Money, from_iso
from sandbox.paypal.oauth import Credentials, Tokens
from sandbox.paypal.orders import Orders
from sandbox.paypal.payments import Payments
from sandbox.paypal.represent import capture_json, dispute_json, order_json, refund_json
from sandbox.paypal.signing import Signer
from sandbox.world import ControlError, World

Thing = Order | Authorization | Capture | Refund
ACTIONS = ("approve", "pay", "decline", "abandon", "pay_async", "settle", "fail_async")
CERTIFICATES = "/paypal/v1/notifications/certs/"


class PayPalSide:
    """One merchant's PayPal. Ids may be those of an order, authorization, capture or refund."""

    name = "paypal"

    def __init__(self, world: World) -> None:
        self.world = world
        self.account = Account(world)
        self.payments = Payments(self.account)
        self.orders = Orders(self.account, self.payments)
        self.disputes = Disputes(self.account, self.payments)
        self.request_ids = RequestIds(world.clock)
        self.credentials = world.keep("paypal.credentials", lambda: Credentials(world.random))
        self.tokens = Tokens(self.credentials, world.clock, world.random)
        self.signer = world.keep("paypal.signer", self._make_signer)
        world.webhooks.register(self.name, None, self.signer)

    def _make_signer(self) -> Signer:
        cert_url = f"{self.world.base_url}{CERTIFICATES}{self.authority.leaf_id}"
        return Signer(self.authority, self.world.ids.paypal(), cert_url, self.world.random)

    @property
    def authority(self) -> Authority:
        """The certificates behind the webhooks' signatures."""
        return authority()

    async def buyer(self, id: str, action: str) -> dict[str, Any]:
        """Do what a buyer, or the buyer's bank, would; returns the order's new state.

        `approve` (or `pay`) approves, and the amount decides how the capture fares; `decline`
        approves with a card that will be refused; `pay_async` approves with a bank transfer, whose
        capture stays PENDING for three days or until `settle` or `fail_async`, which also end a
        pending refund;
        `abandon` closes the page. Raises ControlError.
        """
        thing = self._find(id)
        order = _order_of(thing)
        try:
            match action:
                case "approve" | "pay":
                    self.orders.approve(order)
                case "decline":
                    self.orders.approve(order, Instrument.DECLINED)
                case "pay_async":
                    self.orders.approve(order, Instrument.BANK_TRANSFER)
                case "settle" | "fail_async":
                    self._end_pending(thing, action == "settle")
                case "abandon":
                    pass
                case _:
                    raise ControlError(f"action must be one of: {', '.join(ACTIONS)}")
        except ValueError as error:
            raise ControlError(str(error), 409) from None
        return order_json(self.account.base, order)

    def _end_pending(self, thing: Thing, arrives: bool) -> None:
        """Pending captures first; where there are none, pending refunds."""
        captures = [c for c in _captures_of(thing) if c.status == "PENDING"]
        refunds = [r for r in _refunds_of(thing) if r.status == "PENDING"]
        if not captures and not refunds:
            raise ValueError("nothing is pending")
        for capture in captures:
            (self.payments.settle if arrives else self.payments.fail)(capture)
        for refund in refunds if not captures else ():
            (self.payments.settle_refund if arrives else self.payments.fail_refund)(refund)

    async def refund(self, id: str, amount: int | None, **options: Any) -> dict[str, Any]:
        """Refund from the dashboard; `amount` in ISO 4217 minor units, without it all that is left.

        Options are the fields of a refund request (`custom_id`, `invoice_id`, `note_to_payer`).
        Raises ControlError with PayPal's issue where PayPal would refuse.
        """
        capture = self._capture(id)
        body: dict[str, Any] = dict(options)
        if amount is not None:
            units = from_iso(amount, capture.currency)
            body["amount"] = Money(units, capture.currency).json()
        try:
            refund = self.payments.refund(capture, body)
        except Problem as problem:
            raise ControlError(problem.issue, problem.status) from None
        return refund_json(self.account.base, refund)

    async def dispute(self, id: str, **options: Any) -> dict[str, Any]:
        """Open a dispute (`amount`, `reason`), or close the open one with `status` won or lost; one
        that was a chargeback costs a `fee`."""
        capture = self._capture(id)
        status = options.get("status")
        try:
            if status is None:
                amount = options.get("amount")
                units = None if amount is None else from_iso(int(amount), capture.currency)
                reason = str(options.get("reason", "MERCHANDISE_OR_SERVICE_NOT_RECEIVED"))
                dispute = self.disputes.open(capture, units, reason)
            elif status in ("won", "lost"):
                found = self.disputes.of(capture)
                if found is None:
                    raise ControlError("the capture has no open dispute", 409)
                cost = from_iso(int(options.get("fee", 0)), capture.currency)
                dispute = self.disputes.resolve(found, status == "won", cost)
            else:
                raise ControlError("status must be won or lost")
        except ValueError as error:
            raise ControlError(str(error), 409) from None
        return dispute_json(self.account.base, dispute)

    async def charge(self, amount: int, currency: str) -> dict[str, Any]:
        """A payment by card that was typed in at PayPal's virtual terminal."""
        units, now = from_iso(amount, currency), self.account.now()
        unit = Unit("default", units, currency, {})
        order = Order(
            id=self.account.new_id(),
            intent="CAPTURE",
            units=[unit],
            created=now,
            updated=now,
            wallet=False,
            return_url=None,
            cancel_url=None,
            brand=None,
            status="COMPLETED",
        )
        self.account.orders[order.id] = order
        capture = self.payments.record(order, unit, units, currency, "COMPLETED")
        self.payments.announce(capture)
        return capture_json(self.account.base, capture)

    async def discrepancy(self, id: str, kind: str) -> dict[str, Any]:
        """Falsify what transaction search tells about a capture or a refund."""
        thing = self._find(id)
        found = thing if isinstance(thing, Refund) else self._capture(id)
        self.account.planted[found.id] = (kind, self.account.new_id())
        return {"transaction_id": found.id, "kind": kind}

    async def payout(self, **options: Any) -> dict[str, Any]:
        """Send the balance to the bank: of one `currency`, or of all; `amount` and `fee`, which
        PayPal takes of the balance as well, need a currency. Or the bank returns the payout `id`.
        """
        if "id" in options:
            return self._returned(str(options["id"]))
        balance = reporting.balance(self.account)
        currency, amount = options.get("currency"), options.get("amount")
        if currency is None and not options.keys().isdisjoint(("amount", "fee")):
            raise ControlError("amount and fee need a currency")
        fee = from_iso(int(options.get("fee", 0)), str(currency)) if currency else 0
        asked = {str(currency): balance.get(str(currency), 0) - fee} if currency else balance
        if amount is not None:
            units = from_iso(int(amount), str(currency))
            if not 0 < units <= asked[str(currency)]:
                raise ControlError("the balance does not cover this", 409)
            asked = {str(currency): units}
        made = [
            self._pay_out(Money(units, name), balance[name] - units - fee, fee)
            for name, units in asked.items()
            if units > 0
        ]
        if not made:
            raise ControlError("there is nothing to pay out", 409)
        return {"payouts": [{"id": p.id, "amount": p.amount.json()} for p in made]}

    def _pay_out(self, amount: Money, left: int, fee: int) -> Payout:
        payout = Payout(self.account.new_id(), amount, self.account.now(), left, fee)
        self.account.payouts.append(payout)
        return payout

    def _returned(self, id: str) -> dict[str, Any]:
        payout = next((p for p in self.account.payouts if p.id == id), None)
        if payout is None or payout.returned is not None:
            raise ControlError("id must be a payout that has not come back", 409)
        payout.returned, payout.return_id = self.account.now(), self.account.new_id()
        return {"id": payout.return_id, "amount": payout.amount.json()}

    async def alter(
        self, id: str, amount: int | None = None, currency: str | None = None
    ) -> dict[str, Any]:
        """From now on report another amount or currency: of an order and its captures, or of one
        capture. `amount` is in ISO 4217 minor units of the (new) currency."""
        thing = self._find(id)
        changed: list[Any] = [*_captures_of(thing)]
        if isinstance(thing, Order):
            changed.append(thing.units[0])
            thing.units[0].breakdown = None
        for target in changed:
            target.currency = currency or target.currency
            if amount is not None:
                target.amount = from_iso(amount, target.currency)
        if isinstance(thing, Capture):
            return capture_json(self.account.base, thing)
        return order_json(self.account.base, _order_of(thing))

    def ledger(self) -> list[Row]:
        """Every capture, refund, dispute and payout so far."""
        return reporting.ledger(self.account)

    def error(self, status: int, code: str) -> tuple[int, dict[str, Any]]:
        """PayPal's error body for a status; it has no use for `code`."""
        return status, envelope(status, self.world.ids.paypal_debug())

    async def tick(self) -> None:
        """Orders and authorizations whose time is over end now."""
        self.account.run_due()

    def environment(self, base_url: str) -> dict[str, str]:
        """The settings with which a client talks to this PayPal; writes the CA file."""
        return {
            "PAYPAL_CLIENT_ID": self.credentials.client_id,
            "PAYPAL_CLIENT_SECRET": self.credentials.client_secret,
            "PAYPAL_WEBHOOK_ID": self.signer.webhook_id,
            "PAYPAL_API_BASE": f"{base_url}/paypal",
            "PAYPAL_ENVIRONMENT": "sandbox",
            "PAYPAL_CERT_HOSTS": f"{base_url}/paypal",
            "PAYPAL_CA_FILE": str(self.authority.write_chain(self.world.config.state_dir)),
        }

    def _find(self, id: str) -> Thing:
        self.account.run_due()
        found: Thing | None = (
            self.account.orders.get(id)
            or self.account.captures.get(id)
            or self.account.refunds.get(id)
            or self.account.authorizations.get(id)
        )
        if found is None:
            raise ControlError("there is no such PayPal object (any more)", 404)
        return found

    def _capture(self, id: str) -> Capture:
        """The capture that an id leads to; of several, the first with something left."""
        captures = _captures_of(self._find(id))
        if not captures:
            raise ControlError("nothing has been captured", 409)
        return next((c for c in captures if c.refundable), captures[0])


def _order_of(thing: Thing) -> Order:
    if isinstance(thing, Order):
        return thing
    return thing.capture.order if isinstance(thing, Refund) else thing.order


def _captures_of(thing: Thing) -> list[Capture]:
    match thing:
        case Order():
            return [capture for unit in thing.units for capture in unit.captures]
        case Capture():
            return [thing]
        case Authorization():
            return thing.captures
        case _:
            return [thing.capture]


def _refunds_of(thing: Thing) -> list[Refund]:
    if isinstance(thing, Refund):
        return [thing]
    return [refund for capture in _captures_of(thing) for refund in capture.refunds]
