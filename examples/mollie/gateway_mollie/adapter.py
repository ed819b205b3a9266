"""Mollie behind the gateway's interface: the four verbs and the powers that Mollie has."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from gateway.errors import OutcomeUnknown, ProviderError, Rejected, Unavailable, WebhookInvalid
from gateway.facts import ProviderFact
from gateway.money import Money
from gateway.provider import Checkout, CheckoutRequest, PaymentRef, ProviderEvent, RefundRequest
from gateway_mollie.client import Client
from gateway_mollie.mapping import SCALE, Entry, Payment, Truth, refund_facts
from gateway_mollie.settings import MollieSettings
from gateway_mollie.webhook import identified, read_event

Facts = Sequence[ProviderFact]
#: Mollie truncates a description that is longer.
_LONGEST_DESCRIPTION = 255


class MollieAdapter:
    """PaymentProvider, Cancels, Captures, FindsRefunds and Checks; stateless."""

    def __init__(
        self, client: Client, settings: MollieSettings, now: Callable[[], datetime]
    ) -> None:
        self._client, self._sdk = client, client.sdk
        self._settings = settings
        self._now = now

    async def create_order(self, request: CheckoutRequest, *, key: str) -> Checkout:
        """Open a payment without a method, so that the buyer chooses. When its page closes is
        Mollie's to say."""
        body: dict[str, Any] = {
            "amount": _amount(request.money),
            "description": (request.reference or request.order_id)[:_LONGEST_DESCRIPTION],
            "redirectUrl": request.success_url,
            "cancelUrl": request.cancel_url,
            "metadata": {"order_id": request.order_id, "payment_id": request.payment_id},
            "captureMode": request.capture,
        }
        if webhook := self._settings.webhook(request.webhook_url):
            body["webhookUrl"] = webhook
        create = self._sdk.payments.create_async
        payment = await self._client.write(Payment, create, key, payment_request=body)
        if payment.page is None:
            raise OutcomeUnknown("Mollie opened a payment that has no page")
        return Checkout(payment.id, payment.page, payment.expires_at)

    async def confirm(self, payment: PaymentRef, *, key: str) -> Facts:
        """Read the payment and all that hangs on it. Gives back what a capture of ours has left."""
        truth = await self._truth(payment.provider_order_id)
        return (await self._released(truth, key)).facts()

    async def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> ProviderEvent:
        """Ask Mollie, with our key, for the payment: what it does not know, it has not sent."""
        event = read_event(body)
        try:
            truth = await self._truth(event.provider_ids[0])
        except Rejected as refused:
            if refused.provider_code == "not_found":
                raise WebhookInvalid("Mollie knows no such payment of this account") from None
            raise Unavailable(refused.detail, provider_code=refused.provider_code) from None
        return identified(event, truth.facts(), self._now())

    async def refund(self, request: RefundRequest, *, key: str) -> Facts:
        """Refund an explicit amount. Mollie knows a refund's payment only, and not its capture."""
        ids = {"refund_id": request.refund_id, "payment_id": request.payment.payment_id}
        body: dict[str, Any] = {"amount": _amount(request.money), "metadata": ids}
        if request.reason:
            body["description"] = request.reason[:_LONGEST_DESCRIPTION]
        create, id = self._sdk.refunds.create_async, request.payment.provider_order_id
        refund = await self._client.write(Entry, create, key, payment_id=id, refund_request=body)
        return refund_facts(refund, request.capture_id)

    async def capture(self, payment: PaymentRef, money: Money, *, key: str) -> Facts:
        """Capture `money`, and give back the rest once Mollie has carried the capture out."""
        id = payment.provider_order_id
        body = {"amount": _amount(money), "metadata": {"payment_id": payment.payment_id}}
        try:
            create = self._sdk.captures.create_async
            await self._client.write(Entry, create, key, payment_id=id, entity_capture=body)
        except Rejected:
            truth = await self._truth(id)  # it may be taken already, or given back
            untouched = truth.payment.status == "authorized" and not truth.captures
            if untouched or truth.payment.status in ("open", "pending"):
                raise
        else:
            truth = await self._truth(id, OutcomeUnknown)
        return (await self._released(truth, key)).facts()

    async def cancel(self, payment: PaymentRef, *, key: str) -> Facts:
        """Give back what is held, or close what is open. Rejected where Mollie keeps it open: for
        most methods a page closes by its own time only."""
        id = payment.provider_order_id
        truth = await self._truth(id)
        if truth.payment.status == "authorized":
            await self._release(id, key)
            truth = await self._truth(id, OutcomeUnknown)
            if truth.payment.status == "authorized":
                raise OutcomeUnknown("Mollie has not carried out the release yet")
        elif truth.payment.status in ("open", "pending"):
            if truth.payment.is_cancelable is not True:
                words = "Mollie cannot close this payment; its page closes when its time is over"
                raise Rejected(words, provider_code="not_cancelable")
            cancel = self._sdk.payments.cancel_async
            truth = Truth(await self._client.write(Payment, cancel, key, payment_id=id))
        return truth.facts()

    async def find_refunds(self, payment: PaymentRef) -> Facts:
        """All refunds of the payment, those of Mollie's dashboard included."""
        refunds = await self._client.listed("refunds", payment.provider_order_id, Unavailable)
        return [f for refund in refunds for f in refund_facts(refund, payment.capture_id)]

    async def check(self) -> None:
        """List a payment. The SDK does not show the answer's date."""
        await self._client.read(object, self._sdk.payments.list_async, limit=1)

    async def _truth(self, id: str, doubt: type[ProviderError] = Unavailable) -> Truth:
        """All that Mollie knows of a payment; refunds and chargebacks once it has been paid."""
        client = self._client
        payment = await client.read(Payment, self._sdk.payments.get_async, doubt, payment_id=id)
        if payment.status not in ("authorized", "paid"):
            return Truth(payment)
        captures = await client.listed("captures", id, doubt) if payment.by_hand else []
        refunds, chargebacks = await asyncio.gather(
            client.listed("refunds", id, doubt), client.listed("chargebacks", id, doubt)
        )
        return Truth(payment, captures, refunds, chargebacks)

    async def _released(self, truth: Truth, key: str) -> Truth:
        """The truth, after the rest of a part that we have captured was given back."""
        if not truth.leaves_a_rest:
            return truth
        try:
            await self._release(truth.payment.id, f"{key}:release")
        except Rejected:  # it is given back already, or its time is over
            return truth
        return await self._truth(truth.payment.id, OutcomeUnknown)

    async def _release(self, id: str, key: str) -> None:
        release = self._sdk.payments.release_authorization_async
        await self._client.write(object, release, key, payment_id=id)


def _amount(money: Money) -> dict[str, str]:
    """Our money as Mollie's. Raises InvalidAmount, with nothing sent, for what is not exact."""
    return {"currency": money.currency, "value": SCALE.to_decimal(money)}
